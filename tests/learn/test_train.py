"""The one loop: it resumes exactly, stops cleanly, and what a step does."""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
import vitruvian.learn.session as session_module
import vitruvian.learn.train as loop
from trainings import (
    CASCADE,
    STATE,
    assert_same_state,
    cascade,
    counted,
    fit,
    heatmaps,
    parameters,
    rows,
    stopped,
)
from vitruvian.learn import watch
from vitruvian.learn.optim import average
from vitruvian.learn.state import read_state
from vitruvian.learn.train import train
from vitruvian.recipe import Optim, Schedule
from vitruvian.systems.contract import Ask, Batch, Stage, System, predict
from vitruvian.types import UserError


# ---- resuming -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "rmsprop", "adagrad", "muon"])
def test_resumed_equals_uninterrupted(name: str, tmp_path: Path) -> None:
    """N steps, then M in another process, with other workers: bit for bit N + M steps."""
    options = {"momentum": 0.9} if name == "sgd" else {}
    optim = Optim(name=name, lr=1e-3, weight_decay=0.01, options=options)
    one = fit(optim=optim, ema=0.9, clip=1.0, schedule=Schedule(law="cosine", warmup=0.2))
    whole = heatmaps(tmp_path / "whole", one)
    assert train(whole)
    stopped(heatmaps, tmp_path / "parts", tiny.HEATMAPS, 7, one)
    assert read_state(tmp_path / "parts" / STATE).progress.step == 7
    last = heatmaps(tmp_path / "parts", one, workers=2, seed=0)
    with torch.no_grad():
        last.net.head.weight.zero_()  # the state alone counts
    assert train(last)
    assert_same_state(tmp_path / "whole", tmp_path / "parts")
    assert parameters(whole.net).equal(parameters(last.net))


def test_moments_and_averages_before_the_end(tmp_path: Path) -> None:
    """Stopped at step 10: what is saved is the same whether or not step 5 was a border."""
    one = fit(ema=0.95)
    stopped(heatmaps, tmp_path / "whole", tiny.HEATMAPS, 10, one)
    stopped(heatmaps, tmp_path / "parts", tiny.HEATMAPS, 5, one)
    stopped(heatmaps, tmp_path / "parts", tiny.HEATMAPS, 5, one)
    state = read_state(tmp_path / "whole" / STATE)
    assert state.moments
    assert state.shadow
    assert_same_state(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("step", [4, 8, 10])
def test_resumed_across_a_border(step: int, tmp_path: Path) -> None:
    """Stopped in a fit, at its last step or in the next one; `before` runs once for each fit."""
    fits = fit("initial", 8, ema=0.9), fit("refine_1", 8, ema=0.9)
    measured = []
    before = tiny.measure_shifts

    def stages(config: tiny.CascadeConfig) -> Any:
        initial, refine = tiny.cascade_stages(config)

        def count(*arguments: Any) -> None:
            measured.append(1)
            before(1, *arguments)

        return initial, replace(refine, before=count)

    system = replace(tiny.CASCADE, stages=stages)
    whole = cascade(tmp_path / "whole", *fits, system=system)
    assert train(whole)
    assert len(measured) == 1
    stopped(cascade, tmp_path / "parts", system, step, *fits)
    last = cascade(tmp_path / "parts", *fits, system=system, workers=2)
    assert train(last)
    assert len(measured) == 2
    assert_same_state(tmp_path / "whole", tmp_path / "parts")
    assert parameters(whole.net).equal(parameters(last.net))
    assert whole.net.shift_std.equal(last.net.shift_std)
    assert whole.net.shift_std.gt(0).all()


def test_finished_run_does_nothing(tmp_path: Path) -> None:
    assert train(heatmaps(tmp_path, fit(steps=3)))
    kept = (tmp_path / STATE).read_bytes()
    session = heatmaps(tmp_path, fit(steps=3), system=counted(tiny.HEATMAPS, {1: pytest.fail}))
    assert train(session)
    assert (tmp_path / STATE).read_bytes() == kept


def test_workers_and_seeds(tmp_path: Path) -> None:
    """Threads change nothing; another seed changes everything."""
    nets = {}
    for name, workers, seed in (("a", 0, 0), ("b", 2, 0), ("c", 0, 1)):
        session = cascade(
            tmp_path / name, fit("initial", 3), fit("refine_1", 3), workers=workers, seed=seed
        )
        assert train(session)
        nets[name] = parameters(session.net)
    assert nets["a"].equal(nets["b"])
    assert not nets["a"].equal(nets["c"])


# ---- stopping -----------------------------------------------------------------------------------
INTERRUPTED = """
import os, signal, sys
from pathlib import Path
import tiny
from trainings import counted, fit, heatmaps
from vitruvian.learn.train import train
kill = lambda: os.kill(os.getpid(), getattr(signal, sys.argv[2]))
session = heatmaps(Path(sys.argv[1]), fit(ema=0.9), system=counted(tiny.HEATMAPS, {5: kill}))
print("finished" if train(session) else f"stopped at {session.progress.step}")
"""


def test_signals_stop_after_the_step_and_resume(tmp_path: Path) -> None:
    whole = heatmaps(tmp_path / "whole", fit(ema=0.9))
    assert train(whole)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    children = {
        name: subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, str(tmp_path / name), name],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("SIGINT", "SIGTERM")
    }
    for name, child in children.items():
        assert child.communicate(timeout=120)[0].strip() == "stopped at 5"
        assert child.returncode == 0
        assert train(heatmaps(tmp_path / name, fit(ema=0.9)))
        assert_same_state(tmp_path / "whole", tmp_path / name)


