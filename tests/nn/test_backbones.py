"""Backbones: maps of the strides asked for, and messages for names that timm lacks."""

import pytest
import torch

from vitruvian.nn.backbones import Backbone
from vitruvian.types import UserError

THIN = {"channels": (4, 8, 12, 16)}


@pytest.mark.parametrize("strides", [(32,), (8, 16, 32), (4, 8, 16, 32), (2, 16)])
@pytest.mark.parametrize("size", [(64, 96), (128, 32)])
def test_maps_have_the_strides_asked_for(strides, size):
    net = Backbone("resnet18", strides, **THIN).eval()
    height, width = size
    maps = net(torch.zeros(2, 3, height, width))
    widths = {2: 64, 4: 4, 8: 8, 16: 12, 32: 16}
    assert net.strides == strides
    assert net.channels == tuple(widths[s] for s in strides)
    assert [tuple(m.shape) for m in maps] == [
        (2, widths[s], height // s, width // s) for s in strides
    ]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", 11_176_512),
        ("resnet34", 21_284_672),
        ("resnet50", 23_508_032),
        ("resnet101", 42_500_160),
        ("resnet152", 58_143_808),
    ],
)
def test_resnets_are_the_published_ones_without_classifier(name, parameters):
    with torch.device("meta"):
        net = Backbone(name)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert all(p.requires_grad for p in net.parameters())


def test_a_map_that_nobody_asks_for_is_not_computed():
    with torch.device("meta"):
        shallow, whole = Backbone("resnet18", (8,)), Backbone("resnet18", (32,))
    assert sum(p.numel() for p in shallow.parameters()) == 683_072  # up to layer2
    assert len(list(shallow.parameters())) < len(list(whole.parameters()))


def test_weights_are_random_and_follow_the_seed():
    def weights(seed):
        torch.manual_seed(seed)
        return Backbone("resnet18", **THIN).state_dict()

    one, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["net.conv1.weight"], other["net.conv1.weight"])


def test_unknown_names_and_strides():
    with pytest.raises(UserError, match="no backbone 'resnet5' in timm; nearest: 'resnet50'"):
        Backbone("resnet5")
    with pytest.raises(UserError, match=r"maps of strides \[2, 4, 8, 16, 32\], not \[64\]"):
        Backbone("resnet18", (32, 64))
    with pytest.raises(UserError, match=r"'mobilenetv3_small_100' cannot be built.*channels"):
        Backbone("mobilenetv3_small_100", **THIN)
