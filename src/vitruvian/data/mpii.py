"""MPII Human Pose (Andriluka et al., CVPR 2014), single persons, in every form in circulation.

    mpii_human_pose_v1_u12_1.mat   official: RELEASE.img_train, RELEASE.annolist(i).image.name and
            .annorect(p) with the head box x1, y1, x2, y2, `scale` (height / 200 px), `objpos` and
            annopoints.point(k): x, y, id 0 to 15 in any order, is_visible a number, a character, empty or
            absent, which both mean visible. A joint that was not annotated has no point
    mpii_annotations.json[.gz]   25,204 persons: of the 28,883 annotated ones Tompson's 2,958 (isValidation)
            and all of images without any of those. joint_self 16 x [x, y, v], rounded to 0.001 px; v = 0
            is occluded *or* missing; missing is (0, 0) too, since coordinates may be negative
    train.json, valid.json   "Simple Baselines": joints, joints_vis, center, scale, image; joints_vis = 0
            is missing, nothing is said of occlusion
    train.h5, valid.h5   "pose-hg": part (N, 16, 2), 0 where missing, *cut to whole pixels*; visible;
            normalize = 0.6 x the head box's diagonal; index and person 0-based. Their center and scale
            contain the 15 px and the factor 1.25 of `box` already, nobody else's do
    detections_our_format.mat, gt_valid.mat   Tompson's 2,958 with head boxes, what published PCKh is
            scored against: pos_gt_src (16, 2, N), jnt_missing (16, N), headboxes_src (2, 2, N). 13 joints
            of 10 persons are not where the JSON has them: one coordinate or both are 0, and scored so

All of them count from 1: whole coordinates are the same in all, and the labels of the JSON reach the
width and the height of their images but no x is 0. People here count from 0. Person-centric.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.files import Photographs, find_file, read_h5, read_mat
from vitruvian.data.people import People
from vitruvian.skeleton import MPII
from vitruvian.types import State, UserError

HEAD = 0.6  # head size in diagonals of the head box
_TUNE_AFTER = (
    24_000  # of 24,987 images; neighbours are often frames of one film, so a piece of the end
)
_TUNE_SHARE = 0.96  # the same place where images have no such number
_JSON = ("mpii_annotations.json", "mpii_annotations.json.gz")
_MAT = ("mpii_human_pose_v1_u12_1.mat",)
_H5 = ("train.h5", "valid.h5")
_BASELINES = ("train.json", "valid.json", "test_mpii.json")
_TRUTH = ("detections_our_format.mat", "gt_valid.mat")
_ORDER = (
    "rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head",
    "rwri", "relb", "rsho", "lsho", "lelb", "lwri",
)  # fmt: skip


@dataclass(frozen=True)
class _Rows:
    """People as they stand in files: 1-based."""

    xy: np.ndarray  # (N, 16, 2)
    state: np.ndarray  # (N, 16) uint8, values of State
    centre: np.ndarray  # (N, 2) of the person, NaN where unknown
    scale: np.ndarray  # (N,) height / 200 px
    image: np.ndarray  # (N,) int64, 1-based
    person: np.ndarray  # (N,) int64, 1-based within its image; 0 where files do not say
    name: np.ndarray  # (N,) str, the photograph's file; "" where files do not say
    split: np.ndarray  # (N,) str: train, val, test or ""
    head: np.ndarray  # (N,) px, NaN where unknown


def read_mpii(path: Path) -> People:
    """MPII, from a folder (then the first of the forms above that lies there or in annot/) or a file.

    Subsets: `val` is Tompson's validation set and `train_full` the rest of what is labelled; `train` is
    that without `tune`, which are the persons of images above number 24,000. The official file knows
    Tompson's set where valid.h5 lies beside it; its `test` persons have a place but no joints.
    `box` is the published crop: a square of 1.25 x 200 x scale px about the centre moved down by 15 x
    scale, or `boxes["labelled"]`, which is around the joints, where there is no scale.
    `lengths["head_box"]` (0.6 x diagonal, px) is from the form itself or from another that lies in the
    same folder. `image` is the number in `annolist`, `key` that x 100 + the number of the person, or the
    row's number where files do not say.

    Raises:
        UserError: a file is absent, or is something else.
    """
    folders = (path, path / "annot") if path.is_dir() else (path.parent,)
    files = _files(path, folders)
    rows = _joined([_read(file) for file in files])
    rows, split_from = _with_tompson_split(rows, folders)
    rows, heads_from = _with_heads(rows, folders)
    note = (
        f"MPII, {len(rows.xy)} persons of {' and '.join(file.name for file in files)}, person-centric"
        f"{split_from}{heads_from}; for research use"
    )
    return _people(rows, path if path.is_dir() else path.parent, note)


def _files(path: Path, folders: tuple[Path, ...]) -> list[Path]:
    if path.is_file():
        return [path]
    for names, together in ((_JSON, 1), (_MAT, 1), (_H5, 2), (_BASELINES, 2), (_TRUTH, 1)):
        for folder in folders:
            found = [folder / name for name in names if (folder / name).is_file()]
            if found:
                return found[:together]
    raise UserError(
        f"no MPII at {path}: it needs {_MAT[0]}, {_JSON[0]}, or train.h5 and valid.h5, and images/"
    )


def _read(file: Path) -> _Rows:
    if file.suffix == ".h5":
        return _from_h5(file)
    if file.suffix == ".mat":
        values = read_mat(file, objects=True)
        if "RELEASE" in values:
            return _from_release(file, values["RELEASE"])
        return _from_truth(file)
    try:
        opener: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rt", encoding="utf-8") as stream:
            people = json.load(stream)
    except (OSError, ValueError, EOFError):
        raise UserError(f"{file} is not a readable JSON file; copy it again") from None
    first = people[0] if isinstance(people, list) and people else None
    for known, read in (("joint_self", _from_json), ("image", _from_baselines)):
        if isinstance(first, dict) and known in first:
            try:
                return read(file, people)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise UserError(
                    f"{file} is not MPII's: {type(error).__name__} {error} in its list of persons"
                ) from None
    raise UserError(f"{file} is not a list of MPII's persons with `joint_self` or `image`")


def _states(missing: np.ndarray, visible: np.ndarray) -> np.ndarray:
    located = np.where(visible, State.VISIBLE, State.OCCLUDED)
    return np.where(missing, State.MISSING, located).astype(np.uint8)


def _from_json(file: Path, people: list[dict[str, Any]]) -> _Rows:
    joints = np.array([person["joint_self"] for person in people], float).reshape(-1, 16, 3)
    missing = (joints == 0).all(-1)

    def column(name: str, kind: type = float) -> np.ndarray:
        return np.array([person[name] for person in people]).astype(kind)

    return _Rows(
        xy=joints[..., :2],
        state=_states(missing, joints[..., 2] != 0),
        centre=column("objpos"),
        scale=column("scale_provided"),
        image=column("annolist_index", int),
        person=column("people_index", int),
        name=column("img_paths", str),
        split=np.where(column("isValidation") == 1, "val", "train"),
        head=np.full(len(people), np.nan),
    )


def _from_baselines(file: Path, people: list[dict[str, Any]]) -> _Rows:
    N = len(people)
    labelled = "joints" in people[0]  # the list of test persons has none
    xy, visible = np.zeros((N, 16, 2)), np.zeros((N, 16))
    if labelled:
        xy = np.array([person["joints"] for person in people], float).reshape(N, 16, 2)
        visible = np.array([person["joints_vis"] for person in people]).reshape(N, 16)
    names = np.array([person["image"] for person in people], str)
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    centre = np.array([person["center"] for person in people], float)
    return _Rows(
        xy=xy,
        state=_states(visible == 0, visible != 0),
        centre=np.where(centre[:, :1] == -1, np.nan, centre),
        scale=np.array([person["scale"] for person in people], float),
        image=np.argsort(np.argsort(first))[number] + 1,  # in the order of the list
        person=np.zeros(N, int),
        name=names,
        split=np.full(N, _split_of(file) if labelled else "test"),
        head=np.full(N, np.nan),
    )


def _split_of(file: Path) -> str:
    return "train" if "train" in file.name else "val"


def _from_h5(file: Path) -> _Rows:
    values = read_h5(file)
    lacking = {"part", "visible", "center", "scale", "imgname", "index", "person"} - set(values)
    if lacking or values["part"].shape[1:] != (16, 2):
        raise UserError(f"{file} is not MPII's: it has no {min(lacking, default='16 joints')}")
    N, scale = len(values["part"]), values["scale"].astype(float) / 1.25
    lowered = np.stack([np.zeros(N), 15 * scale], 1)
    return _Rows(
        xy=values["part"].astype(float),
        state=_states((values["part"] == 0).all(-1), values["visible"] != 0),
        centre=values["center"] - lowered,
        scale=scale,
        image=values["index"].astype(int) + 1,
        person=values["person"].astype(int) + 1,
        name=np.char.decode(values["imgname"].astype(bytes)),
        split=np.full(N, _split_of(file)),
        head=values.get("normalize", np.full(N, np.nan)).astype(float),
    )


def _from_truth(file: Path) -> _Rows:
    values = read_mat(file)
    xy, boxes = values.get("pos_gt_src"), values.get("headboxes_src")
    missing = values.get("jnt_missing")
    if xy is None or boxes is None or missing is None or xy.shape[:2] != (16, 2):
        raise UserError(
            f"{file} is not MPII's: it has neither RELEASE nor pos_gt_src, jnt_missing and headboxes_src"
        )
    order = [str(name.item()) for name in values.get("dataset_joints", np.empty(0)).ravel()]
    if order and tuple(order) != _ORDER:
        raise UserError(
            f"{file} has joints in the order {', '.join(order)}, not as MPII: reorder them"
        )
    N = xy.shape[2]
    return _Rows(
        xy=xy.transpose(2, 0, 1),
        state=_states(missing.T != 0, np.array(True)),
        centre=np.full((N, 2), np.nan),
        scale=np.full(N, np.nan),
        image=np.arange(N) + 1,
        person=np.zeros(N, int),
        name=np.full(N, ""),
        split=np.full(N, "val"),
        head=HEAD * np.linalg.norm(boxes[1] - boxes[0], axis=0),
    )


def _from_release(file: Path, release: Any) -> _Rows:
    try:
        images, trained = _listed(release.annolist), _listed(release.img_train)
    except AttributeError:
        raise UserError(f"{file}: RELEASE has no annolist or no img_train") from None
    people: list[tuple[Any, ...]] = []
    for number, (image, train) in enumerate(zip(images, trained, strict=True), 1):
        for person, rect in enumerate(_listed(getattr(image, "annorect", None)), 1):
            xy, state = _points(_listed(getattr(_of(rect, "annopoints"), "point", None)))
            if (state == State.MISSING).all() if train else not _listed(_of(rect, "objpos")):
                continue
            centre = [_number(_of(rect, "objpos"), axis) for axis in "xy"]
            x1, y1, x2, y2 = (_number(rect, corner) for corner in ("x1", "y1", "x2", "y2"))
            head = HEAD * np.hypot(x2 - x1, y2 - y1)
            split = "train" if train else "test"
            name = str(image.image.name)
            people.append(
                (xy, state, centre, _number(rect, "scale"), number, person, name, split, head)
            )
    if not people:
        raise UserError(f"{file}: RELEASE.annolist holds no annotated person")
    return _Rows(*(np.array(column) for column in zip(*people, strict=True)))


def _listed(value: Any) -> list[Any]:
    """The elements of a struct array, which is one struct when it has one element."""
    return [] if value is None else list(np.atleast_1d(value))


def _of(struct: Any, name: str) -> Any:
    """A field; None where it is absent or empty."""
    value = getattr(struct, name, None)
    return None if isinstance(value, np.ndarray) and not value.size else value


def _number(struct: Any, name: str) -> float:
    value = _of(struct, name)
    return np.nan if value is None else float(value)


def _points(points: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (16, 2) and states (16,) of a person's points, which stand in any order."""
    xy, state = np.zeros((16, 2)), np.full(16, State.MISSING, np.uint8)
    for point in points:
        hidden = str(_of(point, "is_visible")) in ("0", "0.0")
        xy[int(point.id)] = float(point.x), float(point.y)
        state[int(point.id)] = State.OCCLUDED if hidden else State.VISIBLE
    return xy, state


