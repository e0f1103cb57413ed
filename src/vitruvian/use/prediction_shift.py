"""Do predictions lie one pixel beside the labels? What tells a 1-based file from a system's own bias."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_PERSONS = 10_000  # looked at, at most
_FEWEST = 50  # persons that an interval is computed from, joints that copies are known by
_STEPS = 100
_TUKEY = 4.685  # spreads beyond which an error has no weight
_MEDIAN = 1.1774  # of the length of a vector whose two coordinates have spread 1
_NORMAL_99 = 2.576
_COPY = 0.25  # px within which most errors agree only if the predictions are labels themselves


class Offset(NamedTuple):
    """A constant shift of predictions, in px; positive is right of and below the labels."""

    dx: float
    dy: float
    margin: float  # half the 99 % interval of the mean of both; inf where nothing can be said

    def __str__(self) -> str:
        sure = "of unknown certainty" if self.margin == np.inf else f"± {self.margin:.1f}"
        return f"({self.dx:+.1f}, {self.dy:+.1f}) px {sure}"


def offset_evidence(pred_xy: np.ndarray, truth_xy: np.ndarray, reference: np.ndarray) -> Offset:
    """The shift that good predictions have whatever the size of the person.

    Systems have biases of their own: half a heatmap cell is several pixels of a large person, more
    than the pixel that is looked for. But those grow with the person, and a base does not. So

        (pred - truth) / reference = shift / reference + bias of the joint + error

    is fitted with Tukey's weights, which ignore joints that were not found; the interval counts each
    person once. Where all persons are of one size, shift and bias cannot be told apart and the margin
    is infinite, unless the predictions are the labels themselves, moved.

    Args:
        pred_xy: (N, J, 2) px, NaN where nothing was predicted.
        truth_xy: (N, J, 2) px, NaN where there is no label.
        reference: (N,) px, a length that grows with the person as seen, best the longer extent of
            the labelled joints; a foreshortened one such as the torso makes biases look like shifts.
    """
    N = len(pred_xy)
    rows = np.unique(np.linspace(0, N - 1, min(N, _PERSONS)).astype(int)) if N else np.arange(0)
    d = np.asarray(pred_xy[rows], np.float64) - truth_xy[rows]
    length = np.asarray(reference[rows], np.float64)
    usable = np.isfinite(d).all(-1) & (np.isfinite(length) & (length > 0))[:, None]
    if not usable.any():
        return Offset(0.0, 0.0, np.inf)
    middle = np.median(d[usable], axis=0)
    around = np.median(np.abs(d[usable] - middle).max(-1))
    if around < _COPY and usable.sum() >= _FEWEST:
        return Offset(float(middle[0]), float(middle[1]), _COPY)
    if usable.any(1).sum() < _FEWEST:
        return Offset(float(middle[0]), float(middle[1]), np.inf)
    per_length = np.where(usable.any(1), 1 / np.where(length > 0, length, 1), 0)
    shift, margin = _fit(d * per_length[:, None, None], per_length[:, None], usable)
    dx, dy = middle if margin == np.inf else shift
    return Offset(float(dx), float(dy), margin)


def one_pixel(offset: Offset) -> bool:
    """Whether a shift by one pixel right and down clearly fits better than none.

    Both coordinates are nearer to 1 than to 0, and the 99 % interval of their mean lies above 0.5
    and reaches below 1.5: a larger shift is no base.
    """
    low = (offset.dx + offset.dy) / 2 - offset.margin
    return min(offset.dx, offset.dy) > 0.5 and 0.5 < low < 1.5


def _fit(e: np.ndarray, u: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, float]:
    """e (N, J, 2) = shift (2,) * u (N, 1) + bias (J, 2): the shift and the margin of its mean."""
    e = np.where(usable[..., None], e, 0)
    shift, bias = np.zeros(2), np.zeros((e.shape[1], 2))
    for joint in np.flatnonzero(usable.any(0)):
        bias[joint] = np.median(e[usable[:, joint], joint], axis=0)
    for _ in range(_STEPS):
        residual = e - shift * u[..., None] - bias
        r = np.hypot(residual[..., 0], residual[..., 1])
        scale = max(float(np.median(r[usable])) / _MEDIAN, 1e-12)
        t = (r / (_TUKEY * scale)) ** 2
        weight = np.where(usable & (t < 1), (1 - t) ** 2, 0)
        total = np.maximum(weight.sum(0), 1e-12)
        u_mean = (weight * u).sum(0) / total
        e_mean = (weight[..., None] * e).sum(0) / total[:, None]
        u_in = u - u_mean
        spread = (weight * u_in**2).sum()
        if spread <= 1e-12 * (weight * u**2).sum():
            return shift, np.inf
        before = shift
        shift = ((weight * u_in)[..., None] * (e - e_mean)).sum((0, 1)) / spread
        bias = e_mean - shift * u_mean[:, None]
        if np.abs(shift - before).max() < 1e-4:
            break
    slope = np.where(usable & (t < 1), (1 - t) * (1 - 3 * t), 0)  # of the weighted error, in 2-D
    bread = (slope * u_in**2).sum()
    person = (weight * u_in * residual.mean(-1)).sum(1)
    margin = _NORMAL_99 * np.sqrt((person**2).sum()) / bread if bread > 0 else np.inf
    return shift, float(margin)
