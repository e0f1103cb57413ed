"""Predictions scored under a protocol: arrays in, figures with intervals out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from vitruvian.measure import metrics
from vitruvian.measure.angles import angle_bins, torso_angle
from vitruvian.measure.intervals import Figure, Tally, estimates
from vitruvian.measure.occlusion import inferable
from vitruvian.measure.protocols import NOT_STATED, Protocol
from vitruvian.measure.result import Result
from vitruvian.skeleton import Skeleton
from vitruvian.types import Convention, State, UserError

_CHUNK = 1 << 15  # persons at once; bounds memory
_BLOCKS = 10_000  # from twice as many images on, images are pooled at random into these

# Parts whose gains are held against each other: label -> the part, and the part that is taken off.
GAINS = {
    "occluded minus visible": ("occlusion/occluded", "occlusion/visible"),
    "occluded, inferable minus all others": (
        "occlusion/occluded, inferable",
        "occlusion/all others",
    ),
    "torso at 45-90 minus 0-45 degrees": (
        "torso angle, degrees/45-90",
        "torso angle, degrees/0-45",
    ),
    "torso at 90-180 minus 0-45 degrees": (
        "torso angle, degrees/90-180",
        "torso angle, degrees/0-45",
    ),
}


@dataclass(frozen=True)
class Truth:
    """What predictions are scored against.

    Raises:
        ValueError: the shapes do not fit each other.
    """

    skeleton: Skeleton
    xy: np.ndarray  # (N, J, 2) px of the photograph
    state: np.ndarray  # (N, J) values of State
    convention: Convention = ""  # "PC", "OC"; "": not known, or the joints have no sides
    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> (N,) px, from files
    group: np.ndarray | None = None  # (N,) the photograph of each person; None: each its own
    data: str = NOT_STATED  # which persons, for whoever compares results

    def __post_init__(self) -> None:
        N, J = len(self.xy), len(self.skeleton)
        given = {"xy": (self.xy.shape, (N, J, 2)), "state": (self.state.shape, (N, J))}
        given |= {f"lengths[{name!r}]": (value.shape, (N,)) for name, value in self.lengths.items()}
        if self.group is not None:
            given["group"] = (self.group.shape, (N,))
        for name, (actual, expected) in given.items():
            if actual != expected:
                raise ValueError(f"Truth.{name} has shape {actual}, expected {expected}")

    def __len__(self) -> int:
        return len(self.xy)

    @property
    def located(self) -> np.ndarray:
        """(N, J) bool: joints that have coordinates."""
        return self.state >= State.OCCLUDED

    @cached_property
    def marks_occlusion(self) -> bool:
        """Whether any joint is marked as located but hidden."""
        return bool((self.state == State.OCCLUDED).any())

    def reference(self, name: str) -> np.ndarray:
        """(N,) px of a reference length, the file's or the skeleton's; NaN where unknown.

        Raises:
            UserError: neither has it.
        """
        if name in self.lengths:
            return self.lengths[name]
        if name not in self.skeleton.references:
            known = ", ".join([*self.lengths, *self.skeleton.references]) or "none"
            raise UserError(
                f"the truth has no length {name!r}, only {known}; take a file that gives it"
            )
        pair = self.skeleton.length(name)
        return metrics.reference_length(self.xy, self.located, pair)


def score(
    protocol: Protocol,
    truth: Truth,
    pred: np.ndarray,
    rng: np.random.Generator,
    *,
    baselines: Mapping[str, np.ndarray] | None = None,
    failed: tuple[str, ...] = (),
    cuts: bool = True,
) -> Result:
    """Score predictions under a protocol of PCK or PCP.

    Args:
        protocol: says how.
        pred: (N, J, 2) px of the photograph, the joints of `truth`; NaN counts as wrong.
        rng: draws the intervals' resamples.
        baselines: name -> (N, J, 2) predictions scored on the same persons.
        failed: what could not be read, carried into the result.
        cuts: also by torso angle and occlusion, and how often left is taken for right.

    Raises:
        UserError: the truth lacks a joint or the length that the protocol needs, or has the other
            convention.
        ValueError: the shapes do not fit each other.
    """
    check_truth(protocol, truth)
    protocol = replace(protocol, data=truth.data)
    tally, persons = tally_of(protocol, truth, pred, cuts=cuts)
    found = estimates(tally, rng)
    units = unit_names(protocol)
    return Result(
        protocol=protocol,
        n=persons,
        left_out=len(truth) - persons,
        total=found["total"],
        auc=found.get("auc"),
        joints={name: found[f"unit: {name}"] for name in units},
        groups={label: found[f"group: {label}"] for label, _ in protocol.groups},
        quoted={label: found[f"quoted: {label}"] for label, _ in protocol.quoted},
        quoted_groups=_nested(found, "at: "),
        cuts=_nested(found, "cut: "),
        baselines={
            name: score(protocol, truth, other, rng, cuts=False)
            for name, other in (baselines or {}).items()
        },
        failed=failed,
        tally=tally,
    )


def check_truth(protocol: Protocol, truth: Truth) -> None:
    """Raises UserError where a truth lacks a joint of a protocol or has the other convention."""
    if protocol.metric == "oks":
        raise UserError(f"protocol {protocol.name!r} needs whole COCO files; see `vitruvian eval`")
    if lacking := [name for name in protocol.joints if name not in truth.skeleton.joint_names]:
        raise UserError(
            f"protocol {protocol.name!r} scores {lacking[0]!r}, which skeleton "
            f"{truth.skeleton.name!r} does not have; choose a protocol of that skeleton"
        )
    both = (protocol.convention, truth.convention)
    if "" not in both and both[0] != both[1]:
        raise UserError(
            f"protocol {protocol.name!r} scores {protocol.convention} labels, but the truth is "
            f"{truth.convention}: choose the protocol of that convention, or other labels"
        )


def unit_names(protocol: Protocol) -> tuple[str, ...]:
    """What is right or wrong by itself: joints, or sticks."""
    return tuple(p[0] for p in protocol.parts) if protocol.metric == "pcp" else protocol.joints


def tally_of(
    protocol: Protocol, truth: Truth, pred: np.ndarray, cuts: bool = True
) -> tuple[Tally, int]:
    """What each photograph adds to every figure, and how many persons were scored.

    Two tallies of one truth under one protocol can be paired. Many photographs are pooled at random
    into blocks, which are then what is drawn; the permutation is always the same.

    Raises:
        ValueError: `pred` does not have the shape of the truth.
    """
    if pred.shape != truth.xy.shape:
        raise ValueError(f"pred has shape {pred.shape}, expected {truth.xy.shape}")
    figures = _figures(protocol, _cut_names(protocol, truth) if cuts else ())
    K = 1 + max((column for figure in figures for column in figure.columns), default=-1)
    place, G = _places(truth)
    part, whole = np.zeros((G, K)), np.zeros((G, K))
    persons = 0
    chunk = _pck_chunk if protocol.metric == "pck" else _pcp_chunk
    for rows in _chunks(len(truth)):
        own, counts = chunk(protocol, truth, pred, rows, cuts)
        n = len(own)
        into = csr_matrix((np.ones(n), (place[rows], np.arange(n))), shape=(G, n))
        part += into @ own
        whole += into @ counts
        persons += int(counts[:, : len(unit_names(protocol))].sum(1).astype(bool).sum())
    return Tally(part, whole, figures), persons


def _chunks(N: int) -> Iterator[slice]:
    return (slice(start, min(start + _CHUNK, N)) for start in range(0, N, _CHUNK))


def _places(truth: Truth) -> tuple[np.ndarray, int]:
    """The row of the tally to which each person adds, and how many rows there are."""
    N = len(truth)
    place, G = np.arange(N), N
    if truth.group is not None:
        names, place = np.unique(truth.group, return_inverse=True)
        G = len(names)
    if G > 2 * _BLOCKS:
        block = np.random.default_rng(0).permutation(G) % _BLOCKS
        place, G = block[place], _BLOCKS
    return place, G


def _cut_names(protocol: Protocol, truth: Truth) -> tuple[str, ...]:
    """Cuts that this truth allows, "kind/label"; their order is that of `_cut_masks`."""
    masks = _cut_masks(protocol, truth, slice(0, 0))
    return tuple(masks)


def _cut_masks(protocol: Protocol, truth: Truth, rows: slice) -> dict[str, np.ndarray]:
    """Which units of the rows belong to each cut, "kind/label": (n, J) or (n, 1) bool."""
    masks = {}
    angle = torso_angle(truth.xy[rows], truth.state[rows] >= State.OCCLUDED, truth.skeleton)
    for label, inside in angle_bins(angle).items():
        masks[f"torso angle, degrees/{label}"] = inside[:, None]
    if protocol.metric == "pck" and truth.marks_occlusion:
        columns = truth.skeleton.index(*protocol.joints)
        state = truth.state[rows]
        masks["occlusion/visible"] = state[:, columns] == State.VISIBLE
        masks["occlusion/occluded"] = state[:, columns] == State.OCCLUDED
        if truth.skeleton.limbs:
            between = inferable(state, truth.skeleton)[:, columns]
            masks["occlusion/occluded, inferable"] = between
            masks["occlusion/all others"] = ~between
    return masks


def _figures(protocol: Protocol, cuts: tuple[str, ...]) -> tuple[Figure, ...]:
    """Columns: units, the area of each, each quoted threshold's units, cuts, swapped units."""
    units = unit_names(protocol)
    U, macro = len(units), protocol.averaging == "macro"
    every = tuple(range(U))
    figures = [Figure(f"unit: {name}", (i,)) for i, name in enumerate(units)]
    for label, members in protocol.groups:
        figures.append(Figure(f"group: {label}", tuple(units.index(m) for m in members), True))
    figures.append(Figure("total", every, macro))
    start = U
    if protocol.auc_upto:
        figures.append(Figure("auc", tuple(start + i for i in every), macro))
        start += U
    for label, _ in protocol.quoted:
        figures.append(Figure(f"quoted: {label}", tuple(start + i for i in every), macro))
        for group, members in protocol.groups:
            columns = tuple(start + units.index(m) for m in members)
            figures.append(Figure(f"at: {label}/{group}", columns, True))
        start += U
    at = {}
    for name in cuts:
        width = U if macro else 1
        at[name] = tuple(range(start, start + width))
        figures.append(Figure(f"cut: {name}", at[name], macro))
        start += width
    for label, (one, other) in GAINS.items():
        if one in at and other in at:
            figures.append(Figure(f"gain: {label}", at[one], macro, minus=at[other]))
    if cuts and protocol.metric == "pck":
        figures.append(Figure("cut: swapped/all pairs", tuple(start + i for i in every)))
        for label, members in protocol.groups:
            columns = tuple(start + units.index(m) for m in members)
            figures.append(Figure(f"cut: swapped/{label}", columns))
    return tuple(figures)


