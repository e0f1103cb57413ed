"""What goes in and out of predicting many photographs: their names, the poses."""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from vitruvian.data.photos import NOT_FETCHED, SUFFIXES, is_address
from vitruvian.types import Poses, UserError
from vitruvian.use.poses import person_rows

HEIC = frozenset({".heic", ".heif", ".hif"})  # which neither OpenCV nor Pillow reads


def list_photos(
    arguments: Iterable[Path | str],
    leave_out: Iterable[Path] = (),
    suffixes: Collection[str] = SUFFIXES,
    passed: Counter[str] | None = None,
) -> Iterator[Path]:
    """The photographs that files, folders and patterns stand for, in order, one folder at a time.

    A file is taken whatever its name; of a folder and its subfolders the files with one of `suffixes`,
    sorted by name, without hidden ones and without the folders `leave_out`. A name that is neither is a
    pattern (* ? [ab], ** for subfolders) for files and folders.

    Args:
        passed: counts the HEIC photographs that are passed over in folders, by suffix.

    Raises:
        UserError: at once when an argument does not exist, fits nothing or is a folder without
            photographs; later when a subfolder cannot be listed.
    """
    out = tuple(leave_out)
    paths = [path for argument in arguments for path in _expanded(argument)]
    for path in paths:
        if path.is_dir() and next(_walk(path, out, suffixes), None) is None:
            heic = sum(1 for _ in _walk(path, out, HEIC))
            but = f", but {heic} of HEIC, which is not read: convert them to JPEG" if heic else ""
            raise UserError(f"{path} has no photographs ({' '.join(sorted(suffixes))}){but}")
    return (
        photo
        for path in paths
        for photo in (_walk(path, out, suffixes, passed) if path.is_dir() else iter((path,)))
    )


def _expanded(argument: Path | str) -> list[Path]:
    path = Path(argument)
    if path.exists():
        return [path]
    if is_address(argument):
        raise UserError(f"{argument}{NOT_FETCHED}")
    if not glob.has_magic(str(argument)):
        raise UserError(f"{path} does not exist: give photographs or folders of them")
    found = sorted(map(Path, glob.glob(os.path.expanduser(argument), recursive=True)))
    if not found:
        raise UserError(f"{argument} fits no file: check the pattern")
    return found


def _walk(
    folder: Path,
    leave_out: tuple[Path, ...],
    suffixes: Collection[str],
    passed: Counter[str] | None = None,
) -> Iterator[Path]:
    if any(other.exists() and folder.samefile(other) for other in leave_out):
        return
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({error.strerror}): check its rights") from None
    for name, is_folder in entries:
        if name.startswith("."):
            continue
        if is_folder:
            yield from _walk(folder / name, leave_out, suffixes, passed)
        elif (suffix := os.path.splitext(name)[1].lower()) in suffixes:
            yield folder / name
        elif passed is not None and suffix in HEIC:
            passed[suffix] += 1


class WholeFile:
    """A text file that is written beside its place and renamed when closed.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self._file = self._beside.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise self._no(error) from None

    def write(self, text: str) -> None:
        """Appends."""
        try:
            self._file.write(text)
        except OSError as error:
            raise self._no(error) from None

    def close(self) -> None:
        """Puts the file in its place."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._beside, self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.close()
            self._beside.unlink(missing_ok=True)
            raise self._no(error) from None

    def discard(self) -> None:
        """Leaves what was in its place."""
        with contextlib.suppress(OSError):
            self._file.close()
        self._beside.unlink(missing_ok=True)

    def _no(self, error: OSError) -> UserError:
        return UserError(f"{self.path} cannot be written ({error.strerror}): check the folder")


def write_text(path: Path, text: str) -> None:
    """Writes a text file that is whole or absent at any time; makes its folder.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be made ({error.strerror}): check the folder"
        ) from None
    file = WholeFile(path)
    file.write(text)
    file.close()


class CocoWriter:
    """Poses as a COCO results file, one person a line; valid JSON whenever it is closed.

    Coordinates are px of the original photograph, 0-based, integers at pixel centres; `bbox` is
    where the person was looked for. As a context it is closed also when interrupted.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path | str):
        self._file: WholeFile | None = WholeFile(path)
        self._file.write("[")
        self._photos = self._persons = 0

    def write(self, file_name: str, poses: Poses, image_id: int | None = None) -> None:
        """Appends the persons of one photograph; without `image_id` photographs count from 1."""
        assert self._file is not None, "closed"
        self._photos += 1
        number = self._photos if image_id is None else image_id
        self.rows(person_rows(poses, number, file_name))

    def rows(self, rows: Iterable[dict[str, Any]]) -> None:
        """Appends persons as `poses.person_rows` describes them."""
        assert self._file is not None, "closed"
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, allow_nan=False)
            self._file.write(f"{',' if self._persons else ''}\n{line}")
            self._persons += 1

    def close(self) -> None:
        """Ends the list and puts the file in its place; closing again does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            file.write("\n]\n")
            file.close()

    def discard(self) -> None:
        """Leaves the earlier results in their place; closing then does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
