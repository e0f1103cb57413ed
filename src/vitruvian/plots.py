"""Curves, scatters, bars and histograms, as SVG or PNG by the suffix of the file's name.

Every function returns a figure that belongs to nobody: matplotlib's global state (its backend, its list of
open figures) is left as it is. Colours are those that colour-blind readers tell apart (Okabe and Ito,
2008); curves differ by their dashes, too. Needs the extra [plots].
"""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vitruvian.types import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#E69F00", "#56B4E9", "#000000", "#999999"),
)
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_DPI = 150
_SHOWN = 0.995  # of the points of a scatter, so that a few far ones do not make it a dot
_GRID_SHOWN, _GRID_POINTS = 0.98, 700  # the same in a grid of small ones; and how many are drawn

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Words:
    """What stands around a plot; an axis' words end with its unit."""

    title: str
    x: str = ""
    y: str = ""


@dataclass(frozen=True)
class Cloud:
    """A panel of `scatter_grid`."""

    xy: np.ndarray  # (n, 2); points that are not finite are left out
    note: str = ""  # above it


def curves(
    lines: Mapping[str, tuple[Any, Any]],
    words: Words,
    *,
    x_range: Range = (None, None),
    y_range: Range = (None, None),
    logarithmic: bool = False,
) -> Figure:
    """Curves by name, such as PCK over its threshold or a training's loss over its steps.

    Args:
        lines: x (K,) and y (K,) by name; K may differ between them; NaN leaves a gap.
        words: title and axes.
        x_range, y_range: ends of the axes; None: those of the values.
        logarithmic: the y axis.

    Raises:
        UserError: matplotlib is not installed.
        ValueError: nothing to draw.
    """
    _something(lines)
    figure = empty_figure(7.2 if len(lines) > 1 else 5.6, 3.8)
    axes = figure.subplots()
    for k, (name, (x, y)) in enumerate(lines.items()):
        dashes = DASHES[(k + k // len(COLOURS)) % len(DASHES)]  # no pair repeats before 32
        colour = COLOURS[k % len(COLOURS)]
        single = "o" if len(np.atleast_1d(x)) == 1 else None  # a line of one point is invisible
        axes.plot(x, y, color=colour, linestyle=dashes, linewidth=1.6, marker=single, label=name)
    if logarithmic:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, place: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(*x_range)
    axes.set_ylim(*y_range)
    dress(axes, words)
    if len(lines) > 1:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def scatter(
    panels: Mapping[str, np.ndarray], words: Words, notes: Mapping[str, str] | None = None
) -> Figure:
    """Point clouds side by side in one scale, y downwards as in an image, with mean and RMS circle.

    Args:
        panels: points (n, 2) by the panel's heading; points that are not finite are left out.
        words: one title above all; the axes' words are those of each panel.
        notes: a line below the heading of a panel.

    Raises:
        UserError: matplotlib is not installed.
        ValueError: nothing to draw.
    """
    _something(panels)
    clouds = {name: xy[np.isfinite(xy).all(-1)] for name, xy in panels.items()}
    reach = _reach(list(clouds.values()))
    figure = empty_figure(max(4.4, 3.3 * len(panels) + 0.3), 4.7)
    grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)
    for k, (axes, (name, xy)) in enumerate(zip(grid[0], clouds.items(), strict=True)):
        _cloud(axes, xy, reach)
        dress(axes, Words("", words.x, words.y if k == 0 else ""))
        below = f"\n{notes[name]}" if notes and name in notes else ""
        axes.set_title(name + below, fontsize=9)
    handles, labels = grid[0][-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.suptitle(_folded(words.title, figure) + "\n", fontsize=10)  # an empty line below it
    return figure


def scatter_grid(heads: Sequence[str], rows: Mapping[str, Sequence[Cloud]], title: str) -> Figure:
    """Rows of point clouds, all in one scale, y downwards as in an image, with mean and RMS circle.

    Of many points a share is drawn, evenly taken in their order; mean and circle are those of all. Of a
    cloud without points only the note is written.

    Args:
        heads: of the K columns.
        rows: K panels each, by the row's name.

    Raises:
        UserError: matplotlib is not installed.
        ValueError: nothing to draw, or a row has another number of panels.
    """
    _something(rows)
    _something(heads)
    for name, panels in rows.items():
        if len(panels) != len(heads):
            raise ValueError(f"{name!r} has {len(panels)} panels, expected {len(heads)}")
    clouds = [[c.xy[np.isfinite(c.xy).all(-1)] for c in panels] for panels in rows.values()]
    reach = _reach([xy for row in clouds for xy in row], _GRID_SHOWN)
    figure = empty_figure(1.7 * len(heads) + 0.7, 2.0 * len(rows) + 1.1)
    grid = figure.subplots(len(rows), len(heads), sharex=True, sharey=True, squeeze=False)
    for k, (name, panels) in enumerate(rows.items()):
        for axes, head, xy, panel in zip(grid[k], heads, clouds[k], panels, strict=True):
            if len(xy):
                _cloud(axes, xy, reach, _GRID_POINTS)
                dress(axes, Words(""))
            else:
                _empty(axes)
            axes.set_title("\n".join([head, panel.note] if k == 0 else [panel.note]), fontsize=8)
        grid[k, 0].set_ylabel(name, fontsize=9)
    lines = {line.get_label(): line for axes in grid.flat for line in axes.lines}
    below: dict[str, Any] = {"loc": "outside lower center", "frameon": False, "fontsize": 8}
    figure.legend(lines.values(), lines.keys(), ncols=3, **below)
    figure.suptitle(_folded(title, figure), fontsize=10)
    return figure


def bars(
    names: Sequence[str],
    series: Mapping[str, Sequence[float] | np.ndarray],
    words: Words,
    *,
    intervals: Mapping[str, tuple[Any, Any]] | None = None,
    y_range: Range = (None, None),
) -> Figure:
    """Groups of bars, such as PCK per joint of several models.

    Args:
        names: of the K groups.
        series: heights (K,) by name; NaN leaves a gap.
        words: title and axes.
        intervals: lower and upper ends (K,) of a series, drawn as whiskers.
        y_range: ends of the y axis; None: those of the values.

    Raises:
        UserError: matplotlib is not installed.
        ValueError: nothing to draw, or a series has another number of heights.
    """
    _something(series)
    _something(names)
    wide = len(names) * (0.35 + 0.12 * len(series))  # inches that the bars need
    figure = empty_figure(max(4.8, wide + 1.2 + 1.4 * (len(series) > 1)), 3.8)
    axes = figure.subplots()
    width = 0.8 / len(series)
    for k, (name, given) in enumerate(series.items()):
        heights = np.asarray(given, float)
        if heights.shape != (len(names),):
            raise ValueError(f"{name!r} has shape {heights.shape}, expected ({len(names)},)")
        x = np.arange(len(names)) + (k - (len(series) - 1) / 2) * width
        axes.bar(x, heights, 0.94 * width, color=COLOURS[k % len(COLOURS)], label=name)
        if intervals and name in intervals:
            ends = np.stack([np.asarray(end, float) for end in intervals[name]])
            whiskers = np.abs(ends - heights)
            axes.errorbar(x, heights, whiskers, fmt="none", ecolor="0.2", elinewidth=1, capsize=2)
    crowded = sum(map(len, names)) > 9 * max(wide, 3.6)
    tilt: dict[str, Any] = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    )
    axes.set_xticks(np.arange(len(names)), names, **tilt)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(*y_range)
    dress(axes, words)
    axes.grid(axis="x", visible=False)
    if len(series) > 1:
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def histogram(
    edges: Sequence[float] | np.ndarray,
    counts: Sequence[float] | np.ndarray,
    words: Words,
    *,
    ticks: Sequence[float] | None = None,
) -> Figure:
    """Bars between edges (K + 1,), as high as counts (K,), with the value on each.

    Args:
        edges: rising.
        counts: numbers or shares.
        words: title and axes.
        ticks: of the x axis; None: as matplotlib sets them.

    Raises:
        UserError: matplotlib is not installed.
        ValueError: there is not one edge more than counts, or nothing to draw.
    """
    _something(counts)
    if len(edges) != len(counts) + 1:
        raise ValueError(f"{len(counts)} counts need {len(counts) + 1} edges, not {len(edges)}")
    figure = empty_figure(max(5.6, 0.5 * len(counts) + 1), 3.8)
    axes = figure.subplots()
    left, width = np.asarray(edges[:-1], float), np.diff(edges)
    drawn = axes.bar(left, counts, width, align="edge", color=COLOURS[0], edgecolor="white")
    written = [f"{count:,.4g}" if count < 1000 else f"{count:,.0f}" for count in counts]
    axes.bar_label(drawn, written, padding=2, fontsize=8)
    axes.set_xlim(edges[0], edges[-1])
    axes.margins(y=0.1)
    if ticks is not None:
        axes.set_xticks(ticks)
    axes.yaxis.set_major_formatter(lambda value, place: f"{value:,g}")
    dress(axes, words)
    axes.grid(axis="x", visible=False)
    return figure


def encode(figure: Figure, kind: str) -> bytes:
    """The figure as "svg" or "png"; the same figure gives the same bytes.

    Raises:
        UserError: another kind.
    """
    if kind not in ("svg", "png"):
        raise UserError(f"a plot cannot be written as {kind!r}: name it .svg or .png")
    import matplotlib

    buffer = io.BytesIO()
    undated = {"Date": None} if kind == "svg" else {"Software": None}
    # An SVG's ids are drawn at random unless salted, and there is no other way to salt them.
    with matplotlib.rc_context({"svg.hashsalt": "vitruvian"}):
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=undated)
    return buffer.getvalue() if kind == "svg" else _with_palette(buffer)


