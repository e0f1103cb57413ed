"""The refinement net: published counts, what a cell sees, first weights, the trained sigmoid."""

import math

import pytest
import torch
import torch.nn.functional as F

from vitruvian.systems.normalized.refine import LearnableSigmoid, Refinement


def count(net):
    return sum(p.numel() for p in net.parameters())


def test_published_counts():
    nets = {(15, 14): 7_530_510, (3, 3): 7_404_675, (15, 6): 7_529_478}
    with torch.device("meta"):
        found = {sizes: count(Refinement(*sizes)) for sizes in nets}
        deeper = count(Refinement(15, 14, kernels=(9, 15, 15, 15)))
    assert found == nets
    assert found[15, 14] + found[15, 6] + 4 * found[3, 3] == 44_678_688
    assert deeper == 11_217_038  # the 11 M of table 1


def test_a_thin_net_by_hand():
    """(5*9*9 + 1)*4 + (4*11*11 + 1)*4 + (4 + 1)*2"""
    net = Refinement(5, 2, width=4, kernels=(9, 11))
    assert count(net) == 1624 + 1940 + 10
    assert net(torch.rand(3, 5, 12, 17)).shape == (3, 2, 12, 17)


@pytest.mark.parametrize(("kernels", "seen"), [((9, 15, 15), 37), ((9, 11, 11), 29)])
def test_how_far_a_cell_sees(kernels, seen):
    torch.manual_seed(0)
    net = Refinement(2, 1, width=2, kernels=kernels, bias=0.0)
    for layer in net.layers[::2]:
        torch.nn.init.constant_(layer.weight, 1e-3)  # nothing cancels, no ReLU stops anything
    torch.nn.init.ones_(net.score.weight)
    maps = torch.ones(1, 2, 51, 45, requires_grad=True)
    net(maps)[0, 0, 25, 22].backward()
    y, x = maps.grad[0, 0].nonzero().unbind(1)
    assert (y.max() - y.min() + 1).item() == seen
    assert (x.max() - x.min() + 1).item() == seen
    assert (y.min().item(), x.min().item()) == (25 - seen // 2, 22 - seen // 2)


@pytest.mark.parametrize(
    ("init", "std"),
    [
        ("he", math.sqrt(2 / (16 * 11**2))),
        ("gauss_std0.001", 0.001),
        ("gauss_var0.001", math.sqrt(0.001)),
    ],
)
def test_first_weights(init, std):
    torch.manual_seed(0)
    net = Refinement(3, 4, width=16, kernels=(9, 11), init=init)
    assert net.layers[2].weight.std().item() == pytest.approx(std, rel=0.02)
    assert net.layers[2].weight.mean().abs() < 0.03 * std
    assert net.score.bias.tolist() == [-4] * 4
    assert not any(net.layers[n].bias.any() for n in (0, 2))


@pytest.mark.parametrize(
    ("init", "factor"), [("gauss_std0.001", 0.12), ("gauss_var0.001", 3.8), ("he", 1.0)]
)
def test_what_a_15x15_layer_does_to_its_input(init, factor):
    """The root mean square after the ReLU over that before the layer: std sqrt(15 * 15 * 128 / 2)."""
    torch.manual_seed(0)
    layer = Refinement(128, 1, kernels=(15,), init=init).layers
    x = torch.randn(1, 128, 21, 23)
    out = layer(x)[..., 7:-7, 7:-7]
    ratio = out.square().mean().sqrt() / x.square().mean().sqrt()
    assert ratio.item() == pytest.approx(factor, rel=0.03)


@pytest.mark.parametrize("init", ["he", "gauss_std0.001", "gauss_var0.001"])
def test_every_parameter_has_a_gradient(init):
    torch.manual_seed(0)
    net, probability = Refinement(3, 2, width=8, kernels=(5, 7), init=init), LearnableSigmoid(2)
    probability(net(torch.rand(4, 3, 12, 9))).square().sum().backward()
    for name, p in [*net.named_parameters(), *probability.named_parameters()]:
        assert p.grad is not None, name
        assert p.grad.any(), name


def test_it_begins_by_knowing_that_joints_are_rare():
    torch.manual_seed(0)
    maps = torch.zeros(2, 15, 32, 32)
    maps[:, 14] = 1  # all background
    net = Refinement(15, 14, width=32, kernels=(9, 11, 11))
    probability = LearnableSigmoid(14)(net(maps))
    assert probability.mean().item() == pytest.approx(1 / (1 + math.exp(4)), rel=0.5)


def test_the_learnable_sigmoid_by_hand():
    layer = LearnableSigmoid(2)
    maps = torch.tensor([[[[0.5]], [[-1.0]]]])
    torch.testing.assert_close(layer(maps), maps.sigmoid())
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([2.0, 3.0]))
        layer.shift.copy_(torch.tensor([-1.0, 4.0]))
    assert layer.logits(maps).flatten().tolist() == [0, 1]
    assert layer(maps).flatten().tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-1))])
    assert count(layer) == 4


def test_logits_are_those_of_the_probabilities():
    layer, maps = LearnableSigmoid(3), torch.randn(2, 3, 4, 5)
    with torch.no_grad():
        layer.scale.normal_(generator=torch.Generator().manual_seed(0))
        layer.shift.normal_(generator=torch.Generator().manual_seed(1))
    truth = (maps > 1).float()
    torch.testing.assert_close(
        F.binary_cross_entropy_with_logits(layer.logits(maps), truth),
        F.binary_cross_entropy(layer(maps), truth),
    )
