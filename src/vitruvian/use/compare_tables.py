"""A comparison as text, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from vitruvian.measure.intervals import Difference, Estimate
from vitruvian.measure.published import Row as PublishedRow
from vitruvian.measure.published import Table as PublishedTable
from vitruvian.measure.result import interval, percent
from vitruvian.use.compare import Comparison, Entry

_INSIDE = "="  # a published total that lies inside the first row's interval


def text(comparison: Comparison) -> str:
    """For a terminal, as wide as it needs to be."""
    head, rows = grid(comparison)
    table = Table()
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    for number, row in enumerate(rows):
        if number == len(comparison.entries):
            table.add_section()
        table.add_row(*row)
    out = io.StringIO()
    console = Console(
        file=out, width=20 + sum(4 + max(map(len, c)) for c in zip(head, *rows, strict=True))
    )
    console.print(table, highlight=False)
    return "\n".join([_title(comparison), out.getvalue().rstrip(), *below(comparison)]) + "\n"


def markdown(comparison: Comparison) -> str:
    """A table that GitHub shows."""
    head, rows = grid(comparison)
    lines = [_title(comparison), "", "| " + " | ".join(head) + " |"]
    lines.append("|---|" + "---:|" * (len(head) - 1))
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines, "", *(line + "  " for line in below(comparison))]) + "\n"


def as_csv(comparison: Comparison) -> str:
    """A header and a row each; the protocol stands in the last column."""
    head, rows = grid(comparison)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*head, "protocol"])
    writer.writerows([*row, comparison.protocol.describe()] for row in rows)
    return out.getvalue()


def as_json(comparison: Comparison) -> str:
    """All figures of all rows, as shares of one."""
    return json.dumps(comparison.to_dict(), indent=2, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "text": text,
    "markdown": markdown,
    "csv": as_csv,
    "json": as_json,
}


def _columns(comparison: Comparison) -> list[str]:
    """The groups, or the joints where there are none, then totals and area."""
    first = comparison.entries[0].result
    return [*(first.groups or first.joints), first.total_name, *first.quoted, *_area(first)]


def _area(result: object) -> list[str]:
    protocol, auc = result.protocol, result.auc  # type: ignore[attr-defined]
    return [] if auc is None else [f"AUC 0-{protocol.auc_upto:g}"]


def grid(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text."""
    columns = _columns(comparison)
    total = comparison.entries[0].result.total_name
    head = ["", *columns, f"95 % interval of {total}", "n", "against the first", "p"]
    head += ["source"] if comparison.published else []
    blank = [""] if comparison.published else []
    rows = [_row(entry, columns) + blank for entry in comparison.entries]
    rows += [_published_row(comparison, *pair, columns) for pair in comparison.published]
    return head, rows


def _row(entry: Entry, columns: list[str]) -> list[str]:
    figures = entry.result.rows()
    gap = entry.against_first["total"] if entry.against_first else None
    shown = [percent(figures[name].value) if name in figures else "-" for name in columns]
    return [entry.label, *shown, interval(entry.result.total), str(entry.result.n), *_gap(gap)]


def _gap(gap: Difference | None) -> tuple[str, str]:
    if gap is None:
        return "", ""
    words = f"{100 * gap.value:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
    return words, f"{gap.p:.3f}"


def _published_row(
    comparison: Comparison, table: PublishedTable, row: PublishedRow, columns: list[str]
) -> list[str]:
    printed = {
        _ours(name): value for name, value in zip(table.meant, row.values.values(), strict=True)
    }
    first = comparison.entries[0].result
    shown = []
    for name in columns:
        value = printed.get("AUC" if name.startswith("AUC") else name)
        shown.append("-" if value is None else f"{value:.1f}")
    total = printed.get(first.total_name)
    inside = total is not None and _holds(first.total, total)
    gap = "" if total is None else f"{total - 100 * first.total.value:+.1f}"
    mark = f"{gap} {_INSIDE}" if inside else gap
    return [row.method, *shown, "", "", mark, "", _source(table)]


def _source(table: PublishedTable) -> str:
    return f"{table.paper.key} {table.id}"


def _holds(estimate: Estimate, printed: float) -> bool:
    return 100 * estimate.low - 0.05 <= printed <= 100 * estimate.high + 0.05


def _ours(name: str) -> str:
    """What a printed column is called here."""
    return {"Ave.": "arms and legs", "Total": "total", "AUC": "AUC"}.get(name, name.lower())


def _title(comparison: Comparison) -> str:
    return "{data} {subset}: {provenance}".format(**comparison.about)


def below(comparison: Comparison) -> list[str]:
    """What must be said with the table: the protocol, how gaps were tested, notes."""
    lines = [comparison.protocol.describe()]
    if any(entry.against_first for entry in comparison.entries):
        lines.append("against the first: difference of totals, 95 % interval and two-sided p of a paired "
                     "bootstrap over photographs, 2,000 resamples")  # fmt: skip
    if comparison.published:
        lines.append(
            f"published rows are as printed, their training sets differ; {_INSIDE} marks a total inside "
            "the first row's interval"
        )
    lines += _notes(comparison.entries)
    for table in {_source(table): table for table, _ in comparison.published}.values():
        learnt = f"; own systems learnt from {table.train}" if table.train else ""
        lines.append(f"{_source(table)}: {table.citation}{learnt}. {table.note}".rstrip())
    for table, row in comparison.published:
        if row.note:
            lines.append(f"{_source(table)}, {row.method}: {row.note}")
        if row.owner:
            values = ", ".join(f"{k} {v:g}" for k, v in row.owner.values.items() if v is not None)
            lines.append(
                f"{_source(table)}, {row.method}: the owner prints {values} ({row.owner.source})"
            )
    return lines


def _notes(entries: Sequence[Entry]) -> list[str]:
    """Each note once, with the rows that it is about."""
    about: dict[str, list[str]] = {}
    for entry in entries:
        for note in entry.notes:
            about.setdefault(note, []).append(entry.label)
    return [f"{', '.join(labels)}: {note}" for note, labels in about.items()]
