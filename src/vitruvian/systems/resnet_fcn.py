"""ResNet with a fully convolutional head: Wang & Hao, against the deconvolutions of Simple Baselines.

Papers: Wang & Hao, "Human Pose Estimation from a Single Image" (student report, section 4.2);
Xiao, Wu & Wei, "Simple baselines for human pose estimation and tracking" (ECCV 2018).

A ResNet's last map (stride 32) becomes J heatmaps of stride 4. The report leaves open how 8x8 becomes
64x64; `head` names the readings, and the baseline beside them:

    deconv          Simple Baselines: three 4x4 stride-2 deconvolutions of 256 channels
    fcn_up          three rounds of {bilinear x2, 1-3-1 bottleneck}, then three 1x1 convolutions
    fcn_1x1         three rounds of {bilinear x2, 1x1 convolution}
    fcn_bottleneck  the rounds of fcn_up, then one 1x1 convolution
    fcn_native      fcn_up without upsampling: maps of stride 32 (the literal reading)
    fcn_skip        1x1 scores on strides 32, 16 and 8, added while upsampling

Departures from the report, each a field that is off in the `paper` recipe:
    lateral   fcn_up and fcn_bottleneck also add a 1x1 convolution of the backbone's map to each round
    loss      "softmax": cross-entropy of the softmax over all cells instead of the squared error
    offset    "local_mean" instead of a quarter cell
    backbone  any timm net with maps of stride 4 to 32, and `channels` to thin a ResNet's four layers
Departures from the baseline's code, of which the head alone is compared: sigma 1 (there 2), Gaussians about
joints (there about whole cells), joints outside the crop count, the report's optimiser, epochs and
augmentation, none of the loss's factor 1/2 (a rate's matter).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from vitruvian import codecs, geometry, losses
from vitruvian.nn.backbones import Backbone
from vitruvian.nn.blocks import Normalise, conv_norm, upsample
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Answer, Ask, Batch, Stage, System, check_numbers
from vitruvian.types import State, UserError

Head = Literal["deconv", "fcn_up", "fcn_1x1", "fcn_bottleneck", "fcn_native", "fcn_skip"]


@dataclass(frozen=True)
class ResNetFCNConfig:
    """Sizes and readings; the defaults are the report's."""

    crop: tuple[int, int] = (256, 256)  # H, W px, multiples of 32
    backbone: str = "resnet50"
    channels: tuple[int, int, int, int] | None = None  # of a ResNet's layers; None: as published
    head: Head = "fcn_up"
    width: int = 256  # channels of the head
    inner: int = 64  # channels inside a bottleneck
    lateral: bool = False
    sigma: float = 1.0  # cells of the heatmap
    loss: Literal["mse", "softmax"] = "mse"
    missing: Literal["zero", "mask"] = "zero"  # a missing joint's target: a zero map, or none
    offset: Literal["none", "both_axes", "highest_neighbour", "local_mean"] = "both_axes"

    def __post_init__(self) -> None:
        if any(side % 32 or side <= 0 for side in self.crop):
            raise UserError(f"resnet_fcn: crop {tuple(self.crop)} must be multiples of 32 px")
        if min(self.sigma, self.width, self.inner) <= 0:
            raise UserError("resnet_fcn: sigma, width and inner must be positive")
        if self.loss == "softmax" and self.missing == "zero":
            raise UserError("resnet_fcn: the softmax loss has no zero map; set config.missing=mask")
        if self.lateral and self.head not in ("fcn_up", "fcn_bottleneck"):
            raise UserError(f"resnet_fcn: head {self.head!r} has no rounds to add lateral maps to")
        check_numbers("resnet_fcn", self)


