"""What is looked at as a fit goes: labels, losses, the score, answers that are all the same."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from trainings import (
    CASCADE,
    HEATMAPS,
    PEOPLE,
    STATE,
    assert_same_state,
    cascade,
    fit,
    heatmaps,
    parameters,
    rows,
    stopped,
)
from vitruvian.learn import watch
from vitruvian.learn.runner import net_runner
from vitruvian.learn.state import read_state
from vitruvian.learn.train import train
from vitruvian.recipe import Optim, Schedule
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import predict_people
from vitruvian.use.quick import spread


# ---- what is wrong ------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_loss_that_is_not_finite(
    bad: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SAVE_SECONDS", 0.0)
    system, calls = tiny.HEATMAPS, [0]

    def stages(config: Any) -> Any:
        (stage,) = system.stages(config)

        def step(*arguments: Any) -> dict[str, Tensor]:
            calls[0] += 1
            return {n: v * (bad if calls[0] > 15 else 1) for n, v in stage.step(*arguments).items()}

        return (replace(stage, step=step),)

    fits = fit(steps=2), fit(steps=30)
    session = heatmaps(tmp_path, *fits, system=replace(system, stages=stages))
    message = r"not finite at step 20 of fit 'heatmaps'.*--set fits\.1\.optim\.lr"
    with pytest.raises(UserError, match=message) as error:
        train(session)
    assert "\n" not in str(error.value)
    saved = read_state(tmp_path / STATE)
    assert (saved.progress.fit, saved.progress.step) == (1, 10)
    assert all(value.isfinite().all() for value in saved.net.values())


@pytest.mark.parametrize(("steps", "batches"), [(20, 5), (2, 2)])
def test_nobody_is_labelled(steps: int, batches: int, tmp_path: Path) -> None:
    people = replace(PEOPLE, state=np.full_like(PEOPLE.state, State.MISSING))
    session = tiny.session(tmp_path, tiny.HEATMAPS, HEATMAPS, people, fit(steps=steps))
    with pytest.raises(UserError, match=f"no labelled joint in the first {batches} batches: check"):
        train(session)
    assert session.progress.step == batches - 1


def test_nothing_can_be_read(tmp_path: Path) -> None:
    def photo(row: int, factor: int) -> Any:
        raise UserError(f"picture {row} is cut short")

    session = tiny.session(tmp_path, tiny.HEATMAPS, HEATMAPS, replace(PEOPLE, photo=photo), fit())
    with pytest.raises(UserError, match=r"first 5 batches: \d+ photographs could not be read"):
        train(session)


def test_one_label_in_the_fifth_batch_is_enough(tmp_path: Path) -> None:
    session = heatmaps(tmp_path, fit(steps=8))
    keys = []
    watched = tiny.seen(tiny.HEATMAPS, lambda net, batch: keys.append(batch.key.tolist()))
    assert train(heatmaps(tmp_path / "look", fit(steps=8), system=watched))
    state = np.full_like(PEOPLE.state, State.MISSING)
    state[keys[4][0]] = PEOPLE.state[keys[4][0]]
    session.people = replace(PEOPLE, state=state)
    assert train(session)


def test_answers_that_are_all_the_same(tmp_path: Path) -> None:
    """Two scorings in a row with next to no spread, not in the first fifth, end the training."""
    values = iter([0.0, 0.0, 0.001, 0.5, 0.0, 0.5, 0.0, 0.019, 0.5])
    session = heatmaps(tmp_path, fit(steps=60), evaluate_every=0.5)  # every 3 steps
    session.evaluate, session.spread = lambda net: 0.1, lambda net: next(values)
    with pytest.raises(
        UserError, match=r"same for every picture at step 24 .*fits\.0\.optim\.lr"
    ) as e:
        train(session)
    assert "1.9 %" in str(e.value)
    assert "\n" not in str(e.value)
    assert session.progress.step == 24


def test_a_collapsed_net_is_found(tmp_path: Path) -> None:
    """With the real measure: a net that sees nothing is stopped, and one that learns is not."""
    tune = PEOPLE.subset("tune")

    def measured(net: nn.Module) -> float:
        runner = net_runner(tiny.CASCADE, net, torch.device("cpu"))
        return spread(predict_people(runner, tune, tune.box, CASCADE.crop), tune)

    session = cascade(tmp_path / "sees", fit("initial", 40), evaluate_every=2.0)
    session.evaluate, session.spread = lambda net: 0.1, measured
    assert train(session)
    session = cascade(tmp_path / "blind", fit("initial", 40), evaluate_every=2.0)
    session.evaluate, session.spread = lambda net: 0.1, measured
    session.net.normalise.std.fill_(1e9)
    session.net.refine[0][5].weight.data.zero_()
    with pytest.raises(UserError, match="same for every picture"):
        train(session)


# ---- the score ----------------------------------------------------------------------------------
def test_plateau_drops_the_rate_once(tmp_path: Path) -> None:
    scores = iter([0.5, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.6])
    plateau = Schedule(law="plateau", factor=0.2, patience=2, most_drops=1)
    optim = Optim(lr=0.01)
    session = heatmaps(tmp_path, fit(steps=48, schedule=plateau, optim=optim), evaluate_every=1.0)
    session.evaluate = lambda net: next(scores)
    assert train(session)
    scored = [row for row in rows(tmp_path) if row["tune"]]
    assert [row["step"] for row in scored] == [str(6 * i) for i in range(1, 9)]
    assert [float(row["rate"]) for row in scored] == [0.01] * 4 + [0.002] * 4


def test_plateau_survives_a_resume(tmp_path: Path) -> None:
    """Drops and patience belong to the state."""
    plateau = Schedule(law="plateau", factor=0.1, patience=2, most_drops=3)
    one = fit(steps=36, schedule=plateau)

    def scored(net: nn.Module) -> float:
        return 0.5

    whole = heatmaps(tmp_path / "whole", one, evaluate_every=1.0, evaluate=scored)
    assert train(whole)
    stopped(
        heatmaps, tmp_path / "parts", tiny.HEATMAPS, 20, one, evaluate_every=1.0, evaluate=scored
    )
    assert read_state(tmp_path / "parts" / STATE).progress.drops == 1
    last = heatmaps(tmp_path / "parts", one, evaluate_every=1.0, evaluate=scored)
    assert train(last)
    assert parameters(whole.net).equal(parameters(last.net))


def test_scoring_changes_nothing(tmp_path: Path) -> None:
    """A look at the held-out persons leaves weights, modes and draws as they were."""

    def scored(net: nn.Module) -> float:
        assert not any(module.training for module in net.modules())
        torch.rand(3)
        return 0.5

    one = fit(ema=0.9)
    plain, looked = heatmaps(tmp_path / "a", one), heatmaps(tmp_path / "b", one, evaluate_every=0.2)
    looked.evaluate = scored
    assert train(plain)
    assert train(looked)
    assert len(rows(tmp_path / "b")) == 12
    assert_same_state(tmp_path / "a", tmp_path / "b")
