"""What a claim is made of, as frozen values.

An arm is trained once a tier and a seed, its model is measured, and contrasts of arms make a claim.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

BATCH = 64  # persons a step, in every training
# thresholds that errors are counted at, reference lengths
COARSE = (0.05, 0.1, 0.2, 0.5)
FINE = (*(round(0.01 * k, 2) for k in range(1, 21)), 0.3, 0.5)  # for areas under curves


@dataclass(frozen=True)
class Tier:
    """At which scale a claim is tested."""

    name: str
    data: str | None  # the data set's name after --data; None: rendered figures
    seeds: int  # below which nothing is called reproduced
    steps: int  # of a whole training, each of `BATCH` persons
    settings: tuple[str, ...] = ()  # of every recipe, before those of the arm
    optimiser: Literal["adamw", "muon"] = "adamw"  # of every fit, at the rate of the recipe's

    @property
    def slug(self) -> str:
        return self.name.lower()


# Figures are seen upright and about as large as they are measured: under the compact recipes' augmentation,
# made for thousands of photographs, as many steps end at a PCK of 35 % instead of 55 %.
_MILD = (
    "augment.fill=[0.65,0.95]",
    "augment.rotation=15",
    "augment.translation=0.05",
    "augment.colour=0.1",
    "augment.occluders=1",
)
RENDERED = Tier("rendered", None, seeds=3, steps=720, settings=_MILD)
LSPET = Tier("LSPET", "lspet", seeds=2, steps=720, optimiser="muon")
TIERS = (RENDERED, LSPET)


@dataclass(frozen=True)
class Arm:
    """A training but for its tier and its seed.

    `fits` are stages with their shares of the tier's steps, in order; rate and schedule of each are the
    recipe's for that stage or, of a stage that the recipe lacks, for the stage in its place. Settings
    come last and may name fits by their place here.
    """

    name: str
    recipe: str
    fits: tuple[tuple[str, float], ...]
    settings: tuple[str, ...] = ()
    parent: Arm | None = None  # whose weights it starts from
    data: str | None = None  # of `sets.SETS`, instead of the tier's
    speed: float = 150.0  # persons a second on one core, guessed until one is measured


@dataclass(frozen=True)
class Training:
    """An arm at a tier with a seed."""

    tier: Tier
    arm: Arm
    seed: int

    @property
    def fits(self) -> tuple[tuple[str, int], ...]:
        """Stages with their steps."""
        return tuple(
            (stage, max(1, round(share * self.tier.steps))) for stage, share in self.arm.fits
        )

    @property
    def steps(self) -> int:
        return sum(steps for _, steps in self.fits)

    @property
    def parent(self) -> Training | None:
        above = self.arm.parent
        return None if above is None else Training(self.tier, above, self.seed)

    @property
    def lineage(self) -> tuple[Training, ...]:
        """Itself and all that it starts from, the first one first."""
        return (*(self.parent.lineage if self.parent else ()), self)

    @property
    def needs(self) -> str | None:
        """The data set's name after --data."""
        return None if self.arm.data else self.tier.data

    def content(self) -> dict[str, Any]:
        """All that decides what comes out of it."""
        optimiser = self.tier.optimiser
        others = {} if optimiser == "adamw" else {"optimiser": optimiser}  # ids are older than it
        return {
            "tier": self.tier.name,
            "data": self.arm.data or self.tier.data,
            "recipe": self.arm.recipe,
            "settings": [*self.tier.settings, *self.arm.settings],
            "fits": [list(fit) for fit in self.fits],
            "batch": BATCH,
            "seed": self.seed,
            "parent": self.parent.id if self.parent else None,
            **others,
        }

    @cached_property
    def id(self) -> str:
        """A readable name and what tells it from any other content."""
        return f"{self.tier.slug}-{self.arm.name}-{self.seed}-{digest(self.content())}"


def digest(content: dict[str, Any]) -> str:
    """Eight digits that tell a content from any other."""
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Measure:
    """What is counted of a training's model on the data's held-out photographs."""

    data: str | None = None  # of `sets.SETS`, or a data set's name; None: as it was trained on
    stage: str | None = None  # the last that takes part; None: all
    flip: bool = False
    occluders: int = 0  # shapes pasted on each person
    settings: tuple[str, ...] = ()  # of the system's config, when it answers
    thresholds: tuple[float, ...] = COARSE  # at which errors are counted
    swaps: bool = False  # joints found on the mirrored joint
    maps: tuple[str, ...] = ()  # sets of heatmaps of which second peaks are counted
    heights: str = ""  # a set of heatmaps, probabilities, whose values are read
    baseline: bool = False  # the mean pose of what it was trained on, too

    @property
    def key(self) -> str:
        """In a raw file: its content in words."""
        words = [
            self.data or "",
            self.stage and f"stage={self.stage}",
            "flip" if self.flip else "",
            f"occluders={self.occluders}" if self.occluders else "",
            *self.settings,
            _counted_at(self.thresholds),
            "swaps" if self.swaps else "",
            f"maps={'+'.join(self.maps)}" if self.maps else "",
            f"heights={self.heights}" if self.heights else "",
            "baseline" if self.baseline else "",
        ]
        return " ".join(filter(None, words)) or "own"

    def persons(self, tier: Tier) -> str:
        """On whom: equal words, equal persons with equal states."""
        name = self.data or tier.data or "figures"
        return f"{name} occluders={self.occluders}" if self.occluders else name