Columns = tuple[np.ndarray, np.ndarray]  # part, whole, each (n, columns)


def _pck_chunk(
    protocol: Protocol, truth: Truth, pred: np.ndarray, rows: slice, cuts: bool
) -> Columns:
    """What some rows add to each column; their order is that of `_figures`."""
    here = _rows(truth, rows)
    columns = truth.skeleton.index(*protocol.joints)
    reference = here.reference(protocol.reference)
    every = metrics.normalized_errors(pred[rows], here.xy, reference)  # (n, J)
    errors = every[:, columns]  # (n, U)
    scored = metrics.counted(errors, here.located[:, columns])

    def right(threshold: float) -> np.ndarray:
        return metrics.hits(errors, threshold, protocol.comparator) & scored

    correct = right(protocol.threshold)
    pairs: list[Columns] = [(correct, scored)]
    if protocol.auc_upto:
        size = metrics.area(errors, protocol.auc_upto, protocol.auc_step, protocol.comparator)
        pairs.append((size * scored, scored))
    pairs += [(right(threshold), scored) for _, threshold in protocol.quoted]
    if cuts:
        pairs += _cut_columns(protocol, truth, rows, correct, scored)
        swap = here.skeleton.swap
        mirrored = metrics.normalized_errors(pred[rows], here.xy[:, swap], reference)
        on_other, asked = metrics.swapped(
            every, mirrored, here.located, swap, protocol.threshold, protocol.comparator
        )
        pairs.append((on_other[:, columns], asked[:, columns]))
    return _joined(pairs)


