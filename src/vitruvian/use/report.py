"""A report of models: Markdown with its JSON beside it, and a page with curves, parts and failures."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import plots
from vitruvian.measure import metrics
from vitruvian.measure.intervals import Difference, Estimate
from vitruvian.measure.oks_resamples import FIGURES
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import gap_words, interval, percent
from vitruvian.measure.scoring import Truth
from vitruvian.use import compare_tables
from vitruvian.use.compare import Comparison, Request, compare_on, named, open_rows
from vitruvian.use.evaluate import truth_of
from vitruvian.use.files import check_place, write_text
from vitruvian.use.predict import parted
from vitruvian.use.report_page import Section, page
from vitruvian.use.report_pictures import picture_sections

Curve = tuple[np.ndarray, np.ndarray]
Gaps = Sequence[Mapping[str, Difference]]
MARKDOWN = "report.md"  # in the page's folder, where it is not asked for elsewhere
_LOG = "log.csv"
_QUANTITIES = {"loss": "loss", "tune": "PCK on held-out persons, %"}  # columns of a log


@dataclass(frozen=True)
class Report:
    """What was measured, before it is written."""

    comparison: Comparison
    command: str
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)  # of joints -> of entry
    training: dict[str, dict[str, Curve]] = field(default_factory=dict)  # quantity -> of entry


@dataclass(frozen=True)
class Files:
    """Where a report goes."""

    folder: Path  # the page, its plots and pictures
    markdown: Path  # its JSON lies beside it
    worst: int = 12  # pictures of an entry


def make_report(request: Request, command: str, files: Files) -> Report:
    """Evaluates, then writes everything.

    Args:
        command: the line that makes this report, which it names.

    Raises:
        UserError: as `compare`, or a file cannot be written.
    """
    on = open_rows(request)
    check_place(files.markdown)
    check_place(files.folder / "index.html")
    comparison, truth = compare_on(request, on), truth_of(on.people)
    report = Report(
        comparison,
        command,
        curves=_curves(comparison, truth),
        training=_training(request.items),
    )
    write_text(files.markdown, markdown(report))
    values = {"command": command} | comparison.to_dict()
    write_text(
        files.markdown.with_suffix(".json"), json.dumps(values, indent=1, allow_nan=False) + "\n"
    )
    sections = [
        *_table_sections(report),
        *_plot_sections(report, files.folder),
        *picture_sections(comparison, on.people, truth, files.folder, files.worst),
    ]
    write_text(files.folder / "index.html", page(_title(comparison), command, sections))
    return report


def _title(comparison: Comparison) -> str:
    labels = [entry.label for entry in comparison.entries]
    return ("; " if any("," in label for label in labels) else ", ").join(labels)


def markdown(report: Report) -> str:
    """The comparison, then every joint and every part of each entry."""
    comparison = report.comparison
    parts = [
        f"# {_title(comparison)}",
        f"Written by `{report.command}`.",
        compare_tables.markdown(comparison, parts=False),
    ]
    for title, head, rows in _tables(comparison):
        parts += [f"## {title}", compare_tables.markdown_table(head, rows)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _tables(comparison: Comparison) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, header and rows of what is shown below the comparison, where there is any."""
    entries = comparison.entries
    labels = ["", *(entry.label for entry in entries)]
    metric = comparison.protocol.metric
    units = {"pck": "Joints", "pcp": "Sticks", "oks": "All figures"}[metric]
    kinds = "Parts of the total" + (", and predictions on the mirrored joint" * (metric == "pck"))
    tables = [
        (f"{units}, % (95 % interval)", labels,
         _figure_rows(comparison, lambda entry: entry.result.rows())),
        ("At other thresholds, % (95 % interval)", labels,
         _figure_rows(comparison, lambda entry: _flat(entry.result.quoted_groups))),
        (f"{kinds}, % (95 % interval)", labels,
         _figure_rows(comparison, lambda entry: _flat(entry.result.cuts))),
        (f"Against {comparison.entries[0].label}, points (95 % interval of a paired bootstrap)",
         ["", *labels[2:]], _gap_rows(comparison, [e.against_first or {} for e in entries[1:]])),
        ("Against the one before, points (95 % interval of a paired bootstrap)",
         ["", *labels[3:]], _gap_rows(comparison, [e.against_before or {} for e in entries[2:]])),
    ]  # fmt: skip
    return [table for table in tables if table[2]]


