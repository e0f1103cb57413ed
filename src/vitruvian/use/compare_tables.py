"""A comparison as text, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from vitruvian.measure.intervals import RESAMPLES, Difference, Estimate
from vitruvian.measure.oks_resamples import RESAMPLES as OF_OKS
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import MADE
from vitruvian.measure.published import Row as PublishedRow
from vitruvian.measure.published import Table as PublishedTable
from vitruvian.measure.result import Result, gap_words, interval, percent, points
from vitruvian.use.compare import Comparison, Entry
from vitruvian.use.costs import speed_words

_COSTS = ("whole image", "parameters", "images/s", "hours trained")
_INSIDE = "="  # a published total that lies inside the first row's interval
_LIMBS = "arms and legs"  # the group of PCP that papers print as their average
_PARTS = (
    "torso angle, degrees",
    "occlusion",
    "swapped",
)  # kinds of cuts whose differences are shown


def text(comparison: Comparison) -> str:
    """For a terminal, as wide as it needs to be."""
    lines = [title(comparison), _drawn(*grid(comparison), section=len(comparison.entries))]
    head, rows = parts_grid(comparison)
    if rows:
        lines.append(_drawn(head, rows))
    return "\n".join([*lines, *below(comparison)]) + "\n"


def _drawn(head: Sequence[str], rows: Sequence[Sequence[str]], section: int | None = None) -> str:
    """A table drawn with lines; one more above row `section`."""
    table = Table()
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    for number, row in enumerate(rows):
        if number == section:
            table.add_section()
        table.add_row(*row)
    out = io.StringIO()
    console = Console(
        file=out, width=20 + sum(4 + max(map(len, c)) for c in zip(head, *rows, strict=True))
    )
    console.print(table, highlight=False)
    return out.getvalue().rstrip()


def markdown(comparison: Comparison, parts: bool = True) -> str:
    """Tables that GitHub shows; without `parts` the first one alone."""
    lines = [title(comparison), "", markdown_table(*grid(comparison)), ""]
    head, rows = parts_grid(comparison)
    if parts and rows:
        lines += [markdown_table(head, rows), ""]
    return "\n".join([*lines, *(line + "  " for line in below(comparison))]) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), "|---|" + "---:|" * (len(head) - 1), *map(line, rows)])


def as_csv(comparison: Comparison) -> str:
    """A header and a row each; the protocol that a row was scored under stands in the last column."""
    head, rows = grid(comparison)
    protocols = [entry.result.protocol for entry in comparison.entries]
    protocols += [PROTOCOLS[row.protocol] for _, row in comparison.published]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", *head[1:], "protocol"])
    writer.writerows(
        [*row, protocol.describe()] for row, protocol in zip(rows, protocols, strict=True)
    )
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
    costs = _COSTS if _has_costs(comparison) else ()
    head += [*costs, *(["source"] if comparison.published else [])]
    blank = [""] if comparison.published else []
    rows = [
        [*_row(entry, columns), *(_cost_cells(entry) if costs else []), *blank]
        for entry in comparison.entries
    ]
    for pair in comparison.published:
        *row, source = _published_row(comparison, *pair, columns)
        rows.append([*row, *("" for _ in costs), source])
    return head, rows


def _has_costs(comparison: Comparison) -> bool:
    return any(entry.cost is not None for entry in comparison.entries)


def _cost_cells(entry: Entry) -> list[str]:
    cost = entry.cost
    if cost is None:
        return ["-"] * len(_COSTS)
    whole = "-" if cost.whole is None else f"{percent(cost.whole.value)} ({interval(cost.whole)})"
    hours = "-" if cost.hours is None else f"{cost.hours:.1f}"
    return [whole, f"{entry.facts['parameters'] / 1e6:.2f} M", f"{cost.speed:.0f}", hours]


def _row(entry: Entry, columns: list[str]) -> list[str]:
    figures = entry.result.rows()
    gap = entry.against_first[entry.result.total_name] if entry.against_first else None
    gaps = (gap_words(gap), "" if gap is None else f"{gap.p:.3f}")
    shown = [percent(figures[name].value) if name in figures else "-" for name in columns]
    return [entry.label, *shown, interval(entry.result.total), str(entry.result.n), *gaps]


def parts_grid(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the paired differences by torso angle, of hidden joints, of swapped ones."""
    first, *others = comparison.entries
    head = [f"against {first.label}, points", *(entry.label for entry in others)]
    return head, part_rows([entry.against_first or {} for entry in others])