class Round(nn.Module):
    """Bilinear x `factor`, then a 1-3-1 bottleneck.

    The 1x1 convolutions have no bias and so commute with the upsampling: they run before it.
    """

    def __init__(
        self, inputs: int, outputs: int, inner: int, factor: int, lateral: int = 0
    ) -> None:
        super().__init__()
        self.factor = factor
        self.reduce = nn.Conv2d(inputs, inner, 1, bias=False)
        self.reduce_norm = nn.BatchNorm2d(inner)
        self.middle = conv_norm(inner, inner, 3)
        self.expand = conv_norm(inner, outputs, 1)
        same = inputs == outputs
        self.project = None if same else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.project_norm = None if same else nn.BatchNorm2d(outputs)
        self.lateral = conv_norm(lateral, outputs, 1) if lateral else None

    def forward(self, maps: Tensor, finer: Tensor | None = None) -> Tensor:
        grow = partial(upsample, factor=self.factor) if self.factor > 1 else nn.Identity()
        x = torch.relu(self.reduce_norm(grow(self.reduce(maps))))
        x = self.expand(torch.relu(self.middle(x)))
        if self.project is not None and self.project_norm is not None:
            x = x + self.project_norm(grow(self.project(maps)))
        else:
            x = x + grow(maps)
        if self.lateral is not None and finer is not None:
            x = x + self.lateral(finer)
        return torch.relu(x)


