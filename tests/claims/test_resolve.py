"""Every arm of the ledger can be trained: its recipe, settings and stages exist, and weights fit."""

from __future__ import annotations

import pytest
import torch

from vitruvian.claims.ledger import arms
from vitruvian.claims.model import RENDERED, TIERS, Arm, Tier, Training
from vitruvian.claims.raw import RAW, Store
from vitruvian.claims.resolve import changed, recipe_of
from vitruvian.learn.runner import system_and_config
from vitruvian.skeleton import find_skeleton
from vitruvian.systems.contract import build

EVERY = tuple(dict.fromkeys(arm for tier in TIERS for arm in arms(tier)))
CHILDREN = tuple(arm for arm in EVERY if arm.parent)
AT_ONCE = {
    "at-once",
    "at-once-as-long",
    "stacks2-scales3-regression",
    "whole8-extra",
}  # which begin with a later stage


def shapes(arm: Arm) -> dict[str, torch.Size]:
    recipe = recipe_of(Training(RENDERED, arm, 0))
    system, config = system_and_config(recipe.system, recipe.config, arm.name)
    with torch.device("meta"):
        net = build(system, config, find_skeleton(recipe.skeleton))
    return {name: value.shape for name, value in net.state_dict().items()}


@pytest.mark.parametrize("arm", EVERY, ids=lambda arm: arm.name)
def test_an_arm_can_be_trained(arm: Arm) -> None:
    training = Training(RENDERED, arm, 5)
    recipe = recipe_of(training)
    system, config = system_and_config(recipe.system, recipe.config, arm.name)
    stages = [stage.name for stage in system.stages(config)]
    assert {fit.stage for fit in recipe.fits} <= set(stages)
    assert [fit.steps for fit in recipe.fits] == [steps for _, steps in training.fits]
    assert recipe.seed == 5
    assert recipe.crop == (96, 96)
    assert recipe.fits[0].stage == stages[0] or arm.parent or arm.name in AT_ONCE


@pytest.mark.parametrize("tier", TIERS, ids=lambda tier: tier.name)
def test_a_tier_has_one_optimiser(tier: Tier) -> None:
    for arm in arms(tier):
        training = Training(tier, arm, 0)
        optims = {fit.optim.name for fit in recipe_of(training).fits}
        assert optims == {tier.optimiser}, arm.name
        assert training.content().get("optimiser", "adamw") == tier.optimiser


@pytest.mark.parametrize("arm", CHILDREN, ids=lambda arm: arm.name)
def test_a_child_takes_all_of_its_parent(arm: Arm) -> None:
    assert arm.parent is not None
    own, other = shapes(arm), shapes(arm.parent)
    if [stage for stage, _ in arm.fits] == ["heads"]:  # which begin anew, on the parent's trunk
        assert not any(name.startswith(("body.", "semi.", "limbs.")) for name in own)
        other = {name: shape for name, shape in other.items() if ".backbone." in name}
        assert {name for name in own if ".backbone." in name} == set(other)
    assert {name: own.get(name) for name in other} == other


def test_committed_files_are_of_these_recipes() -> None:
    """A recipe that has changed since makes other models than those that the ledger speaks of."""
    store = Store(RAW)
    for tier in TIERS:
        for arm in arms(tier):
            for seed in range(8):
                training = Training(tier, arm, seed)
                if (raw := store.get(training.id)) is not None:
                    said = changed(
                        raw.values["recipe"], recipe_of(training).model_dump(mode="json")
                    )
                    assert not said, (
                        f"{training.id}: {said}; delete the file and run its claim again"
                    )


def test_what_has_changed() -> None:
    old = {"name": "a", "config": {"crop": [96, 96], "width": 8}, "fits": [{"steps": 3}]}
    assert changed(old, old | {"balance": "none"}) == ""
    assert changed(old, old | {"name": "b"}) == "name was 'a', is 'b'"
    assert (
        changed(old, old | {"config": {"crop": [96, 128], "width": 8}})
        == "config.crop.1 was 96, is 128"
    )
    assert changed(old, old | {"fits": []}) == "fits was [{'steps': 3}], is []"
    assert changed(old, {"name": "a", "fits": old["fits"]}).startswith("config was {")
