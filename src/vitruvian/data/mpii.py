"""MPII Human Pose (Andriluka et al., CVPR 2014), single persons; its files: see `mpii_forms`.

All forms count from 1: whole coordinates are the same in all, and the labels of the JSON reach the
width and the height of their images but no x is 0. People here count from 0. Person-centric.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from vitruvian import geometry
from vitruvian.data.files import Photographs, check_once, find_file
from vitruvian.data.mpii_forms import Rows, read_form
from vitruvian.data.people import People
from vitruvian.measure.protocols import LABELLED_BOX
from vitruvian.skeleton import MPII
from vitruvian.types import State, UserError

_BOX = "objpos + 15 px x scale, 200 px x scale x1.25, square"
_TUNE_AFTER = (
    24_000  # of 24,987 images; neighbours are often frames of one film, so a piece of the end
)
_TUNE_SHARE = 0.96  # the same place where images have no such number
_JSON = ("mpii_annotations.json", "mpii_annotations.json.gz")
_MAT = ("mpii_human_pose_v1_u12_1.mat",)
_H5 = ("train.h5", "valid.h5")
_BASELINES = ("train.json", "valid.json", "test_mpii.json")
_TRUTH = ("detections_our_format.mat", "gt_valid.mat")


def read_mpii(path: Path) -> People:
    """MPII, from a folder (then the first form of `mpii_forms` that lies there or in annot/) or a file.

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
    rows = _joined([read_form(file) for file in files])
    if rows.person.all():
        check_once(path, "the person with the number (100 x image + person)", _keys(rows))
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


def _joined(parts: list[Rows]) -> Rows:
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Rows))
    return Rows(*(np.concatenate(column) for column in columns))


def _keys(rows: Rows) -> np.ndarray:
    """(N,) names of the persons, the same in all forms that number them; else the rows' numbers."""
    return np.where(rows.person > 0, rows.image * 100 + rows.person, np.arange(len(rows.image)))


def _lying(folders: tuple[Path, ...], names: tuple[str, ...]) -> list[Path]:
    found = (find_file(folder, (name,)) for name in names for folder in folders)
    return [file for file in found if file is not None]


def _with_tompson_split(rows: Rows, folders: tuple[Path, ...]) -> tuple[Rows, str]:
    """Tompson's validation set told by valid.h5, where the form does not; what to say of it."""
    files = _lying(folders, _H5[1:])
    if not files or not rows.person.any() or (rows.split == "val").any():
        return rows, ""
    val = read_form(files[0])
    held = np.isin(_keys(rows), _keys(val))
    if not held.any():
        return rows, ""
    beside = (rows.split == "train") & np.isin(rows.image, val.image)
    split = np.where(held, "val", np.where(beside, "", rows.split))
    return replace(rows, split=split), f", val of {files[0].name}"


def _with_heads(rows: Rows, folders: tuple[Path, ...]) -> tuple[Rows, str]:
    """Head sizes from files of other forms, where this one has none; what to say of it."""
    if np.isfinite(rows.head).any():
        return rows, ", with head boxes"
    head, used = rows.head.copy(), []
    keys, numbered = _keys(rows).tolist(), rows.person.any()

    def look_up(table: Rows, file: Path) -> None:
        known = dict(zip(_keys(table).tolist(), table.head.tolist(), strict=True))
        found = np.array([known.get(key, np.nan) for key in keys])
        if np.isfinite(found).any():
            head[:] = np.where(np.isfinite(found), found, head)
            used.append(file.name)

    for file in _lying(folders, _H5) if numbered else []:
        look_up(read_form(file), file)
    val = rows.split == "val"
    for file in _lying(folders, _TRUTH)[:1]:
        table = read_form(file)
        if np.array_equal(table.state == State.MISSING, rows.state[val] == State.MISSING):
            head[val] = table.head
            used.append(file.name)
    for file in _lying(folders, _MAT) if numbered and not used else []:
        look_up(read_form(file), file)
    note = f", with the head boxes of {' and '.join(used)}" if used else ", without head boxes"
    return replace(rows, head=head), note


def _people(rows: Rows, folder: Path, provenance: str) -> People:
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
    placed = np.all(np.isfinite(box), axis=1, keepdims=True)
    return People(
        name="mpii",
        skeleton=MPII,
        joints=joints,
        state=rows.state,
        box=np.where(placed, box, labelled),
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
        box_words=_box_words(placed),
    )


def _box_words(placed: np.ndarray) -> str:
    """What `box` is, of persons of whom some are `placed` by their files."""
    if not placed.any():
        return LABELLED_BOX
    return _BOX if placed.all() else f"{_BOX}, or where these lack {LABELLED_BOX}"


def _subsets(rows: Rows) -> dict[str, np.ndarray]:
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