def _with_palette(png: io.BytesIO) -> bytes:
    """The picture in 256 colours, which to the eye are those of a plot, in less than half the bytes."""
    from PIL import Image

    few = Image.open(png).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "png", optimize=True, dpi=(_DPI, _DPI))
    return buffer.getvalue()


def write(figure: Figure, *paths: Path | str) -> list[Path]:
    """Writes a figure, each file by its suffix; a file is whole or absent at any time.

    Raises:
        UserError: a suffix is not .svg or .png, or a file cannot be written.
    """
    written = [Path(path) for path in paths]
    for path in written:
        data = encode(figure, path.suffix.lower().lstrip("."))
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise UserError(f"{path} cannot be written: {error.strerror}") from None
    return written


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise UserError("plots need matplotlib: install vitruvian with its extra [plots]") from None
    return Figure(figsize=(width, height), layout="constrained")


def dress(axes: Axes, words: Words) -> None:
    """Words, small ticks and a faint grid, as all plots have them."""
    axes.set_title(_folded(words.title, axes.get_figure()), fontsize=10, loc="left")
    axes.set_xlabel(words.x, fontsize=9)
    axes.set_ylabel(words.y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)


def _folded(title: str, figure: Any) -> str:
    """A title in lines that the figure is wide enough for."""
    letters = int(12 * figure.get_figwidth()) - 9
    return "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))


