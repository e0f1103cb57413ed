"""Part heatmaps: published counts, sizes, backbones, recipes, first weights of another data set."""

from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from thin_parts import THIN, THIN_VGG, stirred
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import new_net, system_and_config
from vitruvian.learn.size import size_of
from vitruvian.learn.start import take_from
from vitruvian.models import ModelInfo, Preprocessing, write_model
from vitruvian.nn.backbones import VGGS
from vitruvian.skeleton import LSP, MPII
from vitruvian.systems.part_heatmaps import PART_HEATMAPS, PartHeatmaps, PartHeatmapsConfig, stages
from vitruvian.types import UserError

VGG = PartHeatmapsConfig(crop=(380, 380), backbone="vgg16", regressor="large_kernels", radius=15.0)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(config, skeleton=MPII):
    with torch.device("meta"):
        return PartHeatmaps(config, skeleton)


def shapes(net, crop):
    maps = net(torch.empty(1, 3, *crop, dtype=torch.uint8, device="meta"))
    return {name: tuple(value.shape[1:]) for name, value in maps.items()}


def test_parameters_of_the_residual_cascade():
    net = on_meta(PartHeatmapsConfig())
    assert (parameters(net.first), parameters(net.second)) == (58_180_704, 7_681_824)
    layers = net.first.backbone.net
    blocks = [len(getattr(layers, f"layer{i}")) for i in (1, 2, 3, 4)]
    assert blocks == [3, 8, 36, 3]
    count = sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in net.second.modules())
    assert count == 99


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"post_merge": True}, 10_256_160),
        ({"bottleneck_ratio": 4}, 3_381_792),
        # 256 x 256 x 2 x 2 + 256 in place of 16 x 16 x 4 x 4 + 16
        ({"output_deconv": "features"}, 7_681_824 + 262_400 - 4_112),
    ],
)
def test_parameters_of_other_hourglasses(change, expected):
    assert parameters(on_meta(PartHeatmapsConfig(**change)).second) == expected


def test_parameters_of_the_vgg_cascade():
    net = on_meta(VGG)
    assert (parameters(net.first), parameters(net.second)) == (134_338_416, 9_967_328)
    assert parameters(net) == 144_305_744


