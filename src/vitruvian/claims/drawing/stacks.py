"""What was measured of numbers of stacks and scales: raw files of claims, or a tuning's results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from vitruvian.claims.bootstrap import effect
from vitruvian.claims.figures import counts
from vitruvian.claims.ledger import find_claims
from vitruvian.claims.model import TIERS, Arm, Tier, Training
from vitruvian.claims.papers.multiscale import OWN
from vitruvian.claims.raw import Raw, Store
from vitruvian.claims.rows import MOST_SEEDS
from vitruvian.types import UserError

CLAIMS = ("K1", "K2", "K5")
WANTED = tuple(product((1, 2, 4), (1, 2, 3), (False, True)))  # stacks, scales, regression
_SIZES = ("config.stacks", "config.scales", "config.regressor")

Place = tuple[int, int, bool]  # stacks, scales, whether there is a regression net


@dataclass(frozen=True)
class Cell:
    """A score of nets of one place, a share of one with its 95 % interval."""

    place: Place
    value: float
    low: float
    high: float
    n: int
    seeds: int = 1


def cells_of_tier(tier: Tier, store: Store) -> list[Cell]:
    """PCK@0.2 of the claims' trainings at a tier, as far as they are measured.

    Raises:
        UserError: a raw file is damaged, or files of one arm were measured on different persons.
    """
    arms: dict[Arm, None] = {}
    for claim in find_claims(CLAIMS):
        arms |= dict.fromkeys(claim.arms(tier))
    found = []
    for arm in arms:
        raws = list(_measured(tier, arm, store))
        if raws:
            of = effect([counts(raws, OWN)])
            sizes = dict(setting.split("=", 1) for setting in arm.settings)
            found.append(Cell(_place(sizes), of.value, of.low, of.high, of.n, of.seeds))
    return found


def cells_of_tune(path: Path) -> tuple[list[Cell], str]:
    """The trials of a `tune.json` of the multi-scale net, and on what they were scored.

    Of several trials of one place, which differ in other settings, the best one counts.

    Raises:
        UserError: the file is none, or of another system.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        recipe = values["recipe"]
        if recipe["system"] != "multiscale":
            raise UserError(f"{path} tunes {recipe['system']!r}: give a tuning of multiscale")
        base = {f"config.{key}": value for key, value in recipe["config"].items()}
        best: dict[Place, Cell] = {}
        for trial in values["trials"]:
            sizes = base | dict(setting.split("=", 1) for setting in trial["settings"])
            stacks, scales, regression = _place(sizes)
            place = stacks, scales, regression and trial["stage"] == "regression"
            cell = Cell(place, trial["value"], trial["low"], trial["high"], trial["n"])
            if place not in best or cell.value > best[place].value:
                best[place] = cell
        data = ", ".join(values["data"]) or "rendered figures"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is no tune.json of this version") from None
    return list(best.values()), f"{recipe['name']} tuned on {values['hold_out']} of {data}"


def absent(cells: Iterable[Cell]) -> str:
    """The wanted places that nobody measured, in words; "" for none."""
    there = {cell.place for cell in cells}
    parts = []
    for regression in (False, True):
        lost = [f"{a}x{b}" for a, b, c in WANTED if c == regression and (a, b, c) not in there]
        if lost:
            parts.append(f"{', '.join(lost)} {'with' if regression else 'without'} regression")
    return "; ".join(parts)


def table(sources: Mapping[str, Sequence[Cell]]) -> tuple[tuple[str, ...], ...]:
    """Every cell in percent with its interval, by source, the head first."""
    rows = [("", "stacks", "scales", "regression", "%", "95 % interval", "n", "seeds")]
    for name, cells in sources.items():
        for cell in sorted(cells, key=lambda cell: cell.place):
            stacks, scales, regression = cell.place
            value, low, high = (f"{100 * share:.1f}" for share in (cell.value, cell.low, cell.high))
            sizes = str(stacks), str(scales), "yes" if regression else "no"
            rows.append((name, *sizes, value, f"{low} to {high}", str(cell.n), str(cell.seeds)))
    return tuple(rows)


def _measured(tier: Tier, arm: Arm, store: Store) -> Iterable[Raw]:
    for seed in range(MOST_SEEDS):
        raw = store.get(Training(tier, arm, seed).id)
        if raw is not None and OWN.measure.key in raw.keys:
            yield raw


def _place(sizes: dict[str, Any]) -> Place:
    """Of settings by key; a regression net is there unless they say none."""
    stacks, scales, regressor = (sizes.get(key) for key in _SIZES)
    return int(str(stacks)), int(str(scales)), str(regressor) != "none"


def tiers(store: Store) -> dict[str, list[Cell]]:
    """The cells of each tier that has any."""
    found = {tier.name: cells_of_tier(tier, store) for tier in TIERS}
    return {name: cells for name, cells in found.items() if cells}