def _flat(nested: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Estimate]:
    return {
        f"{kind}: {label}": estimate
        for kind, found in nested.items()
        for label, estimate in found.items()
    }


def _figure_rows(comparison: Comparison, of: Any) -> list[list[str]]:
    tables: list[dict[str, Estimate]] = [of(entry) for entry in comparison.entries]
    names = dict.fromkeys(name for table in tables for name in table)
    return [
        [name, *(_cell(table[name]) if name in table else "-" for table in tables)]
        for name in names
    ]


def _cell(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} ({interval(estimate)})"


def _gap_rows(comparison: Comparison, others: Gaps) -> list[list[str]]:
    """The differences of groups, totals and area, then of the parts, a row each."""
    rows = []
    for label in dict.fromkeys(label for gaps in others for label in gaps):
        kind, _, name = label.partition(": ")
        if label in ("total", "auc", *FIGURES) or kind in ("group", "quoted", "at"):
            shown = [gap_words(gaps.get(label)) or "-" for gaps in others]
            area = f"AUC 0-{comparison.protocol.auc_upto:g}"
            rows.append([area if label == "auc" else name or label, *shown])
    return rows + compare_tables.part_rows(others)


def _curves(comparison: Comparison, truth: Truth) -> dict[str, dict[str, Curve]]:
    """The share of joints found over the threshold, of all joints and of each group."""
    protocol = comparison.entries[0].result.protocol
    if protocol.metric != "pck":
        return {}
    upto = max(protocol.auc_upto, protocol.threshold)
    thresholds = np.arange(round(upto / 0.01) + 1) * 0.01
    columns = truth.skeleton.index(*protocol.joints)
    length = truth.reference(protocol.reference)
    curves: dict[str, dict[str, Curve]] = {}
    for entry in comparison.entries:
        if entry.xy is None:
            continue
        errors = metrics.normalized_errors(entry.xy, truth.xy, length)[:, columns]
        scored = metrics.counted(errors, truth.located[:, columns])
        right = [metrics.hits(errors, t, protocol.comparator) & scored for t in thresholds]
        found, count = np.array([hits.sum(0) for hits in right]), scored.sum(0)  # (T, U), (U,)
        everything = ("all joints", protocol.joints)
        for name, members in (everything, *protocol.groups):
            macro = name != everything[0] or protocol.averaging == "macro"
            places = [i for i, joint in enumerate(protocol.joints) if joint in members and count[i]]
            if places:
                share = found[:, places] / count[places]
                weight = np.ones(len(places)) if macro else count[places]
                of_entry = curves.setdefault(name, {})
                of_entry[entry.label] = (thresholds, 100 * np.average(share, 1, weight))
    return curves


def _training(items: Sequence[str]) -> dict[str, dict[str, Curve]]:
    """Loss and score on held-out persons over the steps, of items that are runs."""
    curves: dict[str, dict[str, Curve]] = {}
    seen = set()
    for label, name in named(items):
        folder = Path(parted(name)[0])
        if folder in seen or not (folder / _LOG).is_file():
            continue
        seen.add(folder)  # once for several stages of one run
        with (folder / _LOG).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        steps = _running_steps(rows)
        for quantity, factor in (("loss", 1.0), ("tune", 100.0)):
            known = [i for i, row in enumerate(rows) if row.get(quantity)]
            if known:
                values = factor * np.array([float(rows[i][quantity]) for i in known])
                curves.setdefault(quantity, {})[label] = (steps[known], values)
    return curves