def _counted_at(thresholds: tuple[float, ...]) -> str:
    known = {COARSE: "", FINE: "fine"}
    return known.get(thresholds, "at=" + "+".join(f"{t:g}" for t in thresholds))


What = Literal["pck", "auc", "swapped", "second_peaks", "height", "background", "baseline"]


@dataclass(frozen=True)
class Figure:
    """A share read off a measurement: of all joints, or of some of them."""

    measure: Measure = Measure()
    what: What = "pck"
    at: float = 0.2  # of pck: the threshold, reference lengths
    joints: tuple[str, ...] = ()  # names without sides; none: all
    angle: tuple[str, ...] = ()  # bins of the torso's angle; none: all
    # of joints; inferable: hidden between visible ones, others: all that are not
    state: Literal["", "visible", "occluded", "inferable", "others"] = ""
    maps: str = ""  # of second peaks


@dataclass(frozen=True)
class Term:
    """A figure of an arm, and how often it is added."""

    arm: Arm
    figure: Figure
    weight: float = 1.0


@dataclass(frozen=True)
class Contrast:
    """A sum of terms that a claim says is above zero."""

    words: str
    terms: tuple[Term, ...]
    margin: float = 0.0  # added: what counts as close
    decides: bool = True  # whether the claim's state depends on it
    tiers: tuple[Tier, ...] = ()  # at which it is made; none: at all of the claim's
    unit: str = "points"


@dataclass(frozen=True)
class Fact:
    """A contrast that needs no training: by its key in the raw file of what was measured."""

    words: str
    source: str  # the raw file's id
    key: str
    unit: str
    decides: bool = True


@dataclass(frozen=True)
class Claim:
    """Something that a paper says and that can be tested, or why it cannot."""

    id: str
    claim: str
    source: str  # paper and place
    contrasts: tuple[Contrast, ...] = ()
    facts: tuple[Fact, ...] = ()
    tiers: tuple[Tier, ...] = TIERS
    note: str = ""  # what the test leaves out, or why there is none

    def at(self, tier: Tier) -> tuple[Contrast, ...]:
        """The contrasts made at a tier."""
        if tier not in self.tiers:
            return ()
        return tuple(c for c in self.contrasts if not c.tiers or tier in c.tiers)

    def arms(self, tier: Tier) -> tuple[Arm, ...]:
        """All that are contrasted, each once."""
        return tuple(dict.fromkeys(t.arm for contrast in self.at(tier) for t in contrast.terms))

    def trainings(self, tier: Tier, seeds: int) -> tuple[Training, ...]:
        """What its contrasts read, seed by seed; parents that nothing reads are not among them."""
        return tuple(Training(tier, arm, seed) for seed in range(seeds) for arm in self.arms(tier))


Read = tuple[Arm, Figure]


def above(
    words: str,
    higher: Read,
    lower: Read,
    *,
    margin: float = 0.0,
    decides: bool = True,
    tiers: tuple[Tier, ...] = (),
) -> Contrast:
    """One figure above another."""
    terms = (Term(*higher), Term(*lower, weight=-1.0))
    return Contrast(words, terms, margin, decides, tiers)


def more(
    words: str,
    gain: tuple[Read, Read],
    than: tuple[Read, Read],
    *,
    decides: bool = True,
    tiers: tuple[Tier, ...] = (),
) -> Contrast:
    """One difference above another: each is (higher, lower)."""
    (a, b), (c, d) = gain, than
    terms = (Term(*a), Term(*b, weight=-1.0), Term(*c, weight=-1.0), Term(*d))
    return Contrast(words, terms, 0.0, decides, tiers)


def chain(named: tuple[tuple[str, Arm], ...], figure: Figure) -> tuple[Contrast, ...]:
    """a > b > c: every consecutive pair; arms by what they are called, the best one first."""
    return tuple(
        above(f"{one[0]} above {two[0]}", (one[1], figure), (two[1], figure))
        for one, two in pairwise(named)
    )
