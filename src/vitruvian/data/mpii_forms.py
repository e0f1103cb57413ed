"""MPII's labels in every form in circulation, as they stand in the files.

    mpii_human_pose_v1_u12_1.mat   official: RELEASE.img_train, RELEASE.annolist(i).image.name and
            .annorect(p) with the head box x1, y1, x2, y2, `scale` (height / 200 px), `objpos` and
            annopoints.point(k): x, y, id 0 to 15 in any order, is_visible a number, a character, empty or
            absent, which both mean visible. A joint that was not annotated has no point; a scale of 0 is
            none
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

LSP has a JSON of the form of mpii_annotations.json, with other meanings; its `dataset` is LEEDS: refused.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.files import (
    check_scales,
    file_names,
    number_columns,
    read_h5,
    read_mat,
    whole_numbers,
)
from vitruvian.types import State, UserError

HEAD = 0.6  # head size in diagonals of the head box
_ORDER = (
    "rank", "rkne", "rhip", "lhip", "lkne", "lank", "pelv", "thor", "neck", "head",
    "rwri", "relb", "rsho", "lsho", "lelb", "lwri",
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
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


_SHAPES = {"xy": (16, 2), "state": (16,), "centre": (2,)}  # of the columns that are not (N,)


def read_form(file: Path) -> Rows:
    """The persons of one file, of whatever form it is.

    Raises:
        UserError: it is none of them, or is damaged.
    """
    try:
        rows = _read(file)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__} {error}".split())
        raise UserError(f"{file} is not MPII's: {reason}; copy it again") from None
    for name, column in vars(rows).items():
        if column.shape != (len(rows.xy), *_SHAPES.get(name, ())):
            raise UserError(f"{file}: the persons' {name} has shape {column.shape}: copy it again")
    check_scales(file, np.where(np.isfinite(rows.centre).all(1), rows.scale, np.nan))
    return rows


def _read(file: Path) -> Rows:
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
            if "LEEDS" in {person.get("dataset") for person in people}:
                raise UserError(f"{file} labels LSP, not MPII: use lsp= or lspet= with joints.mat")
            return read(file, people)
    raise UserError(f"{file} is not a list of MPII's persons with `joint_self` or `image`")


def _states(missing: np.ndarray, visible: np.ndarray) -> np.ndarray:
    located = np.where(visible, State.VISIBLE, State.OCCLUDED)
    return np.where(missing, State.MISSING, located).astype(np.uint8)


def _from_json(file: Path, people: list[dict[str, Any]]) -> Rows:
    joints = np.array([person["joint_self"] for person in people], float).reshape(-1, 16, 3)
    missing = (joints == 0).all(-1)

    def column(name: str, kind: type = float) -> np.ndarray:
        return np.array([person[name] for person in people]).astype(kind)

    return Rows(
        xy=joints[..., :2],
        state=_states(missing, joints[..., 2] != 0),
        centre=column("objpos"),
        scale=column("scale_provided"),
        image=whole_numbers(file, "annolist_index", column("annolist_index")),
        person=whole_numbers(file, "people_index", column("people_index")),
        name=column("img_paths", str),
        split=np.where(column("isValidation") == 1, "val", "train"),
        head=np.full(len(people), np.nan),
    )


def _from_baselines(file: Path, people: list[dict[str, Any]]) -> Rows:
    N = len(people)
    labelled = "joints" in people[0]  # the list of test persons has none
    xy, visible = np.zeros((N, 16, 2)), np.zeros((N, 16))
    if labelled:
        xy = np.array([person["joints"] for person in people], float).reshape(N, 16, 2)
        visible = np.array([person["joints_vis"] for person in people]).reshape(N, 16)
    names = np.array([person["image"] for person in people], str)
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    centre = np.array([person["center"] for person in people], float)
    return Rows(
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


def _from_h5(file: Path) -> Rows:
    values = read_h5(file)
    lacking = {"part", "visible", "center", "scale", "imgname", "index", "person"} - set(values)
    if lacking or values["part"].shape[1:] != (16, 2):
        raise UserError(f"{file} is not MPII's: it has no {min(lacking, default='16 joints')}")
    shapes: dict[str, tuple[int, ...]] = {"part": (16, 2), "visible": (16,), "center": (2,)}
    shapes |= dict.fromkeys(("scale", "index", "person"), ())
    columns = number_columns(file, values, shapes)
    part, N, scale = columns["part"], len(columns["part"]), columns["scale"] / 1.25
    lowered = np.stack([np.zeros(N), 15 * scale], 1)
    return Rows(
        xy=part,
        state=_states((part == 0).all(-1), columns["visible"] != 0),
        centre=columns["center"] - lowered,
        scale=scale,
        image=whole_numbers(file, "index", columns["index"]) + 1,
        person=whole_numbers(file, "person", columns["person"]) + 1,
        name=file_names(file, "imgname", values["imgname"], N),
        split=np.full(N, _split_of(file)),
        head=values.get("normalize", np.full(N, np.nan)).astype(float),
    )


def _from_truth(file: Path) -> Rows:
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
    xy, boxes = np.atleast_3d(xy).astype(float), np.atleast_3d(boxes).astype(float)
    N = xy.shape[2]  # MATLAB drops that axis of one person
    if boxes.shape != (2, 2, N) or missing.shape != (16, N):
        raise UserError(
            f"{file}: headboxes_src {boxes.shape} and jnt_missing {missing.shape} are not (2, 2, {N}) "
            f"and (16, {N}): copy it again"
        )
    return Rows(
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


def _from_release(file: Path, release: Any) -> Rows:
    try:
        images, trained = _listed(release.annolist), _listed(release.img_train)
    except AttributeError:
        raise UserError(f"{file}: RELEASE has no annolist or no img_train") from None
    if len(images) != len(trained):
        raise UserError(
            f"{file}: RELEASE.annolist has {len(images)} images and img_train {len(trained)}: copy it again"
        )
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
            scale, name = _number(rect, "scale"), str(image.image.name)
            scale = scale if scale > 0 else np.nan
            people.append((xy, state, centre, scale, number, person, name, split, head))
    if not people:
        raise UserError(f"{file}: RELEASE.annolist holds no annotated person")
    return Rows(*(np.array(column) for column in zip(*people, strict=True)))


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
        if not 0 <= int(point.id) < 16:
            raise ValueError(f"point {point.id} is none of 0 to 15")
        hidden = str(_of(point, "is_visible")) in ("0", "0.0")
        xy[int(point.id)] = float(point.x), float(point.y)
        state[int(point.id)] = State.OCCLUDED if hidden else State.VISIBLE
    return xy, state
