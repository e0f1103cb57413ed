"""Curves in panels side by side, with one legend. Needs the extra [plots]."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vitruvian.plots import COLOURS, DASHES, Range, Words, dress, empty_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ASIDE = 0.03  # of the x axis' unit, between whiskers of neighbouring lines


@dataclass(frozen=True)
class Line:
    """A curve; `ends` are the lower and upper ends of its points' intervals."""

    x: np.ndarray  # (K,)
    y: np.ndarray  # (K,)
    ends: tuple[np.ndarray, np.ndarray] | None = None
    dashed: bool | None = None  # None: dashes tell lines apart as colours do
    colour: int | None = None  # of `plots.COLOURS`; None: the next


def curve_panels(
    panels: Mapping[str, Mapping[str, Line]],
    words: Words,
    caption: Sequence[str] = (),
    *,
    x_range: Range = (None, None),
    y_range: Range = (None, None),
    ticks: Sequence[float] | None = None,
    marks: bool = False,
) -> Figure:
    """A panel for each heading; lines of one name look alike in all of them.

    Args:
        words: one title above all; the axes' words are those of each panel.
        caption: lines at the foot.
        ticks: of the x axis.
        marks: a dot at every point, which stand a little beside each other.

    Raises:
        UserError: matplotlib is not installed.
        ValueError: nothing to draw.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    if not names:
        raise ValueError("nothing to draw")
    width = max(6.4, 3.0 * len(panels) + 0.6)
    foot = "\n".join(textwrap.fill(line, int(16 * width)) for line in caption)
    title = textwrap.fill(words.title, int(12 * width))
    across = 2 if max(map(len, names)) * 3 > 12 * width else 3
    rows = -(-len(names) // across)
    lines_of_text = foot.count("\n") + title.count("\n") + rows
    figure = empty_figure(width, 3.5 + 0.17 * lines_of_text)
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    handles: dict[str, Any] = {}
    for k, (axes, (head, lines)) in enumerate(zip(grid, panels.items(), strict=True)):
        for name, line in lines.items():
            number = names.index(name)
            aside = _ASIDE * (number - (len(names) - 1) / 2) if marks else 0.0
            handles.setdefault(name, _draw(axes, line, number, marks, aside))
        axes.set_xlim(*x_range)
        axes.set_ylim(*y_range)
        if ticks is not None:
            axes.set_xticks(ticks)
        dress(axes, Words("", words.x, words.y if k == 0 else ""))
        axes.set_title(head, fontsize=9, loc="left")
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    below: dict[str, Any] = {"loc": "outside lower left", "frameon": False, "alignment": "left"}
    below |= {"fontsize": 8, "title": foot, "title_fontsize": 8, "handlelength": 3}
    figure.legend(handles.values(), handles.keys(), ncols=across, **below)
    return figure


def _draw(axes: Any, line: Line, number: int, marks: bool, aside: float) -> Any:
    """A line, moved `aside` to the right; what the legend shows."""
    number_of_colour = number if line.colour is None else line.colour
    colour = COLOURS[number_of_colour % len(COLOURS)]
    dashes: Any = DASHES[(number + number // len(COLOURS)) % len(DASHES)]
    if line.dashed is not None:
        dashes = DASHES[1] if line.dashed else DASHES[0]
    marker = "o" if marks else None
    style: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.6}
    (handle,) = axes.plot(line.x + aside, line.y, marker=marker, markersize=4, **style)
    if line.ends is not None:
        low, high = line.ends
        whiskers = np.stack([line.y - low, high - line.y])
        axes.errorbar(
            line.x + aside, line.y, whiskers, fmt="none", ecolor=colour, elinewidth=1, capsize=2
        )
    return handle
