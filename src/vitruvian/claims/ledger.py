"""All claims, and which trainings and measurements they ask for."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from vitruvian.claims.model import TIERS, Arm, Claim, Measure, Tier, Training
from vitruvian.claims.papers import (
    deeppose,
    multiscale,
    normalized,
    part_heatmaps,
    resnet_fcn,
)
from vitruvian.types import UserError

CLAIMS: tuple[Claim, ...] = (
    *normalized.CLAIMS,
    *multiscale.CLAIMS,
    *deeppose.CLAIMS,
    *resnet_fcn.CLAIMS,
    *part_heatmaps.CLAIMS,
)


def find_claims(ids: Sequence[str], claims: Sequence[Claim] = CLAIMS) -> tuple[Claim, ...]:
    """Claims by their ids; none or "all": every one.

    Raises:
        UserError: there is no such claim.
    """
    known = {claim.id: claim for claim in claims}
    if not ids or "all" in ids:
        return tuple(claims)
    for id in ids:
        if id.upper() not in known:
            near = difflib.get_close_matches(id.upper(), known, 1, 0)[0]
            raise UserError(f"no claim {id!r}; nearest: {near}; `vitruvian claims` lists them")
    return tuple(dict.fromkeys(known[id.upper()] for id in ids))


def find_tiers(name: str | None) -> tuple[Tier, ...]:
    """The tier of a name; None: all.

    Raises:
        UserError: there is no such tier.
    """
    if name is None:
        return TIERS
    found = tuple(tier for tier in TIERS if tier.slug == name.lower())
    if not found:
        known = ", ".join(tier.name for tier in TIERS)
        raise UserError(f"no tier {name!r}, only {known}")
    return found


def measures(training: Training, claims: Iterable[Claim] = CLAIMS) -> tuple[Measure, ...]:
    """What all claims together read of a training, each measure once."""
    found = [
        term.figure.measure
        for claim in claims
        for contrast in claim.at(training.tier)
        for term in contrast.terms
        if term.arm == training.arm
    ]
    return tuple({measure.key: measure for measure in found}.values())


def arms(tier: Tier, claims: Iterable[Claim] = CLAIMS) -> tuple[Arm, ...]:
    """Every arm of a tier, parents before their children, each once."""
    found: dict[Arm, None] = {}
    for claim in claims:
        for arm in claim.arms(tier):
            found |= dict.fromkeys(one.arm for one in Training(tier, arm, 0).lineage)
    return tuple(found)
