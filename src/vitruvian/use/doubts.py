"""Signs that predictions and truth do not mean the same: by left and right, or by the order of persons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vitruvian.data.convention import change_sides, deciding_joints, observer_centric
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import Result, percent
from vitruvian.measure.scoring import Truth, tally_of
from vitruvian.skeleton import Skeleton

# By how much a total must rise before a warning is given. Published predictions rise by 0.001 at most
# under the sides that they do not mean; FLIC's by 0.034 where they are scored under the wrong ones.
MUCH = 0.025
_ALIKE = 0.02  # totals within which the plainer explanation is given
_CHANCE = 0.05  # a total that no system has whose predictions are of these persons


def swapped_sides(protocol: Protocol, truth: Truth, pred: np.ndarray, result: Result) -> str | None:
    """A warning when predictions score much better with other sides; None: no doubt.

    Tried are predictions whose right and left are exchanged throughout, and predictions in the other
    convention: a person-centric truth is read as an observer sees it, observer-centric predictions are
    what a person-centric system would have to be turned into.

    Args:
        pred: (N, J, 2) px, the joints of `truth`.
        result: what they score as they stand.
    """
    tried = {"right and left exchanged": _total(protocol, truth, pred[:, truth.skeleton.swap])}
    skeleton = truth.skeleton
    if not set(deciding_joints(skeleton)) <= set(skeleton.joint_names):
        pass  # nothing tells who faces away
    elif truth.convention == "PC":
        xy, state = (
            _observed(values, truth.xy, truth.located, skeleton)
            for values in (truth.xy, truth.state)
        )
        seen = replace(truth, xy=xy, state=state)
        tried["the truth read as an observer sees it (OC)"] = _total(protocol, seen, pred)
    elif truth.convention == "OC":
        turned = _observed(pred, pred, np.isfinite(pred).all(-1), skeleton)
        words = "the predictions turned to what an observer sees (they look PC)"
        tried[words] = _total(protocol, truth, turned)
    highest = max(tried.values())
    if not highest > result.total.value + MUCH:
        return None
    words, best = next(item for item in tried.items() if item[1] >= highest - _ALIKE)
    return (
        f"with {words} the total is {percent(best)} instead of {percent(result.total.value)}: check "
        "whose left the predictions mean, and which protocol is theirs"
    )


def other_persons(result: Result) -> str | None:
    """A warning when predictions are no better than a pose that has seen no photograph; None: no doubt.

    Predictions of other persons, in another order or in px of other photographs look so.

    Args:
        result: has the baseline `mean_pose`.
    """
    mean = result.baselines.get("mean_pose")
    if mean is None or not result.total.value <= max(mean.total.value, _CHANCE):
        return None
    return (
        f"the total of {percent(result.total.value)} is that of chance (the mean pose has "
        f"{percent(mean.total.value)}): check that these predictions are of this subset, in its order, "
        "and in px of these photographs"
    )


def _total(protocol: Protocol, truth: Truth, pred: np.ndarray) -> float:
    tally, _ = tally_of(protocol, truth, pred, cuts=False)
    figure = next(figure for figure in tally.figures if figure.label == "total")
    columns = list(figure.columns)
    whole = tally.whole[:, columns].sum()
    return float(tally.part[:, columns].sum() / whole) if whole else float("nan")


def _observed(
    values: np.ndarray, xy: np.ndarray, known: np.ndarray, skeleton: Skeleton
) -> np.ndarray:
    """Columns (N, J, ...) of person-centric joints, with the sides that an observer sees."""
    legs, arms = observer_centric(xy, known, skeleton)
    return change_sides(values, skeleton, legs, arms)