def test_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    session = heatmaps(tmp_path, fit(), system=counted(tiny.HEATMAPS, {2: twice}))
    with pytest.raises(KeyboardInterrupt):
        train(session)
    assert signal.getsignal(signal.SIGINT) is handler


def ticking(monkeypatch: pytest.MonkeyPatch, system: System, seconds: float = 1.0) -> System:
    """The system; its steps take that long by the loop's clock, which else stands still."""
    now = [100.0]
    for module in (loop, watch):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def tick(net: nn.Module, batch: Batch) -> None:
        now[0] += seconds

    return tiny.seen(system, tick)


def test_time_is_shared_by_planned_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ticking(monkeypatch, tiny.CASCADE)
    taken = []
    end = session_module.save_state

    def record(path: Path, progress: Any, *rest: Any) -> None:
        taken.append((progress.fit, progress.step))
        end(path, progress, *rest)

    monkeypatch.setattr(session_module, "save_state", record)
    fits = fit("initial", 30), fit("refine_1", 60)
    session = cascade(tmp_path, *fits, system=system, max_minutes=30.5 / 60)
    assert not train(session)
    assert taken == [(0, 11), (1, 0), (1, 20)]
    assert not session.net.training
    answer = predict(session.system, session.net, torch.zeros(1, 3, 64, 48, dtype=torch.uint8))
    assert answer.xy.isfinite().all()

    # the rest of the plan, without a limit: only the last fit goes on
    taken.clear()
    assert train(cascade(tmp_path, *fits, system=system))
    assert taken == [(1, 60), (2, 0)]


def test_time_left_is_shared_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = fit("initial", 20), fit("refine_1", 30)
    stopped(cascade, tmp_path, tiny.CASCADE, 10, *fits)
    system = ticking(monkeypatch, tiny.CASCADE)
    session = cascade(tmp_path, *fits, system=system, max_minutes=20.5 / 60)
    assert not train(session)
    steps = {
        name: [r for r in rows(tmp_path) if r["fit"] == name][-1]["step"] for name in ("0", "1")
    }
    assert steps == {"0": "16", "1": "15"}


def test_no_time_at_all(tmp_path: Path) -> None:
    """Every fit still takes a step, so that there is a model."""
    session = cascade(tmp_path, fit("initial"), fit("refine_1"), max_minutes=1e-9)
    assert not train(session)
    assert session.progress.fit == 1
    assert session.progress.step == 1
    assert predict(session.system, session.net, torch.zeros(1, 3, 64, 48, dtype=torch.uint8), Ask())


# ---- what is wrong ------------------------------------------------------------------------------
def test_unknown_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"fit 1 of 1: .* has no stage 'legs', only heatmaps"):
        train(heatmaps(tmp_path, fit("legs")))


def test_an_unknown_stage_is_found_before_the_first_is_trained(tmp_path: Path) -> None:
    def never() -> None:
        raise AssertionError("trained")

    system = counted(tiny.HEATMAPS, {1: never})
    with pytest.raises(UserError, match=r"fit 2 of 2: .* or train without it: --stage heatmaps"):
        train(heatmaps(tmp_path, fit(), fit("legs"), system=system))


def test_more_parts_than_persons(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not make 8 parts"):
        train(heatmaps(tmp_path, fit(accumulate=8)))


# ---- what a step does ---------------------------------------------------------------------------
@pytest.mark.parametrize("number", [0, 1])
def test_accumulating_changes_nothing_but_memory(number: int, tmp_path: Path) -> None:
    """Where no BatchNorm trains; draws belong to a sample and not to its part."""
    name = tiny.CascadeConfig(stages=2).names[number]
    nets = {}
    for parts in (1, 2, 3):
        one = fit(name, 6, batch=8, accumulate=parts, optim=tiny.SGD)
        session = cascade(tmp_path / str(parts), one)
        session.net.shift_std.fill_(0.2)
        assert train(session)
        nets[parts] = parameters(session.net)
    for parts in (2, 3):
        torch.testing.assert_close(nets[parts], nets[1], rtol=0, atol=1e-6)
    assert not nets[1].equal(parameters(cascade(tmp_path / "new", fit(name)).net))


def test_averaged_weights_become_the_model(tmp_path: Path) -> None:
    trail: list[dict[str, Tensor]] = []

    def note(net: nn.Module, batch: Batch) -> None:
        trail.append({n: v.clone() for n, v in net.state_dict().items() if v.is_floating_point()})

    plain = heatmaps(tmp_path / "plain", fit(), system=tiny.seen(tiny.HEATMAPS, note))
    assert train(plain)
    note(plain.net, None)  # type: ignore[arg-type]
    shadow = {name: value.clone() for name, value in trail[0].items()}
    for step in range(12):
        weight = 1 - min(0.9, (1 + step) / (10 + step))
        shadow = {n: v + weight * (trail[step + 1][n] - v) for n, v in shadow.items()}
    averaged = heatmaps(tmp_path / "averaged", fit(ema=0.9), evaluate_every=2.0)
    asked = []
    averaged.evaluate = lambda net: asked.append(net.head.weight.clone()) or 0.5
    assert train(averaged)
    state = averaged.net.state_dict()
    for name, value in shadow.items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-5)
    assert not state["head.weight"].equal(trail[-1]["head.weight"])
    assert asked[-1].equal(state["head.weight"])


