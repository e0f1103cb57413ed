"""The ledger's rows: what the raw files say of each claim at each tier."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vitruvian.claims.bootstrap import effect
from vitruvian.claims.figures import counts, different
from vitruvian.claims.model import Claim, Contrast, Fact, Tier, Training
from vitruvian.claims.raw import Raw, Store
from vitruvian.types import UserError

State = Literal[
    "reproduced",
    "contradicted",
    "undecided at this scale",
    "these weights differ",
    "incomplete",
    "not trained",
    "not measured",
    "not testable",
]
MOST_SEEDS = 32
LABELS = "labels"  # in place of a tier, where nothing is trained
BENCHMARK = "benchmark"


@dataclass(frozen=True)
class Found:
    """A contrast and what is known of it; effects in `unit`, above zero as the claim has it."""

    words: str
    state: State
    effect: float | None = None
    interval: tuple[float, float] | None = None
    seeds: int = 0
    n: int = 0  # photographs
    unit: str = "points"
    decides: bool = True
    arithmetic: tuple[str, ...] = ()  # that its arms were computed in: "bf16", "fp32"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "words": self.words,
            "state": self.state,
            "effect": self.effect,
            "interval": None if self.interval is None else list(self.interval),
            "seeds": self.seeds,
            "n": self.n,
            "unit": self.unit,
            "decides": self.decides,
            "arithmetic": list(self.arithmetic),
        }


@dataclass(frozen=True)
class Row:
    """A claim at a tier. Effect, interval, seeds and n are those of the contrast that decides it."""

    id: str
    claim: str
    source: str
    tier: str | None
    state: State
    contrasts: tuple[Found, ...] = ()
    note: str = ""

    @property
    def deciding(self) -> Found | None:
        """The contrast on which the state hangs: the one farthest on the wrong side."""
        known = [f for f in self.contrasts if f.decides and f.interval is not None]
        return min(known, key=lambda f: (f.state != self.state, *_bounds(f)), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: one object of `claims --json`."""
        first = self.deciding
        return {
            "id": self.id,
            "claim": self.claim,
            "source": self.source,
            "tier": self.tier,
            "state": self.state,
            "effect": first and first.effect,
            "interval": first and first.interval and list(first.interval),
            "seeds": first.seeds if first else 0,
            "n": first.n if first else 0,
            "unit": first.unit if first else None,
            "contrasts": [found.to_dict() for found in self.contrasts],
            "note": self.note,
        }


def _bounds(found: Found) -> tuple[float, float]:
    assert found.interval is not None
    return found.interval


def ledger(claims: Iterable[Claim], store: Store) -> list[Row]:
    """A row for every claim and tier, in the order of the claims.

    Raises:
        UserError: a raw file is damaged, or was measured on other persons than its pair.
    """
    return [row for claim in claims for row in rows_of(claim, store)]


def rows_of(claim: Claim, store: Store) -> list[Row]:
    """A claim's rows."""
    if claim.facts:
        found = tuple(_known(fact, store) for fact in claim.facts)
        units = {fact.unit for fact in claim.facts}
        tier = BENCHMARK if any("second" in unit for unit in units) else LABELS
        return [_row(claim, tier, found, "not measured")]
    if not claim.contrasts:
        return [Row(claim.id, claim.claim, claim.source, None, "not testable", note=claim.note)]
    return [
        _row(
            claim,
            tier.name,
            tuple(contrasted(c, tier, store) for c in claim.at(tier)),
            "not trained",
        )
        for tier in claim.tiers
    ]


def _row(claim: Claim, tier: str, found: tuple[Found, ...], nothing: State) -> Row:
    return Row(
        claim.id, claim.claim, claim.source, tier, state_of(found, nothing), found, claim.note
    )


