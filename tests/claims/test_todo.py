"""What is missing, in which order, and what it costs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from handmade import BASE, BETTER, CLAIMS, DRAWN, GOOD, ODD, OTHER, OWN, PHOTOS, raw

from vitruvian.claims.model import BATCH, Claim, Fact, Measure, Training, above
from vitruvian.claims.raw import Raw, Store
from vitruvian.claims.todo import Unmeasured, plan, unmeasured


def planned(store: Store, runs: Path, *claims: Claim, tiers=(DRAWN,), **more):
    return plan(claims or CLAIMS, tiers, store, runs, everything=CLAIMS, **more)


def test_ids_tell_content() -> None:
    one = Training(DRAWN, GOOD, 0)
    assert one.id.startswith("rendered-good-0-")
    assert one.parent == Training(DRAWN, BASE, 0)
    assert [t.arm.name for t in one.lineage] == ["base", "good"]
    others = [
        Training(PHOTOS, GOOD, 0),
        Training(DRAWN, GOOD, 1),
        Training(DRAWN, dataclasses.replace(GOOD, settings=()), 0),
        Training(DRAWN, dataclasses.replace(GOOD, parent=OTHER), 0),
        Training(dataclasses.replace(DRAWN, steps=12), GOOD, 0),
        Training(DRAWN, dataclasses.replace(GOOD, fits=(("x", 0.5),)), 0),
    ]
    assert len({t.id[-8:] for t in (one, *others)}) == 7
    # neither a guessed speed nor a name changes what comes out
    assert Training(DRAWN, dataclasses.replace(GOOD, speed=9, name="b"), 0).id[-8:] == one.id[-8:]


def test_everything_is_missing_at_first(tmp_path: Path) -> None:
    todo = planned(Store(tmp_path), tmp_path)
    assert len(todo.open) == len(todo.jobs) == 3 * 3
    assert {job.standing for job in todo.jobs} == {"to be trained"}
    assert all(job.guessed for job in todo.jobs)
    seconds = 3 * BATCH * (10 / 100 + 5 / 50 + 20 / 100)
    assert todo.hours == pytest.approx(seconds / 3600)


def test_the_cheapest_row_comes_first_parents_before_children(tmp_path: Path) -> None:
    names = [
        (j.training.arm.name, j.training.seed) for j in planned(Store(tmp_path), tmp_path).jobs
    ]
    assert names == [
        ("base", 0), ("good", 0), ("base", 1), ("good", 1), ("base", 2), ("good", 2),
        ("other", 0), ("other", 1), ("other", 2),
    ]  # fmt: skip
    shared = planned(Store(tmp_path), tmp_path).jobs[0]
    assert shared.claims == ("X1", "X2")


def test_what_is_finished_costs_nothing_and_gives_the_speed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed in range(3):
        store.put(raw(Training(DRAWN, OTHER, seed), [7]))
        store.put(raw(Training(DRAWN, BASE, seed), [7]))
    todo = planned(store, tmp_path, ODD)
    assert todo.open == ()
    assert {job.standing for job in todo.jobs} == {"finished"}
    (more,) = planned(store, tmp_path, ODD, seeds=4).open[:1]
    # 640 images took 3.6 s
    assert not more.guessed
    assert more.hours == pytest.approx(BATCH * more.training.steps / 640 * 3.6 / 3600)


def test_a_finished_parent_without_weights_is_trained_again_for_its_child(tmp_path: Path) -> None:
    store = Store(tmp_path / "raw")
    store.put(raw(Training(DRAWN, BASE, 0), [7]))
    jobs = planned(store, tmp_path / "runs", BETTER, seeds=1).jobs
    assert [job.standing for job in jobs] == ["to be trained again", "to be trained"]
    folder = tmp_path / "runs" / Training(DRAWN, BASE, 0).id
    folder.mkdir(parents=True)
    (folder / "finished.json").write_text("{}")
    jobs = planned(store, tmp_path / "runs", BETTER, seeds=1).jobs
    assert [job.standing for job in jobs] == ["finished", "to be trained"]
    store.put(raw(Training(DRAWN, GOOD, 0), [7]))
    (folder / "finished.json").unlink()
    jobs = planned(store, tmp_path / "runs", BETTER, seeds=1).jobs
    assert {job.standing for job in jobs} == {"finished"}


def test_how_far_a_training_is(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / Training(DRAWN, BASE, 0).id
    folder.mkdir(parents=True)

    def standing(store: Store) -> str:
        return planned(store, tmp_path / "runs", BETTER, seeds=1).jobs[0].standing

    store = Store(tmp_path / "raw")
    (folder / "state.safetensors").touch()
    assert standing(store) == "begun"
    (folder / "finished.json").touch()
    assert standing(store) == "to be measured"
    store.put(raw(Training(DRAWN, BASE, 0), None))
    assert standing(store) == "to be measured"
    store.put(raw(Training(DRAWN, BASE, 0), [7]))
    assert standing(store) == "finished"


def test_measures_that_a_new_claim_asks_for_are_missing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(raw(Training(DRAWN, BASE, 0), [7]))
    flipped = dataclasses.replace(OWN, measure=Measure(flip=True))
    new = Claim("X9", "", "", (above("", (BASE, flipped), (BASE, OWN)),), tiers=(DRAWN,))
    todo = plan((new,), (DRAWN,), store, tmp_path, seeds=1, everything=(new,))
    (job,) = todo.open
    assert [one.key for one in job.missing] == ["flip"]
    assert job.standing == "to be trained again"  # its weights are gone


def test_tiers_are_planned_one_by_one_or_together(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert len(planned(store, tmp_path, BETTER, tiers=(PHOTOS,)).jobs) == 4
    assert len(planned(store, tmp_path, BETTER, tiers=(DRAWN, PHOTOS)).jobs) == 6 + 4
    assert planned(store, tmp_path, ODD, tiers=(PHOTOS,)).jobs == ()


def test_files_of_facts_have_no_speed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put(Raw({"format": 1, "id": "labels-L", "facts": {}}))
    assert planned(store, tmp_path, BETTER).hours > 0


def test_facts_that_are_not_measured(tmp_path: Path) -> None:
    store = Store(tmp_path)
    facts = tuple(Fact("", "labels-S7", key, "points") for key in ("rms", "direction"))
    one, two = (Claim(id, "", "", facts=facts) for id in ("Y1", "Y2"))
    lacking = (Unmeasured("labels-S7", "Y1", ("mpii", "lsp")),)
    assert unmeasured((BETTER, one, two), store) == lacking
    assert lacking[0].command == "vitruvian claims run Y1 --data mpii=FOLDER --data lsp=FOLDER"
    fact = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3}
    store.put(Raw({"format": 1, "id": "labels-S7", "facts": {"rms": fact}}))
    assert unmeasured((one, two), store) == lacking
    store.put(Raw({"format": 1, "id": "labels-S7", "facts": {"rms": fact, "direction": fact}}))
    assert unmeasured((one, two), store) == ()
