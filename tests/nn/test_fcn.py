"""The FCN: published counts, timm's names, map sizes, and the fusion by hand."""

import pytest
import torch
import torch.nn.functional as F

from vitruvian.nn.backbones import VGGS, timm_package
from vitruvian.nn.fcn import FCN

THIN = {"channels": (4, 6, 8, 10, 12), "hidden": 14, "kernel": 3}


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("outputs", "expected"), [(16, 134_338_416), (15, 134_333_549)])
def test_parameters(outputs, expected):
    with torch.device("meta"):
        net = FCN("vgg16", outputs)
    assert parameters(net) == expected
    assert parameters(net.scores[0]) == 256 * outputs + outputs


@pytest.mark.parametrize("name", VGGS)
def test_tensors_have_the_names_and_shapes_of_timm(name):
    with torch.device("meta"):
        own = FCN(name, 5).backbone.net.state_dict()
        theirs = timm_package().create_model(name).state_dict()
    whole = {key: value.shape for key, value in theirs.items() if not key.startswith("head.")}
    assert {key: value.shape for key, value in own.items()} == whole


def test_map_sizes():
    net = FCN("vgg11", 5, **THIN, finer=(2, 4)).eval()
    image = torch.randn(2, 3, 64, 96)
    assert [tuple(m.shape) for m in net(image)] == [(2, 5, 8, 12), (2, 5, 4, 6), (2, 5, 2, 3)]
    assert net.backbone.channels == (4, 6, 8, 10, 14)
    assert [m.shape[-1] for m in net.backbone(image)] == [48, 24, 12, 6, 3]


def test_scores_are_added_from_coarse_to_fine():
    net = FCN("vgg11_bn", 5, **THIN).eval()
    features = [torch.randn(2, c, 8 >> i, 12 >> i) for i, c in enumerate((8, 10, 14))]
    fine, middle, coarse = (s(f) for s, f in zip(net.scores, features, strict=True))

    def grown(maps):
        return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)

    stride8, stride16, stride32 = net.fuse(features)
    torch.testing.assert_close(stride32, coarse)
    torch.testing.assert_close(stride16, middle + grown(coarse))
    torch.testing.assert_close(stride8, fine + grown(middle + grown(coarse)))


def test_maps_are_those_after_pooling_and_the_last_those_of_the_hidden_layers():
    net = FCN("vgg11", 5, **THIN).eval()
    image = torch.randn(1, 3, 64, 64)
    layers = net.backbone.net.features
    pool3 = layers[:11](
        image
    )  # 2, 2 + 1, 2, 4 + 1 layers and three poolings: the third is layer 10
    pool5 = layers(image)
    hidden = net.backbone.net.pre_logits
    fc7 = torch.relu(hidden["fc2"](torch.relu(hidden["fc1"](pool5))))
    maps = net.backbone(image)
    torch.testing.assert_close(maps[0], pool3)
    torch.testing.assert_close(maps[2], fc7)
    assert (maps[2] != 0).any()


def test_hidden_units_are_dropped_in_training_only():
    net = FCN("vgg11", 5, **THIN, dropout=0.5)
    image = torch.randn(1, 3, 64, 64)
    assert not net(image)[2].equal(net(image)[2])
    net.eval()
    assert net(image)[2].equal(net(image)[2])
