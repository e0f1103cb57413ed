"""Photographs of a report: where each entry errs most, and all entries on the same persons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from vitruvian.data.people import People
from vitruvian.draw import write_image
from vitruvian.measure.scoring import Truth
from vitruvian.types import UserError
from vitruvian.use.compare import Comparison
from vitruvian.use.report_page import Section
from vitruvian.use.worst import picture, worst_rows

_COLOURS = "truth green, prediction red"


def picture_sections(
    comparison: Comparison, people: People, truth: Truth, folder: Path, count: int
) -> list[Section]:
    """Writes `count` pictures of each kind into a folder; the sections that show them.

    With several entries, all of them are drawn beside each other on the same persons, spread evenly over
    the rows: the stages of a cascade, as in Toshev & Szegedy's Figure 6.

    Raises:
        UserError: a picture cannot be written.
    """
    protocol = comparison.entries[0].result.protocol
    drawn = [(n, e.label, e.xy) for n, e in enumerate(comparison.entries) if e.xy is not None]
    if protocol.metric != "pck" or not count:
        return []
    sections = []
    if len(drawn) > 1:
        scored = np.flatnonzero(truth.located.any(1))
        rows = scored[np.linspace(0, len(scored) - 1, min(count, len(scored))).astype(int)]

        def strip(row: int) -> np.ndarray:
            return np.concatenate([picture(people, row, xy[row]) for _, _, xy in drawn], 1)

        title = f"The same persons, left to right: {', '.join(label for _, label, _ in drawn)}"
        sections.append(_section(title, "same", rows, strip, people, folder))
    for number, label, xy in drawn:

        def alone(row: int, xy: np.ndarray = xy) -> np.ndarray:
            return picture(people, row, xy[row])

        rows = worst_rows(protocol, truth, xy, count)
        title = f"Where {label} errs most"
        sections.append(_section(title, f"worst-{number}", rows, alone, people, folder))
    return sections


def _section(
    title: str,
    name: str,
    rows: Iterable[int],
    draw: Callable[[int], np.ndarray],
    people: People,
    folder: Path,
) -> Section:
    pictures, unread = {}, []
    for row in map(int, rows):
        try:
            drawn = draw(row)
        except UserError:  # whose words name folders of this machine
            unread.append(people.label(row))
            continue
        file = f"{name}-{row}.jpg"
        write_image(folder / file, drawn)
        pictures[f"{people.label(row)} (row {row})"] = file
    lines = [_COLOURS] if pictures else []
    if unread:
        lines.append(f"photographs that cannot be read: {', '.join(unread)}")
    return Section(title, pictures=pictures, lines=lines)