def part_rows(others: Sequence[Mapping[str, Difference]]) -> list[list[str]]:
    """The differences of parts, and of what is gained on one part beyond the gain on another.

    Args:
        others: what `differences` gives, a column each.
    """
    rows = []
    for label in dict.fromkeys(label for gaps in others for label in gaps):
        kind, _, name = label.partition(": ")
        part, _, where = name.partition("/")
        if kind == "gain" or (kind == "cut" and part in _PARTS):
            called = f"gain: {name}" if kind == "gain" else f"{part}: {where}"
            shown = [gap_words(gaps.get(label)) or "-" for gaps in others]
            rows.append([called, *shown])
    return [row for row in rows if set(row[1:]) != {"-"}]


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
    mark = _mark(first, printed) if row.protocol == table.protocol else ""
    return [row.method, *shown, "", "", mark, "", _source(table)]


def _mark(first: Result, printed: Mapping[str, float | None]) -> str:
    """By how much a printed total differs, or the average of the limbs where no total is printed."""
    for name, ours in (
        (first.total_name, first.total),
        (_LIMBS, first.groups.get(_LIMBS)),
    ):
        theirs = printed.get(name)
        if ours is None or theirs is None:
            continue
        gap = points(theirs - 100 * ours.value)
        said = [gap] if name == first.total_name else [name, gap]
        return " ".join([*said, _INSIDE] if _holds(ours, theirs) else said)
    return ""


def _source(table: PublishedTable) -> str:
    return f"{table.paper.key} {table.id}"


def _holds(estimate: Estimate, printed: float) -> bool:
    return 100 * estimate.low - 0.05 <= printed <= 100 * estimate.high + 0.05


def _ours(name: str) -> str:
    """What a printed column is called here."""
    return {"Ave.": _LIMBS, "AUC": "AUC"}.get(name, name.lower())


def title(comparison: Comparison) -> str:
    return "{data} {subset}: {provenance}".format(**comparison.about)


def below(comparison: Comparison) -> list[str]:
    """What must be said with the table: the protocol, how gaps were tested, notes."""
    lines = [comparison.protocol.describe()]
    if any(entry.against_first for entry in comparison.entries):
        resamples = OF_OKS if comparison.protocol.metric == "oks" else RESAMPLES
        lines.append("against the first: difference of totals, 95 % interval and two-sided p of a paired "
                     f"bootstrap over photographs, {resamples:,} resamples")  # fmt: skip
    parts = [row[0] for row in parts_grid(comparison)[1]]
    if any(name.startswith("occlusion: ") for name in parts):
        lines.append("occluded: hidden joints; inferable: those of them whose neighbours on all limbs are "
                     "visible")  # fmt: skip
    if any(name.startswith("gain: ") for name in parts):
        lines.append("gain: the difference on the one part minus that on the other")
    lines += _unpaired(comparison.entries)
    if _has_costs(comparison):
        lines.append(
            "whole image: the total, with its interval, where each person is looked for in the whole image "
            "first and then around what was found, as `predict` does"
        )
        lines.append(speed_words())
        lines.append(
            "hours trained: by the clock, with those of the models that a training began with"
        )
    if comparison.published:
        lines.append(
            "published rows are as printed, their training sets differ; against the first: the "
            f"difference of totals or of what is named, {_INSIDE} inside the first row's interval"
        )
        lines += _other_data(comparison)
    lines += _notes(comparison)
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


def _unpaired(entries: Sequence[Entry]) -> list[str]:
    """Why rows have no difference to the first."""
    labels = [entry.label for entry in entries[1:] if entry.against_first is None]
    if not labels:
        return []
    why = "figures without persons, or of other joints, have no paired difference"
    return [f"not held against {entries[0].label}: {', '.join(labels)}; {why}"]


def _other_data(comparison: Comparison) -> list[str]:
    """That published rows are of another data set."""
    theirs, ours = comparison.published[0][0].key.partition("-")[0], comparison.about["data"]
    return [] if theirs == ours else [f"published rows are of {theirs}, the rows above of {ours}"]


def _notes(comparison: Comparison) -> list[str]:
    """Each note once, with the rows that it is about."""
    about: dict[str, list[str]] = {}
    for entry in comparison.entries:
        unstated = [
            key.replace("_", " ")
            for key, blank in MADE.items()
            if getattr(entry.result.protocol, key) == blank != getattr(comparison.protocol, key)
        ]
        held = any(other.against_first for other in comparison.entries)
        doubt = " (where they are not as above, differences and p are not of the models alone)"
        own = f"not stated of these predictions: {', '.join(unstated)}{doubt if held else ''}"
        for note in [*([own] if unstated else []), *entry.notes]:
            about.setdefault(note, []).append(entry.label)
    return [f"{', '.join(labels)}: {note}" for note, labels in about.items()]
