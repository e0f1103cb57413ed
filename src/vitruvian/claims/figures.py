"""A figure's counts out of raw files: what each photograph adds above and below the line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitruvian.claims.bootstrap import Counts
from vitruvian.claims.model import FINE, Figure
from vitruvian.claims.raw import BACKGROUNDS, HEIGHTS, NONE, Measured, Raw
from vitruvian.measure.angles import BIN_NAMES
from vitruvian.measure.occlusion import inferable
from vitruvian.skeleton import find_skeleton
from vitruvian.types import State, UserError

AUC_STEPS = 20  # of 0.01, up to 0.2


def counts(raws: Sequence[Raw], figure: Figure, weight: float = 1.0) -> Counts:
    """A figure of one arm with several seeds.

    Args:
        raws: one a seed, each with the figure's measure.

    Raises:
        UserError: they were measured on different persons.
    """
    measured = [raw.measured(figure.measure.key) for raw in raws]
    for raw, other in zip(raws, measured, strict=True):
        if other.persons.rows != measured[0].persons.rows:
            raise UserError(different(raws[0], raw))
    both = [_counted(m, figure) for m in measured]
    part, whole = (np.stack(each) for each in zip(*both, strict=True))
    return Counts(measured[0].name, part, whole, weight)


def different(one: Raw, other: Raw) -> str:
    """What to do about files that cannot be paired."""
    return (
        f"{one.id} and {other.id} were measured on different persons: delete the older file and run "
        "its claim again"
    )


def _counted(measured: Measured, figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """Part and whole of each photograph, each (n,)."""
    value, asked = _values(measured, figure)
    asked = asked & _mask(measured, figure)
    return np.where(asked, value, 0).sum(1, dtype=np.float64), asked.sum(1).astype(np.float64)


def _values(measured: Measured, figure: Figure) -> tuple[np.ndarray, np.ndarray]:
    """What each joint adds, and whether it is asked about, both (n, J)."""
    planes = measured.planes
    if figure.what in ("pck", "baseline"):
        level = planes["level" if figure.what == "pck" else "baseline"]
        return level <= _place(measured, figure.at), level != NONE
    if figure.what == "auc":
        if measured.thresholds != FINE:
            raise UserError(f"measure {figure.measure.key!r} has no steps of 0.01 for an area")
        level = planes["level"]
        # a joint's curve jumps from 0 to 1 within the step whose number is its level
        area = np.maximum(AUC_STEPS - 0.5 - level.astype(np.float64), 0) / AUC_STEPS
        return area, level != NONE
    if figure.what in ("height", "background"):
        plane = planes[figure.what]
        return plane / (HEIGHTS if figure.what == "height" else BACKGROUNDS), plane != NONE
    plane = planes["swapped" if figure.what == "swapped" else f"peaks {figure.maps}"]
    return plane == 1, plane != NONE


def _place(measured: Measured, at: float) -> int:
    if at not in measured.thresholds:
        known = ", ".join(f"{t:g}" for t in measured.thresholds)
        raise UserError(f"errors were not counted at {at:g}, only at {known}")
    return measured.thresholds.index(at)


def _mask(measured: Measured, figure: Figure) -> np.ndarray:
    """(n, J) bool: the joints that a figure is of."""
    persons = measured.persons
    skeleton = find_skeleton(persons.skeleton)
    mask = np.ones(persons.state.shape, bool)
    if figure.joints:
        names = [name.removeprefix("left_").removeprefix("right_") for name in skeleton.joint_names]
        mask &= np.isin(names, figure.joints)
    if figure.angle:
        places = [BIN_NAMES.index(name) for name in figure.angle]
        mask &= np.isin(persons.angle, places)[:, None]
    if figure.state in ("inferable", "others"):
        mask &= inferable(persons.state, skeleton) == (figure.state == "inferable")
    elif figure.state:
        wanted = State.VISIBLE if figure.state == "visible" else State.OCCLUDED
        mask &= persons.state == wanted
    return mask
