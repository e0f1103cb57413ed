"""What a model does when it is not told, chosen on `tune`: how often it looks, and what it calls sure."""

from __future__ import annotations

import numpy as np

from vitruvian.data.boxes import image_boxes
from vitruvian.data.people import People
from vitruvian.models import MOST_PASSES, ModelInfo, Predict
from vitruvian.types import Runner
from vitruvian.use.evaluate import looks_at
from vitruvian.use.quick import quick_score, right_answers
from vitruvian.use.where import where_learnt

LEAST_JOINTS = 200  # whose scores may choose a threshold


def choose(runner: Runner, info: ModelInfo, people: People, workers: int = 1) -> Predict:
    """`info.predict` with what suits the model best on `tune`; as it is, where there is no such subset.

    It may look as often as scores best; who is settled is not looked at again, so that more looks cost
    little. A joint is sure from the score on that most often tells right from wrong answers, of those
    that are found so; of crops, in the labelled joints' box. Who has learnt from photographs or faces
    looks there, and once: its later stages are its closer looks.
    """
    tune = people.subset("tune") if "tune" in people.subsets else people.rows(np.arange(0))
    if not len(tune) or people.skeleton.reference is None:
        return info.predict
    own = where_learnt(tune, info)
    box, most = (image_boxes(tune), MOST_PASSES) if tune.whole and own is tune else (own.box, 1)
    margin = info.preprocessing.margin
    looks = list(looks_at(runner, tune, box, info.crop, most, margin, workers=workers))
    scores = np.array([quick_score(predicted, tune) for predicted in looks])
    if not np.isfinite(scores).all():
        return info.predict
    best = int(scores.argmax())
    chosen: dict[str, int | float] = {"passes": best + 1} if tune.whole else {}
    score, right = right_answers(looks[best], tune)
    if len(score) >= LEAST_JOINTS:
        chosen["threshold"] = dividing(score, right)
    return info.predict.model_copy(update=chosen)


def dividing(score: np.ndarray, right: np.ndarray) -> float:
    """The score, 0 to 1, from which on "right" is said with the fewest mistakes; of equals the highest.

    Args:
        score: (n,), 0 to 1; n above 0.
        right: (n,) bool.
    """
    order = np.argsort(score, kind="stable")
    score, right = score[order].astype(np.float64), right[order]
    wrong_below = np.concatenate([[0], np.cumsum(~right)])  # (n + 1,), of the k lowest scores
    right_above = right.sum() - np.concatenate([[0], np.cumsum(right)])
    edges = np.concatenate([[0.0], score, [1.0]])
    agree = np.where(edges[1:] > edges[:-1], wrong_below + right_above, -1)
    k = len(agree) - 1 - int(agree[::-1].argmax())
    return round(float(edges[k : k + 2].mean()), 4) if k else 0.0
