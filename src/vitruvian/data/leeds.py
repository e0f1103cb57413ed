"""Leeds Sports Pose, both archives, and its extended training set, from their original `joints.mat`.

Johnson & Everingham, BMVC 2010 and CVPR 2011. The quirks, which end here:

    LSP     joints (3, 14, 2000) = [x, y, flag][joint][image]; flag 1 = *occluded*
            small archive: offsets from the crop's first pixel, 0-based as they stand
            original-size archive: 1-based
            The archives are person-centric. The files lsp-joints-PC.mat and lsp-joints-OC.mat of
            evaluation toolkits are in the small archive's frame; the second holds the same coordinates
            with legs and arms named by the observer's sides.
    LSPET   joints (14, 3, N) = [joint][x, y, flag][image]; flag 1 = *labelled*, else junk
            the official file has 10,000 rows; any number is read
    both    `base` 0 or 1 beside `joints`, which the official files lack: the first pixel's number, whatever
            stands above
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian import geometry
from vitruvian.data.convention import change_sides, observer_centric
from vitruvian.data.files import Photographs, find_file, read_mat
from vitruvian.data.people import People
from vitruvian.skeleton import LSP
from vitruvian.types import Convention, State, UserError

_OC_FILE = "lsp-joints-OC.mat"
_LSP_FILES = ("joints.mat", "lsp-joints-PC.mat", _OC_FILE)
_LEGS = ("right_ankle", "right_knee", "right_hip")
_ARMS = ("right_wrist", "right_elbow", "right_shoulder")
_FRONT_IN_OC = 0.85  # people whose right hip is left of the left one: 66 % in PC, 99 % in OC
_ENOUGH = 50  # people from whom that can be told
_LARGEST = 250  # px; the small archive's images are at most 196 px wide or high
_ARCHIVES = ("lsp_dataset_original.zip", "lsp_dataset.zip")
_LOOKED_AT = 8  # photographs by which the archives are told apart


def read_lspet(path: Path) -> People:
    """LSPET, from its folder or its file.

    Subsets: `val` the last 1,000 rows, `tune` the 500 before them, `train` the rest; `train_full` is all,
    for its authors have no other use for it.

    Raises:
        UserError: a file is absent, or is of another shape or another data set.
    """
    file = _file(path, "LSPET", _LSP_FILES[:1])
    values, base = _joints(file, "LSPET")
    if values.ndim != 3 or values.shape[:2] != (14, 3):
        other = " This is LSP's file: use lsp=." if values.shape[:2] == (3, 14) else ""
        raise UserError(f"{file} has shape {values.shape}, not (14, 3, N).{other}")
    N = values.shape[2]
    labelled = _flags(file, values[:, 2].T) == 1  # (N, J)
    state = np.where(labelled, State.VISIBLE, State.MISSING).astype(np.uint8)
    first_val = max(N - 1000, 0)
    first_tune = max(first_val - 500, 0)
    rows = np.arange(N)
    subsets = {
        "train": rows[:first_tune],
        "tune": rows[first_tune:first_val],
        "val": rows[first_val:],
        "train_full": rows,
    }
    archive = "lspet_dataset.zip"
    note = f"LSPET, {N} rows{_stated(base)}, person-centric, labelled joints only; for research use"
    source = _Source("lspet", file, archive, "im{:05d}.jpg", "PC", "val", note)
    return _people(source, values[:, :2].transpose(2, 0, 1) - (base or 0), state, subsets)


def read_lsp(path: Path, convention: str | None = None) -> People:
    """LSP, small or original-size archive, from its folder or one file.

    Subsets: `train` rows 1-1000, `test` 1001-2000. Whether it is person- or observer-centric is told
    by the labels; files of fewer than 50 rows are observer-centric where their names end in "OC".

    Args:
        convention: "OC": sides from a folder's lsp-joints-OC.mat, if there is one; the coordinates stay
            those of its joints.mat, so they fit the photographs.

    Raises:
        UserError: a file is absent, or is of another shape or another data set, or the photographs beside
            it are the other archive's.
    """
    file = _file(path, "LSP", _LSP_FILES)
    xy, flag, base = _lsp(file)
    names, sides = file.name, path / _OC_FILE
    if convention == "OC" and path.is_dir() and sides.is_file() and sides != file:
        xy, flag = _with_sides(file, xy, flag, sides)
        names = f"{file.name} with the sides of {sides.name}"
    N = len(xy)
    original = bool((xy > _LARGEST).any())
    first = base if base is not None else int(original)
    state = np.where(flag == 1, State.OCCLUDED, State.VISIBLE).astype(np.uint8)
    mirrored = xy[:, LSP.swap]
    front, _ = observer_centric(mirrored, np.isfinite(mirrored).all(-1), LSP)
    observer = front.mean() > _FRONT_IN_OC if N >= _ENOUGH else file.stem.upper().endswith("OC")
    rows = np.arange(N)
    frame, archive = ("original-size" if original else "small"), _ARCHIVES[not original]
    note = (
        f"LSP, {N} rows of {names}, {frame} archive{_stated(base)}, "
        f"{'observer' if observer else 'person'}-centric"
        f" (right hip left of the left one: {front.mean() if N else 0:.1%}); for research use"
    )
    source = _Source("lsp", file, archive, "im{:04d}.jpg", "OC" if observer else "PC", "test", note)
    subsets = {"train": rows[:1000], "test": rows[1000:]}
    people = _people(source, xy - first, state, subsets)
    _check_photographs(people, file, original)
    return people


def _check_photographs(people: People, file: Path, original: bool) -> None:
    """Raises UserError where the photographs that are there are not those of the labels."""
    sizes = _some_sizes(people, file.parent / "images")
    small = [row for row, size in sizes.items() if _mostly_outside(people.joints[row], size)]
    large = [row for row, size in sizes.items() if _in_a_corner(people.joints[row], size)]
    if 2 * len(small) > len(sizes):
        row, where = small[0], "most of its joints lie outside"
    elif not original and 2 * len(large) > len(sizes) >= _LOOKED_AT / 2:
        row, where = large[0], "all its joints lie in the first quarter"
    else:
        return
    height, width = sizes[row]
    fits, other = _ARCHIVES if original else _ARCHIVES[::-1]
    raise UserError(
        f"{file.parent}: {file.name} fits {fits}, images/ does not ({people.label(row)} is {width} x "
        f"{height} px, {where}): take both from that archive, or both from {other}"
    )


def _some_sizes(people: People, folder: Path) -> dict[int, tuple[int, int]]:
    """Height and width of a few photographs by row, spread over those that are there and readable."""
    try:
        names = set(os.listdir(folder))
    except OSError:
        return {}
    there = [row for row in range(len(people)) if people.label(row) in names]
    sizes = {}
    for at in np.linspace(0, len(there) - 1, min(_LOOKED_AT, len(there))).astype(int):
        with suppress(UserError):  # what is damaged is named when it is asked for
            sizes[there[at]] = people.size(there[at])
    return sizes


def _mostly_outside(xy_image: np.ndarray, size: tuple[int, int]) -> bool:
    return bool((geometry.beyond_edges(xy_image, *size) > 0).mean() > 0.5)


def _in_a_corner(xy_image: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether joints that may be the small archive's lie in a photograph that cannot be."""
    height, width = size
    return max(size) > _LARGEST and bool((xy_image < [width / 2, height / 2]).all())


