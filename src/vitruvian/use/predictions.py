"""Anybody's predictions, aligned to a data set: rows by photograph and person, columns by joint name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian.data.people import People
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.types import State, UserError
from vitruvian.use.prediction_arrays import Found, Sizes
from vitruvian.use.prediction_files import read_file
from vitruvian.use.prediction_rows import Rows, listed, match_rows
from vitruvian.use.prediction_shift import Offset, offset_evidence, one_pixel

FLIC_11 = Skeleton(
    name="flic-11",
    joint_names=(
        "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
        "left_hip", "right_hip", "left_eye", "right_eye", "nose",
    ),
)  # fmt: skip
FORMS = {len(form): form for form in (LSP, MPII, COCO, FLIC, FLIC_11)}  # joints -> known order
_EXCHANGED = 0.1  # of the joints, from which on the labels' sides seem to be others
_SCALES = (2 / 3, 3 / 2)  # predicted over labelled size of a person, beyond which it is said


@dataclass(frozen=True)
class Predictions:
    """One pose for each row of a data set, in its joints."""

    name: str  # the file's, without its suffix
    xy: np.ndarray  # (N, J, 2) float64 xy_image, 0-based; NaN where nothing was predicted
    score: np.ndarray | None  # (N, J) float64, NaN where there is none
    notes: tuple[str, ...]  # what was read and what was assumed, a line each
    missing: np.ndarray  # (M,) rows without a predicted joint: they count as wrong
    convention: str | None  # "PC" or "OC" if the file says so
    total: np.ndarray | None = None  # (N,) a person's own score, NaN where there is none


def read_predictions(
    path: Path,
    people: People,
    *,
    skeleton: Skeleton | None = None,
    base: int | None = None,
    subsets: Mapping[str, int] | None = None,
) -> Predictions:
    """Reads a file of predictions; see `prediction_files` and `prediction_arrays` for its forms.

    Args:
        people: the rows that are to be scored, in order.
        skeleton: the file's joint order; without, the file's names, else the data set's order where
            the number of joints is equal, else the known order of 10, 11, 14, 16 or 17 joints.
        base: 1 where the file's first pixel is (1, 1). Without, what the file states; else 0, but
            not where the labels speak against it.
        subsets: name -> persons of the whole data set, for a message that says which would fit.

    Raises:
        UserError: the file cannot be read or does not fit, with the place and the cure; or it looks
            1-based and `base` is not given.
    """
    if base not in (None, 0, 1):
        raise UserError(f"--base {base}: write 0, or 1 where the first pixel is (1, 1)")
    if subsets is None:
        subsets = {name: len(rows) for name, rows in people.subsets.items()}
    known = {len(skeleton)} if skeleton else {len(people.skeleton), *FORMS}
    found = read_file(path, Sizes(len(people), frozenset(known), subsets))
    names, joints_note = _joint_names(path, found, people, skeleton)
    rows = match_rows(path, found, people)
    file_xy, blank_note = _without_blanks(found.xy)
    file_xy = np.vstack([file_xy, np.full((1, *file_xy.shape[1:]), np.nan)])[rows.pick]
    xy, lack_note = _by_name(path, file_xy, names, people.skeleton)
    xy, base_note = _zero_based(path, xy, people, found.base, base)
    missing = np.flatnonzero(np.isnan(xy).all((1, 2)))
    notes = (
        f"{path.name}: {found.said}", *joints_note, *lack_note, *rows.notes, *blank_note,
        *_missing_note(people, missing), base_note, *_scale_note(xy, people),
    )  # fmt: skip
    score = _scores(found, rows, names, people.skeleton)
    total = None if found.total is None else np.append(found.total, np.nan)[rows.pick]
    return Predictions(path.stem, xy, score, notes, missing, found.convention, total)


# ---- columns -------------------------------------------------------------------------------------


def _joint_names(
    path: Path, found: Found, people: People, skeleton: Skeleton | None
) -> tuple[tuple[str, ...], list[str]]:
    """The names of the file's columns, and what was assumed."""
    K = found.xy.shape[1]
    if found.joints is not None:
        names = tuple(_plain(name) for name in found.joints)
        if len(names) != K or len(set(names)) != K:
            raise UserError(
                f"{path} names {len(set(names))} different joints, but its poses have {K}: name each"
            )
        if skeleton and skeleton.joint_names != names:
            raise UserError(
                f"{path} names its joints itself, in another order than --skeleton "
                f"{skeleton.name}: leave --skeleton out"
            )
        return names, ["joints by the names in the file"]
    if skeleton:
        if len(skeleton) != K:
            raise UserError(
                f"{path} has {K} joints, --skeleton {skeleton.name} has {len(skeleton)}: name "
                "the file's own joint order"
            )
        return skeleton.joint_names, [f"joints in the order of skeleton {skeleton.name}, as asked"]
    form = people.skeleton if len(people.skeleton) == K else FORMS.get(K)
    if form is None:
        raise UserError(
            f"{path} has {K} joints, data set {people.name!r} has {len(people.skeleton)}: name the "
            "file's joint order with --skeleton"
        )
    return form.joint_names, [f"joints unnamed: the order of skeleton {form.name} is assumed"]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _by_name(
    path: Path, file_xy: np.ndarray, names: Sequence[str], wanted: Skeleton
) -> tuple[np.ndarray, list[str]]:
    """(N, K, 2) in the joints `names` -> (N, J, 2) in those of a skeleton, NaN where there is none."""
    known = [name for name in wanted.joint_names if name in names]
    if not known:
        raise UserError(
            f"{path} has none of the joints of skeleton {wanted.name!r} ({wanted.joint_names[0]}, "
            f"{wanted.joint_names[-1]} ...), but {listed(names)}: rename them"
        )
    xy = np.full((len(file_xy), len(wanted), 2), np.nan)
    xy[:, wanted.index(*known)] = file_xy[:, [names.index(name) for name in known]]
    notes = []
    lacking = [name for name in wanted.joint_names if name not in names]
    shoulders = ("left_shoulder", "right_shoulder")
    if wanted.name == FLIC.name and "neck" in lacking and set(shoulders) <= set(known):
        xy[:, wanted.index("neck")[0]] = xy[:, wanted.index(*shoulders)].mean(1)
        lacking.remove("neck")
        notes.append("neck: the middle of the shoulders, as FLIC defines it")
    if lacking:
        notes.append(f"not in the file, counted as wrong: {', '.join(lacking)}")
    if extra := [name for name in names if name not in wanted.joint_names]:
        notes.append(f"not in the data set, left out: {', '.join(extra)}")
    return xy, notes


