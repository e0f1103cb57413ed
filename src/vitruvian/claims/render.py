"""The ledger as a Markdown page: every figure on it comes from the raw files or from the claims' values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

from vitruvian.claims.bootstrap import RESAMPLES, coverage
from vitruvian.claims.figures import counts
from vitruvian.claims.ledger import arms
from vitruvian.claims.model import (
    BATCH,
    COARSE,
    RENDERED,
    TIERS,
    Claim,
    Figure,
    Measure,
    Tier,
    Training,
)
from vitruvian.claims.raw import Raw, Store
from vitruvian.claims.rows import MOST_SEEDS, Row, State, rows_of
from vitruvian.claims.table import interval, number

COMMAND = "vitruvian claims report"

_OPTIMISERS = {"adamw": "AdamW", "muon": "Muon"}


def page(claims: Sequence[Claim], store: Store) -> str:
    """The whole page.

    Raises:
        UserError: a raw file is damaged.
    """
    rows = {claim.id: rows_of(claim, store) for claim in claims}
    parts = [
        f"# The papers' claims\n\nMade by `{COMMAND}` from the files of `src/vitruvian/claims/raw`. "
        "Do not edit.",
        _reading(claims),
        _standing([row for each in rows.values() for row in each]),
        _summary([row for each in rows.values() for row in each]),
        _cost(claims, store),
        *(_section(claim, rows[claim.id], store) for claim in claims),
    ]
    return "\n\n".join(parts) + "\n"


def _reading(claims: Sequence[Claim]) -> str:
    drawn = [claim.id for claim in claims if claim.contrasts and claim.tiers == (RENDERED,)]
    tiers = "; ".join(
        f"*{tier.name}*: {_data(tier)}, crops of 96 px, {tier.steps} steps of {BATCH} persons for a "
        f"whole training, at least {tier.seeds} seeds{_settings(tier)}"
        for tier in TIERS
    )
    held = "; ".join(
        f"{seeds} seeds {', '.join(f'{coverage(seeds, ratio):.0%}' for ratio in (1.0, 3.0, 10.0))}"
        for seeds in (2, 3, 5)
    )
    return (
        "Effects are differences that a claim says are above zero, in points of 100 where no unit is "
        "given; a chain of better and worse is one contrast for each neighbouring pair. A claim is "
        "*reproduced* where the 95 % interval of every deciding contrast lies above zero, *contradicted* "
        "where one lies below, else *undecided at this scale*; with fewer seeds than the tier asks for "
        "it can only be said that *these weights differ*. The row shows the contrast that decides. Arms "
        "are computed in what is fast on the machine at hand, bfloat16 (bf16) or single precision "
        "(fp32); a line with both says so, and is undecided where the arms of one seed differ in it. PCK "
        "is at 0.2 torso lengths where nothing else is said (B5: 0.2 of neck to head top, the length of "
        "MPII's skeleton): an error of just that is right, each located joint of the held-out persons "
        "counts the same, left and right are the person's, boxes are of the labelled joints, no flip "
        "test, joints are read from maps as the system does. n is how many persons the interval "
        "resamples, the larger number where a contrast has two sets. Beside each arm stands what its "
        "nets score, seed by seed, and those of its stages that were asked. How the compact recipes "
        "depart from the papers (thin backbones without ImageNet's weights, losses, averaged weights) "
        "stands in the head of each system's file and in `vitruvian systems NAME`. Made on figures only: "
        f"{', '.join(drawn) or 'none'}.\n\nTiers: {tiers}.\n\nIntervals are over seeds and "
        f"photographs: {RESAMPLES} resamples of both (a two-level bootstrap, paired over arms, widened "
        "for the small number of seeds as Student's interval is). How often such intervals hold the "
        "truth in simulation, where the seeds make the effect as uncertain as the photographs do, three "
        f"and ten times as uncertain: {held}."
    )


def _settings(tier: Tier) -> str:
    settings = (
        f", every recipe with `{' '.join(tier.settings)}` where an arm says nothing else"
        if tier.settings
        else ""
    )
    return f", {_OPTIMISERS[tier.optimiser]}{settings}"


def _data(tier: Tier) -> str:
    return "rendered figures" if tier.data is None else f"{tier.data.upper()}'s photographs"


def _standing(rows: Sequence[Row]) -> str:
    """How many rows there are of each state, and which."""
    lines = []
    for state in get_args(State):
        names = [f"{row.id} {row.tier or ''}".strip() for row in rows if row.state == state]
        if names:
            lines.append(f"- {state}, {len(names)} of {len(rows)} rows: {', '.join(names)}")
    return "\n".join(lines)


def _summary(rows: Iterable[Row]) -> str:
    lines = [
        "| | claim | tier | state | effect | 95 % interval | seeds | n |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        found = row.deciding
        unit = "" if found is None or found.unit == "points" else f" {found.unit}"
        effect = number(found.effect, found.unit, sign=True) + unit if found else "-"
        seeds, n = (str(found.seeds), str(found.n)) if found else ("-", "-")
        cells = (
            f"[{row.id}](#{row.id.lower()})",
            row.claim,
            row.tier or "-",
            row.state,
            effect,
            interval(found),
            seeds,
            n,
        )
        lines.append(_cells(*cells))
    return "\n".join(lines)


def _cost(claims: Sequence[Claim], store: Store) -> str:
    parts = []
    for tier in TIERS:
        raws = [
            raw
            for arm in arms(tier, claims)
            for seed in range(MOST_SEEDS)
            if (raw := store.get(Training(tier, arm, seed).id)) is not None
        ]
        hours = sum(raw.values["made"].get("cpu_seconds", 0) for raw in raws) / 3600
        wanted = len(arms(tier, claims)) * tier.seeds
        parts.append(
            f"{tier.name}: {len(raws)} of {wanted} trainings, {hours:.1f} hours of one core"
        )
    return f"Trained so far: {'; '.join(parts)}."


def _section(claim: Claim, rows: Sequence[Row], store: Store) -> str:
    lines = [f"## {claim.id}", "", f"{claim.claim}.", "", f"Source: {claim.source}."]
    if claim.note:
        lines[-1] += f" {claim.note}"
    for row in rows:
        lines += ["", *_row(claim, row, store)]
    return "\n".join(lines)


def _row(claim: Claim, row: Row, store: Store) -> list[str]:
    if not row.contrasts:
        return [f"State: **{row.state}**."]
    tier = next((tier for tier in TIERS if tier.name == row.tier), None)
    lines = [f"{row.tier}: **{row.state}**. {_command(claim, tier, store)}", ""]
    lines += [
        "| contrast | effect | 95 % interval | seeds | n | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for found in row.contrasts:
        unit = "" if found.unit == "points" else f" {found.unit}"
        state = found.state if found.decides else f"beside: {found.state}"
        state += f"; arms in {' and '.join(found.arithmetic)}" if len(found.arithmetic) > 1 else ""
        effect = number(found.effect, found.unit, sign=True) + (
            unit if found.effect is not None else ""
        )
        known = (str(found.seeds), str(found.n)) if found.interval else ("-", "-")
        lines.append(_cells(found.words, effect, interval(found), *known, state))
    return lines + (_trainings(claim, tier, store) if tier else _measured(claim, store))


def _command(claim: Claim, tier: Tier | None, store: Store) -> str:
    if tier is None:
        raws = (store.get(id) for id in dict.fromkeys(fact.source for fact in claim.facts))
        known = dict.fromkeys(raw.values["command"] for raw in raws if raw is not None)
        return (
            "; ".join(f"`{command}`" for command in known) or f"`vitruvian claims run {claim.id}`"
        )
    data = f" --data {tier.data}=FOLDER" if tier.data else ""
    return f"`vitruvian claims run {claim.id} --tier {tier.slug}{data}`"


def _trainings(claim: Claim, tier: Tier, store: Store) -> list[str]:
    """What was trained for a row: a line an arm."""
    lines = []
    for arm in claim.arms(tier):
        raws = [store.get(Training(tier, arm, seed).id) for seed in range(MOST_SEEDS)]
        known = [raw for raw in raws if raw is not None]
        if known:
            lines.append(_arm(Training(tier, arm, 0), known))
    if not lines:
        return []
    columns = (
        "arm",
        "recipe",
        "stages and steps",
        "from",
        "parameters",
        "PCK@0.2",
        "core minutes",
        "in",
    )
    return ["", _cells(*columns), "| --- | --- | --- | --- | ---: | ---: | ---: | --- |", *lines]


def _arm(training: Training, raws: Sequence[Raw]) -> str:
    made = [raw.values["made"] for raw in raws]
    minutes = ", ".join(f"{values.get('cpu_seconds', 0) / 60:.1f}" for values in made)
    fits = ", ".join(f"{stage} {steps}" for stage, steps in training.fits)
    settings = " ".join(training.arm.settings)
    parent = training.arm.parent.name if training.arm.parent else "-"
    parameters = f"{made[0].get('parameters', 0):,}"
    recipe = f"{training.arm.recipe} {settings}".strip()
    shares = "; ".join(_shares(raws)) or "-"
    computed = ", ".join(dict.fromkeys(raw.arithmetic for raw in raws))
    return _cells(
        training.arm.name, f"`{recipe}`", fits, parent, parameters, shares, minutes, computed
    )


def _shares(raws: Sequence[Raw]) -> list[str]:
    """What the nets themselves score, a figure for each seed; of stages that were measured, of each."""
    said: dict[str, str] = {}
    for key in raws[0].values["measures"]:
        stage = key.split()[0].partition("stage=")[2]
        stored = raws[0].measured(key).thresholds  # may be more than the key says
        named = [Measure(stage=stage or None, thresholds=each) for each in (COARSE, stored)]
        plain = [measure for measure in named if measure.key == key and Figure.at in stored]
        if plain and stage not in said and all(key in raw.keys for raw in raws):
            found = counts(raws, Figure(plain[0]))
            shares = (100 * found.part.sum(1) / found.whole.sum(1)).tolist()
            said[stage] = f"{stage} {', '.join(f'{share:.1f}' for share in shares)}".strip()
    return [said[stage] for stage in sorted(said, key=lambda stage: (not stage, stage))]


def _measured(claim: Claim, store: Store) -> list[str]:
    """What else was measured without training."""
    lines = []
    for id in dict.fromkeys(fact.source for fact in claim.facts):
        raw = store.get(id)
        for key, value in ({} if raw is None else raw.values.get("about", {})).items():
            lines.append(f"- {id}, {key}: {_words(value)}")
    return ["", *lines] if lines else []


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return " ".join(_words(inner) for inner in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
