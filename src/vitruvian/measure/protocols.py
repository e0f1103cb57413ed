"""What a figure means: a protocol says all that must be equal before figures are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
from rich.table import Table

from vitruvian.measure import metrics
from vitruvian.measure.intervals import Estimate, bootstrap
from vitruvian.skeleton import LSP, SKELETONS, Skeleton
from vitruvian.types import State, UserError

_CONVENTIONS = {"PC": "person-centric", "OC": "observer-centric"}


@dataclass(frozen=True)
class Protocol:
    """One way of scoring. Change a field that alters figures and the version rises.

    Whether the flipped image is asked too is set per evaluation, by `dataclasses.replace`.

    Raises:
        ValueError: it promises what `score` does not do.
    """

    name: str
    version: int
    skeleton: str
    convention: str  # "PC": left is the person's; "OC": left is the observer's
    reference: str  # the skeleton's length that errors are measured in
    threshold: float  # in reference lengths
    comparator: str  # "<=": an error equal to the threshold is correct
    auc_upto: float  # in reference lengths
    auc_step: float
    joints: tuple[str, ...]  # those that are scored where they are located, occluded or not
    averaging: str  # "micro": every scored joint counts the same in the total
    box: str  # where the person is looked for
    flip_test: bool
    decoding: str
    left_out: str
    source: str

    def __post_init__(self) -> None:
        done = {"convention": tuple(_CONVENTIONS), "comparator": ("<=",), "averaging": ("micro",)}
        for key, known in done.items():
            if (value := getattr(self, key)) not in known:
                raise ValueError(f"protocol {self.name!r}: {key} is {value!r}, not one of {known}")

    def describe(self) -> str:
        """One line in words."""
        skeleton = SKELETONS.get(self.skeleton)
        pair = skeleton.references.get(self.reference) if skeleton else None
        length = f"{self.reference} ({' to '.join(pair)})" if pair else self.reference
        return (
            f"{self.name} version {self.version}: PCK, error {self.comparator} "
            f"{self.threshold:g} x {length}; AUC over 0 to {self.auc_upto:g} "
            f"in steps of {self.auc_step:g}; {len(self.joints)} joints of {self.skeleton}, "
            f"{_CONVENTIONS[self.convention]}, scored where located; {self.averaging} average; "
            f"box: {self.box}; {'flip test' if self.flip_test else 'no flip test'}; "
            f"decoding: {self.decoding}; left out: {self.left_out}; source: {self.source}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, one for each field."""
        return asdict(self) | {"joints": list(self.joints)}


_LSPET = Protocol(
    name="lspet-pck-pc",
    version=1,
    skeleton="lsp",
    convention="PC",
    reference="torso",
    threshold=0.2,
    comparator="<=",
    auc_upto=0.2,
    auc_step=0.01,
    joints=LSP.joint_names,
    averaging="micro",
    box="labelled joints x1.25, square",
    flip_test=False,
    decoding="the system's own, taken back to px of the photograph",
    left_out="persons whose reference length is unknown or zero",
    source="Yang & Ramanan, PAMI 2013; torso and comparison of the MPI toolkit's eval_pck.m",
)
_LSPET_IMAGE = replace(_LSPET, name="lspet-pck-pc-image", box="whole image")
PROTOCOLS = {protocol.name: protocol for protocol in (_LSPET, _LSPET_IMAGE)}


def check_comparable(a: Protocol, b: Protocol) -> None:
    """Refuse to compare figures that were not measured alike; names and sources may differ.

    Raises:
        UserError: names the first field that differs.
    """
    for key in (f.name for f in fields(Protocol) if f.name not in ("name", "source")):
        one, other = getattr(a, key), getattr(b, key)
        if one != other:
            raise UserError(
                f"{a.name!r} and {b.name!r} cannot be compared: {key} is {one!r} in the first and "
                f"{other!r} in the second; evaluate both under one protocol"
            )