class Rounds(nn.Module):
    """The heads made of bottlenecks: fcn_up, fcn_bottleneck, fcn_native."""

    def __init__(self, config: ResNetFCNConfig, channels: tuple[int, ...], J: int) -> None:
        super().__init__()
        factor = 1 if config.head == "fcn_native" else 2
        *finer, deepest = channels  # strides 4, 8, 16 and 32
        sides = list(reversed(finer)) if config.lateral else [0, 0, 0]
        self.rounds = nn.ModuleList(
            Round(deepest if i == 0 else config.width, config.width, config.inner, factor, sides[i])
            for i in range(3)
        )
        extra = 0 if config.head == "fcn_bottleneck" else 2
        mixing: list[nn.Module] = []
        for _ in range(extra):
            mixing += [conv_norm(config.width, config.width, 1), nn.ReLU()]
        self.mix = nn.Sequential(*mixing)
        self.score = nn.Conv2d(config.width, J, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        *finer, x = features
        for number, block in enumerate(self.rounds):
            x = block(x, finer[-1 - number] if finer else None)
        return self.score(self.mix(x))


class PlainRounds(nn.Module):
    """fcn_1x1: three rounds of {bilinear x2, 1x1 convolution}."""

    def __init__(self, config: ResNetFCNConfig, channels: tuple[int, ...], J: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels[-1], config.width, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(config.width)
        self.second = nn.Conv2d(config.width, config.width, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(config.width)
        self.score = nn.Conv2d(config.width, J, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = torch.relu(self.first_norm(upsample(self.first(features[-1]), 2)))
        x = torch.relu(self.second_norm(upsample(self.second(x), 2)))
        return upsample(self.score(x), 2)  # a bias commutes with the upsampling too


class Deconvolutions(nn.Module):
    """Simple Baselines' head."""

    def __init__(self, config: ResNetFCNConfig, channels: tuple[int, ...], J: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels[-1]
        for _ in range(3):
            deconv = nn.ConvTranspose2d(inputs, config.width, 4, 2, 1, bias=False)
            nn.init.normal_(deconv.weight, std=0.001)
            layers += [deconv, nn.BatchNorm2d(config.width, momentum=0.1), nn.ReLU()]
            inputs = config.width
        self.grow = nn.Sequential(*layers)
        self.score = nn.Conv2d(config.width, J, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.score(self.grow(features[-1]))


class Skips(nn.Module):
    """fcn_skip: scores on strides 32, 16 and 8, added from coarse to fine."""

    def __init__(self, config: ResNetFCNConfig, channels: tuple[int, ...], J: int) -> None:
        super().__init__()
        self.scores = nn.ModuleList(nn.Conv2d(width, J, 1) for width in channels)

    def forward(self, features: list[Tensor]) -> Tensor:
        stride8, stride16, stride32 = (
            score(maps) for score, maps in zip(self.scores, features, strict=True)
        )
        return upsample(upsample(upsample(stride32, 2) + stride16, 2) + stride8, 2)


HEADS: dict[str, type[nn.Module]] = {
    "deconv": Deconvolutions,
    "fcn_up": Rounds,
    "fcn_1x1": PlainRounds,
    "fcn_bottleneck": Rounds,
    "fcn_native": Rounds,
    "fcn_skip": Skips,
}


class ResNetFCN(nn.Module):
    """uint8 RGB (B, 3, H, W) -> heatmaps (B, J, h, w)."""

    def __init__(self, config: ResNetFCNConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton = config, skeleton
        strides: tuple[int, ...] = (4, 8, 16, 32) if config.lateral else (32,)
        if config.head == "fcn_skip":
            strides = (8, 16, 32)
        thinner = {"channels": config.channels} if config.channels else {}
        self.stride = 32 if config.head == "fcn_native" else 4  # px per cell
        self.normalise = Normalise()
        self.backbone = Backbone(config.backbone, strides, **thinner)
        self.head = HEADS[config.head](config, self.backbone.channels, len(skeleton))
        for score in self.head.modules():  # the maps start near zero, as in Simple Baselines
            if isinstance(score, nn.Conv2d) and score.bias is not None:
                nn.init.normal_(score.weight, std=0.001)
                nn.init.zeros_(score.bias)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.backbone(self.normalise(image)))


def heatmap_step(net: ResNetFCN, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """The loss of one batch; targets are made here, from the joints."""
    config = net.config
    heatmaps = net(batch.image)
    h, w = heatmaps.shape[-2:]
    xy_cell = geometry.px_to_cell(batch.joints, net.stride)
    located = batch.state >= State.OCCLUDED
    target = codecs.encode_gaussians(xy_cell, h, w, config.sigma)
    if config.loss == "softmax":
        density = target / (2 * torch.pi * config.sigma**2)
        return {"heatmaps": losses.heatmap_cross_entropy(heatmaps, density, located)}
    counted = located
    if config.missing == "zero":
        counted = batch.state != State.UNDEFINED
        target = torch.where(located[..., None, None], target, 0)
    return {"heatmaps": losses.heatmap_mse(heatmaps, target, counted)}


def predict(net: ResNetFCN, image: Tensor, ask: Ask) -> Answer:
    """Peaks of the heatmaps; with `ask.flip` of their mean with those of the mirrored crop.

    Scores are the height of the peak (squared error; 1 is a perfect target) or the share of the map's
    mass in the 5 x 5 cells about it (softmax).
    """
    heatmaps = probabilities(net, image)
    if ask.flip:
        mirrored = probabilities(net, image.flip(-1))
        heatmaps = (heatmaps + codecs.flip_maps(mirrored, net.skeleton.swap)) / 2
    xy_cell, score = codecs.decode_heatmaps(heatmaps, net.config.offset)
    if net.config.loss == "softmax":
        score = codecs.window_mass(heatmaps, xy_cell)
    maps = {"heatmaps": heatmaps} if ask.maps else {}
    return Answer(geometry.cell_to_px(xy_cell, net.stride), score.clamp(0, 1), maps)


def probabilities(net: ResNetFCN, image: Tensor) -> Tensor:
    """What `predict` averages and decodes: the maps themselves, or their softmax over all cells."""
    heatmaps = net(image)
    return codecs.softmax_maps(heatmaps) if net.config.loss == "softmax" else heatmaps.float()


def stages(config: ResNetFCNConfig) -> tuple[Stage, ...]:
    return (Stage("heatmaps", heatmap_step, trains=("",)),)


RESNET_FCN = System("resnet_fcn", ResNetFCNConfig, ResNetFCN, stages, predict)