def _lsp(file: Path) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Coordinates (N, J, 2) and flags (N, J) as they stand in the file, and the base it states."""
    values, base = _joints(file, "LSP")
    if values.ndim != 3 or values.shape[:2] != (3, 14):
        other = " This is LSPET's file: use lspet=." if values.shape[:2] == (14, 3) else ""
        raise UserError(f"{file} has shape {values.shape}, not (3, 14, N).{other}")
    return values[:2].transpose(2, 1, 0), _flags(file, values[2].T), base


def _flags(file: Path, flag: np.ndarray) -> np.ndarray:
    """Flags (N, J), each 0 or 1."""
    wrong = np.argwhere((flag != 0) & (flag != 1))
    if len(wrong):
        row, joint = wrong[0]
        raise UserError(
            f"{file}: the flag of {LSP.joint_names[joint]} of row {row + 1} is {flag[row, joint]:g}, "
            "not 0 or 1: unpack the archive again"
        )
    return flag


def _with_sides(
    file: Path, xy: np.ndarray, flag: np.ndarray, other: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Labels whose legs and arms have the sides that they have in another file.

    The small archive's images are cut out of the originals and scaled, each on its own; the box around
    all joints, which does not depend on their names, leads from one frame to the other.
    """
    wanted, *_ = _lsp(other)
    problem = f"{other} and {file} label different people: keep one of them"
    if wanted.shape != xy.shape:
        raise UserError(problem)

    def low(xy: np.ndarray) -> np.ndarray:
        return xy.min(1, keepdims=True)  # (N, 1, 2)

    def extent(xy: np.ndarray) -> np.ndarray:
        return np.ptp(xy, 1).max(-1)[:, None, None]

    wanted = (wanted - low(wanted)) * (extent(xy) / extent(wanted)) + low(xy)
    all_rows = np.ones(len(xy), bool)
    turned = change_sides(xy, LSP, all_rows, all_rows)
    nearer = np.abs(turned - wanted).sum(-1) < np.abs(xy - wanted).sum(-1)  # (N, J)
    legs, arms = (nearer[:, LSP.index(*names)].any(1) for names in (_LEGS, _ARMS))
    found = change_sides(xy, LSP, legs, arms)
    if (np.abs(found - wanted) > 1e-3 * extent(xy)).any():
        raise UserError(problem)
    return found, change_sides(flag, LSP, legs, arms)


