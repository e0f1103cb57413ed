"""The claims as they stand: all of them, what they contrast, and what the trainings cost together."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitruvian.claims import labels
from vitruvian.claims.ledger import CLAIMS, arms, find_claims, measures
from vitruvian.claims.model import LSPET, RENDERED, TIERS, Claim, Contrast, Training
from vitruvian.claims.raw import RAW, Store
from vitruvian.claims.resolve import recipe_of
from vitruvian.claims.rows import ledger
from vitruvian.claims.todo import plan
from vitruvian.types import UserError

IDS = [
    *(f"S{n}" for n in range(1, 9)),
    *(f"K{n}" for n in range(1, 6)),
    *(f"D{n}" for n in range(1, 8)),
    *(f"W{n}" for n in range(1, 3)),
    *(f"B{n}" for n in range(1, 7)),
]


def test_every_claim_is_there() -> None:
    assert [claim.id for claim in CLAIMS] == IDS
    for claim in CLAIMS:
        assert claim.contrasts or claim.facts or claim.note, claim.id
        assert not (claim.contrasts and claim.facts)


def test_only_claims_of_detail_are_for_figures_alone() -> None:
    alone = {claim.id for claim in CLAIMS if claim.contrasts and LSPET not in claim.tiers}
    assert alone == {"S4", "S5", "S8", "D5", "D7", "B4", "B5", "B6"}
    assert all(RENDERED in claim.tiers for claim in CLAIMS)


def test_every_contrast_is_a_difference() -> None:
    for claim in CLAIMS:
        for contrast in claim.contrasts:
            assert sum(term.weight for term in contrast.terms) == 0, contrast.words
            left = {(term.arm, term.figure): 0.0 for term in contrast.terms}
            for term in contrast.terms:
                left[term.arm, term.figure] += term.weight
            assert all(left.values()), contrast.words  # nothing is held against itself
        assert not claim.contrasts or any(contrast.decides for contrast in claim.contrasts)
        for tier in claim.tiers if claim.contrasts else ():
            assert claim.at(tier), (claim.id, tier.name)


def test_names_tell_arms_apart() -> None:
    for tier in TIERS:
        found = arms(tier)
        assert len({arm.name for arm in found}) == len(found)
        places = {arm: place for place, arm in enumerate(found)}
        assert all(places[arm.parent] < places[arm] for arm in found if arm.parent)


def test_trainings_are_shared() -> None:
    """One detector serves two refinements; the cascade serves five claims."""
    detector = next(arm for arm in arms(RENDERED) if arm.name == "fcn8-fusion")
    children = [arm.name for arm in arms(RENDERED) if arm.parent == detector]
    assert children[:2] == ["turned", "unturned"]
    readers = {
        c.id for c in CLAIMS for arm in c.arms(RENDERED) if arm.name == "detection-regression"
    }
    assert readers == {"B1", "B2", "B3", "B4", "B6"}


def claim_of(id: str) -> Claim:
    (found,) = find_claims([id])
    return found


def test_the_rows_of_table_11_are_heads_of_one_trunk() -> None:
    """As many steps each: one that learns its trunk, too, or more of it, answers another question."""
    arms = claim_of("S4").arms(RENDERED)
    heads = [arm for arm in arms if not arm.name.startswith("whole")]
    assert {arm.name for arm in heads} == {
        "heads32-plain", "heads16-plain", "heads8-plain", "heads16-extra", "heads8-extra",
        "heads16-fusion", "heads8-fusion",
    }  # fmt: skip
    assert {arm.parent.name for arm in heads if arm.parent} == {"fcn8-fusion"}
    assert {arm.fits for arm in heads} == {(("heads", 1.0),)}
    pairs = [tuple(term.arm.name[5:] for term in c.terms) for c in claim_of("S4").contrasts]
    assert pairs == [
        ("8-plain", "16-plain"), ("16-plain", "32-plain"), ("8-extra", "8-plain"),
        ("16-extra", "16-plain"), ("8-extra", "8-plain"), ("16-fusion", "16-extra"),
        ("8-fusion", "8-extra"),
    ]  # fmt: skip


def test_extra_supervision_is_asked_of_whole_nets() -> None:
    """Where the trunk stands still, a further loss can only bind the map that is scored."""
    asked = [c for c in claim_of("S4").contrasts if "extra supervision above plain" in c.words]
    assert [contrast.decides for contrast in asked] == [True, False, False]
    plain, extra = sorted(
        (term.arm for term in asked[0].terms), key=lambda arm: arm.name == "whole8-extra"
    )
    assert plain.parent is extra.parent is None
    assert plain.fits == extra.fits
    assert set(plain.settings) ^ set(extra.settings) == {
        "config.supervision=plain", "config.supervision=extra",
    }  # fmt: skip


def test_all_of_what_s2_says_decides() -> None:
    *said, beside = claim_of("S2").contrasts
    assert all(contrast.decides for contrast in said)
    assert not beside.decides
    assert "plain FCN-8s" in beside.words
    assert any("turned by any angle" in contrast.words for contrast in claim_of("S2").at(RENDERED))


def test_that_the_gain_vanishes_on_upright_people_is_above_zero_where_it_does() -> None:
    """A gain of 4 points there speaks against S3."""
    for tier in TIERS:
        (upright,) = [c for c in claim_of("S3").at(tier) if c.words.startswith("upright")]
        terms = {term.arm.name: term.weight for term in upright.terms}
        assert (terms, upright.margin) == ({"fcn8-fusion": 1, "turned": -1}, 0.01)
        assert {term.figure.angle for term in upright.terms} == {("0-45",)}


def test_stages_are_held_against_what_stands_before_them() -> None:
    """S8: the paper's figures are stage 1's above the detector's, and stage 2's above stage 1's."""

    def read(contrast: Contrast) -> list[tuple[str, str | None]]:
        return [(term.arm.name, term.figure.measure.stage) for term in contrast.terms]

    first, second, *others = claim_of("S8").contrasts
    assert read(first) == [("turned", "body"), ("fcn8-fusion", None)]
    assert read(second) == [("turned", None), ("turned", "body")]
    assert {term.figure.joints for term in first.terms} == {("shoulder", "hip")}
    assert {term.figure.joints for term in second.terms} == {("wrist", "knee", "ankle")}
    assert first.decides
    assert second.decides
    alone = {c.terms[0].figure.joints: read(c) for c in others if "alone" in c.words}
    assert alone == {
        ("shoulder",): read(first), ("hip",): read(first),
        ("wrist",): read(second), ("knee",): read(second), ("ankle",): read(second),
    }  # fmt: skip


