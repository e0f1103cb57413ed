"""Arrays of predicted poses as anybody saves them -> one order of axes.

    .npz    one of `xy` `pred` `preds` `keypoints`, and optionally `names` or `joints` (K,) strings,
            `image_id` or `image` or `files` (M,), `person` (M,), `bbox` (M, 4), `score` (M,) or (M, K),
            `convention` "PC" or "OC", `base` 0 or 1
    .mat    one of `pred` `preds` `pos_pred_src`;   .h5   one of `preds` `pred`

Arrays have their three axes, x y (or x y score), joints and persons, in any order: sizes tell them apart.
Nothing is ever unpickled.
"""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat, whosmat

from vitruvian.types import UserError

_NPZ_XY = ("xy", "pred", "preds", "keypoints")
_MAT_XY = ("pred", "preds", "pos_pred_src")
_H5_XY = ("preds", "pred")
_ENDS = 20  # columns of a file of LSP's ten sticks: two ends each
STICKS = (
    "right lower leg", "right upper leg", "left upper leg", "left lower leg",
    "right lower arm", "right upper arm", "left upper arm", "left lower arm", "head", "torso",
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a file holds; M rows of K joints."""

    xy: np.ndarray  # (M, K, 2) float64 as written; NaN where nothing was predicted
    said: str  # one line: what was read, and how
    score: np.ndarray | None = None  # (M, K) of joints
    total: np.ndarray | None = None  # (M,) of persons
    joints: tuple[str, ...] | None = None  # names, if the file gives them
    image: list[int | str | None] | None = None  # its number or name; None: the data set's order
    person: list[int] | None = None  # keys of labelled persons
    number: list[int] | None = None  # `id`: such keys, or a count
    box: np.ndarray | None = None  # (M, 4) as in COCO; NaN where none is given
    base: int | None = None
    convention: str | None = None


class Sizes(NamedTuple):
    """What the sizes of an array's axes are compared with."""

    rows: int  # persons of the data set
    joints: frozenset[int]  # joints that a row may have
    subsets: Mapping[str, int]  # name -> persons


def check_there(path: Path) -> None:
    """Raises UserError where there is no file, or an empty one."""
    if not path.is_file():
        raise UserError(f"{path} is not there: give a file of predictions")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty: write the predictions again")


def read_sticks(path: Path, rows: int, base: int = 0) -> np.ndarray:
    """The ends of LSP's ten sticks from a .mat or .h5 file of 20 columns: two neighbours are a stick.

    Args:
        rows: persons that there must be, in the order of the data set's subset.
        base: 1 subtracts a pixel.

    Returns:
        (N, 10, 2, 2) float64: the sticks in the order of `STICKS`, their two ends, x y. Which end is
        first is the file's choice: wrist or elbow, hip or knee.

    Raises:
        UserError: it cannot be read or holds something else.
    """
    check_there(path)
    name, values = _h5(path) if path.suffix.lower() in (".h5", ".hdf5") else _mat(path)
    ends, _ = _by_sizes(path, name, values, Sizes(rows, frozenset({_ENDS}), {}))
    return ends.reshape(rows, len(STICKS), 2, 2) - base


def read_mat(path: Path, sizes: Sizes) -> Found:
    """A MATLAB file of any version; rows are in the data set's order."""
    return _in_order(path, *_mat(path), sizes)


def read_h5(path: Path, sizes: Sizes) -> Found:
    """An HDF5 file; rows are in the data set's order."""
    return _in_order(path, *_h5(path), sizes)


def _in_order(path: Path, name: str, values: np.ndarray, sizes: Sizes) -> Found:
    xy, said = _by_sizes(path, name, values, sizes)
    return _with_scores(path, xy, f"{said}, in the data set's order")


def _with_scores(path: Path, values: np.ndarray, said: str, **more: Any) -> Found:
    """Splits (M, K, 2 or 3); an infinite number is an error."""
    if np.isinf(values).any():
        row, joint = np.argwhere(np.isinf(values))[0][:2]
        raise UserError(
            f"{path}: row {row + 1}, joint {joint + 1} is infinite: write NaN where nothing was found"
        )
    if values.shape[2] == 3:
        more.setdefault("score", values[..., 2])
    return Found(values[..., :2], said, **more)


def _by_sizes(
    path: Path, name: str, values: np.ndarray, sizes: Sizes, ours: bool = False
) -> tuple[np.ndarray, str]:
    """An array with its axes in any order -> (N, K, 2 or 3) float64, and what was done in words.

    `ours`: where the sizes do not tell, (N, K, 2) is meant.
    """
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        kind = getattr(values, "dtype", type(values).__name__)
        raise UserError(f"{path}: `{name}` holds no numbers ({kind}): save an array of floats")
    shape = values.shape
    if values.ndim == 2 and sizes.rows == 1:  # MATLAB drops a last axis of one
        values = values[..., None]
    if values.ndim != 3:
        raise UserError(f"{path}: `{name}` has shape {shape}: save it as (persons, joints, 2)")
    of_xy = 2 if 2 in values.shape else 3
    axes = [
        order
        for order in itertools.permutations(range(3))
        if values.shape[order[2]] == of_xy and values.shape[order[1]] in sizes.joints
    ]
    fitting = [order for order in axes if values.shape[order[0]] == sizes.rows]
    if not fitting:
        raise _no_fit(path, name, values.shape, [values.shape[order[0]] for order in axes], sizes)
    if len(fitting) > 1 and not (ours and fitting[0] == (0, 1, 2)):
        raise UserError(
            f"{path}: the axes of `{name}` {shape} cannot be told apart by their sizes: save it as "
            ".npz with `xy` (persons, joints, 2)"
        )
    order = fitting[0]
    words = {
        order[0]: "persons",
        order[1]: "joints",
        order[2]: "x y" if of_xy == 2 else "x y score",
    }
    said = f"`{name}` {shape} read as ({', '.join(words[axis] for axis in range(3))})"
    return values.transpose(order).astype(np.float64), said


def _no_fit(
    path: Path, name: str, shape: tuple[int, ...], lengths: list[int], sizes: Sizes
) -> UserError:
    """Why an array's sizes do not fit: another number of persons, or of joints, or sticks."""
    head = f"{path}: `{name}` {shape}"
    if 2 not in shape and 3 not in shape:
        return UserError(f"{head} has no axis of two for x and y: save it as (persons, joints, 2)")
    if lengths:
        count = lengths[0]
        fitting = [repr(key) for key, size in sizes.subsets.items() if size == count]
        cure = "give the subset that it was made for"
        cure += f" ({' or '.join(fitting)} has as many)" if fitting else ""
        return UserError(
            f"{head} holds {count} persons, but {sizes.rows} are to be scored: {cure}, or name the "
            "photographs in a COCO results JSON"
        )
    if _ENDS in shape and _ENDS not in sizes.joints:
        return UserError(
            f"{head} holds the two ends of ten sticks, not joints: give the file of keypoints"
        )
    known = ", ".join(map(str, sorted(sizes.joints)))
    also = "; 12 may be the ends of FLIC's six sticks" if 12 in shape else ""
    return UserError(
        f"{head} has no axis of {known} joints: name the file's joint order with --skeleton{also}"
    )


def _mat(path: Path) -> tuple[str, np.ndarray]:
    try:
        there = [entry[0] for entry in whosmat(path)]
        name = _one_of(path, _MAT_XY, there)
        return name, loadmat(path, variable_names=[name])[name]
    except NotImplementedError:  # version 7.3 is HDF5
        return _h5(path, _MAT_XY)
    except UserError:
        raise
    except Exception as error:  # scipy raises many kinds for a file that is no .mat
        raise UserError(
            f"{path} is not a readable MATLAB file ({type(error).__name__}): save it again"
        ) from None


def _h5(path: Path, names: Sequence[str] = _H5_XY) -> tuple[str, np.ndarray]:
    try:
        import h5py
    except ModuleNotFoundError:
        raise UserError(f"{path} needs h5py: install vitruvian with its extra [data]") from None
    try:
        with h5py.File(path, "r") as file:
            name = _one_of(path, names, list(file))
            return name, np.asarray(file[name])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{path} is not a readable HDF5 file ({type(error).__name__}): save it again"
        ) from None


