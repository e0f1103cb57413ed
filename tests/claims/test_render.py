"""The page: what stands on it comes from raw files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from handmade import BASE, BETTER, CLAIMS, DRAWN, GOOD, measured, raw

from vitruvian.claims.ledger import CLAIMS as LEDGER
from vitruvian.claims.model import Claim, Fact, Measure, Training
from vitruvian.claims.raw import Raw, Store
from vitruvian.claims.render import page
from vitruvian.claims.rows import ledger, rows_of
from vitruvian.claims.table import interval, ledger_table, number, todo_lines
from vitruvian.claims.todo import plan

PAGE = Path(__file__).parents[2] / "docs" / "claims.md"


def filled(folder: Path) -> Store:
    store = Store(folder)
    for seed in range(3):
        store.put(raw(Training(DRAWN, BASE, seed), [7] * 6))
        store.put(raw(Training(DRAWN, GOOD, seed), [10, 11, 12, 10, 11, 12]))
    return store


def test_a_page(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("vitruvian.claims.render.TIERS", BETTER.tiers)
    store = filled(tmp_path)
    text = page(CLAIMS, store)
    row = rows_of(BETTER, store)[0].to_dict()
    effect, (low, high) = row["effect"], row["interval"]
    cells = f"| {effect:+.1f} | {low:.1f} to {high:.1f} | 3 | 6 |"
    assert f"| [X1](#x1) | Good is better than base | rendered | reproduced {cells}" in text
    assert "| [X3](#x3) | Gains over others | - | not testable | - | - | - | - |" in text
    assert "- reproduced, 1 of 4 rows: X1 rendered\n" in text
    assert f"| good above base {cells} reproduced |" in text
    assert "rendered: **reproduced**. `vitruvian claims run X1 --tier rendered`" in text
    assert (
        "LSPET: **not trained**. `vitruvian claims run X1 --tier lspet --data lspet=FOLDER`" in text
    )
    assert (
        "| good | `resnet_fcn/compact config.width=8` | heatmaps 5 | base | 1,234 | 78.6, 78.6, 78.6 "
        "| 0.1, 0.1, 0.1 | fp32 |" in text
    )
    assert "rendered: 6 of 9 trainings, 0.0 hours of one core" in text
    assert "/tmp" not in text


def test_the_committed_page_is_that_of_the_committed_files() -> None:
    assert page(LEDGER, Store()) == PAGE.read_text(encoding="utf-8"), "vitruvian claims report"


def test_arms_that_were_computed_otherwise_are_said(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("vitruvian.claims.render.TIERS", BETTER.tiers)
    store = filled(tmp_path)
    assert "; arms in" not in page(CLAIMS, store)
    good = raw(Training(DRAWN, GOOD, 0), [14] * 6)
    store.put(Raw(good.values | {"made": good.values["made"] | {"hardware": "cpu, bf16"}}))
    text = page(CLAIMS, store)
    assert "undecided at this scale; arms in bf16 and fp32 |" in text
    assert "| 0.1, 0.1, 0.1 | bf16, fp32 |" in text
    other = store.get(Training(DRAWN, BASE, 0).id)  # now the arms of a seed are computed alike
    assert other is not None
    store.put(Raw(other.values | {"made": other.values["made"] | {"hardware": "cpu, bf16"}}))
    assert "reproduced; arms in bf16 and fp32 |" in page(CLAIMS, store)


def test_stages_are_scored_beside_the_whole(tmp_path: Path, monkeypatch) -> None:
    """Of every 28 joints 21, 7 and none; not what was measured in another way or for some seeds."""
    monkeypatch.setattr("vitruvian.claims.render.TIERS", BETTER.tiers)
    store = filled(tmp_path)
    for seed, right in enumerate(([14, 7] * 3, [7, 0] * 3, [0, 0] * 3)):
        more = {
            "own": measured([14] * 6),
            Measure(stage="first").key: measured(right),
            Measure(stage="first", flip=True).key: measured(right),
        }
        if seed:
            more |= {Measure(stage="second").key: measured(right)}
        store.put(raw(Training(DRAWN, GOOD, seed), None).with_measured(more))
    text = page((BETTER,), store)
    assert "| 1,234 | first 75.0, 25.0, 0.0; 100.0, 100.0, 100.0 | 0.1" in text


def test_a_file_counted_at_more_thresholds_is_read_too(tmp_path: Path, monkeypatch) -> None:
    """Seed 0 was measured when `own` meant other thresholds; 10 of 14 joints are right at 0.2."""
    monkeypatch.setattr("vitruvian.claims.render.TIERS", BETTER.tiers)
    store = filled(tmp_path)
    coarse = measured([10] * 6)
    planes = coarse.planes | {"level": np.where(coarse.planes["level"] == 0, 0, 5).astype(np.uint8)}
    older = replace(coarse, thresholds=(0.05, 0.1, 0.2, 0.3, 0.5), planes=planes)
    store.put(raw(Training(DRAWN, GOOD, 0), None).with_measured({"own": older}))
    assert "| 1,234 | 71.4, 78.6, 78.6 | 0.1" in page((BETTER,), store)


def test_an_empty_page(tmp_path: Path) -> None:
    text = page(CLAIMS, Store(tmp_path))
    assert text.count("**not trained**") == 3
    assert "State: **not testable**." in text


def test_pipes_do_not_break_a_table(tmp_path: Path) -> None:
    claim = Claim("L", "|a - b| is small", "Nobody", facts=(Fact("|a|", "labels-L", "one", "m"),))
    store = Store(tmp_path)
    facts = {"one": {"value": 0.3, "low": 0.25, "high": 0.4, "n": 7}}
    values = {"format": 1, "id": "labels-L", "facts": facts, "about": {"rms": {"raw": 0.5}}}
    store.put(Raw(values | {"command": "vitruvian claims run L"}))
    text = page((claim,), store)
    assert r"| \|a\| | +0.300 m | 0.250 to 0.400 | 0 | 7 | reproduced |" in text
    assert "- labels-L, rms: raw 0.500" in text


def test_numbers() -> None:
    assert number(None, None) == "-"
    assert number(-0.04, "points") == "0.0"
    assert number(-0.04, "points", sign=True) in ("+0.0", "0.0")
    assert number(2.345, "points", sign=True) == "+2.3"
    assert number(0.12345, "torso lengths") == "0.123"
    assert interval(None) == "-"


def test_for_a_terminal(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert ledger_table(ledger(CLAIMS, store)).row_count == 4
    lines = todo_lines(plan(CLAIMS, (DRAWN,), store, tmp_path, everything=CLAIMS))
    assert sum("finished            rendered-base-" in line for line in lines) == 3
    assert sum("to be trained       rendered-other-" in line for line in lines) == 3
    assert lines[-1].startswith("6 trainings finished; 3 trainings to make, ")
    assert lines[-1].endswith("(3 of them by guessed speeds)")