def _running_steps(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Steps counted on over the fits of a run."""
    steps, before, fit, last = [], 0, None, 0
    for row in rows:
        if row["fit"] != fit:
            before, fit = before + last, row["fit"]
        last = int(row["step"])
        steps.append(before + last)
    return np.array(steps)


# ---- the page ------------------------------------------------------------------------------------
def _table_sections(report: Report) -> list[Section]:
    comparison = report.comparison
    head, rows = compare_tables.grid(comparison)
    lines = [compare_tables.title(comparison), *compare_tables.below(comparison)]
    sections = [Section("Totals, %", head=head, rows=rows, lines=lines)]
    return sections + [Section(*table) for table in _tables(comparison)]


def _plot_sections(report: Report, folder: Path) -> list[Section]:
    protocol = report.comparison.entries[0].result.protocol
    drawn = {
        **{
            f"{name} by threshold": _curve_plot(name, lines, protocol)
            for name, lines in report.curves.items()
        },
        **_cut_plots(report.comparison),
        **{
            f"training: {_QUANTITIES[name]}": _training_plot(name, lines)
            for name, lines in report.training.items()
        },
    }
    svgs = {}
    for name, figure in drawn.items():
        file = "-".join(re.findall(r"\w+", name)) + ".svg"
        plots.write(figure, folder / file)
        svgs[name] = file
    return [Section("Curves and parts", pictures=svgs)] if svgs else []


def _curve_plot(name: str, lines: dict[str, Curve], protocol: Protocol) -> Any:
    words = plots.Words(name, f"threshold, {protocol.reference} lengths", "found, %")
    return plots.curves(lines, words, y_range=(0, 100), x_range=(0, None))


def _training_plot(name: str, lines: dict[str, Curve]) -> Any:
    words = plots.Words("training", "steps", _QUANTITIES[name])
    return plots.curves(lines, words, logarithmic=name == "loss")


def _cut_plots(comparison: Comparison) -> dict[str, Any]:
    made = {}
    kinds = dict.fromkeys(kind for entry in comparison.entries for kind in entry.result.cuts)
    for kind in kinds:
        tables = {entry.label: entry.result.cuts.get(kind, {}) for entry in comparison.entries}
        names = list(dict.fromkeys(name for table in tables.values() for name in table))
        blank = Estimate(np.nan, np.nan, np.nan, 0)
        series, ends = {}, {}
        for label, table in tables.items():
            found = [table.get(name, blank) for name in names]
            series[label] = [100 * e.value for e in found]
            ends[label] = ([100 * e.low for e in found], [100 * e.high for e in found])
        y = "on the mirrored joint, %" if kind == "swapped" else "found, %"
        words = plots.Words(kind, "", y)
        made[kind] = plots.bars(names, series, words, intervals=ends, y_range=(0, None))
    return made


def own_command(request: Request, files: Files) -> str:
    """The command line that makes a report, without the paths of this machine.

    An absolute path is replaced by its last part, that of the truth by PATH.
    """
    name = (request.truth or "").partition("=")[0]
    beside = files.folder / MARKDOWN
    parts = ["vitruvian", "report", *map(_short, request.items), "--truth", f"{name}=PATH"]
    for option, value in (
        ("--protocol", request.protocol),
        ("--subset", request.subset),
        ("--published", request.published),
        ("--occluders", request.occluders and request.occluders.count),
        ("--occluders-seed", (request.occluders and request.occluders.seed) or None),
        ("--skeleton", request.skeleton and request.skeleton.name),
        ("--base", request.base),
        ("--worst", None if files.worst == Files.worst else files.worst),
        ("--out", _short(str(files.folder))),
        ("--markdown", None if files.markdown == beside else _short(str(files.markdown))),
    ):
        if value is not None:
            parts += [option, str(value)]
    return shlex.join([*parts, *(["--flip"] if request.flip else [])])


def _short(item: str) -> str:
    label, equals, rest = item.partition("=")
    path = Path(rest if equals else item)
    name = path.name if path.is_absolute() else path.as_posix()
    return f"{label}={name}" if equals else name