def _scores(found: Found, rows: Rows, names: Sequence[str], wanted: Skeleton) -> np.ndarray | None:
    if found.score is None:
        return None
    file_score = np.vstack([found.score, np.full((1, found.score.shape[1]), np.nan)])[rows.pick]
    known = [name for name in wanted.joint_names if name in names]
    score = np.full((len(file_score), len(wanted)), np.nan)
    score[:, wanted.index(*known)] = file_score[:, [names.index(name) for name in known]]
    return score


# ---- coordinates ---------------------------------------------------------------------------------


def _without_blanks(file_xy: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """A pose wholly at (0, 0), as written, was not predicted; a single joint there stays and is said.

    Published MPII figures count four joints as right whose labels stand at (0, 0) too.
    """
    at_zero = (file_xy == 0).all(-1)
    blank = at_zero.all(-1)
    notes = []
    if count := int(blank.sum()):
        notes.append(f"{count} poses wholly at (0, 0) were taken as not predicted")
    if count := int(at_zero[~blank].sum()):
        notes.append(f"{count} joints stand at exactly (0, 0): scored as they stand")
    return np.where(blank[:, None, None], np.nan, file_xy), notes


def _zero_based(
    path: Path, xy: np.ndarray, people: People, stated: int | None, asked: int | None
) -> tuple[np.ndarray, str]:
    """Predictions with their base subtracted, and where it is from."""
    base = stated if asked is None else asked
    xy = np.where(np.isnan(xy).any(-1, keepdims=True), np.nan, xy - (base or 0))  # xy_image
    located = people.state >= State.OCCLUDED
    truth = np.where(located[..., None], people.joints.astype(np.float64), np.nan)
    offset = offset_evidence(xy, truth, _extent(truth))
    if base is None:
        # where sides differ, a shift that is seen may be theirs; `doubts` warns of it
        if one_pixel(offset) and _exchanged(xy, truth, people.skeleton) < _EXCHANGED:
            raise UserError(
                f"{path} looks 1-based: its poses lie {offset} right of and below the labels. Say "
                "--base 1 to subtract a pixel, or --base 0 to take them as they stand"
            )
        note = f"the poses lie {offset} right of and below the labels"
        return xy, f"base 0 assumed (--base 1 would subtract a pixel): {note}"
    who = "as asked" if asked is not None else "as the file says"
    note = f"base {base}, {who}"
    if asked is not None and stated not in (None, asked):
        note += f", although the file says {stated}"
    back = Offset(-offset.dx, -offset.dy, offset.margin)
    if one_pixel(offset) or one_pixel(back):
        note += f"; yet the poses lie {offset} right of and below the labels"
    return xy, note


def _exchanged(xy: np.ndarray, truth: np.ndarray, skeleton: Skeleton) -> float:
    """The share of joints with a side whose prediction is much nearer to the mirrored label."""
    own, other = (
        np.linalg.norm(xy - labels, axis=-1) for labels in (truth, truth[:, skeleton.swap])
    )
    asked = np.isfinite(own) & np.isfinite(other)
    asked &= np.array(skeleton.swap) != np.arange(len(skeleton))
    return float((other < own / 2)[asked].mean()) if asked.any() else 0.0


def _extent(xy: np.ndarray) -> np.ndarray:
    """(N,) px: the longer side of the joints' bounding box; NaN without joints."""
    known = np.isfinite(xy)
    low = np.where(known, xy, np.inf).min(1)
    high = np.where(known, xy, -np.inf).max(1)
    return np.where(known.any((1, 2)), (high - low).max(-1, initial=0), np.nan)


def _scale_note(xy: np.ndarray, people: People) -> list[str]:
    """Poses of another size than the labels, as in another archive of the same photographs."""
    both = (people.state >= State.OCCLUDED) & np.isfinite(xy).all(-1)
    predicted = _extent(np.where(both[..., None], xy, np.nan))
    labelled = _extent(np.where(both[..., None], people.joints, np.nan))
    usable = labelled > 0
    ratio = float(np.median(predicted[usable] / labelled[usable])) if usable.any() else 1.0
    if _SCALES[0] <= ratio <= _SCALES[1]:
        return []
    return [
        f"the poses are {ratio:.2g} times as large as the labels: are they of another archive's "
        "photographs, or not in px?"
    ]


def _missing_note(people: People, missing: np.ndarray) -> list[str]:
    if not len(missing):
        return []
    which = listed([people.label(int(row)) for row in missing[:5]], len(missing))
    return [
        f"{len(missing)} of {len(people)} persons have no prediction, counted as wrong: {which}"
    ]
