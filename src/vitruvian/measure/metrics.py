"""PCK, PCKh, PDJ, PCP, the area under a curve, and the swap rate; pure array functions.

Two rules hold throughout. A prediction that is NaN is wrong. A joint whose truth or whose person's
reference length is not known has the error NaN and is never scored, whatever `scored` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

# Thresholds are built as k * 0.01, and 20 * 0.01 may lie an ulp below the quotient 10 / 50.
_SLACK = 1e-12

Comparator = Literal["<=", "<"]
Rule = Literal["strict", "loose"]
End = Sequence[int]  # the joints whose mean is an end of a stick: one joint, or two
Stick = tuple[End, End]


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

    Source: Yang & Ramanan, PAMI 2013, with the reference of the MPII toolkit's eval_pck.m.
    """
    _same_shape("pred", pred, truth.shape)
    _same_shape("reference", reference, truth.shape[:1])
    usable = np.isfinite(reference) & (reference > 0)
    length = np.where(usable, reference, np.nan).astype(np.float64)
    off = pred.astype(np.float64) - truth
    distance = np.sqrt(off[..., 0] ** 2 + off[..., 1] ** 2)
    distance[np.isnan(pred[..., 0]) | np.isnan(pred[..., 1])] = np.inf
    distance[~(np.isfinite(truth[..., 0]) & np.isfinite(truth[..., 1]))] = np.nan
    return distance / length[:, None]


def head_size(head_box: np.ndarray) -> np.ndarray:
    """MPII's head size: 0.6 x the diagonal of the annotated head box.

    Args:
        head_box: (N, 4) px, two opposite corners x1 y1 x2 y2; NaN: not known.

    Returns:
        (N,) px.

    Raises:
        ValueError: the shape is another one.

    Source: util_get_head_size.m of the MPII toolkit; 0.6 = 0.8 x 0.75.
    """
    _same_shape("head_box", head_box, (len(head_box), 4))
    return 0.6 * np.linalg.norm(head_box[:, 2:].astype(np.float64) - head_box[:, :2], axis=-1)


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

    Source: as `normalized_errors`; "<=" as in computePCK.m of the MPII toolkit.
    """
    scored = counted(errors, scored)
    return _share((hits(errors, threshold) & scored).sum(), scored.sum()).item()


def pck_per_joint(errors: np.ndarray, scored: np.ndarray, threshold: float) -> np.ndarray:
    """`pck` of each joint by itself: (J,), 0 to 1, NaN where a joint is never scored."""
    return pdj(errors, scored, [threshold])[0]


def pdj(errors: np.ndarray, scored: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Percentage of Detected Joints: each joint's `pck` at several thresholds, a curve a joint.

    Args:
        errors: (N, J) in torso diameters, see `normalized_errors`.
        scored: (N, J) bool.
        thresholds: T of them, in torso diameters.

    Returns:
        (T, J), 0 to 1; NaN where a joint is never scored.

    Raises:
        ValueError: `scored` does not have the shape of `errors`.

    Source: Sapp & Taskar, CVPR 2013; Toshev & Szegedy, CVPR 2014. The formula is that of PCK.
    """
    scored = counted(errors, scored)
    found = np.stack([(hits(errors, t) & scored).sum(0) for t in thresholds])  # (T, J)
    return _share(found, scored.sum(0))


