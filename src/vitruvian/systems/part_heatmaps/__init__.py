"""Part heatmap regression: a detector's heatmaps, stacked with the image, regressed to confidence maps.

Paper: Bulat & Tzimiropoulos, "Human pose estimation via convolutional part heatmap regression" (ECCV 2016).

A first subnetwork detects parts: discs of `radius` px, sigmoid cross-entropy (equation 1, whose sign is
mended), visible joints only: an occluded joint's map is to be empty. A second one takes these maps and the
image and regresses Gaussians of `sigma` px for all joints, hidden or not (equation 2). Subnetworks: `nets`.

`variant` names the rows of the paper's table 5:
    detection_regression    the paper's cascade
    detection               the first subnetwork alone
    regression              the first subnetwork alone, trained on Gaussians instead of discs
    regression_regression   the cascade, its first subnetwork trained on Gaussians

Where the paper is read one way of several:
    stack       "features" stacks the detector's maps of stride 4 in place of the image (section 3)
    feed        a detector hands on probabilities; or "logit"
    missing     a joint that was not located sends no gradient; "zero": its maps are to be empty
    undefined   a joint that the data set lacks sends no gradient (the better of the paper's two ways);
                "synthesise": pelvis and thorax are put between the hips and between the shoulders
    reduction   "mean" over a map's cells, to which the recipes' rates belong; "sum" as the equations
    beginning   zeros everywhere, as the paper has it, would stop every gradient: scoring layers and the
                last convolution of each residual branch are 0, deconvolutions upsample, the rest is He's;
                but large kernels are N(0, 0.01), their scoring layer too, as the paper has them
                (`weights`: "he" of all but that layer)
    downsample  table 2 lists no pooling, though its last layer upsamples by 4
    output_stride, dilation   the detector's ResNet keeps stride 16; "input resolution" needs another x4
                beyond its deconvolution, which is bilinear and fixed
    output_deconv  the hourglass' output comes back to the crop's resolution by a 4x4 deconvolution of the
                maps; "features": by "another D5", a 2x2 one of stride 2 of all channels before the last
                two layers, and a fixed bilinear x2
    radius      is constant in px of the crop, also where its scale varies in training
    first_weight, second_weight  of equations 1 and 2 where both subnetworks learn together; 1 and 1
    highest     an answer is the middle of the highest plateau of the crop-sized map, negatives set to 0;
                "first": its first pixel, as in the authors' test code (no other offset, as there)

Departures, each off in the paper's recipes:
    backbone    any ResNet or VGG of timm; `channels` and the like make all four subnetworks thinner
    stride      maps of 2 or 4 px a cell, at which the losses are taken and to which the stacked image is
                reduced; answers are read from maps that were upsampled to the crop
    bias        the detector's bias at the beginning; -5 knows that discs are rare
    foreground  squared errors count 1 + foreground x target times
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vitruvian import codecs, geometry, losses
from vitruvian.nn.backbones import VGGS
from vitruvian.nn.blocks import Normalise, upsample
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Answer, Ask, Batch, Stage, System, check_numbers
from vitruvian.systems.part_heatmaps.nets import (
    FCNDetector,
    HourglassRegressor,
    LargeKernels,
    ResidualDetector,
)
from vitruvian.types import State, UserError

Variant = Literal["detection_regression", "detection", "regression", "regression_regression"]
BETWEEN = {
    "pelvis": ("right_hip", "left_hip"),
    "thorax": ("right_shoulder", "left_shoulder"),
}  # what "synthesise" makes of what


@dataclass(frozen=True)
class PartHeatmapsConfig:
    """Sizes and readings; the defaults are the paper's residual cascade."""

    crop: tuple[int, int] = (256, 256)  # H, W px
    variant: Variant = "detection_regression"
    backbone: str = "resnet152"  # of the detector; a VGG makes it an FCN
    channels: tuple[int, ...] | None = None  # of the backbone's blocks; None: as published
    output_stride: Literal[8, 16, 32] = 16  # of a ResNet
    dilation: Literal[1, 2] = 1  # of a ResNet
    hidden: int = 4096  # VGG: width of the fully connected layers
    hidden_kernel: int = 7  # VGG: of the first of them
    dropout: float = 0.5  # VGG: of both
    regressor: Literal["hourglass", "large_kernels"] = "hourglass"
    width: int = 256  # hourglass: channels
    levels: int = 4  # hourglass: halvings
    bottleneck_ratio: Literal[2, 4] = 2  # hourglass: width / width inside a residual block
    post_merge: bool = False  # hourglass: three residual blocks after each merging
    output_deconv: Literal["maps", "features"] = "maps"  # hourglass
    widths: tuple[int, ...] = (64, 64, 128, 256, 512, 512)  # large kernels: C1 to C6
    kernels: tuple[int, ...] = (9, 13, 13, 15)  # large kernels: C1 to C4
    downsample: Literal["pool_c1c2", "input_quarter"] = "pool_c1c2"  # large kernels
    weights: Literal["gaussian", "he"] = "gaussian"  # large kernels: before training
    stack: Literal["image", "features"] = "image"
    feed: Literal["prob", "logit"] = "prob"
    radius: float = 10.0  # px of the crop
    sigma: float = 5.0  # px of the crop
    stride: Literal[1, 2, 4] = 1  # px per cell of the maps
    missing: Literal["mask", "zero"] = "mask"
    undefined: Literal["stop", "synthesise"] = "stop"
    reduction: Literal["mean", "sum"] = "mean"
    bias: float = 0.0
    foreground: float = 0.0
    first_weight: float = 1.0  # of the first subnetwork's loss where both learn
    second_weight: float = 1.0
    highest: Literal["middle", "first"] = "middle"

    def __post_init__(self) -> None:
        self._check_numbers()
        for name, side in zip(("height", "width"), self.crop, strict=True):
            if side % self._multiple:
                raise UserError(
                    f"part_heatmaps: crop {name} {side} must be a multiple of {self._multiple} px"
                )
            if self.fully_convolutional and (-side % 32) % (2 * self.stride):
                raise UserError(
                    f"part_heatmaps: crop {name} {side} cannot be padded to a multiple of 32 px by a"
                    f" whole number of cells of {self.stride} px on either side"
                )
        if not self.fully_convolutional and self.output_stride // 4 < self.stride:
            raise UserError(
                f"part_heatmaps: output_stride {self.output_stride} gives maps of"
                f" {self.output_stride // 4} px a cell, which is finer than stride {self.stride}"
            )
        if self.detects and self.radius < 0.71 * self.stride:
            raise UserError(
                f"part_heatmaps: discs of radius {self.radius:g} px may have no cell of {self.stride} px;"
                " set config.radius or config.stride"
            )
        if self.output_deconv == "features" and self.stride == 4:
            raise UserError(
                "part_heatmaps: output_deconv features makes maps of 2 px a cell; set config.stride=2"
            )

    def _check_numbers(self) -> None:
        """What every number must be by itself."""
        check_numbers("part_heatmaps", self)
        sizes = (self.radius, self.sigma, self.width, self.levels, self.hidden, self.second_weight)
        if min(sizes) <= 0:
            raise UserError(
                "part_heatmaps: radius, sigma, widths, levels and second_weight must be positive"
            )
        if self.width < self.bottleneck_ratio:
            raise UserError(
                f"part_heatmaps: width {self.width} leaves no channel inside a residual block; set"
                f" config.width={self.bottleneck_ratio} or more"
            )
        if min(self.foreground, self.first_weight) < 0:
            raise UserError("part_heatmaps: foreground and first_weight must not be negative")
        if not 0 <= self.dropout < 1:
            raise UserError(
                f"part_heatmaps: dropout {self.dropout:g} must be from 0 to less than 1"
            )
        if self.hidden_kernel < 1 or self.hidden_kernel % 2 == 0:
            raise UserError(f"part_heatmaps: hidden_kernel {self.hidden_kernel} must be odd")
        if len(self.widths) < len(self.kernels) or any(k % 2 == 0 for k in self.kernels):
            raise UserError("part_heatmaps: kernels must be odd, and no more than widths")

    @property
    def fully_convolutional(self) -> bool:
        """Whether the detector is an FCN."""
        return self.backbone in VGGS

    @property
    def cascade(self) -> bool:
        """Whether there is a second subnetwork."""
        return self.variant in ("detection_regression", "regression_regression")

    @property
    def detects(self) -> bool:
        """Whether the first subnetwork is trained on discs."""
        return self.variant.startswith("detection")

    @property
    def _multiple(self) -> int:
        detector = 4 if self.fully_convolutional else self.output_stride
        hourglass = self.cascade and self.regressor == "hourglass"
        return max(detector, 4 * 2**self.levels) if hourglass else detector


