"""PCK, its curve's area, and the lengths that errors are measured in; pure array functions.

Two rules hold throughout. A prediction that is NaN is wrong. A joint whose truth or whose person's
reference length is not known has the error NaN and is never scored, whatever `scored` says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Thresholds are built as k * 0.01, and 20 * 0.01 may lie an ulp below the quotient 10 / 50.
_SLACK = 1e-12


def reference_length(xy: np.ndarray, located: np.ndarray, pair: Sequence[int]) -> np.ndarray:
    """The distance between two joints of each person.

    Args:
        xy: (N, J, 2) px.
        located: (N, J) bool.
        pair: the two joints' positions, as `Skeleton.length` gives them.

    Returns:
        (N,) px, 0 or more; NaN where one of the two is not located.

    Raises:
        ValueError: `located` does not have the shape of `xy` without its last axis.
    """
    _same_shape("located", located, xy.shape[:-1])
    first, second = pair
    length = np.linalg.norm(xy[:, first].astype(np.float64) - xy[:, second], axis=-1)
    return np.where(located[:, first] & located[:, second], length, np.nan)


def normalized_errors(pred: np.ndarray, truth: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How far each joint is off, in reference lengths of its person.

    Args:
        pred: (N, J, 2) px of the frame that `truth` has; NaN: nothing was predicted.
        truth: (N, J, 2) px; NaN, or any value at joints that will not be scored.
        reference: (N,) px.

    Returns:
        (N, J), 0 or more; inf where `pred` is NaN; NaN where `truth` is NaN, and in the whole row
        where `reference` is NaN, infinite, zero or less.

    Raises:
        ValueError: the shapes do not fit each other.

    Source: Yang & Ramanan, PAMI 2013, with the reference of the MPI toolkit's eval_pck.m.
    """
    _same_shape("pred", pred, truth.shape)
    _same_shape("reference", reference, truth.shape[:1])
    usable = np.isfinite(reference) & (reference > 0)
    length = np.where(usable, reference, np.nan).astype(np.float64)
    distance = np.linalg.norm(pred.astype(np.float64) - truth, axis=-1)
    distance = np.where(np.isnan(pred).any(-1), np.inf, distance)
    return np.where(np.isfinite(truth).all(-1), distance, np.nan) / length[:, None]


def pck(errors: np.ndarray, scored: np.ndarray, threshold: float) -> float:
    """The share of scored joints whose error is at most `threshold`: every joint counts the same.

    Args:
        errors: (N, J) in reference lengths, see `normalized_errors`.
        scored: (N, J) bool.
        threshold: in reference lengths; an error equal to it is correct.

    Returns:
        0 to 1; NaN where nothing is scored.

    Raises:
        ValueError: `scored` does not have the shape of `errors`.

    Source: as `normalized_errors`; "<=" as in computePCK.m of the MPI toolkit.
    """
    scored = counted(errors, scored)
    return _share((hits(errors, threshold) & scored).sum(), scored.sum()).item()


def pck_per_joint(errors: np.ndarray, scored: np.ndarray, threshold: float) -> np.ndarray:
    """`pck` of each joint by itself: (J,), 0 to 1, NaN where a joint is never scored."""
    scored = counted(errors, scored)
    return _share((hits(errors, threshold) & scored).sum(0), scored.sum(0))


def auc(errors: np.ndarray, scored: np.ndarray, upto: float = 0.2, step: float = 0.01) -> float:
    """The area under the curve of `pck` over thresholds 0, step ... upto, rescaled to 0 to 1.

    Args:
        errors: (N, J) in reference lengths, see `normalized_errors`.
        scored: (N, J) bool.
        upto, step: in reference lengths; state them beside the figure, for it depends on them.

    Returns:
        0 to 1; NaN where nothing is scored.

    Raises:
        ValueError: the shapes differ, or `upto` is not a multiple of `step`.

    Source: the trapezoid rule of the MPI toolkit's curves.
    """
    scored = counted(errors, scored)
    return _share((area(errors, upto, step) * scored).sum(), scored.sum()).item()


def counted(errors: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """(N, J) bool: the joints of `scored` whose error is known.

    Raises:
        ValueError: `scored` does not have the shape of `errors`.
    """
    _same_shape("scored", scored, errors.shape)
    return scored.astype(bool) & ~np.isnan(errors)


def hits(errors: np.ndarray, threshold: float) -> np.ndarray:
    """Bool of any shape: which errors are at most `threshold`; NaN is not."""
    return errors <= threshold + _SLACK


def area(errors: np.ndarray, upto: float, step: float) -> np.ndarray:
    """What each joint adds to the area under the curve; its mean over joints is `auc`.

    One joint's curve jumps from 0 to 1 at its error, so its area depends on the first threshold
    that the error does not exceed, and the curve of all joints need never be drawn.

    Args:
        errors: in reference lengths; any shape.
        upto, step: in reference lengths.

    Returns:
        The shape of `errors`, 0 to 1; 0 for inf and NaN.

    Raises:
        ValueError: `upto` is not a multiple of `step`.
    """
    steps = round(upto / step)
    if steps < 1 or not np.isclose(steps * step, upto):
        raise ValueError(f"a curve up to {upto} cannot be cut into steps of {step}")
    thresholds = np.arange(steps + 1) * step + _SLACK
    below = np.arange(steps, 0, -1) - 0.5  # trapezoid: the step in which it jumps counts half
    return np.array([steps, *below, 0.0])[np.searchsorted(thresholds, errors)] / steps


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _same_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
