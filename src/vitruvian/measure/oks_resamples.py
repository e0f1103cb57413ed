"""COCO's figures over resampled photographs: matches are made once and weighted, not made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.measure.intervals import LEVEL, Difference, Estimate, paired, quantiles

FIGURES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
RESAMPLES = (
    500  # 3 s of one core for 1,000 photographs with 5 results each, five times the matching
)


@dataclass(frozen=True)
class Matches:
    """The results for persons of one range of sizes, the surest first, over all photographs."""

    image: np.ndarray  # (D,) place of the photograph, 0 to G - 1
    right: np.ndarray  # (T, D) bool: it found a person, at each threshold of similarity
    wrong: np.ndarray  # (T, D) bool: it found nobody; neither: it is not counted
    persons: np.ndarray  # (G,) how many there are to find


@dataclass(frozen=True)
class Matched:
    """An evaluation: COCO's figures, and what they are made of."""

    values: (
        np.ndarray
    )  # (10,) `FIGURES`, 0 to 1, as the library gives them; NaN: nobody of that size
    images: tuple[int, ...]  # ids of the photographs, G
    sizes: tuple[Matches, Matches, Matches]  # all, medium and large persons
    recalls: np.ndarray  # (R,) at which precision is read
    places: tuple[int, int]  # of 0.5 and 0.75 among the thresholds


def matched(evaluation: Any) -> Matched:
    """What a `pycocotools.cocoeval.COCOeval` of keypoints found, after `summarize`."""
    params = evaluation.params
    G, T = len(params.imgIds), len(params.iouThrs)
    every, medium, large = (
        _matches(evaluation.evalImgs[start : start + G], T) for start in range(0, 3 * G, G)
    )
    at50, at75 = (int(np.argmin(np.abs(params.iouThrs - at))) for at in (0.5, 0.75))
    values = np.where(evaluation.stats < 0, np.nan, evaluation.stats)
    images = tuple(int(one) for one in params.imgIds)
    return Matched(values, images, (every, medium, large), params.recThrs, (at50, at75))


def _matches(images: Sequence[dict[str, Any] | None], thresholds: int) -> Matches:
    """What was noted of each photograph, in one range of sizes."""
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


def figures(of: Matched, weight: np.ndarray) -> Iterator[float]:
    """`FIGURES`, where each photograph is there as often as `weight` (G,) says.

    A photograph twice is its results and persons twice, as if it were two. NaN: nobody is to be found.
    """
    at50, at75 = of.places
    curves = [curve(matches, weight, of.recalls) for matches in of.sizes]
    for kind in (0, 1):  # precision, recall
        every, medium, large = (one[kind] for one in curves)
        yield from (every.mean(), every[at50], every[at75], medium.mean(), large.mean())


def curve(of: Matches, weight: np.ndarray, recalls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean precision over `recalls` (R,), and the recall, at each threshold: (T,), (T,)."""
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


def estimates(
    of: Matched, n: int, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """`FIGURES` with 95 % intervals over photographs drawn with replacement; `n` persons."""
    (drawn,) = _drawn((of,), rng, resamples)
    low, high = quantiles(drawn, LEVEL)
    low, high = np.fmin(low, of.values), np.fmax(high, of.values)
    return {
        name: Estimate(float(of.values[i]), float(low[i]), float(high[i]), n)
        for i, name in enumerate(FIGURES)
    }


def differences(
    one: Matched, other: Matched, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Difference]:
    """How much larger each of `FIGURES` is of `other`, over photographs drawn for both at once.

    Raises:
        ValueError: they are not of the same photographs and persons.
    """
    same = [
        np.array_equal(a.persons, b.persons) for a, b in zip(one.sizes, other.sizes, strict=True)
    ]
    if one.images != other.images or not all(same):
        raise ValueError("only evaluations of the same photographs can be paired")
    drawn = _drawn((one, other), rng, resamples)
    found = paired(other.values - one.values, drawn[1] - drawn[0])
    return dict(zip(FIGURES, found, strict=True))


def _drawn(several: Sequence[Matched], rng: np.random.Generator, resamples: int) -> np.ndarray:
    """(S, resamples, 10): the figures of each, of the same photographs in every resample."""
    G = len(several[0].images)
    drawn = np.empty((len(several), resamples, len(FIGURES)))
    for number in range(resamples):
        weight = rng.multinomial(G, np.full(G, 1 / G)).astype(np.float64)
        for place, of in enumerate(several):
            drawn[place, number] = list(figures(of, weight))
    return drawn