def test_maps_have_the_size_of_the_crop():
    assert shapes(on_meta(PartHeatmapsConfig()), (256, 256)) == {
        "detection": (16, 256, 256),
        "regression": (16, 256, 256),
    }
    assert shapes(on_meta(VGG), (380, 380)) == {
        "detection": (16, 380, 380),
        "regression": (16, 380, 380),
    }


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("regressor", ["hourglass", "large_kernels"])
@pytest.mark.parametrize("config", [THIN, replace(THIN_VGG, crop=(64, 160))], ids=["res", "vgg"])
def test_coarser_maps_have_their_size_everywhere(config, regressor, stride):
    config = replace(config, stride=stride, regressor=regressor, downsample="input_quarter")
    H, W = config.crop
    size = (14, H // stride, W // stride)
    net = on_meta(config, LSP)
    assert shapes(net, config.crop) == {"detection": size, "regression": size}
    if regressor == "large_kernels":
        pooled = replace(config, downsample="pool_c1c2")
        assert shapes(on_meta(pooled, LSP), config.crop)["regression"] == size


@pytest.mark.parametrize(("config", "width"), [(THIN, 4), (THIN_VGG, 4)])
def test_features_are_stacked_in_place_of_the_image(config, width):
    image, features = (
        on_meta(replace(config, stack=stack), LSP) for stack in ("image", "features")
    )
    first = [
        next(m for m in net.second.modules() if isinstance(m, nn.Conv2d))
        for net in (image, features)
    ]
    assert [conv.in_channels for conv in first] == [14 + 3, 14 + width]
    assert shapes(image, config.crop) == shapes(features, config.crop)


def test_the_compact_recipes():
    for name in ("", "_detection", "_regression", "_regression2", "_vgg"):
        recipe = RECIPES[f"part_heatmaps/compact{name}"]()
        system, config = system_and_config(recipe.system, recipe.config, recipe.name)
        assert size_of(system, config, LSP).parameters < 3e6
        assert config.crop == (128, 128)
        assert recipe.augment.occluders > 0
        assert [fit.stage for fit in recipe.fits] == [stage.name for stage in stages(config)]


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (THIN, {"crop": (72, 96)}, "crop height 72 must be a multiple of 16 px"),
        (THIN, {"crop": (64, 96), "levels": 4}, "crop width 96 must be a multiple of 64 px"),
        (THIN, {"output_stride": 8, "stride": 4}, "maps of 2 px a cell, which is finer than stride 4"),
        (THIN_VGG, {"crop": (62, 64)}, "crop height 62 must be a multiple of 4 px"),
        (THIN_VGG, {"crop": (64, 92), "stride": 4}, "crop width 92 cannot be padded"),
        (THIN_VGG, {"kernels": (4,)}, "kernels must be odd"),
        (THIN_VGG, {"kernels": (3, 3, 3, 3)}, "no more than widths"),
        (THIN, {"radius": 0.0}, "must be positive"),
        (THIN, {"levels": 0}, "levels .* must be positive"),
        (THIN, {"levels": -3}, "levels .* must be positive"),
        (THIN, {"second_weight": 0.0}, "second_weight must be positive"),
        (THIN, {"width": 2, "bottleneck_ratio": 4}, "set config.width=4 or more"),
        (THIN, {"foreground": -1.0}, "foreground and first_weight must not be negative"),
        (THIN, {"first_weight": -0.1}, "foreground and first_weight must not be negative"),
        (THIN, {"sigma": float("nan")}, "sigma is nan; set config.sigma to a finite number"),
        (THIN, {"bias": float("-inf")}, "bias is -inf; set config.bias"),
        (THIN, {"channels": ()}, r"channels \[\] must be whole numbers from 1 on, and one at least"),
        (THIN, {"channels": (4, 0, 8, 10)}, r"channels \[4, 0, 8, 10\] must be whole numbers from 1"),
        (THIN, {"output_deconv": "features", "stride": 4}, "set config.stride=2"),
        (THIN_VGG, {"dropout": 1.5}, "dropout 1.5 must be from 0 to less than 1"),
        (THIN_VGG, {"dropout": -0.5}, "dropout -0.5 must be from 0 to less than 1"),
        (THIN_VGG, {"hidden_kernel": 4}, "hidden_kernel 4 must be odd"),
        (THIN_VGG, {"hidden_kernel": -1}, "hidden_kernel -1 must be odd"),
        (THIN_VGG, {"widths": (6, 0, 8)}, r"widths \[6, 0, 8\] must be whole numbers from 1 on"),
        (THIN_VGG, {"kernels": (5, -3)}, r"kernels \[5, -3\] must be whole numbers from 1 on"),
        (THIN, {"radius": 1.4}, "discs of radius 1.4 px may have no cell of 2 px"),
    ],
)  # fmt: skip
def test_sizes_that_contradict(config, change, message):
    with pytest.raises(UserError, match=message):
        replace(config, **change)


def test_channels_that_do_not_fit_the_backbone():
    with pytest.raises(UserError, match="'resnet18' has four layers: give four channels"):
        on_meta(replace(THIN, channels=(8, 8)))


def test_a_backbone_with_even_kernels():
    """ConvNeXt's layer at stride 1 begins with a 2x2 convolution."""
    config = replace(THIN, backbone="convnext_atto", channels=None, output_stride=8)
    assert shapes(on_meta(config, LSP), config.crop) == {
        "detection": (14, 32, 48),
        "regression": (14, 32, 48),
    }


def test_any_vgg_or_resnet():
    for backbone in ("resnet50", "resnext50_32x4d", *VGGS):
        config = replace(THIN, backbone=backbone, channels=None, hidden=8, hidden_kernel=3)
        assert shapes(on_meta(config, LSP), (64, 96))["regression"] == (14, 32, 48)


def test_a_net_for_16_joints_starts_one_for_14(tmp_path):
    source = stirred(new_net(PART_HEATMAPS, THIN, MPII, 1))
    info = ModelInfo(
        name="mpii",
        system="part_heatmaps",
        config=asdict(THIN),
        skeleton=MPII,
        preprocessing=Preprocessing(crop=THIN.crop),
        parameters=1,
        gmacs=0.0,
    )
    tensors = {name: value.contiguous().numpy() for name, value in source.state_dict().items()}
    write_model(tmp_path / "model", info, tensors, None, "# card\n")
    net = new_net(PART_HEATMAPS, THIN, LSP, 0)
    line, _ = take_from(PART_HEATMAPS, net, str(tmp_path / "model"))
    assert line.endswith(", 0 new")
    places = MPII.index(*LSP.joint_names)
    own, other = net.second.entry[0].weight, source.second.entry[0].weight
    assert own[:, :14].equal(other[:, places])
    assert own[:, 14:].equal(other[:, 16:]), "the image's channels"
    assert net.first.scores.weight.equal(source.first.scores.weight[places])
    assert net.second.grow.weight.equal(source.second.grow.weight[places][:, places])
