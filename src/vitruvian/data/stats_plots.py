"""Pictures of labels: how upright torsos are and, as in Figures 1 and 4 of Sun et al. (ICCV 2017), how
compactly joints lie around each other before and after normalization. Needs the extra [plots].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import plots
from vitruvian.data.people import People
from vitruvian.data.stats import EDGES, UNITS, percent, torso_angles
from vitruvian.measure.spread import (
    HEAD,
    LEAST_PX,
    LIMBS,
    Relative,
    relative_positions,
    rms_distance,
    spread_of,
    torso_unit,
)
from vitruvian.types import State, UserError

_STAGES = {
    "raw": "as labelled",
    "body": "after body normalization",
    "limb": "after limb normalization",
}
_SIDE_BY_SIDE = (HEAD, LIMBS[0], LIMBS[2])  # the head, the left wrist and the left ankle


def write_plots(people: People, folder: Path) -> list[Path]:
    """Draws the torso angles and, as Sun et al. in Figures 1 and 4, head and left wrist by stage.

    What the labels do not give (a joint lacks, nobody is counted) is left out.

    Returns:
        The files: torso_angle, spread_head_top and spread_left_wrist, each .svg and .png.

    Raises:
        UserError: matplotlib is not installed, or a file cannot be written.
    """
    figures = {"torso_angle": _angle_figure(people)}
    for relative in (HEAD, LIMBS[0]):
        figures[f"spread_{relative.joint}"] = _spread_figure(people, relative)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}") from None
    written: list[Path] = []
    for name, figure in figures.items():
        if figure is not None:
            written += plots.write(figure, folder / f"{name}.svg", folder / f"{name}.png")
    return written


def write_spread_plot(sets: Sequence[People], path: Path, unit: str = "torso") -> Path:
    """Draws where head, left wrist and left ankle lie by stage, data sets side by side.

    A row that the labels of no data set give is left out.

    Args:
        sets: with names that tell them apart.
        path: .svg or .png.
        unit: a key of `UNITS`, what lengths are measured in. "diagonals" compares data sets whose
            photographs are of other sizes.

    Raises:
        UserError: there is nothing to draw, no such unit, matplotlib is not installed, or the file
            cannot be written.
    """
    if unit not in UNITS:
        raise UserError(f"no unit {unit!r} of spreads; choose one of {', '.join(UNITS)}")
    rows: dict[str, list[plots.Cloud]] = {}
    for relative in _SIDE_BY_SIDE:
        found = [_positions(people, relative, unit) for people in sets]
        if any(len(positions.get("raw", ())) for positions in found):
            rows[relative.name.replace(" - ", "\nfrom ")] = [
                _cloud(relative, stage, positions) for positions in found for stage in _STAGES
            ]
    names = [people.name for people in sets]
    if not rows:
        raise UserError(
            f"nobody in {', '.join(names)} has a head, a left wrist or a left ankle to draw"
        )
    heads = [f"{name}\n{stage}" for name in names for stage in _STAGES.values()]
    title = f"Where joints lie, as labelled and after normalization\nin {UNITS[unit][0]}"
    return plots.write(plots.scatter_grid(heads, rows, title), path)[0]


def _positions(people: People, relative: Relative, unit: str) -> dict[str, np.ndarray]:
    """Positions by stage; nothing where a joint lacks."""
    if relative.lacks(people.skeleton):
        return {}
    labels = people.joints, people.state >= State.OCCLUDED, people.skeleton
    return relative_positions(*labels, relative, UNITS[unit][1](*labels))


def _cloud(relative: Relative, stage: str, positions: dict[str, np.ndarray]) -> plots.Cloud:
    if stage == "limb" and relative.limb is None:
        return plots.Cloud(np.zeros((0, 2)), "no limb")
    xy = positions.get(stage, np.zeros((0, 2)))
    if not len(xy):
        return plots.Cloud(xy, "no labels")
    count = f"n = {len(xy):,}, " if stage == "raw" else ""
    return plots.Cloud(xy, f"{count}RMS {rms_distance(xy):.3f}")


def _angle_figure(people: People) -> Any:
    """The histogram of torso angles, or None where none is known."""
    found = torso_angles(people)
    if not found.n:
        return None
    shares = ", ".join(f"{name}° {percent(share)} %" for name, share in found.shares.items())
    words = plots.Words(
        f"{people.name}: torso angle from upright, n = {found.n:,} of {len(people):,} persons\n"
        f"|angle| {shares}",
        "angle that turns the torso upright, degrees (above 0: it leans to the left of the image)",
        "persons",
    )
    return plots.histogram(EDGES, found.counts, words, ticks=EDGES)


def _spread_figure(people: People, relative: Relative) -> Any:
    """A relative position stage by stage, or None where nobody has it."""
    if relative.lacks(people.skeleton):
        return None
    labels = people.joints, people.state >= State.OCCLUDED, people.skeleton
    positions = relative_positions(*labels, relative, torso_unit(*labels))
    found = spread_of(positions)
    if not found.n:
        return None
    words = plots.Words(
        f"{people.name}: {relative.name}\nn = {found.n:,} persons in whom "
        f"|left_shoulder - right_hip| is above {LEAST_PX:g} px",
        "x / |left_shoulder - right_hip|",
        "y / |left_shoulder - right_hip|",
    )
    notes = {_STAGES[stage]: f"RMS distance {rms:.3f}" for stage, rms in found.rms.items()}
    panels = {_STAGES[stage]: xy for stage, xy in positions.items()}
    return plots.scatter(panels, words, notes)