def test_average_follows_slowly_at_first_quickly() -> None:
    net = nn.Linear(1, 1)
    shadow = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    average(shadow, net, 0.999, 0)
    torch.testing.assert_close(shadow["weight"], 0.9 * net.weight.detach())
    average(shadow, net, 0.999, 10**6)
    torch.testing.assert_close(shadow["weight"], 0.9001 * net.weight.detach())


@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_goes_down_the_gradient(parts: int, tmp_path: Path) -> None:
    """Of the mean over the batch: with a rate of 1, SGD moves by exactly that."""
    batches: list[Batch] = []
    one = fit("initial", 1, optim=Optim(name="sgd", lr=1.0), accumulate=parts)
    system = tiny.seen(tiny.CASCADE, lambda net, batch: batches.append(batch))
    session = cascade(tmp_path, one, system=system)
    net = copy.deepcopy(session.net)
    assert train(session)
    assert [len(batch) for batch in batches] == [4 // parts] * parts
    stage = tiny.cascade_stages(CASCADE)[0]
    means = [stage.step(net, batch, torch.Generator())["initial"] for batch in batches]
    torch.stack(means).mean().backward()
    for new, old in zip(session.net.initial.parameters(), net.initial.parameters(), strict=True):
        torch.testing.assert_close(new, old - old.grad, rtol=1e-5, atol=1e-6)


def test_every_step_has_its_own_draws(tmp_path: Path) -> None:
    """In the step's generator and in torch's own; by seed, fit and step alone."""
    drawn: list[tuple[float, float]] = []
    system = tiny.CASCADE

    def stages(config: Any) -> Any:
        def watched(stage: Stage) -> Stage:
            def step(net: nn.Module, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
                drawn.append((torch.rand((), generator=rng).item(), torch.rand(()).item()))
                return stage.step(net, batch, rng)

            return replace(stage, step=step)

        return tuple(map(watched, system.stages(config)))

    for seed in (0, 0, 1):
        fits = fit("initial", 3), fit("refine_1", 3)
        folder = tmp_path / str(len(drawn))
        assert train(cascade(folder, *fits, system=replace(system, stages=stages), seed=seed))
    first, again, other = drawn[:6], drawn[6:12], drawn[12:]
    assert first == again
    assert len({value for pair in first + other for value in pair}) == 24


def test_gradients_are_clipped(tmp_path: Path) -> None:
    moved = {}
    for clip in (1e-4, None):
        one = fit(steps=1, clip=clip, optim=Optim(name="sgd", lr=1.0))
        session = heatmaps(tmp_path / str(clip), one)
        old = parameters(session.net)
        assert train(session)
        moved[clip] = (parameters(session.net) - old).norm().item()
    assert moved[1e-4] == pytest.approx(1e-4, rel=0.02)
    assert moved[None] > 1e-3


def test_log(tmp_path: Path) -> None:
    assert train(cascade(tmp_path, fit("initial", 12), fit("refine_1", 3)))
    log = rows(tmp_path)
    assert [(row["fit"], row["step"]) for row in log] == [("0", "10"), ("0", "12"), ("1", "3")]
    assert [row["parts"].split("=")[0] for row in log] == ["initial", "initial", "refine_1"]
    for row in log:
        assert float(row["loss"]) == pytest.approx(float(row["parts"].split("=")[1]), rel=1e-3)
        assert float(row["images_per_second"]) > 0
        assert float(row["rate"]) == 3e-3
        assert row["tune"] == ""
    assert [float(row["seconds"]) for row in log] == sorted(float(row["seconds"]) for row in log)


def test_bfloat16_trains(tmp_path: Path) -> None:
    session = heatmaps(tmp_path, fit(steps=4))
    session.recipe = session.recipe.model_copy(update={"precision": "bf16"})
    assert train(session)
    assert parameters(session.net).dtype == torch.float32
    assert parameters(session.net).isfinite().all()