def _joined(parts: list[_Rows]) -> _Rows:
    columns = ([getattr(part, field.name) for part in parts] for field in fields(_Rows))
    return _Rows(*(np.concatenate(column) for column in columns))


def _keys(rows: _Rows) -> np.ndarray:
    """(N,) names of the persons, the same in all forms that number them; else the rows' numbers."""
    return np.where(rows.person > 0, rows.image * 100 + rows.person, np.arange(len(rows.image)))


def _lying(folders: tuple[Path, ...], names: tuple[str, ...]) -> list[Path]:
    found = (find_file(folder, (name,)) for name in names for folder in folders)
    return [file for file in found if file is not None]


def _with_tompson_split(rows: _Rows, folders: tuple[Path, ...]) -> tuple[_Rows, str]:
    """Tompson's validation set told by valid.h5, where the form does not; what to say of it."""
    files = _lying(folders, _H5[1:])
    if not files or not rows.person.any() or (rows.split == "val").any():
        return rows, ""
    val = _from_h5(files[0])
    held = np.isin(_keys(rows), _keys(val))
    if not held.any():
        return rows, ""
    beside = (rows.split == "train") & np.isin(rows.image, val.image)
    split = np.where(held, "val", np.where(beside, "", rows.split))
    return replace(rows, split=split), f", val of {files[0].name}"