def pckh(
    pred: np.ndarray,
    truth: np.ndarray,
    head: np.ndarray,
    scored: np.ndarray,
    threshold: float = 0.5,
) -> float:
    """`pck` in head sizes; every scored joint counts the same (MPII's total).

    Args:
        pred, truth: (N, J, 2) px.
        head: (N,) px, see `head_size`.
        scored: (N, J) bool; MPII scores 14 of its 16 joints, without pelvis and thorax.

    Returns:
        0 to 1; NaN where nothing is scored.

    Raises:
        ValueError: the shapes do not fit each other.

    Source: Andriluka et al., CVPR 2014; evaluatePCKh.m of the MPII toolkit.
    """
    return pck(normalized_errors(pred, truth, head), scored, threshold)


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

    Source: the trapezoid rule of the MPII toolkit's curves.
    """
    scored = counted(errors, scored)
    return _share((area(errors, upto, step) * scored).sum(), scored.sum()).item()


def pcp(
    pred: np.ndarray,
    truth: np.ndarray,
    sticks: Sequence[Stick],
    scored: np.ndarray,
    rule: Rule = "strict",
    threshold: float = 0.5,
) -> float:
    """Percentage of Correct Parts: every scored stick counts the same.

    Args:
        pred, truth: (N, J, 2) px.
        sticks: the S parts, each two ends; an end is the mean of its joints.
        scored: (N, J) bool; a stick is scored where all its joints are.
        rule: "strict": both ends within `threshold` true lengths; "loose": the mean of both errors.
        threshold: in lengths of the true stick.

    Returns:
        0 to 1; NaN where nothing is scored.

    Raises:
        ValueError: the shapes do not fit each other, or there is no such rule.

    Source: see `stick_hits`.
    """
    correct, counts = stick_hits(pred, truth, sticks, scored, rule, threshold)
    return _share(correct.sum(), counts.sum()).item()


def stick_hits(
    pred: np.ndarray,
    truth: np.ndarray,
    sticks: Sequence[Stick],
    scored: np.ndarray,
    rule: Rule = "strict",
    threshold: float = 0.5,
    comparator: Comparator = "<=",
) -> tuple[np.ndarray, np.ndarray]:
    """Which sticks are right, and which are scored; arguments as for `pcp`.

    A stick of length zero (three labels on one point occur) is right only where it is met exactly, and
    never with "<".

    Returns:
        correct (N, S) bool, never where not scored; scored (N, S) bool.

    Source: strict: evalPCP of Eichner & Ferrari as DeepPose uses it, eval_pcp.m of the MPII toolkit;
        loose: Wang, Tian and others. Ends are never exchanged.
    """
    if rule not in ("strict", "loose"):
        raise ValueError(f"PCP is strict or loose, not {rule!r}")
    _same_shape("pred", pred, truth.shape)
    _same_shape("scored", scored, truth.shape[:2])

    def ends(xy: np.ndarray) -> np.ndarray:  # (N, S, 2, 2): both ends of each stick
        both = [[xy[:, list(end)].mean(1, dtype=np.float64) for end in stick] for stick in sticks]
        return np.moveaxis(np.array(both).reshape(len(sticks), 2, len(xy), 2), 2, 0)

    true = ends(truth)
    error = np.linalg.norm(ends(pred) - true, axis=-1)  # (N, S, 2)
    error = np.where(np.isnan(error), np.inf, error)
    worst = error.max(-1) if rule == "strict" else error.mean(-1)  # (N, S)
    limit = threshold * np.linalg.norm(true[:, :, 0] - true[:, :, 1], axis=-1)
    slack = _SLACK * (1 + limit)
    right = worst <= limit + slack if comparator == "<=" else worst < limit - slack
    known = scored.astype(bool) & np.isfinite(truth).all(-1)
    counts = np.stack([known[:, [*a, *b]].all(1) for a, b in sticks], 1)
    return right & counts, counts


def swapped(
    own: np.ndarray,
    other: np.ndarray,
    scored: np.ndarray,
    swap: Sequence[int],
    threshold: float,
    comparator: Comparator = "<=",
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions that sit on the mirrored joint: within `threshold` of it and not of their own.

    Args:
        own: (N, J) `normalized_errors` against the truth.
        other: (N, J) `normalized_errors` against the truth with its sides exchanged, `truth[:, swap]`.
        scored: (N, J) bool.
        swap: for each joint its mirrored one, see `Skeleton.swap`; joints without a side never count.
        threshold: in reference lengths.

    Returns:
        swapped (N, J) bool; asked (N, J) bool: joints of pairs of which both are scored.
    """
    known = counted(own, scored)
    asked = known & known[:, swap] & (np.asarray(swap) != np.arange(len(swap)))
    near = hits(other, threshold, comparator) & ~hits(own, threshold, comparator)
    return near & asked, asked


def counted(errors: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """(N, J) bool: the joints of `scored` whose error is known.

    Raises:
        ValueError: `scored` does not have the shape of `errors`.
    """
    _same_shape("scored", scored, errors.shape)
    return scored.astype(bool) & ~np.isnan(errors)


def hits(errors: np.ndarray, threshold: float, comparator: Comparator = "<=") -> np.ndarray:
    """Bool of any shape: which errors are at most (or, with "<", below) `threshold`; NaN is not."""
    if comparator == "<":
        return errors < threshold - _SLACK
    return errors <= threshold + _SLACK


def area(errors: np.ndarray, upto: float, step: float, comparator: Comparator = "<=") -> np.ndarray:
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
    # The number of the first threshold that is not exceeded; steps + 1: none.
    if comparator == "<=":
        first = np.ceil((errors - _SLACK) / step)
    else:
        first = np.floor((errors + _SLACK) / step) + 1
    first = np.where(first <= steps, np.maximum(first, 0), steps + 0.5)  # NaN and inf: none
    below = np.where(
        first == 0, steps, steps + 0.5 - first
    )  # the step in which it jumps counts half
    return below / steps


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def _same_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f"{name} has shape {array.shape}, expected {expected}")