def _one_of(path: Path, names: Sequence[str], there: Sequence[str]) -> str:
    found = [name for name in names if name in there]
    if len(found) != 1:
        what = " and ".join(found) or f"only {', '.join(there)}" if there else "no array"
        raise UserError(
            f"{path} holds {what}: save one array {' or '.join(f'`{n}`' for n in names)}"
        )
    return found[0]


def read_npz(path: Path, sizes: Sizes) -> Found:
    """An archive of NumPy arrays; rows are in the data set's order unless it names photographs."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise UserError(f"{path} is a single array: save it with np.savez(file, xy=...)")
            held = {name: file[name] for name in file.files}
    except ValueError:
        raise UserError(
            f"{path} holds pickled objects, which are not read: save plain arrays, strings as "
            "np.array(names, dtype=str)"
        ) from None
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(
            f"{path} is not a readable .npz file ({type(error).__name__}): save it with np.savez"
        ) from None
    name = _one_of(path, _NPZ_XY, list(held))
    columns = _npz_columns(path, held)
    names = columns.get("joints")
    rows = next((len(c) for key in ("image", "person") if (c := columns.get(key))), None)
    fit = Sizes(
        sizes.rows if rows is None else rows,
        sizes.joints if names is None else frozenset({len(names)}),
        sizes.subsets if rows is None else {},
    )
    xy, said = _by_sizes(path, name, held[name], fit, ours=name == "xy")
    columns |= _npz_scores(path, held, xy.shape[:2])
    for key, title in (("image", "image_id"), ("person", "person"), ("box", "bbox")):
        if (column := columns.get(key)) is not None and len(column) != len(xy):
            raise UserError(f"{path}: `{title}` has {len(column)} rows, `{name}` has {len(xy)}")
    ordered = "" if rows is not None else ", in the data set's order"
    columns.setdefault("base", None)
    return _with_scores(path, xy, said + ordered, **columns)


def _npz_columns(path: Path, held: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What stands beside the coordinates, by the fields of `Found`."""
    columns: dict[str, Any] = {}
    for key, names, kinds in (
        ("joints", ("names", "joints"), "US"),
        ("image", ("image_id", "image", "files"), "USiu"),
        ("person", ("person",), "iu"),
        ("box", ("bbox",), "fiu"),
    ):
        name = next((name for name in names if name in held), None)
        if name is None:
            continue
        values = held[name]
        wanted = 2 if key == "box" else 1
        if values.dtype.kind not in kinds or values.ndim != wanted:
            words = {"U": "strings", "i": "integers", "f": "numbers"}
            what = " or ".join(words[kind] for kind in kinds if kind in words)
            raise UserError(f"{path}: `{name}` is {values.dtype} {values.shape}: save {what}")
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        columns[key] = values.astype(np.float64) if key == "box" else values.tolist()
    if "joints" in columns:
        columns["joints"] = tuple(columns["joints"])
    if "box" in columns and columns["box"].shape[1] != 4:
        raise UserError(f"{path}: `bbox` {columns['box'].shape} is not (persons, 4)")
    if "box" in columns and (columns["box"][:, 2:] <= 0).any():
        row = int((columns["box"][:, 2:] <= 0).any(1).argmax())
        raise UserError(f"{path}: row {row + 1} of `bbox` has no area: save x, y, width, height")
    return columns | statements(path, {k: v.item() for k, v in held.items() if v.size == 1})


def _npz_scores(
    path: Path, held: Mapping[str, np.ndarray], size: tuple[int, ...]
) -> dict[str, np.ndarray]:
    if (values := held.get("score")) is None:
        return {}
    if values.dtype.kind not in "fiu" or values.shape not in (size, size[:1]):
        raise UserError(
            f"{path}: `score` is {values.dtype} {values.shape}: save numbers {size} or {size[:1]}"
        )
    return {"score" if values.shape == size else "total": values.astype(np.float64)}


def statements(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """`base` and `convention`, where a file states them."""
    base, convention = values.get("base"), values.get("convention")
    if base not in (None, 0, 1) or isinstance(base, bool):
        raise UserError(f"{path}: base is {base!r}: write 0, or 1 where the first pixel is (1, 1)")
    if convention not in (None, "", "PC", "OC"):
        raise UserError(f'{path}: convention is {convention!r}: write "PC" or "OC"')
    return {"base": None if base is None else int(base), "convention": convention or None}