def _pcp_chunk(
    protocol: Protocol, truth: Truth, pred: np.ndarray, rows: slice, cuts: bool
) -> Columns:
    """As `_pck_chunk`, for sticks."""
    here = _rows(truth, rows)
    index, rule = truth.skeleton.index, protocol.rule
    sticks = [(index(*one), index(*other)) for _, one, other in protocol.parts]
    assert rule is not None

    def right(threshold: float) -> Columns:
        return metrics.stick_hits(
            pred[rows], here.xy, sticks, here.located, rule, threshold, protocol.comparator
        )

    pairs = [right(protocol.threshold), *(right(threshold) for _, threshold in protocol.quoted)]
    if cuts:
        pairs += _cut_columns(protocol, truth, rows, *pairs[0])
    return _joined(pairs)


def _cut_columns(
    protocol: Protocol, truth: Truth, rows: slice, correct: np.ndarray, scored: np.ndarray
) -> list[Columns]:
    """A column a cut; for a macro average a column a unit of each cut."""
    masks = _cut_masks(protocol, truth, rows).values()
    if protocol.averaging == "macro":
        return [(correct & m, scored & m) for m in masks]
    return [
        ((correct & m).sum(1, keepdims=True), (scored & m).sum(1, keepdims=True)) for m in masks
    ]


def _joined(pairs: list[Columns]) -> Columns:
    part, whole = zip(*pairs, strict=True)
    return np.concatenate(part, 1), np.concatenate(whole, 1)


def _rows(truth: Truth, rows: slice) -> Truth:
    return replace(
        truth,
        xy=truth.xy[rows],
        state=truth.state[rows],
        lengths={name: length[rows] for name, length in truth.lengths.items()},
        group=None,
    )


def _nested(found: Mapping[str, object], prefix: str) -> dict[str, dict]:
    """What begins with a prefix, as {kind: {label: ...}}, without what nobody belongs to."""
    nested: dict[str, dict] = {}
    for name, estimate in found.items():
        if name.startswith(prefix) and estimate.n:  # type: ignore[attr-defined]
            kind, _, label = name.removeprefix(prefix).partition("/")
            nested.setdefault(kind, {})[label] = estimate
    return nested
