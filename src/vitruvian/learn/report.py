"""What a person sees of a training, and what stays of it: always a CSV, a bar on a terminal."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from vitruvian.types import UserError

COLUMNS = ("fit", "step", "seconds", "rate", "images_per_second", "loss", "parts", "tune")


class Report:
    """Writes `log.csv` in the run's folder and shows a bar, or lines where there is no terminal.

    `quiet` shows nothing but messages.
    """

    def __init__(self, folder: Path, quiet: bool, silent: bool = False) -> None:
        self.console = Console(stderr=True, quiet=silent)
        self.path, self.silent = folder / "log.csv", silent
        lively = not quiet and self.console.is_terminal
        self.lines = not quiet and not lively
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            console=self.console,
            disable=not lively,
        )
        self.task: TaskID | None = None
        self.name, self.steps = "", 1
        self.shown = time.monotonic()

    def begin(self, name: str, step: int, steps: int) -> None:
        """A fit begins, or goes on at `step`."""
        self.name, self.steps = name, steps
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(name, total=steps, completed=step, words="")
        self.bar.start()

    def rewind(self, fit: int, step: int) -> None:
        """Forgets rows after a saved state: a run that goes on will write them again."""
        if self.silent or not self.path.exists():
            return
        with self.path.open(newline="") as file:
            head, *rows = list(csv.reader(file)) or [list(COLUMNS)]
        kept = [row for row in rows if (int(row[0]), int(row[1])) <= (fit, step)]
        if len(kept) < len(rows):
            with self.path.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([head, *kept])

    def say(self, line: str) -> None:
        """A message that stays."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def log(
        self,
        fit: int,
        step: int,
        seconds: float,
        rate: float,
        speed: float,
        losses: dict[str, float],
        left: float,
        tune: float | None = None,
    ) -> None:
        """One row; `left` is the time to go in seconds, `tune` a score as a share of one."""
        parts = " ".join(f"{name}={value:.5g}" for name, value in losses.items())
        total = sum(losses.values())
        row = (
            fit, step, f"{seconds:.1f}", f"{rate:.3g}", f"{speed:.1f}", f"{total:.6g}", parts,
            "" if tune is None else f"{tune:.4f}",
        )  # fmt: skip
        if not self.silent:
            self._append(row)
        words = f"{parts}  {speed:.0f} images/s  {_minutes(left)} left"
        if tune is not None:
            words += f"  tune {100 * tune:.1f}"
        if self.task is not None:
            self.bar.update(self.task, completed=step, words=words)
        now = time.monotonic()
        if self.lines and (tune is not None or now - self.shown > 30 or step == self.steps):
            self.shown = now
            self.say(f"{self.name} {step}/{self.steps}  {words}")

    def _append(self, row: tuple[object, ...]) -> None:
        try:
            new = not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if new:
                    writer.writerow(COLUMNS)
                writer.writerow(row)
        except OSError as error:
            raise UserError(
                f"{self.path} cannot be written ({error.strerror}): free the disk"
            ) from None

    def close(self) -> None:
        self.bar.stop()


def _minutes(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
