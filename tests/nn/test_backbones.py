"""Backbones: maps of the strides asked for, and messages for names that timm lacks."""

import pytest
import torch

from vitruvian.nn.backbones import Backbone, published_name, undilate
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


@pytest.mark.parametrize("name", ["resnet18", "resnet152"])
@pytest.mark.parametrize("stride", [8, 16])
def test_last_layers_at_stride_1(name, stride):
    with torch.device("meta"):
        published, kept = Backbone(name), Backbone(name, (4, stride), output_stride=stride)
        maps = kept(torch.empty(1, 3, 256, 192))
    assert [tuple(m.shape[-2:]) for m in maps] == [(64, 48), (256 // stride, 192 // stride)]
    shapes = [{n: p.shape for n, p in net.named_parameters()} for net in (published, kept)]
    assert shapes[0] == shapes[1]
    assert kept.channels[-1] == published.channels[-1]


def test_without_dilation_a_layer_at_stride_1_has_its_published_convolutions():
    torch.manual_seed(0)
    published = Backbone("resnet18", (16, 32), **THIN).eval()
    dilated, plain = (Backbone("resnet18", (16,), output_stride=16, **THIN).eval() for _ in "12")
    undilate(plain)
    for module in published.modules():  # timm begins with branches of 0
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    for net in (dilated, plain):
        net.load_state_dict(published.state_dict())
    image = torch.randn(1, 3, 96, 64)
    stride16, _ = published(image)
    layer4 = published.net.layer4
    for block in layer4:
        block.conv1.stride = (1, 1)
    layer4[0].downsample[0].stride = (1, 1)
    torch.testing.assert_close(plain(image)[0], layer4(stride16))
    assert plain(image)[0].shape == dilated(image)[0].shape == (1, 16, 6, 4)
    assert not torch.allclose(plain(image)[0], dilated(image)[0])


@pytest.mark.parametrize("stride", [8, 16])
def test_even_kernels_without_dilation_keep_the_size(stride):
    """ConvNeXt's layers begin with 2x2 convolutions, of which timm dilates one at output_stride=8."""
    with torch.device("meta"):
        net = Backbone("convnext_atto", (4, stride), output_stride=stride)
        undilate(net)
        maps = net(torch.empty(1, 3, 64, 96))
    assert [tuple(m.shape[-2:]) for m in maps] == [(16, 24), (64 // stride, 96 // stride)]


def test_an_even_kernel_sees_what_it_would_with_its_stride():
    """A cell and the next: the odd pixel of padding lies at the right and at the bottom."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 2, padding=1, dilation=2, bias=False))
    torch.nn.init.ones_(net[0].weight)
    undilate(net)
    image = torch.arange(12.0).view(1, 1, 3, 4)
    assert net(image).shape == (1, 1, 3, 4)
    assert net(image)[0, 0, 0].tolist() == [0 + 1 + 4 + 5, 14, 18, 3 + 7]


@pytest.mark.parametrize("channels", [(), (4, 8), (4, 8, 12), (4, 8, 12, 16, 20)])
def test_a_resnet_has_four_layers(channels):
    with pytest.raises(UserError, match="'resnet18' has four layers: give four channels"):
        Backbone("resnet18", channels=channels)


def test_vggs_are_built_here():
    net = Backbone("vgg13_bn", (2, 32), channels=(4, 6, 8, 10, 12)).eval()
    assert net.channels == (4, 12)
    assert [tuple(m.shape) for m in net(torch.zeros(1, 3, 64, 96))] == [
        (1, 4, 32, 48),
        (1, 12, 2, 3),
    ]
    with pytest.raises(UserError, match="'vgg16' has five blocks: give five channels"):
        Backbone("vgg16", channels=(4, 8, 16, 32))
    with pytest.raises(UserError, match=r"maps of strides \[2, 4, 8, 16, 32\], not \[64\]"):
        Backbone("vgg16", (64,))
    with pytest.raises(UserError, match="'vgg16' cannot be built"):
        Backbone("vgg16", output_stride=16)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet152", "resnet152.tv_in1k"),
        ("vgg16", "vgg16.tv_in1k"),
        ("resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("mobilenetv3_small_050", "mobilenetv3_small_050"),
    ],
)
def test_weights_are_those_of_the_papers_time(name: str, published: str) -> None:
    assert published_name(name) == published
