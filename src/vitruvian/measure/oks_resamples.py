"""COCO's figures over resampled photographs: matches are made once and weighted, not made again."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.measure.intervals import LEVEL, Difference, Estimate, paired, quantiles

FIGURES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
RESAMPLES = (
    500  # 3 s of one core for 1,000 photographs with 5 results each, five times the matching
)


@dataclass(frozen=True, eq=False)
class Matches:
    """The results for persons of one range of sizes, the surest first, over all photographs."""

    image: np.ndarray  # (D,) place of the photograph, 0 to G - 1
    right: tuple[np.ndarray, ...]  # T times the results, 0 to D - 1, that found a person
    counted: np.ndarray  # (T, D) 1, or 0 where it counts for nothing, as one of a crowd
    persons: np.ndarray  # (G,) how many there are to find


@dataclass(frozen=True, eq=False)
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
        _matches(evaluation.evalImgs[size * G : (size + 1) * G], T) for size in range(3)
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
    counted = ~np.concatenate(ignored, 1)[:, order]
    right = np.concatenate(found, 1)[:, order] & counted
    return Matches(
        np.concatenate(places)[order], tuple(map(np.flatnonzero, right)), counted * 1.0, persons
    )


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
    T, persons = len(of.right), weight @ of.persons
    if persons == 0:
        return np.full(T, np.nan), np.full(T, np.nan)
    times = weight[of.image]
    precision, recall = np.zeros(T), np.zeros(T)
    for t, right in enumerate(of.right):
        if not len(right):
            continue
        hits = np.cumsum(times[right])
        answers = np.cumsum(times * of.counted[t])[right]
        share = hits / (answers + np.spacing(1))
        best = np.maximum.accumulate(share[::-1])[::-1]  # at this recall or more
        place = np.searchsorted(hits / persons, recalls)
        precision[t] = np.append(best, 0.0)[place].mean()
        recall[t] = hits[-1] / persons
    return precision, recall


def estimates(of: Matched, n: int, seed: int, resamples: int = RESAMPLES) -> dict[str, Estimate]:
    """`FIGURES` with 95 % intervals over photographs drawn with replacement; `n` persons."""
    low, high = quantiles(_drawn(of, seed, resamples), LEVEL)
    low, high = np.fmin(low, of.values), np.fmax(high, of.values)
    return {
        name: Estimate(float(of.values[i]), float(low[i]), float(high[i]), n)
        for i, name in enumerate(FIGURES)
    }


def differences(
    one: Matched, other: Matched, seed: int, resamples: int = RESAMPLES
) -> dict[str, Difference]:
    """How much larger each of `FIGURES` is of `other`, over photographs drawn for both at once.

    Raises:
        ValueError: they are not of the same photographs and persons.
    """
    sizes = zip(one.sizes, other.sizes, strict=True)
    same = all(np.array_equal(a.persons, b.persons) for a, b in sizes)
    if one.images != other.images or not same:
        raise ValueError("only evaluations of the same photographs can be paired")
    drawn = _drawn(other, seed, resamples) - _drawn(one, seed, resamples)
    found = paired(other.values - one.values, drawn)
    return dict(zip(FIGURES, found, strict=True))


@functools.lru_cache(maxsize=16)  # `compare` asks for the same files again and again
def _drawn(of: Matched, seed: int, resamples: int) -> np.ndarray:
    """(resamples, 10): equal seeds draw the same of as many photographs."""
    rng, G = np.random.default_rng(seed), len(of.images)
    drawn = np.full((resamples, len(FIGURES)), np.nan)
    for number in range(resamples if G else 0):
        weight = rng.multinomial(G, np.full(G, 1 / G)).astype(np.float64)
        drawn[number] = list(figures(of, weight))
    return drawn
