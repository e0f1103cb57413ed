"""What the readers of original files share: which file of a folder, MATLAB and HDF5, photographs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from vitruvian.data.photos import photo_size, read_photo
from vitruvian.types import UserError


def find_file(path: Path, names: Iterable[str]) -> Path | None:
    """`path` itself where it is a file, else the first of `names` that lies in that folder."""
    if path.is_file():
        return path
    return next((path / name for name in names if (path / name).is_file()), None)


def read_mat(path: Path, objects: bool = False) -> dict[str, Any]:
    """The variables of a MATLAB file.

    Args:
        objects: structs as objects with attributes and arrays without axes of length 1, for files that
            nest structs; False: arrays as they are.

    Raises:
        UserError: it is no MATLAB file, or one of version 7.3.
    """
    try:
        values = loadmat(path, struct_as_record=not objects, squeeze_me=objects)
    except NotImplementedError:
        raise UserError(f"{path} is a MATLAB file of version 7.3: save it with -v7") from None
    except Exception:  # scipy raises many kinds for a file that is no .mat
        raise UserError(f"{path} is not a readable MATLAB file; unpack the archive again") from None
    return {name: value for name, value in values.items() if not name.startswith("__")}


def read_h5(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an HDF5 file.

    Raises:
        UserError: it is no HDF5 file, or h5py is not installed.
    """
    try:
        import h5py
    except ModuleNotFoundError:
        raise UserError(f"{path} needs h5py: install vitruvian with its extra [data]") from None
    try:
        with h5py.File(path, "r") as file:
            return {name: np.asarray(file[name]) for name in file}
    except (OSError, RuntimeError, TypeError, ValueError):
        raise UserError(f"{path} is not a readable HDF5 file; copy it again") from None


def number_columns(
    path: Path, values: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Columns by name, (N, *shape) float64 with one N, which is the first's.

    Raises:
        UserError: one holds no numbers or has another length or shape.
    """
    N = len(np.atleast_1d(values[next(iter(shapes))]))
    columns = {}
    for name, shape in shapes.items():
        column = np.asarray(values[name])
        if column.shape != (N, *shape) or column.dtype.kind not in "fiub":
            wanted = ", ".join(map(str, ("N", *shape)))
            raise UserError(
                f"{path}: `{name}` has shape {column.shape} and type {column.dtype}, not numbers of "
                f"shape ({wanted}) with N = {N}: copy the file again"
            )
        columns[name] = column.astype(np.float64)
    return columns


def whole_numbers(path: Path, name: str, column: np.ndarray) -> np.ndarray:
    """A column (N,) int64 of numbers from 0 up.

    Raises:
        UserError: one is not whole.
    """
    wrong = np.flatnonzero(~((column >= 0) & (column < 2**53) & (column == np.floor(column))))
    if len(wrong):
        row = wrong[0]
        raise UserError(f"{path}: `{name}` of row {row + 1} is {column[row]:g}, not a whole number")
    return column.astype(np.int64)


def file_names(path: Path, name: str, column: np.ndarray, count: int) -> np.ndarray:
    """A column (N,) of texts in UTF-8, as str.

    Raises:
        UserError: it is something else, or has not `count` of them.
    """
    texts = [text.encode() if isinstance(text, str) else text for text in np.ravel(column).tolist()]
    if np.shape(column) != (count,) or not all(isinstance(text, bytes) for text in texts):
        raise UserError(f"{path}: `{name}` is not a file's name for each of {count} rows")
    try:
        return np.array([text.decode() for text in texts], str)
    except UnicodeDecodeError:
        raise UserError(f"{path}: `{name}` holds names that are not UTF-8: copy it again") from None


def check_scales(path: Path, scale: np.ndarray) -> None:
    """Raises UserError where a person's scale (N,), NaN where it is unknown, is not above 0."""
    wrong = np.flatnonzero(scale <= 0)
    if len(wrong):
        row = wrong[0]
        raise UserError(
            f"{path}: the scale of row {row + 1} is {scale[row]:g}, not above 0: its box has no area; "
            "correct it or remove the row"
        )


def check_once(path: Path, what: str, keys: np.ndarray) -> None:
    """Raises UserError where a key (N,) stands twice; `what` names one in the message."""
    known, count = np.unique(keys, return_counts=True)
    if (count > 1).any():
        raise UserError(f"{path}: {what} {known[count > 1][0]} stands twice: remove one")


@dataclass(frozen=True)
class Photographs:
    """Photographs in an archive's files, as `People` asks for them: by row.

    One that is absent is a `UserError` that names the file and says what to unpack, and where.
    """

    label: Callable[[int], str]  # row -> the file's name
    folders: tuple[Path, ...]  # where it may lie; the first is where an archive puts it
    cure: str  # what to do when it lies in none of them

    def path(self, row: int) -> str:
        """The photograph's file."""
        name = self.label(row)
        if not self.folders:
            raise UserError(f"{name}: {self.cure}")
        for folder in self.folders:
            path = f"{folder}{os.sep}{name}"
            if os.path.exists(path):
                return path
        path = f"{self.folders[0]}{os.sep}{name}"
        try:
            os.stat(path)
        except OSError:  # `check` counts what a FileNotFoundError caused as missing
            raise UserError(f"{path} does not exist: {self.cure}") from None
        return path

    def photo(self, row: int, factor: int) -> tuple[np.ndarray, int]:
        """See `photos.read_photo`; as stored, for that is how it was labelled."""
        return read_photo(self.path(row), factor, oriented=False)

    def size(self, row: int) -> tuple[int, int]:
        """Height and width in px."""
        return photo_size(self.path(row))

    def encoded(self, row: int) -> bytes:
        """The file itself."""
        return Path(self.path(row)).read_bytes()