class PartHeatmaps(nn.Module):
    """uint8 RGB (B, 3, H, W) -> the maps (B, J, H / stride, W / stride) of each subnetwork, by name."""

    def __init__(self, config: PartHeatmapsConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton, J = config, skeleton, len(skeleton)
        if config.undefined == "synthesise" and not set(BETWEEN) & set(skeleton.joint_names):
            raise UserError(
                f"part_heatmaps: skeleton {skeleton.name!r} has neither {' nor '.join(BETWEEN)};"
                " set config.undefined=stop"
            )
        self.normalise = Normalise()
        self.first = detector(config, J)
        self.second: nn.Module | None = None
        if config.cascade:
            self.second = regressor(config, J + (self.first.features or 3), J)

    def forward(self, image: Tensor, upto_first: bool = False) -> dict[str, Tensor]:
        """What `predict` averages over flips: probabilities of parts, or confidences; float32."""
        crop = self.normalise(image)
        maps, seen = self.first(crop)
        answers = {"pre_regression": maps}
        if self.config.detects:
            answers = {"detection": maps.float().sigmoid()}
        elif not self.config.cascade:
            answers = {"regression": maps}
        if not upto_first and self.second is not None:
            answers["regression"] = self.second(self.stacked(crop, maps, seen))
        return {name: value.float() for name, value in answers.items()}

    def stacked(self, crop: Tensor, maps: Tensor, features: Tensor | None) -> Tensor:
        """What the second subnetwork takes: J maps, then the image or features; (B, C, h, w)."""
        if self.config.detects and self.config.feed == "prob":
            maps = maps.sigmoid()
        seen = F.avg_pool2d(crop, self.config.stride) if features is None else features
        return torch.cat([maps, seen.to(maps.dtype)], 1)


def detector(config: PartHeatmapsConfig, J: int) -> FCNDetector | ResidualDetector:
    """The first subnetwork."""
    features = config.cascade and config.stack == "features"
    bias = config.bias if config.detects else 0.0
    if config.fully_convolutional:
        return FCNDetector(
            config.backbone,
            J,
            config.channels,
            config.hidden,
            config.hidden_kernel,
            config.dropout,
            config.stride,
            features,
            bias,
        )
    return ResidualDetector(
        config.backbone,
        J,
        config.channels,
        config.output_stride,
        config.dilation,
        config.stride,
        features,
        bias,
    )


def regressor(config: PartHeatmapsConfig, inputs: int, J: int) -> nn.Module:
    """The second subnetwork."""
    if config.regressor == "large_kernels":
        return LargeKernels(
            inputs,
            J,
            config.widths,
            config.kernels,
            config.downsample,
            config.weights,
            config.stride,
        )
    return HourglassRegressor(
        inputs,
        J,
        config.width,
        config.levels,
        config.width // config.bottleneck_ratio,
        3 if config.post_merge else 0,
        config.stride,
        config.output_deconv,
    )


def labels(net: PartHeatmaps, batch: Batch) -> tuple[Tensor, Tensor]:
    """Joints (B, J, 2) xy_crop and their states (B, J), those made up included where that is asked for."""
    joints, state = batch.joints, batch.state
    if net.config.undefined == "stop":
        return joints, state
    joints, state = joints.clone(), state.clone()
    for name, ends in BETWEEN.items():
        if not {name, *ends} <= set(net.skeleton.joint_names):
            continue
        joint, a, b = net.skeleton.index(name, *ends)
        known = torch.minimum(state[:, a], state[:, b])
        made = (state[:, joint] == State.UNDEFINED) & (known >= State.OCCLUDED)
        middle = (joints[:, a] + joints[:, b]) / 2
        joints[:, joint] = torch.where(made[:, None], middle, joints[:, joint])
        state[:, joint] = torch.where(made, known, state[:, joint])
    return joints, state


def counted(net: PartHeatmaps, state: Tensor) -> Tensor:
    """The joints (B, J) that send a gradient."""
    if net.config.missing == "mask":
        return state >= State.OCCLUDED
    return state != State.UNDEFINED


def detection_loss(net: PartHeatmaps, logits: Tensor, batch: Batch) -> Tensor:
    """Equation 1: discs for visible joints, nothing for hidden ones."""
    h, w = logits.shape[-2:]
    xy_crop, state = labels(net, batch)
    xy_cell = geometry.px_to_cell(xy_crop, net.config.stride)
    target = codecs.encode_discs(xy_cell, h, w, net.config.radius / net.config.stride)
    target = torch.where((state == State.VISIBLE)[..., None, None], target, 0)
    return reduced(net, losses.sigmoid_cross_entropy(logits, target, counted(net, state)), h * w)


def regression_loss(net: PartHeatmaps, maps: Tensor, batch: Batch) -> Tensor:
    """Equation 2: Gaussians for all located joints."""
    h, w = maps.shape[-2:]
    xy_crop, state = labels(net, batch)
    xy_cell = geometry.px_to_cell(xy_crop, net.config.stride)
    target = codecs.encode_gaussians(xy_cell, h, w, net.config.sigma / net.config.stride)
    target = torch.where((state >= State.OCCLUDED)[..., None, None], target, 0)
    error = (maps.float() - target).square()
    if net.config.foreground:
        error = error * (1 + net.config.foreground * target)
    return reduced(net, losses.mean_over_counted(error, counted(net, state)), h * w)


def reduced(net: PartHeatmaps, mean: Tensor, cells: int) -> Tensor:
    """A loss per batch and joint, mean over a map's cells or summed over them."""
    return mean * cells if net.config.reduction == "sum" else mean


def first_losses(net: PartHeatmaps, maps: Tensor, batch: Batch) -> dict[str, Tensor]:
    if net.config.detects:
        return {"detection": detection_loss(net, maps, batch)}
    name = "pre_regression" if net.config.cascade else "regression"
    return {name: regression_loss(net, maps, batch)}


def first_step(net: PartHeatmaps, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """The first subnetwork alone."""
    maps, _ = net.first(net.normalise(batch.image))
    return first_losses(net, maps, batch)


def second_step(net: PartHeatmaps, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """The second subnetwork on what the first one, which stands still, sees."""
    assert net.second is not None
    with torch.no_grad():
        crop = net.normalise(batch.image)
        stacked = net.stacked(crop, *net.first(crop))
    return {"regression": regression_loss(net, net.second(stacked), batch)}


def joint_step(net: PartHeatmaps, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """Both, with their weighted losses; the second one's gradient goes through the first one's maps."""
    assert net.second is not None
    config, crop = net.config, net.normalise(batch.image)
    maps, seen = net.first(crop)
    answer = net.second(net.stacked(crop, maps, seen))
    first = {
        name: config.first_weight * loss for name, loss in first_losses(net, maps, batch).items()
    }
    return first | {"regression": config.second_weight * regression_loss(net, answer, batch)}


def stages(config: PartHeatmapsConfig) -> tuple[Stage, ...]:
    """detect, regress and joint; the names tell what the variant's subnetworks learn."""
    if not config.cascade:
        return (Stage("detect" if config.detects else "regress", first_step, trains=("first",)),)
    return (
        Stage("detect" if config.detects else "pre_regress", first_step, trains=("first",)),
        Stage("regress", second_step, trains=("second",)),
        Stage("joint", joint_step, trains=("first", "second")),
    )


def predict(net: PartHeatmaps, image: Tensor, ask: Ask) -> Answer:
    """The highest place of the last subnetwork's maps; with `ask.flip` of the mean over both mirrorings.

    Scores are the height there: a part's probability, or a confidence whose perfect target is 1.
    """
    upto_first = net.config.cascade and ask.upto == stages(net.config)[0].name
    answers = net(image, upto_first)
    if ask.flip:
        mirrored = net(image.flip(-1), upto_first)
        swap = net.skeleton.swap
        answers = {
            name: (maps + codecs.flip_maps(mirrored[name], swap)) / 2
            for name, maps in answers.items()
        }
    maps = list(answers.values())[-1].clamp(min=0)
    if net.config.stride > 1:
        maps = upsample(maps, net.config.stride)
    if net.config.highest == "first":
        xy_crop, score = codecs.decode_heatmaps(maps, "none")
    else:
        xy_crop, score = codecs.decode_plateaus(maps)
    return Answer(xy_crop, score.clamp(0, 1), answers if ask.maps else {})


PART_HEATMAPS = System("part_heatmaps", PartHeatmapsConfig, PartHeatmaps, stages, predict)
