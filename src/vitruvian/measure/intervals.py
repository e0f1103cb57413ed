"""How much a figure depends on which images happened to be in the test set: the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95
_AT_ONCE = 100  # resamples; bounds memory: 100 x 20,000 weights are 16 MB


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
        plain = {key: None if np.isnan(share) else share for key, share in values.items()}
        return plain | {"n": self.n}


@dataclass(frozen=True)
class Difference:
    """By how much the second of two shares of the same persons is larger, with its 95 % interval."""

    value: float
    low: float
    high: float
    p: float  # two-sided: how often resamples would lie this far on the other side of zero

    @property
    def certain(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0

    def to_dict(self) -> dict[str, float | None]:
        """Plain values; None in place of NaN."""
        values = {"value": self.value, "low": self.low, "high": self.high, "p": self.p}
        return {key: None if np.isnan(value) else value for key, value in values.items()}


@dataclass(frozen=True)
class Figure:
    """A share made of columns of a tally, or by how much it is larger than another."""

    label: str
    columns: tuple[int, ...]
    macro: bool = False  # the mean of the columns' shares, not the share of their sums
    minus: tuple[int, ...] = ()  # columns whose share is taken off


@dataclass(frozen=True)
class Tally:
    """What each image adds above and below the line of every column, and the figures made of them."""

    part: np.ndarray  # (G, K)
    whole: np.ndarray  # (G, K), 0 or more
    figures: tuple[Figure, ...]

    def __post_init__(self) -> None:
        if self.part.shape != self.whole.shape or self.part.ndim != 2:
            raise ValueError(
                f"part {self.part.shape} and whole {self.whole.shape} must have one shape (G, K)"
            )


def estimates(
    tally: Tally, rng: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> dict[str, Estimate]:
    """Each figure with its percentile interval over resampled images.

    Args:
        tally: images in which nothing is scored take no part in the draw.
        rng: drawn from; the same state gives the same intervals.
        resamples: as many sets of G images are drawn with replacement.
        level: the share of resamples inside an interval; it always holds the value.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, percentile interval.
    """
    rows = np.concatenate([tally.part, tally.whole], 1).astype(np.float64)
    rows = rows[tally.whole.any(1)]
    value = _shares(rows.sum(0, keepdims=True), tally.figures)[0]
    drawn = _shares(_resampled_sums(rows, rng, resamples), tally.figures)
    low, high = quantiles(drawn, level)
    low, high = np.fmin(low, value), np.fmax(high, value)
    K = tally.whole.shape[1]
    count = rows[:, K:].sum(0)
    return {
        figure.label: Estimate(
            float(value[i]), float(low[i]), float(high[i]), int(count[list(figure.columns)].sum())
        )
        for i, figure in enumerate(tally.figures)
    }


def differences(
    one: Tally, other: Tally, rng: np.random.Generator, resamples: int = RESAMPLES
) -> dict[str, Difference]:
    """How much larger each figure of `other` is, over images drawn for both at once.

    Of a figure with `minus` that is a difference of differences: how much more `other` gains on the one
    part than on the other part.

    Raises:
        ValueError: the tallies are not of the same persons, images and figures.

    A p-value is no smaller than the number of resamples allows, and few images prove nothing whatever
    it is: the images stand for all that might have been drawn.

    Source: paired bootstrap; Koehn, EMNLP 2004, for its use as a test between systems.
    """
    if one.figures != other.figures or not np.array_equal(one.whole, other.whole):
        raise ValueError("only tallies of the same persons, images and figures can be paired")
    rows = [np.concatenate([t.part, t.whole], 1).astype(np.float64) for t in (one, other)]
    columns = rows[0].shape[1]
    both = np.concatenate(rows, 1)[one.whole.any(1) | other.whole.any(1)]

    def gap(sums: np.ndarray) -> np.ndarray:
        return _shares(sums[:, columns:], other.figures) - _shares(sums[:, :columns], one.figures)

    value = gap(both.sum(0, keepdims=True))[0]
    drawn = gap(_resampled_sums(both, rng, resamples))  # (R, F)
    return dict(zip((figure.label for figure in one.figures), paired(value, drawn), strict=True))


def paired(value: np.ndarray, drawn: np.ndarray) -> list[Difference]:
    """Differences (F,) with what they are in resamples (R, F), NaN where nothing was scored."""
    low, high = quantiles(drawn, LEVEL)
    below, above, known = (drawn <= 0).sum(0), (drawn >= 0).sum(0), (~np.isnan(drawn)).sum(0)
    p = np.minimum(1, 2 * (np.minimum(below, above) + 1) / (known + 1))
    p = np.where(known > 0, p, np.nan)
    rows = np.stack([value, low, high, p], 1).tolist()
    return [Difference(*row) for row in rows]


def _resampled_sums(rows: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """(resamples, columns): column sums over as many rows drawn with replacement as there are.

    Counting drawn numbers gives multinomial weights several times faster than `rng.multinomial`.
    """
    G = len(rows)
    if G == 0:
        return np.zeros((resamples, rows.shape[1]))
    sums = []
    for start in range(0, resamples, _AT_ONCE):
        R = min(_AT_ONCE, resamples - start)
        drawn = rng.integers(G, size=(R, G)) + G * np.arange(R)[:, None]
        weight = np.bincount(drawn.ravel(), minlength=R * G).reshape(R, G)
        sums.append(weight.astype(np.float64) @ rows)
    return np.concatenate(sums)


def _shares(sums: np.ndarray, figures: tuple[Figure, ...]) -> np.ndarray:
    """(R, F) figures out of sums (R, 2 K); NaN where nothing is scored."""
    K = sums.shape[1] // 2
    part, whole = sums[:, :K], sums[:, K:]
    shares = np.empty((len(sums), len(figures)))

    def share(columns: tuple[int, ...], macro: bool) -> np.ndarray:
        these = part[:, list(columns)], whole[:, list(columns)]
        return _mean(_ratio(*these)) if macro else _ratio(these[0].sum(1), these[1].sum(1))

    for i, figure in enumerate(figures):
        shares[:, i] = share(figure.columns, figure.macro)
        if figure.minus:
            shares[:, i] -= share(figure.minus, figure.macro)
    return shares


def _mean(ratios: np.ndarray) -> np.ndarray:
    """(R,): means of rows (R, C) without NaN."""
    known = ~np.isnan(ratios)
    return _ratio(np.where(known, ratios, 0).sum(1), known.sum(1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def quantiles(drawn: np.ndarray, level: float) -> np.ndarray:
    """(2, F): the interval of each column over the resamples in which anything is scored."""
    known = ~np.isnan(drawn).all(0)
    quantiles = np.full((2, drawn.shape[1]), np.nan)
    at = np.array([1 - level, 1 + level]) / 2
    quantiles[:, known] = np.nanquantile(drawn[:, known], at, axis=0)
    return quantiles
