"""What the readers of original files share: which file of a folder, MATLAB and HDF5, photographs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
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
