"""How much a figure depends on which images happened to be in the test set: the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RESAMPLES_AT_ONCE = 100  # bounds memory: 100 x 9,000 weights are 7 MB


@dataclass(frozen=True)
class Estimate:
    """A share of one with its 95 % interval; all three are NaN where nothing was scored."""

    value: float
    low: float
    high: float
    n: int  # what was scored

    def to_dict(self) -> dict[str, float | None]:
        """Plain values; None in place of NaN, which JSON does not have."""
        values = {"value": self.value, "low": self.low, "high": self.high}
        return {key: None if np.isnan(share) else share for key, share in values.items()}


def bootstrap(
    part: np.ndarray,
    whole: np.ndarray,
    rng: np.random.Generator,
    group: np.ndarray | None = None,
    resamples: int = 2000,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares sum(part) / sum(whole) with percentile intervals over resampled rows.

    Args:
        part: (N, K) what each row adds above the line of K shares, as its correct joints.
        whole: (N, K) what it adds below the line, 0 or more, as its scored joints.
        rng: drawn from; the same state gives the same intervals.
        group: (N,) the image of each row; rows of one image are drawn together. None: each alone.
        resamples: as many sets of N rows, or of all groups, are drawn with replacement.
        level: the share of resamples inside an interval.

    Returns:
        value, low, high, each (K,); NaN where `whole` sums to 0. The interval holds the value.

    Raises:
        ValueError: the shapes do not fit each other.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.
    """
    if part.shape != whole.shape or part.ndim != 2:
        raise ValueError(f"part {part.shape} and whole {whole.shape} must have one shape (N, K)")
    if group is not None and group.shape != part.shape[:1]:
        raise ValueError(f"group has shape {group.shape}, expected {part.shape[:1]}")
    K = part.shape[1]
    sums = np.concatenate([part, whole], 1).astype(np.float64)  # (N, 2 K)
    if group is not None:
        sums = _sum_groups(sums, group)
    total = sums.sum(0)
    drawn = _resampled_sums(sums, rng, resamples)
    value = _ratio(total[:K], total[K:])
    ratios = _ratio(drawn[:, :K], drawn[:, K:])  # (resamples, K)
    low, high = _quantiles(ratios, np.array([1 - level, 1 + level]) / 2)
    return value, np.fmin(low, value), np.fmax(high, value)


def _sum_groups(rows: np.ndarray, group: np.ndarray) -> np.ndarray:
    names, place = np.unique(group, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, place, rows)
    return sums


def _resampled_sums(rows: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """(resamples, columns): column sums over as many rows drawn with replacement as there are.

    Counting drawn numbers gives multinomial weights several times faster than `rng.multinomial`.
    """
    N = len(rows)
    if N == 0:
        return np.zeros((resamples, rows.shape[1]))
    sums = []
    for start in range(0, resamples, _RESAMPLES_AT_ONCE):
        R = min(_RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.integers(N, size=(R, N)) + N * np.arange(R)[:, None]
        weight = np.bincount(drawn.ravel(), minlength=R * N).reshape(R, N)
        sums.append(weight.astype(np.float64) @ rows)
    return np.concatenate(sums)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _quantiles(ratios: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(2, K): quantiles down the columns, over the resamples in which anything is scored."""
    known = ~np.isnan(ratios).all(0)
    quantiles = np.full((len(at), ratios.shape[1]), np.nan)
    quantiles[:, known] = np.nanquantile(ratios[:, known], at, axis=0)
    return quantiles
