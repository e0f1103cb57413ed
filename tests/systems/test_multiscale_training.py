"""Multi-scale supervision: stages, who learns from what, that it learns."""

import copy
from dataclasses import asdict, replace

import pytest
import torch

from thin_multiscale import THIN, batch_of
from vitruvian.data.augment import Augment
from vitruvian.data.synthetic import figures
from vitruvian.learn.devices import Place, bf16_pays
from vitruvian.learn.report import Report
from vitruvian.learn.runner import net_runner, new_net
from vitruvian.learn.session import Session
from vitruvian.learn.train import set_trained, train
from vitruvian.recipe import Fit, Optim, Recipe, Schedule
from vitruvian.skeleton import LSP
from vitruvian.systems.contract import generator
from vitruvian.systems.multiscale import (
    MULTISCALE,
    MultiscaleConfig,
    regression_step,
    stacks_step,
    stages,
)
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import evaluate


def lsp_batch():
    rng = torch.Generator().manual_seed(1)
    xy = torch.rand(3, 14, 2, generator=rng) * torch.tensor([48.0, 32.0])
    return batch_of(xy.tolist(), [[State.VISIBLE] * 14] * 3)


@pytest.mark.parametrize(
    ("regressor", "expected"),
    [
        ("joint", ["stacks: hourglasses", "regression: hourglasses regressor"]),
        ("detached", ["stacks: hourglasses", "regression: hourglasses regressor"]),
        ("after", ["stacks: hourglasses", "regression: regressor"]),
        ("none", ["stacks: "]),
    ],
)
def test_stages(regressor, expected):
    config = replace(THIN, regressor=regressor, regressor_scales="all")
    assert [f"{s.name}: {' '.join(s.trains)}" for s in stages(config)] == expected
    net = new_net(MULTISCALE, config, LSP, 0)
    assert (net.regressor is None) == (regressor == "none")
    stacks = {f"stack{n}_gt{scale}" for n in (1, 2) for scale in ("", "/2")}
    regression = {"regression_gt", "regression_gt/2"}
    named = [set(stage.step(net, lsp_batch(), generator(0))) for stage in stages(config)]
    assert named[0] == stacks
    if regressor != "none":
        assert named[1] == (regression if regressor == "after" else stacks | regression)