def test_the_losses_of_ke_et_al_say_how_they_are_reduced() -> None:
    for id in ("K1", "K2", "K3", "K4", "K5"):
        claim = claim_of(id)
        values = {
            recipe_of(Training(RENDERED, arm, 0)).config["reduction"]
            for arm in claim.arms(RENDERED)
        }
        assert [f"reduction={value}:" in claim.note for value in values] == [True]


def test_occluded_joints_are_held_against_all_others() -> None:
    gain, _ = claim_of("K3").contrasts
    assert [term.figure.state for term in gain.terms] == ["inferable"] * 2 + ["others"] * 2


def test_the_whole_costs_about_twenty_hours(tmp_path: Path) -> None:
    todo = plan(CLAIMS, TIERS, Store(tmp_path), tmp_path)
    assert 15 < todo.hours < 22
    assert len({job.training.id for job in todo.jobs}) == len(todo.jobs)


def test_measures_are_those_that_claims_read() -> None:
    cascade = next(arm for arm in arms(RENDERED) if arm.name == "detection-regression")
    keys = {one.key for one in measures(Training(RENDERED, cascade, 0))}
    assert keys == {
        "own",
        "occluders=4 at=0.2",
        "stage=detect occluders=4 at=0.2",
        "occluders=4 at=0.2 heights=detection",
    }


def test_facts_have_something_that_measures_them() -> None:
    sources = {fact.source for claim in CLAIMS for fact in claim.facts}
    assert sources == {*labels.SOURCES, "speed-D6"}


def test_claims_by_their_names() -> None:
    assert [claim.id for claim in find_claims(["k2", "S1", "K2"])] == ["K2", "S1"]
    assert find_claims([]) == find_claims(["all"]) == CLAIMS
    with pytest.raises(UserError, match="no claim 'S9'; nearest: S"):
        find_claims(["S9"])


def test_the_committed_files_make_a_ledger() -> None:
    """No file is damaged, unpaired or left over from arms that have changed since."""
    store = Store(RAW)
    rows = ledger(CLAIMS, store)
    assert {row.id for row in rows} == set(IDS)
    known = {
        Training(tier, arm, seed).id for tier in TIERS for arm in arms(tier) for seed in range(32)
    }
    known |= {fact.source for claim in CLAIMS for fact in claim.facts}
    for raw in store.all():
        assert raw.id in known, f"{raw.id} belongs to no claim any more: delete it"
        assert (RAW / f"{raw.id}.json").stat().st_size < 50_000, raw.id  # B2 keeps heights of maps


def test_what_labels_decide_as_the_specification_has_it() -> None:
    rows = {row.id: row for row in ledger(find_claims(["S1", "S7"]), Store(RAW))}
    assert rows["S1"].state == "reproduced"
    assert rows["S7"].state == "contradicted"
