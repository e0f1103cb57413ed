"""Pictures that cost time to make, kept once made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST_BYTES = 320 * 2**20  # the rendered figures that a training draws and is tuned on


class Kept:
    """Pictures by row, each made once and read-only, while there is room.

    Nothing is dropped for another one: a training asks for all in turn, and what comes back last is what
    would have been dropped.
    """

    def __init__(self, make: Callable[[int], np.ndarray], most_bytes: int = MOST_BYTES) -> None:
        self._make = make
        self._room = most_bytes
        self._pictures: dict[int, np.ndarray] = {}

    def photo(self, row: int, factor: int) -> tuple[np.ndarray, int]:
        """The picture of a row, never reduced; of two threads that ask at once both may make it."""
        if (picture := self._pictures.get(row)) is None:
            picture = self._make(row)
            picture.flags.writeable = False
            if picture.nbytes <= self._room and self._pictures.setdefault(row, picture) is picture:
                self._room -= picture.nbytes
        return picture, 1