def touched(net, loss):
    """The names of parameters that a loss sends a gradient to."""
    net.zero_grad()
    loss.backward()
    return {n for n, p in net.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize("form", ["hourglass", "convs"])
@pytest.mark.parametrize(
    ("regressor", "reaches"), [("joint", True), ("detached", False), ("after", False)]
)
def test_the_regression_nets_loss_reaches_the_stacks_where_it_is_joint(form, regressor, reaches):
    net = new_net(MULTISCALE, replace(THIN, regressor=regressor, regressor_form=form), LSP, 0)
    found = touched(net, regression_step(net, lsp_batch(), generator(0))["regression_gt"])
    own = {n for n, _ in net.named_parameters() if n.startswith("regressor.")}
    assert own <= found
    heads = {f"hourglasses.stacks.1.{name}.weight" for name in ("score", "coarser.0")}
    assert (heads <= found) == reaches
    assert bool(found - own) == reaches


@pytest.mark.parametrize("feed", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
def test_every_head_of_every_stack_and_scale_learns(feed, recompute):
    config = replace(
        THIN, feed_scales=feed, recompute=recompute, regressor="detached", regressor_scales="all"
    )
    net = new_net(MULTISCALE, config, LSP, 0)
    step = regression_step(net, lsp_batch(), generator(0))
    assert touched(net, torch.stack(list(step.values())).sum()) == {
        name for name, _ in net.named_parameters()
    }
    for number in (0, 1):
        step = stacks_step(net, lsp_batch(), generator(0))
        found = touched(net, step[f"stack{number + 1}_gt/2"])
        heads = {n for n in found if ".coarser.0." in n}
        assert f"hourglasses.stacks.{number}.coarser.0.weight" in heads
        if not feed:
            assert len(heads) == 2, "weight and bias of that stack alone"


def test_a_regression_net_alone_does_not_learn_on_random_stacks():
    net = new_net(MULTISCALE, replace(THIN, regressor="after"), LSP, 0)
    stacks, regression = stages(net.config)
    assert stacks.before is None
    with pytest.raises(
        UserError, match=r"stacks stand still, and these are random; .* --from STACKS"
    ):
        regression.before(net, [], generator(0))
    set_trained(net, stacks.trains)
    stacks.step(net, lsp_batch(), generator(0))
    regression.before(net.eval(), [], generator(0))
    other = new_net(MULTISCALE, replace(THIN, regressor="after"), LSP, 1)
    other.load_state_dict(net.state_dict())  # as --from does
    regression.before(other, [], generator(0))
    assert all(stage.before is None for stage in stages(replace(THIN, regressor="joint")))


def test_the_stacks_stand_still_for_a_regression_net_that_learns_after_them():
    net = new_net(MULTISCALE, replace(THIN, regressor="after"), LSP, 0)
    set_trained(net, stages(net.config)[1].trains)
    old = copy.deepcopy(net.hourglasses.state_dict())
    step = regression_step(net, lsp_batch(), generator(0))
    assert list(step) == ["regression_gt"]
    assert all(name.startswith("regressor.") for name in touched(net, step["regression_gt"]))
    assert all(value.equal(old[name]) for name, value in net.hourglasses.state_dict().items())


@pytest.mark.parametrize("regressor", ["joint", "after", "none"])
def test_recomputing_changes_no_bit_of_a_step(regressor):
    results = []
    for recompute in (False, True):
        config = replace(THIN, recompute=recompute, regressor=regressor)
        net = new_net(MULTISCALE, config, LSP, 0)
        for stage in stages(config):
            set_trained(net, stage.trains)
            sum(stage.step(net, lsp_batch(), generator(0)).values()).backward()
        results.append(net)
    plain, again = results
    for (name, one), other in zip(plain.named_parameters(), again.parameters(), strict=True):
        assert one.grad.equal(other.grad), name
    for (name, one), other in zip(plain.named_buffers(), again.buffers(), strict=True):
        assert one.equal(other), name


# Measured: stacks 0.361, with the flip test 0.363; regression net 0.399 and 0.411; mean pose 0.085. So
# short a training does not tell left from right yet: where joints keep their names in mirrored crops, these
# are 0.366, 0.378, 0.388 and 0.401.
@pytest.mark.learn
def test_it_learns_figures_and_the_regression_does_not_hurt(tmp_path):
    """PCK@0.2 of figures never seen; a fault in frames or targets fails."""
    people = figures(3000, seed=3, side=128)
    config = MultiscaleConfig(
        crop=(96, 96),
        stacks=2,
        width=32,
        levels=3,
        scales=2,
        sigma=1.0,
        reduction="mean",
        foreground=10.0,
    )
    fit = Fit(
        stage="regression",
        steps=800,
        batch=32,
        optim=Optim(lr=3e-3, weight_decay=0.02, decay_norms=False),
        schedule=Schedule(law="cosine", warmup=0.05, floor=0.01),
        clip=5.0,
        ema=0.99,
    )
    recipe = Recipe(
        name="learns",
        system="multiscale",
        config=asdict(config),
        augment=Augment(scale=(0.85, 1.15), rotation=10, translation=0.05, flip=0.5),
        fits=(fit,),
        precision="bf16",
    )
    cpu = torch.device("cpu")
    net = new_net(MULTISCALE, config, people.skeleton, seed=0)
    session = Session(
        system=MULTISCALE,
        net=net,
        recipe=recipe,
        people=people.subset("train"),
        folder=tmp_path,
        where=Place(cpu),
        report=Report(tmp_path, quiet=True),
        workers=1,
        bf16=bf16_pays(cpu),
    )
    assert train(session)
    held_out = people.subset("val")
    pck = {}
    for upto in ("stacks", "regression"):
        runner = net_runner(MULTISCALE, net, cpu, upto)
        for flip in (False, True):
            result = evaluate(runner, held_out, recipe.crop, trained_on=session.people, flip=flip)
            pck[upto, flip] = result.total.value
    mean_pose = result.baselines["mean_pose"].total.value
    print({place: round(value, 3) for place, value in pck.items()}, round(mean_pose, 3))
    assert min(pck.values()) > 0.31
    assert min(pck.values()) > mean_pose + 0.2
    for flip in (False, True):
        assert pck["regression", flip] > pck["stacks", flip] - 0.02