def _with_heads(rows: _Rows, folders: tuple[Path, ...]) -> tuple[_Rows, str]:
    """Head sizes from files of other forms, where this one has none; what to say of it."""
    if np.isfinite(rows.head).any():
        return rows, ", with head boxes"
    head, used = rows.head.copy(), []
    keys, numbered = _keys(rows).tolist(), rows.person.any()

    def look_up(table: _Rows, file: Path) -> None:
        known = dict(zip(_keys(table).tolist(), table.head.tolist(), strict=True))
        found = np.array([known.get(key, np.nan) for key in keys])
        if np.isfinite(found).any():
            head[:] = np.where(np.isfinite(found), found, head)
            used.append(file.name)

    for file in _lying(folders, _H5) if numbered else []:
        look_up(_from_h5(file), file)
    val = rows.split == "val"
    for file in _lying(folders, _TRUTH)[:1]:
        table = _from_truth(file)
        if np.array_equal(table.state == State.MISSING, rows.state[val] == State.MISSING):
            head[val] = table.head
            used.append(file.name)
    for file in _lying(folders, _MAT) if numbered and not used else []:
        look_up(_read(file), file)
    note = f", with the head boxes of {' and '.join(used)}" if used else ", without head boxes"
    return replace(rows, head=head), note


def _people(rows: _Rows, folder: Path, provenance: str) -> People:
    located = rows.state >= State.OCCLUDED
    if not np.isfinite(rows.xy[located]).all():
        raise UserError(f"{folder}: MPII's file has labelled joints that are not numbers")
    joints = np.where(located[..., None], rows.xy - 1, 0).astype(np.float32)
    labelled = geometry.box_of_joints(joints, located)
    side = 1.25 * 200 * rows.scale
    centre = rows.centre - 1 + np.stack([np.zeros_like(side), 15 * rows.scale], 1)
    box = np.column_stack([centre - side[:, None] / 2, side, side]).astype(np.float32)
    names = rows.name.tolist()
    named = {name for name in names if name}
    cure = (
        f"unpack mpii_human_pose_v1.tar.gz so that {folder / 'images'} holds its images; these labels "
        f"need {len(named)} of them"
        if named
        else "this file names no photographs: use mpii=FOLDER with mpii_annotations.json"
    )
    places = (folder / "images", folder, folder.parent / "images") if named else ()
    photographs = Photographs(lambda row: names[row] or f"row {row + 1}", places, cure)
    return People(
        name="mpii",
        skeleton=MPII,
        joints=joints,
        state=rows.state,
        box=np.where(np.isfinite(box).all(1, keepdims=True), box, labelled),
        key=_keys(rows),
        photo=photographs.photo,
        label=photographs.label,
        size=photographs.size,
        subsets=_subsets(rows),
        provenance=provenance,
        image=rows.image,
        lengths={"head_box": rows.head} if np.isfinite(rows.head).any() else {},
        boxes={"labelled": labelled},
        encoded=photographs.encoded,
    )


def _subsets(rows: _Rows) -> dict[str, np.ndarray]:
    full = rows.split == "train"
    after = _TUNE_AFTER if rows.person.any() else _TUNE_SHARE * rows.image.max(initial=0)
    tune = full & (rows.image > after)
    split = {
        "train": full & ~tune,
        "tune": tune,
        "train_full": full,
        "val": rows.split == "val",
        "test": rows.split == "test",
    }
    return {name: np.flatnonzero(of) for name, of in split.items() if of.any() or name == "train"}
