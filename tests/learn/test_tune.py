"""Choosing settings: trainings are made once, scores come from the held-out photographs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vitruvian.data.synthetic import figures
from vitruvian.learn import tune as tuning
from vitruvian.learn.run import Options
from vitruvian.learn.tune import Plan, Trial, best, table, tune
from vitruvian.skeleton import MPII
from vitruvian.types import UserError

SMALL = (
    "config.crop=[32,32]", "config.channels=[8,8,8,8]", "config.width=8", "config.inner=8",
    "fits.0.steps=2", "fits.0.batch=4", "precision=fp32",
)  # fmt: skip
GRID = {"fits.0.optim.lr": ("0.001", "0.0001")}


def plan(folder: Path, **more: object) -> Plan:
    options = Options("resnet_fcn/compact", folder, SMALL, device="cpu", workers=0, quiet=True)
    return Plan(replace(options, hold_out=6), GRID, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Trial]]:
    folder = tmp_path_factory.mktemp("tune")
    return folder, tune(plan(folder))


def test_every_setting_is_scored_on_the_held_out(done: tuple[Path, list[Trial]]) -> None:
    folder, trials = done
    assert [trial.settings for trial in trials] == [
        ("fits.0.optim.lr=0.001",),
        ("fits.0.optim.lr=0.0001",),
    ]
    assert {trial.n for trial in trials} == {6}
    assert {trial.stage for trial in trials} == {"heatmaps"}
    for lr in GRID["fits.0.optim.lr"]:
        about = json.loads((folder / f"lr={lr}" / "run.json").read_text())
        assert about["hold_out"] == 6
        recipe = (folder / f"lr={lr}" / "recipe.yaml").read_text()
        assert f"lr: {float(lr)}" in recipe


def test_the_results_name_their_protocol(done: tuple[Path, list[Trial]]) -> None:
    _, trials = done
    assert {trial.measure for trial in trials} == {"figures-pck at 0.2 torso"}
    assert [column.header for column in table(trials).columns][
        2
    ] == "mean figures-pck at 0.2 torso, %"


def test_mpii_is_scored_in_head_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """PCKh@0.5, not what the paper chose by."""
    people = replace(
        figures(8, 0, MPII, 48), name="mpii", lengths={"head_box": np.full(8, 10.0, np.float32)}
    )
    near = people.joints + np.array([4.0, 0.0])  # within 0.5 head boxes, beyond 0.2
    info = SimpleNamespace(crop=(32, 32), skeleton=MPII)
    monkeypatch.setattr(tuning, "load", lambda name: SimpleNamespace(runner=None, info=info))
    monkeypatch.setattr(tuning, "find", lambda *_, **__: SimpleNamespace(xy=near))
    trial = tuning._trial(("a=1",), "joint", "model", people, 0)
    assert (trial.measure, trial.value) == ("mpii-pckh at 0.5 head_box", 1.0)


def test_what_cannot_be_trained_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(options: Options) -> bool:
        raise AssertionError("trained")

    monkeypatch.setattr(tuning, "run", never)
    options = Options("deeppose/compact", tmp_path, hold_out=6)
    with pytest.raises(UserError, match=r"fit 3 of 3: .* has no stage 'stage3'"):
        tune(Plan(options, {"config.stages": ("3", "2")}))


def test_what_is_done_is_not_trained_again(
    done: tuple[Path, list[Trial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, trials = done

    def never(options: Options) -> bool:
        raise AssertionError("trained again")

    monkeypatch.setattr(tuning, "run", never)
    assert tune(plan(folder)) == trials


def test_another_plan_is_refused(done: tuple[Path, list[Trial]]) -> None:
    folder, _ = done
    other = plan(folder)
    other = replace(other, options=replace(other.options, hold_out=7))
    with pytest.raises(UserError, match="holds other trials"):
        tune(other)


def test_the_best_has_the_fewest_stages() -> None:
    rows = [(("a=1",), "one", 0.5), (("a=1",), "two", 0.7), (("a=2",), "one", 0.7)]
    trials = [Trial(settings, stage, value, 0, 1, 50) for settings, stage, value in rows]
    assert best(trials) is trials[1]
    assert table(trials).row_count == 3


def test_what_cannot_be_tried(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to try"):
        tune(replace(plan(tmp_path), grid={}))
    with pytest.raises(UserError, match="has 1 fits"):
        tune(plan(tmp_path, share=1))
    nobody = plan(tmp_path)
    with pytest.raises(UserError, match="nothing to choose on"):
        tune(replace(nobody, options=replace(nobody.options, hold_out=0)))
