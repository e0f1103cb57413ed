"""What holds for every system: the battery that a new one passes before anything is said of it."""

from __future__ import annotations

import copy
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from battery import SMALL, Case, as_if_trained, batch_of, begin, every_case, module_modes
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.report import Report
from vitruvian.learn.runner import name_stages, new_net, system_and_config
from vitruvian.learn.session import Session
from vitruvian.learn.train import train
from vitruvian.recipe import Fit, Optim
from vitruvian.skeleton import Skeleton, find_skeleton
from vitruvian.systems import SYSTEMS
from vitruvian.systems.contract import Batch, Stage, build, generator, normal_per_sample
from vitruvian.types import State, UserError


def test_every_system_has_small_sizes() -> None:
    assert set(SMALL) == set(SYSTEMS), "a system needs a line in SMALL to be tested"
    for name, sizes in SMALL.items():
        for values in sizes:
            H, W = values["crop"]
            assert H != W, f"{name}: a crop that is not square finds swapped axes"


def loss(stage: Stage, net: nn.Module, batch: Batch, seed: int = 0) -> Tensor:
    """The sum of a step's losses; equal seeds give equal draws."""
    torch.manual_seed(seed)
    losses = stage.step(net, batch, generator(seed))
    assert all(value.dim() == 0 for value in losses.values())
    return torch.stack(list(losses.values())).sum()


def trained(net: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in net.named_parameters() if p.requires_grad}


@every_case
def test_loss_falls_and_every_trained_parameter_learns(case: Case) -> None:
    """What has learnt in an earlier stage goes on at a third of the rate, as fine-tuning does."""
    net, batch = case.net(), case.batch()
    before: set[str] = set()
    for stage in case.stages:
        begin(case, net, stage)
        rate = 1e-3 if before & set(stage.trains) else 3e-3
        before |= set(stage.trains)
        optimiser = torch.optim.AdamW(trained(net).values(), lr=rate)
        still = set(trained(net))
        assert still, stage.name
        values = []
        for number in range(16):
            value = loss(stage, net, batch)
            optimiser.zero_grad()
            value.backward()
            if number < 3:
                still -= {n for n, p in trained(net).items() if p.grad is not None and p.grad.any()}
            optimiser.step()
            values.append(value.item())
        assert np.isfinite(values).all(), stage.name
        assert not still, f"{stage.name}: no gradient within three steps"
        assert max(values[-3:]) < 0.97 * values[0], f"{stage.name}: {values}"


@every_case
def test_a_stage_moves_only_what_it_names(case: Case, tmp_path: Path) -> None:
    """Frozen parameters and the buffers of frozen BatchNorms stay bit-equal, and in eval mode."""
    net = case.net()
    modes: list[dict[str, bool]] = []
    watched = tiny.seen(case.system, lambda net, batch: modes.append(module_modes(net)))
    for number, stage in enumerate(case.stages):
        old = copy.deepcopy(net.state_dict())
        fit = Fit(stage=stage.name, steps=2, batch=4, optim=Optim(lr=1e-3, weight_decay=0.1))
        folder = tmp_path / str(number)
        session = tiny.session(folder, watched, case.config, case.people(), fit)
        session.net = net
        assert train(session)
        parameters = {name for name, _ in net.named_parameters()}
        norms = {
            f"{path}.{name}"
            for path, module in net.named_modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm)
            for name, _ in module.named_buffers()
        }
        moved = {name for name, value in net.state_dict().items() if not value.equal(old[name])}
        outside = {name for name in moved & (parameters | norms) if not below(name, stage.trains)}
        assert not outside, stage.name
        assert {name for name in moved & parameters if below(name, stage.trains)}, stage.name
        if not stage.before:
            assert all(below(name, stage.trains) for name in moved)
        training = {path for path, on in modes[-1].items() if on}
        assert training == {path for path in modes[-1] if below(path, stage.trains)}


def below(name: str, paths: tuple[str, ...]) -> bool:
    """Whether a module, parameter or buffer is part of what `Stage.trains` names."""
    return any(not path or name == path or name.startswith(f"{path}.") for path in paths)


