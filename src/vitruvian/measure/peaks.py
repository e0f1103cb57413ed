"""How often a joint's heatmap has a second peak: a place that the net takes for the joint as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from scipy.ndimage import label, maximum_filter

from vitruvian.measure.intervals import (
    Difference,
    Estimate,
    Figure,
    Tally,
    differences,
    estimates,
)

T = TypeVar("T")

HEIGHT = 0.5  # of the first peak, above which a second one counts
APART = 1 / 16  # of a map's longer side: how far a peak reaches
RULE = (
    f"a second peak: a cell above {HEIGHT:g} x the highest one; no cell within 1/{1 / APART:g} of the "
    "map's longer side is higher, it lies farther than that from the highest one, and no path over cells "
    f"above {HEIGHT:g} x its height leads there"
)
ALL = "all joints"
_WITHIN_A_MAP = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])  # 8 neighbours


def reach(h: int, w: int) -> int:
    """How far, in cells along either axis, a peak of a map reaches: no other one lies there. At least 1."""
    return max(1, round(APART * max(h, w)))


def second_peaks(maps: np.ndarray, cells: int | None = None) -> np.ndarray:
    """The height of each map's second peak, as a share of the first one's.

    The first peak is the highest cell, the first one of several. A second peak is higher than `HEIGHT` of
    it; no cell within `cells` exceeds it, in rows and columns; it lies farther than `cells` from the first;
    and no path over neighbouring cells (8 each) above `HEIGHT` of the first leads there. So a broad or
    uneven peak, such as a detector's disc, is one. Values below 0 and what is no number count as 0.

    Args:
        maps: (..., h, w), higher where a joint is likelier, about 0 where it is not.
        cells: None is `reach`, with which maps of one crop compare whatever their resolution.

    Returns:
        (...), above `HEIGHT` to 1; 0 where there is no second peak.

    Source: Ke et al., 2018, Fig. 3, which shows peaks and does not define them.
    """
    h, w = maps.shape[-2:]
    cells = reach(h, w) if cells is None else cells
    flat = np.nan_to_num(np.maximum(maps, 0), posinf=0).reshape(-1, h, w)  # (M, h, w)
    M = len(flat)
    y, x = np.divmod(flat.reshape(M, h * w).argmax(1), w)  # each (M,)
    height = flat[np.arange(M), y, x]
    regions, _ = label(flat > HEIGHT * height[:, None, None], _WITHIN_A_MAP)
    parted = (regions > 0) & (regions != regions[np.arange(M), y, x][:, None, None])
    several = np.flatnonzero(parted.any((1, 2)))  # most maps have one region
    found = np.zeros(M)
    if len(several):
        far_y = np.abs(np.arange(h) - y[several, None]) > cells  # (M', h)
        far_x = np.abs(np.arange(w) - x[several, None]) > cells
        far = far_y[:, :, None] | far_x[:, None, :]
        these = flat[several]
        peak = these >= maximum_filter(these, (1, 2 * cells + 1, 2 * cells + 1), mode="nearest")
        second = np.where(peak & far & parted[several], these, 0).max((1, 2))
        found[several] = second / height[several]
    return found.reshape(maps.shape[:-2])


@dataclass(frozen=True)
class Peaks:
    """The share of located joints whose map has a second peak, for each set of maps of one net."""

    shares: dict[str, dict[str, Estimate]]  # set -> `ALL` or a joint -> share
    gaps: dict[str, dict[str, Difference]]  # set -> the same, against the set before it

    def to_dict(self) -> dict[str, object]:
        """Plain values, shares of one."""
        return {
            "rule": RULE,
            "sets": {
                name: {joint: estimate.to_dict() for joint, estimate in found.items()}
                for name, found in self.shares.items()
            },
            "against_the_set_before": {
                name: {joint: gap.to_dict() for joint, gap in found.items()}
                for name, found in self.gaps.items()
            },
        }


def count_peaks(
    second: Mapping[str, np.ndarray],
    located: np.ndarray,
    joints: tuple[str, ...],
    group: np.ndarray,
    rng: np.random.Generator,
) -> Peaks:
    """Shares and differences with 95 % intervals over photographs.

    Args:
        second: set -> (N, J) `second_peaks`, sets in the order of their making.
        located: (N, J) bool, the joints that are asked about.
        joints: the J joints' names.
        group: (N,) the photograph of each person.
        rng: draws the resamples.
    """
    names, place = np.unique(group, return_inverse=True)
    figures = (
        Figure(ALL, tuple(range(len(joints)))),
        *(Figure(f"joint: {joint}", (i,)) for i, joint in enumerate(joints)),
    )

    def summed(values: np.ndarray) -> np.ndarray:
        total = np.zeros((len(names), len(joints)))
        np.add.at(total, place, values)
        return total

    whole = summed(located)
    tallies = {
        name: Tally(summed((share > HEIGHT) & located), whole, figures)
        for name, share in second.items()
    }
    order = list(tallies)
    return Peaks(
        {name: _named(estimates(tally, rng)) for name, tally in tallies.items()},
        {
            after: _named(differences(tallies[before], tallies[after], rng))
            for before, after in pairwise(order)
        },
    )


def _named(found: Mapping[str, T]) -> dict[str, T]:
    return {label.removeprefix("joint: "): value for label, value in found.items()}
