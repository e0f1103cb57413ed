"""What predict writes beside pictures: COCO JSON, JSON lines, CSV; and what of it is finished."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError
from vitruvian.use.files import NOT_UTF8, CocoWriter, WholeFile

Row = dict[str, Any]  # as `poses.person_rows`
FORMATS = ("json", "jsonl", "csv")


class Writer(Protocol):
    """One file of poses; earlier ones stay in their place when it is discarded."""

    def rows(self, rows: Iterable[Row]) -> None:
        """Appends the persons of one picture."""

    def close(self) -> None:
        """Ends the file."""

    def discard(self) -> None:
        """Leaves what was in its place."""


def open_writer(kind: str, path: Path, skeleton: Skeleton) -> Writer:
    """A writer for "json", "jsonl" or "csv"."""
    if kind == "json":
        return CocoWriter(path)
    return LinesWriter(path) if kind == "jsonl" else TableWriter(path, skeleton)


class LinesWriter:
    """A person a line, as COCO's results have them, each to be read as soon as it was found.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file: TextIO | None = None

    def rows(self, rows: Iterable[Row]) -> None:
        """Appends; the first picture takes the place of an earlier file."""
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8", newline="\n", errors=NOT_UTF8)
            for row in rows:
                self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise _no(self.path, error) from None

    def close(self) -> None:
        """Ends the file."""
        if self._file is not None:
            self._file.close()

    discard = close


class TableWriter:
    """A person a line of CSV: file, frame, where the box came from, three columns for each joint.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path, skeleton: Skeleton):
        self._file = WholeFile(path)
        joints = [f"{name}_{of}" for name in skeleton.joint_names for of in ("x", "y", "score")]
        box = ["box_source", "box_x", "box_y", "box_width", "box_height"]
        self._write([["file", "frame", "seconds", "track_id", *box, "score", *joints]])

    def rows(self, rows: Iterable[Row]) -> None:
        """Appends."""
        self._write(
            [
                row["file_name"], row.get("frame", ""), row.get("seconds", ""),
                row.get("track_id", ""), row.get("box_source", ""), *row["bbox"], row["score"],
                *row["keypoints"],
            ]
            for row in rows
        )  # fmt: skip

    def close(self) -> None:
        """Puts the file in its place."""
        self._file.close()

    def discard(self) -> None:
        """Leaves what was in its place."""
        self._file.discard()

    def _write(self, lines: Iterable[list[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._file.write(text.getvalue())


class Journal:
    """What an interrupted run has finished: one file of JSON lines, that the next run goes on with.

    The first line holds the settings of the run; with others, or when `again`, all is made anew, and
    the old journal stays until the first picture is done. Then a line for each picture, and one for
    each file that is finished, with its size and time.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, path: Path, settings: Row, again: bool = False):
        self.path, self._settings = path, json.loads(json.dumps(settings))
        self._finished: dict[str, tuple[int, Row]] = {}  # file -> its first picture, its last line
        self._file: BinaryIO | None = None
        self._start: dict[str, int] = {}
        self._end = 0 if again else self._read()

    def names(self) -> dict[str, str]:
        """File -> what its pictures are called."""
        return {file: str(line["name"]) for file, (_, line) in self._finished.items()}

    def finished(self, file: str) -> Row | None:
        """The last line of a file that is finished and has not changed since."""
        if file not in self._finished:
            return None
        line = self._finished[file][1]
        return line if line["stat"] == _stat(file) else None

    def pictures(self, file: str) -> Iterator[list[Row]]:
        """The persons of each picture of a finished file."""
        with self.path.open("rb") as lines:
            lines.seek(self._finished[file][0])
            for text in lines:
                line = json.loads(text)
                if "finished" in line:
                    return
                yield line["rows"]

    def picture(self, file: str, rows: list[Row]) -> None:
        """One picture of a file is done."""
        offset = self._write({"rows": rows})
        self._start.setdefault(file, offset)

    def finish(self, file: str, name: str, **more: Any) -> None:
        """A file is done; its pictures are called `name`."""
        line = {"finished": file, "stat": _stat(file), "name": name, **more}
        end = self._write(line)
        self._finished[file] = (self._start.pop(file, end), line)

    def drop(self, file: str) -> None:
        """A file was not finished: its pictures do not count."""
        if self._start.pop(file, None) is not None:
            self._write({"dropped": file})

    def close(self) -> None:
        """Ends the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: Row) -> int:
        """Appends; where the line starts."""
        try:
            if self._file is None:
                if not self._end:
                    self.path.write_text(json.dumps({"settings": self._settings}) + "\n")
                    self._end = self.path.stat().st_size
                with self.path.open("r+b") as whole:  # without a line that was cut short
                    whole.truncate(self._end)
                self._file = self.path.open("ab")
            start = self._end
            text = (json.dumps(line, ensure_ascii=False) + "\n").encode(errors=NOT_UTF8)
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise _no(self.path, error) from None
        self._end += len(text)
        return start

    def _read(self) -> int:
        """Where the next line goes; 0: the old journal is none or of other settings."""
        try:
            lines = self.path.open("rb")
        except OSError:
            return 0
        with lines:
            start = end = 0
            for text in lines:
                line: Row = {}
                with contextlib.suppress(ValueError):
                    line = json.loads(text) if text.endswith(b"\n") else {}
                if not line or (not end and line.get("settings") != self._settings):
                    break
                end += len(text)
                if "rows" not in line:
                    if "finished" in line:
                        self._finished[line["finished"]] = (start, line)
                    start = end
            return start  # pictures of a file that was not finished are made anew


def _stat(file: str) -> list[int]:
    try:
        found = Path(file).stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _no(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be written ({error.strerror}): check the folder")
