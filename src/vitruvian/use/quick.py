"""A model's answers at a glance, without intervals: what trainings look at and settings are chosen by."""

from __future__ import annotations

import numpy as np

from vitruvian.data.people import People
from vitruvian.measure import baselines, metrics
from vitruvian.types import State
from vitruvian.use.evaluate import Predicted, protocol_for, truth_of


def quick_score(predicted: Predicted, people: People) -> float:
    """The total of `evaluate` for poses that are there already, wherever they were looked for."""
    errors, located, threshold = _errors(predicted, people)
    return metrics.pck(errors, located, threshold)


def right_answers(predicted: Predicted, people: People) -> tuple[np.ndarray, np.ndarray]:
    """The scores (n,) of the located joints that were answered, and which of them are right (n,)."""
    errors, located, threshold = _errors(predicted, people)
    columns = people.skeleton.index(*protocol_for(people).joints)
    known = located & np.isfinite(errors)
    return predicted.score[:, columns][known], metrics.hits(errors, threshold)[known]


def _errors(predicted: Predicted, people: People) -> tuple[np.ndarray, np.ndarray, float]:
    """`normalized_errors` (N, J) of the protocol's joints, which are located, and the threshold."""
    protocol, truth = protocol_for(people), truth_of(people)
    errors = metrics.normalized_errors(predicted.xy, truth.xy, truth.reference(protocol.reference))
    columns = people.skeleton.index(*protocol.joints)
    return errors[:, columns], truth.located[:, columns], protocol.threshold


def spread(predicted: Predicted, people: People) -> float:
    """How much answers differ from person to person, in units of how much the truth does.

    The standard deviation over persons of each joint's place in its box; near 0 when a net has
    collapsed to the mean pose.
    """
    located = people.state >= State.OCCLUDED
    seen = located.any(0)  # a joint that nobody has says nothing

    def deviation(xy: np.ndarray) -> float:
        in_box = baselines.in_box_units(xy, people.box)
        known = np.where(located[..., None], in_box, np.nan)[:, seen]
        return float(np.nanmean(np.nanstd(known, axis=0)))

    return deviation(predicted.xy) / max(deviation(people.joints.astype(np.float64)), 1e-9)
