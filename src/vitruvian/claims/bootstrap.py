"""How much a contrast depends on which seeds and which photographs there happened to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri, stdtrit

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20


@dataclass(frozen=True)
class Counts:
    """A figure's counts with every seed, on the same photographs."""

    persons: str  # equal: the same photographs, drawn together
    part: np.ndarray  # (S, N)
    whole: np.ndarray  # (S, N)
    weight: float = 1.0


@dataclass(frozen=True)
class Effect:
    """A weighted sum of shares with its interval."""

    value: float
    low: float
    high: float
    n: int  # photographs
    seeds: int


def effect(
    terms: Sequence[Counts], margin: float = 0.0, resamples: int = RESAMPLES, seed: int = SEED
) -> Effect:
    """The mean over seeds of sum(weight * part / whole) + margin, with its 95 % interval.

    The two-level bootstrap: each resample draws as many photographs with replacement as there are, the
    same ones for every seed and for all terms of the same persons, and as many seeds with replacement
    as there are, paired over the terms. From S seeds the drawn means vary by (S - 1) / S of what means
    of S seeds do; deviations from the mean over seeds are stretched to make up for it. How far seeds lie
    apart is itself known from S of them only, so that the interval is widened as Student's is wider than
    the normal one. With one seed only the photographs vary.

    Args:
        terms: of one number of seeds S.
        margin: added to the value.

    Raises:
        ValueError: numbers of seeds or of photographs differ.

    Source: Davison & Hinkley, Bootstrap methods and their application, 1997, section 3.8 (two levels of
        variation), 2.6 on small samples; percentile interval. Satterthwaite, Biometrics Bulletin 2, 1946.
    """
    S = len(terms[0].part)
    sizes: dict[str, int] = {}
    for term in terms:
        shape = (S, sizes.setdefault(term.persons, term.part.shape[1]))
        if term.part.shape != shape or term.whole.shape != shape:
            raise ValueError(f"counts of {term.persons} have shapes {term.part.shape}, not {shape}")
    drawn: np.ndarray | float = margin
    value: np.ndarray | float = margin
    for term in terms:
        order = list(sizes).index(term.persons)
        weights = photographs(term.part.shape[1], resamples, seed + order)
        part, whole = (weights @ a.T.astype(np.float32) for a in (term.part, term.whole))  # (R, S)
        drawn = drawn + term.weight * _ratio(part, whole)
        value = value + term.weight * _ratio(term.part.sum(1), term.whole.sum(1))  # (S,)
    assert isinstance(drawn, np.ndarray)
    assert isinstance(value, np.ndarray)
    means = _over_seeds(drawn, np.random.default_rng([seed, S]))
    known = means[~np.isnan(means)]
    low, high = (
        np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(known) else [np.nan] * 2
    )
    middle, wider = float(value.mean()), _widening(value, drawn)
    below, beyond = wider * min(low - middle, 0.0), wider * max(high - middle, 0.0)
    return Effect(middle, float(middle + below), float(middle + beyond), _counted(terms), S)


def _widening(value: np.ndarray, drawn: np.ndarray) -> float:
    """Student's quantile in units of the normal one's, by Satterthwaite's degrees of freedom.

    Args:
        value: (S,) the sum of each seed.
        drawn: (R, S) the same of resampled photographs.
    """
    S = len(value)
    of_seeds = value.var(ddof=1) / S if S > 1 else 0.0
    if not of_seeds > 0:
        return 1.0
    of_photographs = np.nanvar(drawn.mean(1))
    degrees = (S - 1) * (1 + of_photographs / of_seeds) ** 2
    share = (1 + LEVEL) / 2
    return float(stdtrit(degrees, share) / ndtri(share))


def _counted(terms: Sequence[Counts]) -> int:
    """Photographs that any term counts anything of; of several sets of persons the largest number."""
    seen: dict[str, np.ndarray] = {}
    for term in terms:
        here = term.whole.sum(0) > 0
        seen[term.persons] = here | seen.get(term.persons, False)
    return max(int(each.sum()) for each in seen.values())


def _over_seeds(drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(R,): of (R, S) the means of S seeds drawn with replacement, their deviations stretched."""
    R, S = drawn.shape
    centre = drawn.mean(1)
    if S == 1:
        return centre
    chosen = np.take_along_axis(drawn, rng.integers(S, size=(R, S)), 1).mean(1)
    return centre + np.sqrt(S / (S - 1)) * (chosen - centre)


@lru_cache(maxsize=8)
def photographs(N: int, resamples: int, seed: int) -> np.ndarray:
    """(R, N) float32: how often each of N photographs is drawn in each resample."""
    rng = np.random.default_rng([seed, N])
    drawn = rng.integers(N, size=(resamples, N)) + N * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * N).reshape(-1, N).astype(np.float32)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


@lru_cache(maxsize=8)
def coverage(seeds: int, ratio: float = 1.0, trials: int = 400, photos: int = 60) -> float:
    """How often `effect` holds the true value, by simulation; a share of one, nominally 0.95.

    Args:
        ratio: how uncertain the mean is by its seeds, in units of how uncertain it is by the
            photographs; both are normal.
    """
    rng = np.random.default_rng([SEED, seeds])
    held = 0
    for trial in range(trials):
        of_seed = ratio * np.sqrt(seeds / photos) * rng.standard_normal((seeds, 1))
        part = of_seed + rng.standard_normal(photos)  # (S, N)
        found = effect([Counts("simulated", part, np.ones_like(part))], resamples=400, seed=trial)
        held += found.low <= 0 <= found.high
    return held / trials
