"""Rates, weight decay and averages by hand."""

import math

import pytest
import torch
from torch import nn

from vitruvian.learn.optim import OPTIMISERS, average, float_state, optimiser, rate_factor
from vitruvian.recipe import Optim, Schedule
from vitruvian.types import UserError


def rates(steps, dropped=0, **law):
    schedule = Schedule(**law)
    return [rate_factor(schedule, step, steps, dropped) for step in range(steps)]


def test_constant():
    assert rates(3) == [1, 1, 1]


def test_cosine():
    assert rates(4, law="cosine") == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5, 0.1464466])
    floored = rates(4, law="cosine", floor=0.2)
    assert floored == pytest.approx([1, 0.8828427, 0.6, 0.3171573])


def test_drops():
    assert rates(10, law="drops", drops=(0.3, 0.7), factor=0.1) == pytest.approx(
        [1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
    )


def test_plateau_counts_its_drops():
    assert rates(2, law="plateau", factor=0.2) == [1, 1]
    assert rates(2, dropped=1, law="plateau", factor=0.2) == pytest.approx([0.2, 0.2])
    assert rates(2, dropped=2, law="plateau", factor=0.2) == pytest.approx([0.04, 0.04])


def test_warmup_rises_to_the_law():
    # 4 of 8 steps rise: 1/5, 2/5, 3/5, 4/5
    assert rates(8, warmup=0.5) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])
    cosine = rates(8, law="cosine", warmup=0.5, floor=0.0)
    assert cosine == pytest.approx([0.2, 0.4, 0.6, 0.8, *rates(4, law="cosine")])
    assert all(0 < rate <= 1 for rate in rates(3, law="cosine", warmup=0.01))


def test_laws_depend_on_the_share_of_steps():
    for law in ({"law": "cosine", "floor": 0.1}, {"law": "drops", "drops": (0.5,)}):
        schedule = Schedule(**law)
        assert rate_factor(schedule, 30, 100) == rate_factor(schedule, 300, 1000)


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def test_weight_decay_on_everything():
    groups = optimiser(Optim(name="sgd", lr=0.1, weight_decay=0.3), net()).param_groups
    assert [(len(g["params"]), g["weight_decay"], g["lr"]) for g in groups] == [(6, 0.3, 0.1)]


def test_weight_decay_spares_biases_and_norms():
    whole = net()
    optim = Optim(name="adamw", weight_decay=0.3, decay_norms=False)
    decayed, spared = optimiser(optim, whole).param_groups
    assert [p.data_ptr() for p in decayed["params"]] == [
        whole[0].weight.data_ptr(),
        whole[2].weight.data_ptr(),
    ]
    assert len(spared["params"]) == 4
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)


def test_weight_decay_by_its_effect():
    whole = nn.Linear(2, 2)
    nn.init.ones_(whole.weight)
    nn.init.ones_(whole.bias)
    optim = optimiser(Optim(name="adamw", lr=0.1, weight_decay=0.5, decay_norms=False), whole)
    for parameter in whole.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optim.step()
    torch.testing.assert_close(whole.weight.data, torch.full((2, 2), 0.95))
    torch.testing.assert_close(whole.bias.data, torch.ones(2))


def test_only_what_is_trained():
    whole = net()
    whole[0].requires_grad_(False)
    (group,) = optimiser(Optim(name="sgd"), whole).param_groups
    assert len(group["params"]) == 4
    whole[2].requires_grad_(False)  # nothing is left that decays
    decayed, spared = optimiser(Optim(weight_decay=0.1, decay_norms=False), whole).param_groups
    assert (len(decayed["params"]), len(spared["params"])) == (0, 2)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_steps(name):
    whole = net()
    optim = optimiser(Optim(name=name, lr=0.1, weight_decay=0.01), whole)
    before = whole[2].weight.detach().clone()
    whole[2](torch.ones(1, 4)).sum().backward()
    optim.step()
    assert not torch.equal(before, whole[2].weight)


def test_muon_makes_a_convolutions_step_orthogonal():
    """A gradient's directions, of sizes 1 to 1000, are all taken alike; biases step as AdamW's."""
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 2)  # as a matrix 4 x 12
    optim = optimiser(Optim(name="muon", lr=0.1), conv)
    before = conv.weight.detach().clone(), conv.bias.detach().clone()
    left, right = (torch.linalg.qr(torch.randn(n, 4)).Q for n in (4, 12))
    sizes = torch.tensor([1.0, 10.0, 100.0, 1000.0])
    conv.weight.grad = (left * sizes @ right.T).reshape(4, 3, 2, 2)
    conv.bias.grad = torch.tensor([1e-3, -2.0, 5.0, -10.0])
    optim.step()
    taken = (before[0] - conv.weight.detach()).reshape(4, 12)
    along = torch.linalg.svdvals(taken) / (0.1 * 0.2 * math.sqrt(12))  # AdamW's size of a step
    assert ((along > 0.3) & (along < 1.3)).all()  # the iteration ends somewhere about 1
    torch.testing.assert_close(before[1] - conv.bias.detach(), torch.tensor([0.1, -0.1, 0.1, -0.1]))


def test_options_reach_pytorch():
    optim = optimiser(Optim(name="rmsprop", options={"alpha": 0.9, "eps": 1e-6}), net())
    assert (optim.defaults["alpha"], optim.defaults["eps"]) == (0.9, 1e-6)


@pytest.mark.parametrize("options", [{"alfa": 0.9}, {"eps": -1.0}, {"eps": "small"}])
def test_bad_options(options):
    with pytest.raises(UserError, match="optimiser 'rmsprop'"):
        optimiser(Optim(name="rmsprop", options=options), net())


def test_average_warms_up():
    whole = nn.Linear(1, 1, bias=False)
    shadow = {"weight": torch.tensor([[10.0]])}
    expected = 10.0
    for step, decay in enumerate([1 / 10, 2 / 11, 3 / 12]):
        nn.init.constant_(whole.weight, step + 1.0)
        average(shadow, whole, 0.998, step)
        expected = decay * expected + (1 - decay) * (step + 1)
        assert shadow["weight"].item() == pytest.approx(expected)
    # 10 -> 1.9 -> 1.9 * 2/11 + 2 * 9/11 -> ...
    assert expected == pytest.approx(0.25 * (1.9 * 2 / 11 + 18 / 11) + 0.75 * 3)


def test_average_ends_at_its_decay():
    whole = nn.Linear(1, 1, bias=False)
    nn.init.constant_(whole.weight, 1.0)
    shadow = {"weight": torch.tensor([[0.0]])}
    average(shadow, whole, 0.9, 10_000)
    assert shadow["weight"].item() == pytest.approx(0.1)


def test_average_follows_buffers_but_no_counts():
    whole = net()
    state = float_state(whole)
    assert "1.running_mean" in state
    assert "1.num_batches_tracked" not in state
    shadow = {name: value.clone() for name, value in state.items()}
    whole[1].running_mean.fill_(5.0)
    average(shadow, whole, 0.5, 1000)
    assert shadow["1.running_mean"].tolist() == [2.5] * 4
    assert whole[1].running_mean.tolist() == [5.0] * 4


@pytest.mark.parametrize("key", ["lr", "weight_decay"])
def test_a_key_of_its_own_is_no_option(key):
    with pytest.raises(UserError, match=f"{key} is a key of its own"):
        optimiser(Optim(name="sgd", options={key: 0.1}), net())
