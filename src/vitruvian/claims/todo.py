"""What is missing of the ledger, what it costs, and in which order it decides most claims first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vitruvian.claims.labels import SOURCES
from vitruvian.claims.ledger import CLAIMS, measures
from vitruvian.claims.model import BATCH, Claim, Measure, Tier, Training
from vitruvian.claims.raw import Raw, Store

FINISHED = "finished.json"  # in a training's folder: it has all its steps
STATE = "state.safetensors"

Standing = Literal["finished", "to be measured", "begun", "to be trained", "to be trained again"]


@dataclass(frozen=True)
class Job:
    """A training, how far it is, and what is still to be paid for it."""

    training: Training
    standing: Standing
    missing: tuple[Measure, ...]
    hours: float  # of one core
    guessed: bool  # nothing like it was measured yet
    claims: tuple[str, ...]  # that read it, or a training that starts from it


@dataclass(frozen=True)
class Todo:
    """Jobs in their order."""

    jobs: tuple[Job, ...]

    @property
    def open(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.standing != "finished")

    @property
    def hours(self) -> float:
        return sum(job.hours for job in self.open)


@dataclass(frozen=True)
class Unmeasured:
    """A raw file of facts, which take no training, that is not there or lacks some of them."""

    id: str
    claim: str  # the first that reads it
    needs: tuple[str, ...]  # data sets

    @property
    def command(self) -> str:
        """What makes it."""
        data = "".join(f" --data {name}=FOLDER" for name in self.needs)
        return f"vitruvian claims run {self.claim}{data}"


def unmeasured(claims: Iterable[Claim], store: Store) -> tuple[Unmeasured, ...]:
    """What is to be measured without training, in the order of the claims."""
    found: dict[str, Unmeasured] = {}
    for claim in claims:
        for fact in claim.facts:
            raw = store.get(fact.source)
            if raw is None or fact.key not in raw.facts:
                needs = SOURCES[fact.source].needs if fact.source in SOURCES else ()
                found.setdefault(fact.source, Unmeasured(fact.source, claim.id, needs))
    return tuple(found.values())


def plan(
    claims: Sequence[Claim],
    tiers: Sequence[Tier],
    store: Store,
    runs: Path,
    *,
    seeds: int | None = None,
    everything: Sequence[Claim] = CLAIMS,
) -> Todo:
    """The trainings that rows of these claims need.

    The next row is always the one that costs least with what is already planned, so that at any moment
    as many rows as possible are decided.

    Args:
        runs: where folders of trainings are.
        seeds: instead of each tier's.
        everything: all claims: what is to be measured of a training is what they ask for together.
    """
    rows = [
        (claim, claim.trainings(tier, seeds or tier.seeds))
        for claim in claims
        for tier in claim.tiers
        if tier in tiers and claim.at(tier)
    ]
    return Todo(_ordered(rows, store, runs, everything))


def _ordered(
    rows: list[tuple[Claim, tuple[Training, ...]]],
    store: Store,
    runs: Path,
    everything: Sequence[Claim],
) -> tuple[Job, ...]:
    desk = _Desk(store, runs, everything)
    needed = [(claim, desk.needed(trainings)) for claim, trainings in rows]
    readers: dict[str, dict[str, None]] = {}
    for claim, trainings in needed:
        for training in trainings:
            readers.setdefault(training.id, {})[claim.id] = None
    done: dict[str, Job] = {}
    while needed:
        costs = [sum(desk.hours(t)[0] for t in ts if t.id not in done) for _, ts in needed]
        _, trainings = needed.pop(costs.index(min(costs)))
        for training in trainings:
            if training.id not in done:
                done[training.id] = desk.job(training, tuple(readers[training.id]))
    return tuple(done.values())


class _Desk:
    """Standings and prices of trainings, each looked up once."""

    def __init__(self, store: Store, runs: Path, everything: Sequence[Claim]) -> None:
        self.store, self.runs, self.everything = store, runs, everything
        self.known: dict[str, tuple[Standing, tuple[Measure, ...]]] = {}
        self.rates = _rates(store.all())

    def standing(self, training: Training) -> tuple[Standing, tuple[Measure, ...]]:
        if training.id not in self.known:
            wanted = measures(training, self.everything)
            self.known[training.id] = standing(training, wanted, self.store, self.runs)
        return self.known[training.id]

    def needed(self, trainings: Sequence[Training]) -> tuple[Training, ...]:
        """These, and what those among them that must be trained start from."""
        found: dict[str, Training] = {}
        for training in trainings:
            line = [training]
            while (parent := line[0].parent) and self.standing(line[0])[0] in UNTRAINED:
                gone = not weights_at_hand(parent, self.runs)
                if self.standing(parent)[0] == "finished" and gone:
                    self.known[parent.id] = ("to be trained again", ())
                line.insert(0, parent)
            found |= {one.id: one for one in line if one.id not in found}
        return tuple(found.values())

    def hours(self, training: Training) -> tuple[float, bool]:
        """What is still to be paid, and whether that is a guess."""
        if self.standing(training)[0] in ("finished", "to be measured"):
            return 0.0, False
        return price(training, self.rates)

    def job(self, training: Training, claims: tuple[str, ...]) -> Job:
        found, missing = self.standing(training)
        return Job(training, found, missing, *self.hours(training), claims)


UNTRAINED: tuple[Standing, ...] = ("begun", "to be trained", "to be trained again")


def standing(
    training: Training, wanted: Iterable[Measure], store: Store, runs: Path
) -> tuple[Standing, tuple[Measure, ...]]:
    """How far a training is, and which measures it lacks."""
    raw = store.get(training.id)
    missing = tuple(m for m in wanted if raw is None or m.key not in raw.keys)
    if raw is not None and not missing:
        return "finished", ()
    if weights_at_hand(training, runs):
        return "to be measured", missing
    if (runs / training.id / STATE).exists():
        return "begun", missing
    return ("to be trained" if raw is None else "to be trained again"), missing


def weights_at_hand(training: Training, runs: Path) -> bool:
    """Whether a finished training's weights are there."""
    return (runs / training.id / FINISHED).exists()


Rates = dict[tuple[str, str], float]  # (what, name) -> persons a second of one core


def _rates(raws: Iterable[Raw]) -> Rates:
    """Measured speeds: of an arm at its tier, and of a recipe."""
    sums: dict[tuple[str, str], list[float]] = {}
    for raw in raws:
        made = raw.values.get("made", {})
        if not made.get("cpu_seconds") or not made.get("images"):
            continue
        content = raw.values["content"]
        for key in (
            ("arm", f"{content['tier']} {raw.values['arm']}"),
            ("recipe", f"{content['tier']} {content['recipe']}"),
        ):
            total = sums.setdefault(key, [0.0, 0.0])
            total[0] += made["images"]
            total[1] += made["cpu_seconds"]
    return {key: images / seconds for key, (images, seconds) in sums.items()}


def price(training: Training, rates: Rates) -> tuple[float, bool]:
    """Hours of one core for a whole training, and whether they are a guess."""
    images = training.steps * BATCH
    for key in (
        ("arm", f"{training.tier.name} {training.arm.name}"),
        ("recipe", f"{training.tier.name} {training.arm.recipe}"),
    ):
        if key in rates:
            return images / rates[key] / 3600, False
    return images / training.arm.speed / 3600, True
