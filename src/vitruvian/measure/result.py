"""A result: figures with intervals under a protocol, as plain values and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.table import Table

from vitruvian.measure.intervals import Difference, Estimate, Tally
from vitruvian.measure.oks_resamples import Matched
from vitruvian.measure.protocols import Protocol, protocol_from_dict
from vitruvian.types import UserError

Named = Mapping[str, Estimate]


@dataclass(frozen=True)
class Result:
    """What a set of predictions scores under a protocol, as shares of one."""

    protocol: Protocol
    n: int  # persons that were scored
    left_out: int  # persons that were not, by the protocol's rule
    total: Estimate
    auc: Estimate | None  # None: the protocol has no curve
    joints: dict[str, Estimate]  # or the sticks of PCP
    groups: dict[str, Estimate] = field(default_factory=dict)  # the columns of the papers' tables
    quoted: dict[str, Estimate] = field(default_factory=dict)  # the total at other thresholds
    quoted_groups: dict[str, dict[str, Estimate]] = field(default_factory=dict)  # as `quoted`
    cuts: dict[str, dict[str, Estimate]] = field(default_factory=dict)  # kind -> part -> total
    baselines: dict[str, Result] = field(default_factory=dict)  # the same persons, other poses
    failed: tuple[str, ...] = ()  # images that could not be read
    tally: Tally | None = field(default=None, compare=False, repr=False)  # to pair it with another
    matched: Matched | None = field(default=None, compare=False, repr=False)  # the same, under OKS

    @property
    def total_name(self) -> str:
        """What the total is called: AP under OKS."""
        return "AP" if self.protocol.metric == "oks" else "total"

    def rows(self) -> dict[str, Estimate]:
        """Joints or sticks, groups, the total at every threshold, the area: what a table shows."""
        groups = {_beside(name, self.joints): group for name, group in self.groups.items()}
        rows = {**self.joints, **groups, self.total_name: self.total, **self.quoted}
        if self.auc is not None:
            rows[f"AUC 0-{self.protocol.auc_upto:g}"] = self.auc
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain values, shares of one; None where nothing was scored."""
        return {
            "protocol": self.protocol.to_dict(),
            "n": self.n,
            "left_out": self.left_out,
            "failed": list(self.failed),
            **self._figures(),
            "cuts": {kind: _plain(parts) for kind, parts in self.cuts.items()},
            "baselines": {name: other._figures() for name, other in self.baselines.items()},
        }

    def table(self) -> Table:
        """A row a joint, the groups, the totals and the area; in percent, baselines beside.

        Print `Protocol.describe` with it: a number without its protocol is not a number.
        """
        unread = f", unreadable images: {len(self.failed)}" if self.failed else ""
        counted = f"{self.n} persons scored, {self.left_out} left out{unread}"
        table = Table(title=f"{self.protocol.name}: {counted}")
        names = [name.replace("_", " ") for name in self.baselines]
        table.add_column("")
        for name in ("%", "95 % interval", "n", *names):
            table.add_column(name, justify="right", no_wrap=True)
        others = [other.rows() for other in self.baselines.values()]
        first_of_section = {len(self.joints), len(self.joints) + len(self.groups)}
        for number, (label, estimate) in enumerate(self.rows().items()):
            if number in first_of_section:
                table.add_section()
            beside = [percent(rows[label].value) for rows in others]
            table.add_row(label, *cells(estimate), *beside)
        return table

    def cuts_table(self) -> Table | None:
        """The total of parts of the persons or joints, and how often left is taken for right."""
        if not self.cuts:
            return None
        table = Table(
            title=f"parts of the {self.total_name}, and predictions on the mirrored joint"
        )
        table.add_column("")
        for name in ("%", "95 % interval", "n"):
            table.add_column(name, justify="right", no_wrap=True)
        for kind, parts in self.cuts.items():
            table.add_section()
            for label, estimate in parts.items():
                table.add_row(f"{kind} {label}", *cells(estimate))
        return table

    def _figures(self) -> dict[str, Any]:
        return {
            "total": self.total.to_dict(),
            "auc": None if self.auc is None else self.auc.to_dict(),
            "joints": _plain(self.joints),
            "groups": _plain(self.groups),
            "quoted": _plain(self.quoted),
            "quoted_groups": {
                label: _plain(groups) for label, groups in self.quoted_groups.items()
            },
        }


def _beside(name: str, others: Named) -> str:
    """A group's name, told apart from a joint's."""
    return f"{name} (mean of the group)" if name in others else name


def result_from_dict(values: Mapping[str, Any]) -> Result:
    """The inverse of `Result.to_dict`, without the tally.

    Raises:
        UserError: these are not a result's values.
    """
    try:
        protocol = protocol_from_dict(values["protocol"])
        figures = _figures_from(values)
        return Result(
            protocol,
            int(values["n"]),
            int(values["left_out"]),
            **figures,
            cuts={kind: _estimates(parts) for kind, parts in values.get("cuts", {}).items()},
            failed=_names(values.get("failed", ())),
            baselines={
                name: Result(
                    protocol, int(values["n"]), int(values["left_out"]), **_figures_from(other)
                )
                for name, other in values.get("baselines", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"these are not the figures of a result ({error}); evaluate again"
        ) from None


def _names(values: Any) -> tuple[str, ...]:
    """Names of photographs; a number of them alone says no name."""
    return tuple(str(name) for name in values) if isinstance(values, list | tuple) else ()


def _figures_from(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "total": _estimate(values["total"]),
        "auc": None if values["auc"] is None else _estimate(values["auc"]),
        "joints": _estimates(values["joints"]),
        "groups": _estimates(values.get("groups", {})),
        "quoted": _estimates(values.get("quoted", {})),
        "quoted_groups": {
            label: _estimates(groups) for label, groups in values.get("quoted_groups", {}).items()
        },
    }


def _estimates(values: Mapping[str, Any]) -> dict[str, Estimate]:
    return {name: _estimate(estimate) for name, estimate in values.items()}


def _estimate(values: Mapping[str, Any]) -> Estimate:
    value, low, high = (
        float("nan") if values[key] is None else float(values[key])
        for key in ("value", "low", "high")
    )
    return Estimate(value, low, high, int(values.get("n", 0)))


def percent(share: float) -> str:
    """One decimal; "-" for NaN."""
    return "-" if np.isnan(share) else f"{100 * share:.1f}"


def interval(estimate: Estimate) -> str:
    """Both ends in percent, or "-"."""
    if np.isnan(estimate.low):
        return "-"
    return f"{percent(estimate.low)} to {percent(estimate.high)}"


def cells(estimate: Estimate) -> tuple[str, str, str]:
    """Value and interval in percent, and n."""
    return percent(estimate.value), interval(estimate), str(estimate.n)


def gap_words(gap: Difference | None) -> str:
    """A difference with its interval, in points; "" for None and where nothing was scored."""
    if gap is None or np.isnan(gap.value):
        return ""
    value, low, high = (points(100 * x) for x in (gap.value, gap.low, gap.high))
    return f"{value} ({low} to {high})"


def points(difference: float) -> str:
    """A signed number with one decimal."""
    return f"{round(difference, 1) + 0.0:+.1f}"  # -0.04 is +0.0


def _plain(named: Named) -> dict[str, Any]:
    return {name: estimate.to_dict() for name, estimate in named.items()}