def state_of(found: Sequence[Found], nothing: State) -> State:
    """A claim's state out of its deciding contrasts' states.

    One contrast on the other side contradicts it; else the least certain one says what it is.
    """
    states = [one.state for one in found if one.decides]
    if all(state == nothing for state in states):
        return nothing
    order: tuple[State, ...] = (
        "contradicted",
        "not trained",
        "not measured",
        "incomplete",
        "undecided at this scale",
        "these weights differ",
        "reproduced",
    )
    worst = next(state for state in order if state in states)
    return "incomplete" if worst in ("not trained", "not measured") else worst


def contrasted(contrast: Contrast, tier: Tier, store: Store) -> Found:
    """What the raw files say of a contrast, with all seeds that every arm of it has."""
    seeds = [seed for seed in range(MOST_SEEDS) if _complete(contrast, tier, seed, store)]
    if not seeds:
        return Found(contrast.words, "not trained", unit=contrast.unit, decides=contrast.decides)
    _check_same_persons(contrast, tier, seeds[0], store)
    terms = [
        counts([_raw(store, Training(tier, t.arm, s)) for s in seeds], t.figure, t.weight)
        for t in contrast.terms
    ]
    found = effect(terms, contrast.margin)
    if math.isnan(found.value) or math.isnan(found.low):
        return Found(contrast.words, "not measured", unit=contrast.unit, decides=contrast.decides)
    points = [100 * value for value in (found.value, found.low, found.high)]
    computed = [_arithmetic(contrast, tier, seed, store) for seed in seeds]
    alike = all(len(each) == 1 for each in computed)
    return Found(
        contrast.words,
        judged(points[1], points[2], len(seeds), tier.seeds, alike),
        points[0],
        (points[1], points[2]),
        len(seeds),
        found.n,
        contrast.unit,
        contrast.decides,
        tuple(sorted(set().union(*computed))),
    )


def judged(low: float, high: float, seeds: int, least: int, alike: bool = True) -> State:
    """What an interval says.

    Fewer seeds than the tier asks for speak of their own weights only; arms that were not computed `alike`
    may differ by that.
    """
    decided = low > 0 or high < 0
    if seeds < least:
        return "these weights differ" if decided else "incomplete"
    if not decided or not alike:
        return "undecided at this scale"
    return "reproduced" if low > 0 else "contradicted"


def _arithmetic(contrast: Contrast, tier: Tier, seed: int, store: Store) -> set[str]:
    """Of the arms of a seed, which are held against each other."""
    return {_raw(store, Training(tier, t.arm, seed)).arithmetic for t in contrast.terms}


def _complete(contrast: Contrast, tier: Tier, seed: int, store: Store) -> bool:
    for term in contrast.terms:
        raw = store.get(Training(tier, term.arm, seed).id)
        if raw is None or term.figure.measure.key not in raw.keys:
            return False
    return True


def _check_same_persons(contrast: Contrast, tier: Tier, seed: int, store: Store) -> None:
    """Raises UserError where arms were measured on other persons of one name."""
    seen: dict[str, tuple[str, Raw]] = {}
    for term in contrast.terms:
        raw = _raw(store, Training(tier, term.arm, seed))
        measured = raw.measured(term.figure.measure.key)
        rows, first = seen.setdefault(measured.name, (measured.persons.rows, raw))
        if rows != measured.persons.rows:
            raise UserError(different(first, raw))


def _raw(store: Store, training: Training) -> Raw:
    raw = store.get(training.id)
    assert raw is not None
    return raw


def _known(fact: Fact, store: Store) -> Found:
    """A contrast that was measured without training."""
    raw = store.get(fact.source)
    values = None if raw is None else raw.facts.get(fact.key)
    if values is None:
        return Found(fact.words, "not measured", unit=fact.unit, decides=fact.decides)
    low, high = float(values["low"]), float(values["high"])
    return Found(
        fact.words,
        judged(low, high, 1, 1),
        float(values["value"]),
        (low, high),
        0,
        int(values["n"]),
        fact.unit,
        fact.decides,
    )