def _cloud(axes: Axes, xy: np.ndarray, reach: float, most: int | None = None) -> None:
    """One panel of a scatter; its axes reach to +-`reach`, and at most `most` points are drawn."""
    drawn = xy
    if most is not None and len(xy) > most:
        drawn = xy[np.linspace(0, len(xy) - 1, most).round().astype(int)]
    # Thousands of points are one picture inside an SVG, which would be megabytes otherwise.
    size, alpha = (4.0, 0.25) if len(drawn) > 1500 or most is not None else (9.0, 0.45)
    x, y = drawn.T
    axes.scatter(x, y, s=size, color=COLOURS[0], alpha=alpha, linewidths=0, rasterized=True)
    if len(xy):
        mean = xy.mean(0)
        rms = float(np.sqrt(((xy - mean) ** 2).sum(-1).mean()))
        round_it = np.linspace(0, 2 * np.pi, 121)
        circle = mean[:, None] + rms * np.stack([np.cos(round_it), np.sin(round_it)])
        ink: dict[str, Any] = {"color": COLOURS[1]}
        axes.plot(*mean, "x", markersize=7, markeredgewidth=2, label="mean", **ink)
        axes.plot(*circle, linewidth=1.6, label="RMS distance from the mean", **ink)
    axes.plot(0, 0, "+", markersize=9, markeredgewidth=1.6, color="black", label="origin")
    axes.set_xlim(-reach, reach)
    axes.set_ylim(reach, -reach)
    axes.set_aspect("equal")
    if far := int((np.abs(xy) > reach).any(-1).sum()):
        place: dict[str, Any] = {
            "transform": axes.transAxes,
            "ha": "right",
            "va": "bottom",
            "fontsize": 7.5,
        }
        axes.text(0.98, 0.02, f"{far} outside", color="0.3", **place)


def _empty(axes: Axes) -> None:
    """A place in a grid where nothing but words stands."""
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelleft=False, labelbottom=False)
    axes.set_aspect("equal")


def _reach(clouds: list[np.ndarray], shown: float = _SHOWN) -> float:
    """Where square axes about the origin end that show the share `shown` of every cloud."""
    farthest = [np.quantile(np.abs(xy).max(-1), shown) for xy in clouds if len(xy)]
    return float(np.ceil(max(farthest, default=1.0) / 0.5) * 0.5) or 1.0


def _something(values: Any) -> None:
    if len(values) == 0:
        raise ValueError("nothing to draw")