def _file(path: Path, name: str, names: tuple[str, ...]) -> Path:
    file = find_file(path, names)
    if file is None:
        raise UserError(f"no {name} at {path}: it needs {names[0]} and images/; see the README")
    return file


def _joints(file: Path, name: str) -> tuple[np.ndarray, int | None]:
    """The array, and the first pixel's number where the file states it."""
    held = read_mat(file)
    values, base = held.get("joints"), np.ravel(held.get("base", []))
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise UserError(f"{file} holds no array `joints`; is it {name}'s file?")
    if len(base) and base.tolist() not in ([0], [1]):
        raise UserError(f"{file}: base is {base}: write 0, or 1 where the first pixel is (1, 1)")
    return values.astype(np.float64), int(base[0]) if len(base) else None


def _stated(base: int | None) -> str:
    return "" if base is None else f" with base {base} as it states"


@dataclass(frozen=True)
class _Source:
    name: str
    file: Path
    archive: str  # that holds the photographs
    pattern: str  # of their names
    convention: Convention
    scored: str
    provenance: str


def _people(
    source: _Source, xy: np.ndarray, state: np.ndarray, subsets: dict[str, np.ndarray]
) -> People:
    located = state >= State.OCCLUDED
    if not np.isfinite(xy[located]).all():
        raise UserError(f"{source.file} has labelled joints that are not numbers")
    joints = np.where(located[..., None], xy, 0).astype(np.float32)
    N, pattern, folder = len(joints), source.pattern, source.file.parent / "images"
    cure = (
        f"unpack {source.archive} so that {folder} holds the {N} photographs "
        f"{pattern.format(1)} to {pattern.format(N)}"
    )
    photographs = Photographs(lambda row: pattern.format(row + 1), (folder,), cure)
    return People(
        name=source.name,
        skeleton=LSP,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, located),
        key=np.arange(N),
        photo=photographs.photo,
        label=photographs.label,
        size=photographs.size,
        subsets=subsets,
        provenance=source.provenance,
        convention=source.convention,
        scored=source.scored,
        image=np.arange(N) + 1,
        encoded=photographs.encoded,
    )