@dataclass(frozen=True)
class Result:
    """What a set of predictions scores under a protocol, as shares of one."""

    protocol: Protocol
    n: int  # persons that were scored
    left_out: int  # persons that were not, by the protocol's rule
    total: Estimate
    auc: Estimate
    joints: dict[str, Estimate]
    baselines: dict[str, Result] = field(default_factory=dict)  # the same persons, other poses
    failed: tuple[str, ...] = ()  # images that could not be read

    def to_dict(self) -> dict[str, Any]:
        """Plain values, shares of one; None where nothing was scored."""
        return {
            "protocol": self.protocol.to_dict(),
            "n": self.n,
            "left_out": self.left_out,
            **self._figures(),
            "baselines": {name: other._figures() for name, other in self.baselines.items()},
        }

    def table(self) -> Table:
        """A row a joint, the total and the area; in percent, baselines beside."""
        unread = f", unreadable images: {len(self.failed)}" if self.failed else ""
        table = Table(
            title=f"{self.n} persons scored, {self.left_out} left out{unread}",
            caption=self.protocol.describe(),
        )
        names = [name.replace("_", " ") for name in self.baselines]
        table.add_column("")
        for name in ("%", "95 % interval", "n", *names):
            table.add_column(name, justify="right", no_wrap=True)
        others = [other._rows() for other in self.baselines.values()]
        for label, estimate in self._rows().items():
            if label == "total":
                table.add_section()
            interval = f"{_percent(estimate.low)} to {_percent(estimate.high)}"
            beside = [_percent(rows[label].value) for rows in others]
            table.add_row(label, _percent(estimate.value), interval, str(estimate.n), *beside)
        return table

    def _rows(self) -> dict[str, Estimate]:
        return {**self.joints, "total": self.total, f"AUC 0-{self.protocol.auc_upto:g}": self.auc}

    def _figures(self) -> dict[str, Any]:
        return {
            "total": self.total.to_dict(),
            "auc": self.auc.to_dict(),
            "joints": {name: joint.to_dict() for name, joint in self.joints.items()},
        }


def score(
    protocol: Protocol,
    skeleton: Skeleton,
    pred: np.ndarray,
    truth: np.ndarray,
    state: np.ndarray,
    rng: np.random.Generator,
    *,
    group: np.ndarray | None = None,
    baselines: Mapping[str, np.ndarray] | None = None,
    failed: tuple[str, ...] = (),
) -> Result:
    """Score predictions under a protocol.

    Args:
        protocol: says how.
        skeleton: whose joints `pred`, `truth` and `state` have.
        pred: (N, J, 2) px of the photograph; NaN counts as wrong.
        truth: (N, J, 2) px of the photograph.
        state: (N, J) values of `State`.
        rng: draws the intervals' resamples.
        group: (N,) the image of each person, where images show several.
        baselines: name -> (N, J, 2) predictions scored on the same persons.
        failed: what could not be read, carried into the result.

    Raises:
        UserError: the protocol is for another skeleton.
        ValueError: the shapes do not fit each other.
    """
    if skeleton.name != protocol.skeleton:
        raise UserError(
            f"protocol {protocol.name!r} scores skeleton {protocol.skeleton!r}, "
            f"not {skeleton.name!r}"
        )
    located = state >= State.OCCLUDED
    reference = metrics.reference_length(truth, located, skeleton.length(protocol.reference))
    errors = metrics.normalized_errors(pred, truth, reference)
    columns = skeleton.index(*protocol.joints)
    estimates = _estimates(protocol, errors[:, columns], located[:, columns], rng, group)
    n = int((~np.isnan(errors).all(1)).sum())
    return Result(
        protocol=protocol,
        n=n,
        left_out=len(truth) - n,
        total=estimates[-2],
        auc=estimates[-1],
        joints=dict(zip(protocol.joints, estimates, strict=False)),
        baselines={
            name: score(protocol, skeleton, other, truth, state, rng, group=group)
            for name, other in (baselines or {}).items()
        },
        failed=failed,
    )


def _estimates(
    protocol: Protocol,
    errors: np.ndarray,
    located: np.ndarray,
    rng: np.random.Generator,
    group: np.ndarray | None,
) -> list[Estimate]:
    """Each joint's, then the total's, then the area's."""
    scored = metrics.counted(errors, located)  # (N, J)
    correct = metrics.hits(errors, protocol.threshold) & scored
    area = metrics.area(errors, protocol.auc_upto, protocol.auc_step) * scored
    part = np.column_stack([correct, correct.sum(1), area.sum(1)])  # (N, J + 2)
    whole = np.column_stack([scored, scored.sum(1), scored.sum(1)])
    # A person with nothing scored must not take part in the draw: it was left out.
    drawn = scored.any(1)
    group = None if group is None else group[drawn]
    value, low, high = bootstrap(part[drawn], whole[drawn], rng, group)
    count = whole.sum(0)
    return [
        Estimate(float(v), float(lo), float(hi), int(n))
        for v, lo, hi, n in zip(value, low, high, count, strict=True)
    ]


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f}"