@every_case
def test_joints_without_a_place_count_nothing(case: Case) -> None:
    """Whatever stands in their coordinates changes no bit of a loss or of a gradient."""
    net, batch = case.net(), case.batch()
    state, joints = batch.state.clone(), batch.joints.clone()
    state[::2, 1], state[1::3, 2], state[3, :] = State.UNDEFINED, State.MISSING, State.UNDEFINED
    nowhere = state < State.OCCLUDED
    joints[nowhere] = torch.where(torch.arange(2) == 0, 7e3, -3.0)
    clean = replace(batch, state=state, joints=batch.joints * ~nowhere[..., None])
    junk = replace(batch, state=state, joints=joints)
    for stage in case.stages:
        begin(case, net, stage)
        results = []
        for one in (clean, junk):
            again = copy.deepcopy(net)
            value = loss(stage, again, one)
            value.backward()
            results.append((value, [p.grad for p in trained(again).values()]))
        (value, gradients), (value_junk, gradients_junk) = results
        assert value.equal(value_junk), stage.name
        assert all(a.equal(b) for a, b in zip(gradients, gradients_junk, strict=True)), stage.name


@every_case
def test_the_loss_of_a_batch_is_the_mean_of_its_parts(case: Case) -> None:
    """So N processes equal one; draws belong to a sample and not to its place."""
    net, batch = case.net(), case.batch()
    for stage in case.stages:
        begin(case, net, stage)
        net.eval()
        with torch.no_grad():
            whole = loss(stage, net, batch)
            parts = torch.stack([loss(stage, net, batch.part(i, 2)) for i in range(2)])
        torch.testing.assert_close(parts.mean(), whole, rtol=1e-5, atol=1e-8)


@every_case
def test_needs(case: Case) -> None:
    """A skeleton without the facts a system needs is refused in one line; one with them is not."""
    bare = Skeleton("hand", ("palm", "thumb"))
    if not case.system.needs:
        assert len(build(case.system, case.config, bare).skeleton) == 2
        return
    with pytest.raises(UserError) as error:
        build(case.system, case.config, bare)
    message = str(error.value)
    for word in (case.system.name, "'hand'", *case.system.needs):
        assert word in message
    assert "\n" not in message


@every_case
def test_net_knows_what_it_was_built_from(case: Case) -> None:
    net = case.net()
    assert net.config == case.config
    assert net.skeleton is case.skeleton
    assert case.config.__dataclass_params__.frozen
    assert len({stage.name for stage in case.stages}) == len(case.stages)


def test_generators_differ_by_every_seed() -> None:
    seeds = [(0,), (0, 0), (0, 0, 0), (1,), (1, 0), (0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1)]
    assert len({generator(*some).initial_seed() for some in seeds}) == len(seeds)
    assert generator(3, 4).initial_seed() == generator(3, 4).initial_seed()


def test_draws_belong_to_the_sample() -> None:
    batch = batch_of(tiny.FIGURE, (64, 48))
    whole = normal_per_sample(batch, (4, 2), generator(1, 2))
    assert whole.shape == (8, 4, 2)
    assert len(whole.unique()) == whole.numel(), "every sample has its own"
    for first in range(2):
        assert normal_per_sample(batch.part(first, 2), (4, 2), generator(1, 2)).equal(
            whole[first::2]
        )
    assert not normal_per_sample(batch, (4, 2), generator(2, 1)).equal(whole)


def published() -> list[Any]:
    """Of recipes that share a net, one; its first fit and its last."""
    recipes = {name: make() for name, make in RECIPES.items()}
    nets = {(recipe.system, repr(recipe.config)): name for name, recipe in recipes.items()}
    return [
        pytest.param(name, number, id=f"{name}-{number}")
        for name in nets.values()
        for number in sorted({0, len(recipes[name].fits) - 1})
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), published())
def test_published_sizes_take_a_step(name: str, number: int, tmp_path: Path) -> None:
    """One optimiser step of a recipe's fit at its own input size, on rendered figures."""
    recipe = name_stages(RECIPES[name]())
    fit = recipe.fits[number].model_copy(update={"steps": 1, "batch": 2, "accumulate": 1})
    skeleton = find_skeleton(recipe.skeleton)
    system, config = system_and_config(recipe.system, recipe.config, name)
    net = new_net(system, config, skeleton, recipe.seed)
    if number:
        as_if_trained(net)
    old = copy.deepcopy(net.state_dict())
    report = Report(tmp_path, quiet=True)
    session = Session(
        system=system,
        net=net,
        recipe=recipe.model_copy(update={"fits": (fit,)}),
        people=figures(4, 0, skeleton, side=256),
        folder=tmp_path,
        where=Place(torch.device("cpu")),
        report=report,
        workers=0,
    )
    assert train(session)
    assert all(value.isfinite().all() for value in net.state_dict().values())
    assert any(not value.equal(old[key]) for key, value in net.state_dict().items())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name} fit {number}: the process has used at most {peak:.2f} GiB")
