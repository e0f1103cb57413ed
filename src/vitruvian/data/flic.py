"""FLIC (Sapp & Taskar, CVPR 2013): frames of 30 films, upper bodies, in every form in circulation.

    examples.mat         struct array `examples` (1, 5003): coords (2, 29) = [x, y][joint], filepath,
                         moviename, torsobox (x1, y1, x2, y2, detector), istrain, istest; 11 joints have
                         coordinates, the other 18 columns are NaN; person-centric
    flic-joints-oc.mat   `flic_anno`, the same fields, observer-centric already: never swapped again; its
                         eyes are still the person's
    train.h5, valid.h5   part (N, 11, 2) in the order of `_JOINTS`, index = 0-based row of `examples`,
                         center and scale of the crop; observer-centric, eyes too
    *_personcentric.h5   the same, person-centric

Whether a file is person- or observer-centric is told by its labels: the left shoulder's x is smaller than
the right one's in 5 % of the person-centric people and in no observer-centric one.

Coordinates are 1-based, in all forms the same values. The rows of the pictures in which people clicked
can be recovered from the labels: `y = top + k * (bottom - top) / 256` with whole k from 0 to 255, top =
round(y1 - 1.5 h), bottom = round(y1 + 2 h) and h = y2 - y1 + 1 of the torso box, in 5,001 of the 5,003
people. That is MATLAB's count of rows, and k = 0 lies on the first of them.

There is no visibility: what has coordinates is VISIBLE. The neck is the mean of the shoulders. Training
and test people are of the same 30 films.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from vitruvian import geometry
from vitruvian.data.files import (
    Photographs,
    check_once,
    check_scales,
    file_names,
    number_columns,
    read_h5,
    read_mat,
    whole_numbers,
)
from vitruvian.data.people import People
from vitruvian.skeleton import FLIC
from vitruvian.types import Convention, State, UserError

_JOINTS = (
    "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
    "left_hip", "right_hip", "left_eye", "right_eye", "nose",
)  # fmt: skip
_COLUMNS = (0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16)  # of `_JOINTS` in `coords`
_TUNE = ("ten-commandments-disc1", "the-departed")  # the last films by name: 333 of 3,987 people
_PC_FILES = (("examples.mat",), ("train_personcentric.h5", "valid_personcentric.h5"))
_OC_FILES = (("flic-joints-oc.mat",), ("train.h5", "valid.h5"))
_ENOUGH = 200  # people among whom person-centric labels surely show a turned one
_SIDE = 440.0  # px of the published crop
_MIDDLE = 240.0  # its centre's y, 1-based
_BOX = "440 px about the torso box's x and y = 240, square"
_FACE = 20.0  # px, the least side of a face's box


@dataclass(frozen=True)
class _Rows:
    """People as they stand in files: 1-based."""

    xy: np.ndarray  # (N, 11, 2) in the order of `_JOINTS`, NaN where unknown
    index: np.ndarray  # (N,) row of `examples`
    name: np.ndarray  # (N,) str, the photograph's file
    centre: np.ndarray  # (N, 2) of the published crop
    side: np.ndarray  # (N,) px of it
    torso: np.ndarray  # (N, 4) x1, y1, x2, y2; NaN where unknown
    train: np.ndarray  # (N,) bool
    test: np.ndarray  # (N,) bool


def read_flic(path: Path, convention: str | None = None) -> People:
    """FLIC, from a folder or one of the files above.

    Subsets: `train` without the last films by name, `tune` those films, `train_full` the published 3,987
    (both), `test` 1,016. `box` is the published crop: 440 px about the torso box's x and y = 240;
    `boxes`: `torso`, `face` (about the mean of eyes and nose, 3 eye distances wide, at least 20 px) and
    `labelled`. `key` is the row of `examples`; `image` is that of the first person read of the photograph,
    plus one: 451 of the 5,003 rows show a photograph that another row shows too.

    Args:
        convention: which files of a folder that has both kinds; person-centric ones unless "OC".

    Raises:
        UserError: a file is absent, or is something else.
    """
    files = _files(path, convention)
    folder = path if path.is_dir() else path.parent
    torsos = ""
    if files[0].suffix == ".mat":
        rows, named_pc = _from_mat(files[0])
    else:
        rows = _joined([_from_h5(file) for file in files])
        check_once(path, "row of `examples`", rows.index)
        named_pc = "personcentric" in files[0].stem
        rows, torsos = _with_torsos(rows, folder)
    share = float((rows.xy[:, 0, 0] < rows.xy[:, 3, 0]).mean()) if len(rows.xy) else 0.0
    pc = share > 0 or (named_pc and len(rows.xy) < _ENOUGH)
    note = (
        f"FLIC, {len(rows.xy)} rows of {' and '.join(file.name for file in files)}{torsos}, "
        f"{'person' if pc else 'observer'}-centric (left shoulder left of the right one: {share:.1%});"
        " for research use"
    )
    return _people(rows, folder, "PC" if pc else "OC", note)


def _files(path: Path, convention: str | None) -> list[Path]:
    if path.is_file():
        return [path]
    groups = (*_OC_FILES, *_PC_FILES) if convention == "OC" else (*_PC_FILES, *_OC_FILES)
    for group in groups:
        if found := [path / name for name in group if (path / name).is_file()]:
            return found
    raise UserError(
        f"no FLIC at {path}: it needs examples.mat of FLIC.zip, or train.h5 and valid.h5, and images/"
    )


def _from_mat(file: Path) -> tuple[_Rows, bool]:
    """The people of a MATLAB file, and whether its variable is that of the person-centric one."""
    values = read_mat(file)
    name = "examples" if "examples" in values else "flic_anno"
    wanted = ("coords", "filepath", "torsobox", "istrain", "istest")
    structs = values.get(name)
    if not isinstance(structs, np.ndarray) or not set(wanted) <= set(structs.dtype.names or ()):
        raise UserError(f"{file} holds no struct array `examples` or `flic_anno` of FLIC's fields")
    columns = [structs[field].ravel() for field in wanted]
    try:
        coords = np.array([value[:, _COLUMNS].T for value in columns[0]], float)
        torso = np.array([value.ravel()[:4] for value in columns[2]], float)
        train, test = (np.array([value.item() for value in c], bool) for c in columns[3:])
        names = [str(value.item()).replace("\\", "/").rpartition("/")[2] for value in columns[1]]
    except (IndexError, ValueError, TypeError, AttributeError):
        raise UserError(
            f"{file} is not FLIC's: `coords` is (2, 29) and `torsobox` (1, 4)"
        ) from None
    N = len(names)
    torso = torso.reshape(N, 4)
    centre = np.stack([(torso[:, 0] + torso[:, 2]) / 2, np.full(N, _MIDDLE)], 1)
    xy, index, side = coords.reshape(N, len(_JOINTS), 2), np.arange(N), np.full(N, _SIDE)
    return _Rows(xy, index, np.array(names, str), centre, side, torso, train, test), (
        name == "examples"
    )


def _from_h5(file: Path) -> _Rows:
    values = read_h5(file)
    if not {"part", "index", "imgname", "center", "scale"} <= set(values):
        raise UserError(f"{file} is not FLIC's: it lacks part, index, imgname, center or scale")
    shapes = {"part": (len(_JOINTS), 2), "index": (), "center": (2,), "scale": ()}
    columns = number_columns(file, values, shapes)
    N = len(columns["part"])
    check_scales(file, columns["scale"])
    test = np.full(N, "train" not in file.stem)
    return _Rows(
        xy=columns["part"],
        index=whole_numbers(file, "index", columns["index"]),
        name=file_names(file, "imgname", values["imgname"], N),
        centre=columns["center"],
        side=200 * columns["scale"],
        torso=np.full((N, 4), np.nan),
        train=~test,
        test=test,
    )


def _joined(parts: list[_Rows]) -> _Rows:
    """The rows of several files, in the order of `examples`."""
    order = np.argsort(np.concatenate([part.index for part in parts]))
    columns = ([getattr(part, field.name) for part in parts] for field in fields(_Rows))
    return _Rows(*(np.concatenate(column)[order] for column in columns))


def _with_torsos(rows: _Rows, folder: Path) -> tuple[_Rows, str]:
    """Torso boxes, which the .h5 files lack, from a MATLAB file beside them; what to say of it."""
    for (name,) in (_PC_FILES[0], _OC_FILES[0]):
        if (folder / name).is_file():
            table, _ = _from_mat(folder / name)
            if rows.index.max(initial=-1) < len(table.name) and np.array_equal(
                rows.name, table.name[rows.index]
            ):
                return replace(rows, torso=table.torso[rows.index]), f" with {name}'s torso boxes"
    return rows, ""


def _people(rows: _Rows, folder: Path, convention: Convention, provenance: str) -> People:
    xy = dict(zip(_JOINTS, (rows.xy - 1).swapaxes(0, 1), strict=True))
    xy["neck"] = (xy["left_shoulder"] + xy["right_shoulder"]) / 2
    joints = np.stack([xy[name] for name in FLIC.joint_names], 1)
    located = np.isfinite(joints).all(-1)
    joints = np.where(located[..., None], joints, 0).astype(np.float32)
    x1, y1, x2, y2 = rows.torso.T
    boxes = {
        "face": _face(xy["left_eye"], xy["right_eye"], xy["nose"]),
        "labelled": geometry.box_of_joints(joints, located),
    }
    if np.isfinite(rows.torso).any():
        torso = np.stack([x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1], 1)
        boxes["torso"] = geometry.boxes_of_pixels(torso)
    names = rows.name.tolist()
    tune = rows.train & np.isin([name.rpartition("-")[0] for name in names], _TUNE)
    split = {"train": rows.train & ~tune, "tune": tune, "train_full": rows.train, "test": rows.test}
    cure = (
        f"unpack FLIC.zip so that {folder / 'images'} holds its images; these labels need "
        f"{len(set(names))} of them"
    )
    photographs = Photographs(names.__getitem__, (folder / "images", folder), cure)
    return People(
        name="flic",
        skeleton=FLIC,
        joints=joints,
        state=np.where(located, State.VISIBLE, State.MISSING).astype(np.uint8),
        box=_square(rows.centre - 1, rows.side),
        key=rows.index,
        photo=photographs.photo,
        label=photographs.label,
        size=photographs.size,
        subsets={n: np.flatnonzero(of) for n, of in split.items() if of.any() or n == "train"},
        provenance=provenance,
        convention=convention,
        scored="test",
        image=_image_numbers(rows),
        boxes=boxes,
        encoded=photographs.encoded,
        box_words=_BOX,
    )


def _image_numbers(rows: _Rows) -> np.ndarray:
    """(N,) int64: one more than the least row of `examples` that shows the same photograph."""
    _, number = np.unique(rows.name, return_inverse=True)
    first = np.full(number.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, number, rows.index)
    return first[number] + 1


def _face(left_eye: np.ndarray, right_eye: np.ndarray, nose: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) of faces that no detector was asked for."""
    side = np.maximum(3 * np.linalg.norm(left_eye - right_eye, axis=1), _FACE)
    return _square((left_eye + right_eye + nose) / 3, side)


def _square(centre: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) about points (N, 2) of the image."""
    return np.column_stack([centre - side[:, None] / 2, side, side]).astype(np.float32)
