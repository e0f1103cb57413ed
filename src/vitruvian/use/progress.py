"""How far a long run has come: pictures a second and the time left, on one line of a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import numpy as np

from vitruvian.types import Runner

_TERMINAL, _FILE = 0.2, 10.0  # s between two lines


class Progress:
    """Says how far it is, now and then; on a terminal in one line that is written over.

    Args:
        total: how many there will be; 0: nobody knows.
        write: takes text for the terminal or log.
        terminal: whether lines can be written over.
        clock: seconds.
    """

    def __init__(
        self,
        total: int,
        write: Callable[[str], object] | None = None,
        terminal: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total, self._clock = total, clock
        self._write = write or sys.stderr.write
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._started = self._said = clock()
        self._done = self._skipped = 0
        self._width = 0

    def more(self, done: int = 1) -> None:
        """So many more are done."""
        self._done += done
        self._say()

    def skip(self, count: int = 1) -> None:
        """So many more were done by an earlier run; they do not count for the speed."""
        self._skipped += count

    def line(self, text: str) -> None:
        """Says something else, whole lines, between the progress."""
        self._write(f"{self._wipe()}{text}\n")

    def close(self) -> None:
        """Leaves the terminal's line empty."""
        if wiped := self._wipe():
            self._write(wiped)

    def text(self) -> str:
        """12/40 pictures  3.1 images/s  0:00:09 left"""
        seen = self._done + self._skipped
        seconds = self._clock() - self._started
        speed = self._done / seconds if seconds > 0 else 0.0
        words = f"{seen}/{self.total} pictures" if self.total else f"{seen} pictures"
        words += f"  {speed:.1f} images/s"
        if self.total and speed > 0:
            left = max(self.total - seen, 0) / speed
            words += f"  {timedelta(seconds=round(left))} left"
        return words

    def _say(self) -> None:
        now = self._clock()
        if now - self._said < (_TERMINAL if self._terminal else _FILE):
            return
        self._said, words = now, self.text()
        if self._terminal:
            wiped = self._wipe()
            self._width = len(words)
            self._write(wiped + words)
        else:
            self._write(f"{words}\n")

    def _wipe(self) -> str:
        width, self._width = self._width, 0
        return f"\r{' ' * width}\r" if width else ""


@contextmanager
def watched(
    runner: Runner, progress: Callable[[int], Progress] | None, total: int
) -> Iterator[Runner]:
    """The runner, which says how many crops it has seen of `total` (0: nobody knows).

    `progress` None: it says nothing.
    """
    if progress is None:
        yield runner
        return
    bar = progress(total)

    def run(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        answers = runner(crops, flip)
        bar.more(len(crops))
        return answers

    try:
        yield run
    finally:
        bar.close()
