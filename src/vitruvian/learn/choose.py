"""What a model does when it is not told, chosen on `tune`: how often it looks, and what it calls sure."""

from __future__ import annotations

import numpy as np

from vitruvian.data.boxes import image_boxes
from vitruvian.data.people import People
from vitruvian.measure import metrics
from vitruvian.models import MOST_PASSES, ModelInfo, Predict
from vitruvian.types import Runner
from vitruvian.use.evaluate import (
    Predicted,
    looks_at,
    predict_people,
    protocol_for,
    quick_score,
    truth_of,
)

LEAST_JOINTS = 200  # whose scores may choose a threshold


def choose(runner: Runner, info: ModelInfo, people: People, workers: int = 1) -> Predict:
    """`info.predict` with what suits the model best on `tune`; as it is, where there is no such subset.

    It may look as often as scores best; who is settled is not looked at again, so that more looks cost
    little. A joint is sure from the score on that most often tells right from wrong answers.
    """
    tune = people.subset("tune") if "tune" in people.subsets else people.rows(np.arange(0))
    if not len(tune) or people.skeleton.reference is None:
        return info.predict
    chosen: dict[str, int | float] = {}
    if tune.whole:
        margin = info.preprocessing.margin
        looks = looks_at(
            runner, tune, image_boxes(tune), info.crop, MOST_PASSES, margin, workers=workers
        )
        chosen["passes"] = 1 + int(np.argmax([quick_score(predicted, tune) for predicted in looks]))
    predicted = predict_people(runner, tune, tune.box, info.crop, workers=workers)
    score, right = _answers(predicted, tune)
    if len(score) >= LEAST_JOINTS:
        chosen["threshold"] = dividing(score, right)
    return info.predict.model_copy(update=chosen)


def dividing(score: np.ndarray, right: np.ndarray) -> float:
    """The score in hundredths, 0 to 0.99, from which on "right" is said with the fewest mistakes.

    Args:
        score: (n,), 0 to 1.
        right: (n,) bool.
    """
    thresholds = np.arange(100) / 100
    agree = ((score[:, None] >= thresholds) == right[:, None]).mean(0)
    return float(thresholds[agree.argmax()])


def _answers(predicted: Predicted, people: People) -> tuple[np.ndarray, np.ndarray]:
    """The scores (n,) of the protocol's located joints, and which of them were found."""
    protocol, truth = protocol_for(people), truth_of(people)
    errors = metrics.normalized_errors(predicted.xy, truth.xy, truth.reference(protocol.reference))
    columns = people.skeleton.index(*protocol.joints)
    known = (truth.located & np.isfinite(errors))[:, columns]
    return (
        predicted.score[:, columns][known].astype(np.float64),
        errors[:, columns][known] <= protocol.threshold,
    )
