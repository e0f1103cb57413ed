"""The ledger and what is missing of it, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from vitruvian.claims.rows import Found, Row
from vitruvian.claims.todo import Job, Todo, Unmeasured

_DIGITS = {"points": 1}  # of a unit's figures; others have three


def number(value: float | None, unit: str | None, sign: bool = False) -> str:
    """A figure of a unit; "-" for None."""
    if value is None:
        return "-"
    digits = _DIGITS.get(unit or "", 3)
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-0.0", "0.0") if float(text) == 0 else text


def interval(found: Found | None) -> str:
    """Both ends; "-" where nothing is known."""
    if found is None or found.interval is None:
        return "-"
    low, high = (number(end, found.unit) for end in found.interval)
    return f"{low} to {high}"


def ledger_table(rows: Sequence[Row]) -> Table:
    """A row a claim and tier."""
    table = Table()
    table.add_column("", no_wrap=True)
    table.add_column("claim", ratio=1)
    table.add_column("tier", no_wrap=True)
    table.add_column("state")
    for name in ("effect", "95 % interval", "seeds", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    before = ""
    for row in rows:
        if row.id[0] != before:
            table.add_section()
            before = row.id[0]
        found = row.deciding
        effect = number(found.effect, found.unit, sign=True) if found else "-"
        counts = (str(found.seeds), str(found.n)) if found else ("-", "-")
        table.add_row(
            row.id, row.claim, row.tier or "-", row.state, effect, interval(found), *counts
        )
    return table


def todo_lines(todo: Todo, facts: Sequence[Unmeasured] = ()) -> list[str]:
    """A line a training or measurement without one, what is at hand, and the sum."""
    measured = f"{'':10} {'to be measured':19}"
    lines = [f"{measured} {one.id}  {one.claim}: `{one.command}`" for one in facts]
    lines += [_line(job) for job in todo.jobs]
    finished = sum(job.standing == "finished" for job in todo.jobs)
    guesses = sum(job.guessed for job in todo.open)
    sums = f"{len(todo.open)} trainings to make, {todo.hours:.1f} hours of one core"
    if guesses:
        sums += f" ({guesses} of them by guessed speeds)"
    if facts:
        sums += f"; {len(facts)} to be measured without training"
    return [*lines, f"{finished} trainings finished; {sums}"]


def _line(job: Job) -> str:
    cost = f"{60 * job.hours:5.1f} min{'?' if job.guessed else ' '}" if job.hours else " " * 10
    return f"{cost} {job.standing:19} {job.training.id}  {' '.join(job.claims)}"
