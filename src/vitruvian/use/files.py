"""What goes in and out of predicting many photographs: their names, the poses."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from vitruvian.data.photos import NOT_FETCHED, SUFFIXES, is_address
from vitruvian.types import Poses, UserError
from vitruvian.use.poses import person_rows

OVERLAYS, HEATMAPS, POSES, PAGE = "overlays", "heatmaps", "poses", "index.html"  # of `predict`
JOURNAL = ".finished.jsonl"
NOT_UTF8 = (
    "backslashreplace"  # bytes of a file's name; in JSON it is the name again when it is read
)
HEIC = frozenset({".heic", ".heif", ".hif"})  # which neither OpenCV nor Pillow reads


@dataclass
class Passed:
    """What is passed over in folders."""

    heic: int = 0  # photographs
    drawn: int = 0  # folders of pictures that `predict` drew
    skipped: list[str] = field(default_factory=list)  # why a folder gives nothing


def list_photos(
    arguments: Iterable[Path | str],
    leave_out: Iterable[Path] = (),
    suffixes: Collection[str] = SUFFIXES,
    passed: Passed | None = None,
) -> Iterator[Path]:
    """The photographs that files, folders and patterns stand for, in order, one folder at a time.

    A file is taken whatever its name; of a folder and its subfolders the files with one of `suffixes`,
    sorted by name, without hidden ones, what `predict` drew, and the folders `leave_out`. A name that is
    neither is a pattern (* ? [ab], ** for subfolders) for files and folders.

    Args:
        passed: takes what is passed over, and folders that would else be errors.

    Raises:
        UserError: at once when an argument does not exist or fits nothing; without `passed` also when it
            is a folder without photographs, and later when a subfolder cannot be listed.
    """
    out = tuple(leave_out)
    paths = []
    for path in (path for argument in arguments for path in _expanded(argument)):
        why = _nothing(path, out, suffixes) if path.is_dir() else ""
        if not why:
            paths.append(path)
        elif passed is None:
            raise UserError(why)
        else:
            passed.skipped.append(why)
    return (
        photo
        for path in paths
        for photo in (_walk(path, out, suffixes, passed) if path.is_dir() else iter((path,)))
    )


def _nothing(folder: Path, leave_out: tuple[Path, ...], suffixes: Collection[str]) -> str:
    """Why a folder gives no photograph; "" where it does."""
    met = Passed()
    if next(_walk(folder, leave_out, suffixes, met), None) is not None:
        return ""
    if met.skipped:
        return met.skipped[0]
    buts = [f", but {met.heic} of HEIC, which is not read: convert them to JPEG"] * bool(met.heic)
    buts += [", but pictures that predict drew: name their folder to read them"] * bool(met.drawn)
    return f"{folder} has no photographs ({' '.join(sorted(suffixes))}){''.join(buts)}"


def _expanded(argument: Path | str) -> list[Path]:
    if not str(argument):
        raise UserError("an input is empty, maybe an unset variable: give photographs or folders")
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
    passed: Passed | None = None,
) -> Iterator[Path]:
    try:
        if any(_same(folder, other) for other in leave_out):
            return
        with os.scandir(folder) as found:
            entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
    except OSError as error:
        why = f"{folder} cannot be listed ({error.strerror}): check its rights"
        if passed is None:
            raise UserError(why) from None
        passed.skipped.append(why)
        return
    drawn = (OVERLAYS, HEATMAPS) if any(name == JOURNAL for name, _ in entries) else ()
    for name, is_folder in entries:
        if name.startswith("."):
            continue
        if is_folder and name in drawn:
            if passed is not None and not any(_same(folder / name, other) for other in leave_out):
                passed.drawn += 1
            continue
        if is_folder:
            yield from _walk(folder / name, leave_out, suffixes, passed)
        elif (suffix := os.path.splitext(name)[1].lower()) in suffixes:
            yield folder / name
        elif passed is not None and suffix in HEIC:
            passed.heic += 1


def _same(folder: Path, other: Path) -> bool:
    return os.path.exists(other) and folder.samefile(other)


class WholeFile:
    """A text file that is written beside its place and renamed when closed.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self._file = self._beside.open("w", encoding="utf-8", newline="\n", errors=NOT_UTF8)
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
    _make_folder_of(path)
    file = WholeFile(path)
    file.write(text)
    file.close()


def check_place(path: Path, folder: bool = False) -> None:
    """Says before long work whether its result can be written to a place; makes the folder about it.

    Args:
        path: of the file; with `folder` of a folder, which is written beside and renamed.

    Raises:
        UserError: the file is a folder, or the folder about it takes no files.
    """
    if path.is_dir() and not folder:
        raise UserError(f"{path} is a folder: name a file in it")
    _make_folder_of(path)
    try:
        tempfile.TemporaryFile(dir=path.absolute().parent).close()
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): check the folder") from None


def _make_folder_of(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be made ({error.strerror}): check the folder"
        ) from None


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
