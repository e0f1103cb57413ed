"""COCO's figures over resampled photographs: matches are made once and weighted, not made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.measure.intervals import LEVEL

RESAMPLES = 500  # 3 s of one core for 1,000 photographs with 5 results each, five times the matching


@dataclass(frozen=True)
class Matches:
    """The results for persons of one range of sizes, the surest first, over all photographs."""

    image: np.ndarray  # (D,) place of the photograph, 0 to I - 1
    right: np.ndarray  # (T, D) bool: it found a person, at each threshold of similarity
    wrong: np.ndarray  # (T, D) bool: it found nobody; neither: it is not counted
    persons: np.ndarray  # (I,) how many there are to find


def matches(images: Sequence[dict[str, Any] | None], thresholds: int) -> Matches:
    """What pycocotools noted of each photograph, `COCOeval.evalImgs` of one range of sizes."""
    places, scores = [np.zeros(0, np.int64)], [np.zeros(0)]
    found = [np.zeros((thresholds, 0), bool)]
    ignored = [np.zeros((thresholds, 0), bool)]
    persons = np.zeros(len(images))
    for place, noted in enumerate(images):
        if noted is None:
            continue
        persons[place] = np.count_nonzero(np.asarray(noted["gtIgnore"]) == 0)
        places.append(np.full(len(noted["dtScores"]), place))
        scores.append(np.asarray(noted["dtScores"], np.float64))
        found.append(np.asarray(noted["dtMatches"]).reshape(thresholds, -1) > 0)
        ignored.append(np.asarray(noted["dtIgnore"]).reshape(thresholds, -1).astype(bool))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    right, skip = np.concatenate(found, 1)[:, order], np.concatenate(ignored, 1)[:, order]
    return Matches(np.concatenate(places)[order], right & ~skip, ~right & ~skip, persons)


def curve(of: Matches, weight: np.ndarray, recalls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean precision over `recalls` (R,), and the recall, at each threshold: (T,), (T,).

    Args:
        weight: (I,) how often each photograph is there; a photograph twice is its results and persons
            twice, as if it were two.

    Returns:
        NaN where there is nobody to find.
    """
    T = len(of.right)
    persons = weight @ of.persons
    if persons == 0:
        return np.full(T, np.nan), np.full(T, np.nan)
    if not len(of.image):
        return np.zeros(T), np.zeros(T)
    counted = weight[of.image]
    right, wrong = (np.cumsum(which * counted, 1) for which in (of.right, of.wrong))
    recall = right / persons
    precision = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]  # at this recall or more
    best = np.concatenate([best, np.zeros((T, 1))], 1)
    means = [best[t, np.searchsorted(recall[t], recalls)].mean() for t in range(T)]
    return np.array(means), recall[:, -1]


def figures(sizes: Sequence[Matches], weight: np.ndarray, evaluation: Any) -> Iterator[float]:
    """The ten of `oks.FIGURES`, from the matches of all, medium and large persons."""
    params = evaluation.params
    at50, at75 = (int(np.argmin(np.abs(params.iouThrs - at))) for at in (0.5, 0.75))
    curves = [curve(of, weight, params.recThrs) for of in sizes]
    for kind in (0, 1):  # precision, recall
        every, medium, large = (one[kind] for one in curves)
        yield from (every.mean(), every[at50], every[at75], medium.mean(), large.mean())


def intervals(
    evaluation: Any, rng: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of the ten figures over photographs drawn with replacement: low, high (10,).

    Args:
        evaluation: a `pycocotools.cocoeval.COCOeval` of keypoints that has been evaluated.
        resamples: how many.

    Returns:
        NaN where a figure is NaN in every resample.
    """
    images, thresholds = len(evaluation.params.imgIds), len(evaluation.params.iouThrs)
    noted = evaluation.evalImgs
    sizes = [matches(noted[at : at + images], thresholds) for at in range(0, 3 * images, images)]
    drawn = np.full((resamples, 10), np.nan)
    for row in drawn:
        weight = rng.multinomial(images, np.full(images, 1 / images)).astype(np.float64)
        row[:] = list(figures(sizes, weight, evaluation))
    known = ~np.isnan(drawn).all(0)
    low, high = np.full(10, np.nan), np.full(10, np.nan)
    cut = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    low[known], high[known] = np.nanpercentile(drawn[:, known], cut, axis=0)
    return low, high
