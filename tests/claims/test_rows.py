"""States: what intervals, seeds and missing files make of a claim."""

from __future__ import annotations

from pathlib import Path

import pytest
from handmade import BASE, BETTER, CLAIMS, DRAWN, GOOD, ODD, PHOTOS, UNKNOWN, raw

from vitruvian.claims.model import Claim, Fact, Training, above
from vitruvian.claims.raw import Raw, Store
from vitruvian.claims.rows import judged, ledger, rows_of, state_of
from vitruvian.types import UserError

LOW, HIGH = [7] * 6, [10, 11, 12, 10, 11, 12]


def filled(folder: Path, seeds: int, base: list[int], good: list[int], tier=DRAWN) -> Store:
    store = Store(folder)
    for seed in range(seeds):
        store.put(raw(Training(tier, BASE, seed), base))
        store.put(raw(Training(tier, GOOD, seed), good))
    return store


def test_an_empty_ledger_lists_everything(tmp_path: Path) -> None:
    rows = ledger(CLAIMS, Store(tmp_path))
    assert [(row.id, row.tier, row.state) for row in rows] == [
        ("X1", "rendered", "not trained"),
        ("X1", "LSPET", "not trained"),
        ("X2", "rendered", "not trained"),
        ("X3", None, "not testable"),
    ]


@pytest.mark.parametrize(
    ("low", "high", "seeds", "state"),
    [
        (0.1, 2, 3, "reproduced"),
        (-2, -0.1, 3, "contradicted"),
        (-0.1, 2, 3, "undecided at this scale"),
        (0, 2, 3, "undecided at this scale"),
        (0.1, 2, 2, "these weights differ"),
        (-2, -0.1, 1, "these weights differ"),
        (-1, 1, 2, "incomplete"),
    ],
)
def test_what_an_interval_says(low: float, high: float, seeds: int, state: str) -> None:
    assert judged(low, high, seeds, least=3) == state


def test_reproduced_with_all_seeds(tmp_path: Path) -> None:
    row = rows_of(BETTER, filled(tmp_path, 3, LOW, HIGH))[0]
    assert row.state == "reproduced"
    values = row.to_dict()
    assert values["effect"] == pytest.approx(100 * (66 - 42) / (6 * 14))
    assert values["interval"][0] < values["effect"] < values["interval"][1]
    assert (values["seeds"], values["n"], values["unit"]) == (3, 6, "points")


def test_the_other_way_round_it_is_contradicted(tmp_path: Path) -> None:
    assert rows_of(BETTER, filled(tmp_path, 3, HIGH, LOW))[0].state == "contradicted"


def test_one_seed_says_only_that_these_weights_differ(tmp_path: Path) -> None:
    row = rows_of(BETTER, filled(tmp_path, 1, LOW, HIGH))[0]
    assert row.state == "these weights differ"
    assert row.to_dict()["seeds"] == 1


def test_two_seeds_suffice_on_photographs(tmp_path: Path) -> None:
    rows = rows_of(BETTER, filled(tmp_path, 2, LOW, HIGH, PHOTOS))
    assert [row.state for row in rows] == ["not trained", "reproduced"]


def test_only_seeds_that_every_arm_has_count(tmp_path: Path) -> None:
    store = filled(tmp_path, 3, LOW, HIGH)
    store.put(raw(Training(DRAWN, BASE, 4), LOW))
    store.put(raw(Training(DRAWN, GOOD, 5), HIGH))
    assert rows_of(BETTER, store)[0].to_dict()["seeds"] == 3


def test_the_worst_contrast_decides(tmp_path: Path) -> None:
    store = filled(tmp_path, 3, LOW, HIGH)
    (contrast,) = BETTER.contrasts
    back = above("base above good", *((t.arm, t.figure) for t in reversed(contrast.terms)))
    both = Claim("X4", "both", "Nobody", (contrast, back), tiers=(DRAWN,))
    row = rows_of(both, store)[0]
    assert row.state == "contradicted"
    assert row.deciding is not None
    assert row.deciding.words == "base above good"
    beside = above(
        "base above good", *((t.arm, t.figure) for t in reversed(contrast.terms)), decides=False
    )
    kept = rows_of(Claim("X4", "both", "Nobody", (contrast, beside), tiers=(DRAWN,)), store)[0]
    assert kept.state == "reproduced"
    assert [one.state for one in kept.contrasts] == ["reproduced", "contradicted"]


def test_a_contrast_says_where_its_arms_were_computed_otherwise(tmp_path: Path) -> None:
    store = filled(tmp_path, 3, LOW, HIGH)
    (found,) = rows_of(BETTER, store)[0].contrasts
    assert found.arithmetic == ("fp32",)
    other = raw(Training(DRAWN, GOOD, 1), HIGH)
    store.put(Raw(other.values | {"made": other.values["made"] | {"hardware": "cpu, bf16"}}))
    (found,) = rows_of(BETTER, store)[0].contrasts
    assert found.to_dict()["arithmetic"] == ["bf16", "fp32"]


def test_a_claim_with_a_contrast_that_nobody_trained_is_incomplete(tmp_path: Path) -> None:
    store = filled(tmp_path, 3, LOW, HIGH)
    both = Claim("X5", "both", "Nobody", BETTER.contrasts + ODD.contrasts, tiers=(DRAWN,))
    row = rows_of(both, store)[0]
    assert row.state == "incomplete"
    assert [one.state for one in row.contrasts] == ["reproduced", "not trained"]


def test_facts_need_no_seeds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    claim = Claim("L", "labels", "Nobody", facts=(Fact("a", "labels-L", "one", "torso lengths"),))
    assert rows_of(claim, store)[0].state == "not measured"
    facts = {"one": {"value": 0.3, "low": 0.2, "high": 0.4, "n": 7}}
    store.put(Raw({"format": 1, "id": "labels-L", "facts": facts}))
    values = rows_of(claim, store)[0].to_dict()
    assert (values["state"], values["tier"], values["n"]) == ("reproduced", "labels", 7)
    assert values["unit"] == "torso lengths"


def test_other_persons_cannot_be_paired(tmp_path: Path) -> None:
    store = filled(tmp_path, 3, LOW, HIGH)
    store.put(raw(Training(DRAWN, GOOD, 1), HIGH, rows="others"))
    with pytest.raises(UserError, match="measured on different persons"):
        rows_of(BETTER, store)
    for seed in range(3):
        store.put(raw(Training(DRAWN, GOOD, seed), HIGH, rows="others"))
    with pytest.raises(UserError, match="measured on different persons"):
        rows_of(BETTER, store)


def test_states_of_many() -> None:
    from vitruvian.claims.rows import Found

    def state(*states: str) -> str:
        return state_of([Found("", one) for one in states], "not trained")  # type: ignore[arg-type]

    assert state("not trained", "not trained") == "not trained"
    assert state("reproduced", "not trained") == "incomplete"
    assert state("contradicted", "not trained") == "contradicted"
    assert state("undecided at this scale", "reproduced") == "undecided at this scale"
    assert UNKNOWN.contrasts == ()
