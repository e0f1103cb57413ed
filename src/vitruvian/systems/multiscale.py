"""Stacked hourglasses with supervision at several scales and a regression net: Ke et al., and Newell et al.

Papers: Ke, Chang, Qi & Lyu, "Multi-scale supervised network for human pose estimation" (ICIP 2018);
Newell, Yang & Deng, "Stacked hourglass networks for human pose estimation" (ECCV 2016) and its code.

Every stack is an hourglass that scores heatmaps of stride 4, and with `scales` also those of its coarser
resolutions, GT/2 to GT/8: 1x1 convolutions of the merged maps (section 2.1). A regression net turns the
last stack's heatmaps of all scales, and nothing else, into the answer (section 2.2). One scale and no
regression net make it the stacked hourglass with intermediate supervision.

Where the paper leaves a choice:
    sigma, window     "sigma = 1" of the hourglass' code is Torch's Gaussian of 1.75 cells in 7x7, the
                      default; its Python ports draw 1 cell in 7x7 (6 sigma + 1), which is sigma=1. The
                      window does not follow sigma by itself: window=0 makes it 6 sigma + 1 cells
    scales            3, as its experiments have; 4 as its Fig. 2 draws; 2 and 1 as its Fig. 4
    target_scale      "down-sampled groundtruth": "maxpool" keeps the peak's height, and the width in px;
                      "avgpool" lowers it; "rerender" draws the same sigma in cells at every scale
    feed_scales       True: coarser heatmaps go on to the next doubling, as section 2.1's last sentence
                      but one may be read; else only the finest go on, to the next stack
    reduction         "sum" over a map's cells, as in equation (1), by which the finest scale weighs 16:4:1;
                      "mean": equally. Squared errors either way: the paper writes |P - G| and says MSE
    regressor         "joint": its gradient reaches the stacks; "detached": both learn at once, each from
                      its own loss; "after": the stacks stand still, and must have learnt before; "none"
    regressor_form    its layers are not published: "hourglass", or "convs" of 9x9, 9x9, 9x9 and 1x1
    regressor_scales  "gt": it answers at stride 4; "all": at the coarser scales too (section 2.2's
                      "at respective scales"), by which it only learns
    missing           a joint that was not located has an empty map ("zero"), or counts nothing ("mask")
    offset            a quarter cell by the neighbours' signs, on both axes ("both_axes")
    nowhere           where a joint is put whose map has nothing above 0: the crop's first pixel
                      ("corner"), as in the hourglass' code, or its "middle", which mirrors into itself
    flips             merged by the mean of the maps before they are decoded, where a flip test is asked for

Departures, each off in the papers' recipes:
    levels        halvings in an hourglass; 3 where the crop is no multiple of 64 px
    foreground    squared errors count 1 + foreground x target times
    loss          "softmax": cross-entropy of the softmax over all cells instead of the squared error, at
                  every scale; the regression net reads the maps before their softmax
    recompute     less memory for more time, with the same gradients
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vitruvian import codecs, geometry, losses
from vitruvian.nn.blocks import Normalise, upsample
from vitruvian.nn.hourglass import Hourglass, StackedHourglass
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Answer, Ask, Batch, Stage, System, check_numbers
from vitruvian.types import State, UserError

STRIDE = 4  # px per cell of the finest maps


@dataclass(frozen=True)
class MultiscaleConfig:
    """Sizes and readings; the defaults are Ke et al.'s network."""

    crop: tuple[int, int] = (256, 256)  # H, W px, multiples of 4 * 2 ** levels
    stacks: int = 4
    width: int = 64  # channels
    levels: int = 4  # halvings in an hourglass
    scales: Literal[1, 2, 3, 4] = 3  # GT, GT/2, GT/4, GT/8
    feed_scales: bool = False
    regressor: Literal["joint", "detached", "after", "none"] = "joint"
    regressor_form: Literal["hourglass", "convs"] = "hourglass"
    regressor_scales: Literal["gt", "all"] = "gt"
    sigma: float = 1.75  # cells of the heatmap
    window: float | None = 7.0  # cells on a side of what is drawn; 0: 6 sigma + 1; None: all
    target_scale: Literal["maxpool", "rerender", "avgpool"] = "maxpool"
    reduction: Literal["sum", "mean"] = "sum"
    missing: Literal["zero", "mask"] = "zero"
    loss: Literal["mse", "softmax"] = "mse"
    foreground: float = 0.0
    offset: Literal["none", "both_axes", "highest_neighbour", "local_mean"] = "both_axes"
    nowhere: Literal["corner", "middle"] = "corner"
    recompute: bool = False

    def __post_init__(self) -> None:
        if min(self.stacks, self.width, self.levels) < 1 or self.width % 2:
            raise UserError("multiscale: stacks, levels and an even width must be positive")
        multiple = STRIDE * 2**self.levels
        if any(side % multiple or side <= 0 for side in self.crop):
            raise UserError(
                f"multiscale: crop {tuple(self.crop)} must be multiples of {multiple} px; for smaller"
                " ones set config.levels"
            )
        if self.scales > self.levels:
            raise UserError(
                f"multiscale: an hourglass of {self.levels} levels has no {self.scales} scales"
            )
        if self.sigma <= 0 or (self.window and self.window < 1):
            raise UserError("multiscale: sigma must be positive and the window at least 1 cell")
        if self.window and self.window < 4 * self.sigma and self.sigma > 1.75:
            raise UserError(
                f"multiscale: a window of {self.window:g} cells cuts Gaussians of sigma {self.sigma:g}"
                " within 2 sigma; set config.window=0, which is 6 sigma + 1 cells"
            )
        if self.foreground < 0:
            raise UserError("multiscale: foreground must not be negative")
        if self.loss == "softmax" and (self.missing == "zero" or self.foreground):
            raise UserError(
                "multiscale: the softmax loss has no zero map and weighs no cells; set"
                " config.missing=mask and config.foreground=0"
            )
        check_numbers("multiscale", self)


class Regressor(nn.Module):
    """Heatmaps of all scales, finest first -> better ones: (B, J, h, w), then those of coarser scales.

    Args:
        joints: J.
        scales: how many sets of heatmaps come in; answers: how many go out.
        form: "hourglass" of `width` channels and `levels` halvings, or "convs", whose coarser answers are
            read from means over the finest ones' features.
    """

    def __init__(
        self,
        joints: int,
        scales: int,
        answers: int,
        form: Literal["hourglass", "convs"],
        width: int,
        levels: int,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = joints * scales
        for kernel in (9, 9, 9, 1) if form == "convs" else (1,):
            conv = nn.Conv2d(inputs, width, kernel, padding=kernel // 2)
            layers += [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            inputs = width
        self.entry = nn.Sequential(*layers)
        self.hourglass = Hourglass(levels, width) if form == "hourglass" else None
        self.scores = nn.ModuleList(nn.Conv2d(width, joints, 1) for _ in range(answers))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        grown = [upsample(m, 2**scale) if scale else m for scale, m in enumerate(maps)]
        x = self.entry(torch.cat(grown, 1))
        if self.hourglass is not None:
            features = self.hourglass(x)
        else:
            features = [x]
            while len(features) < len(self.scores):
                features.append(F.avg_pool2d(features[-1], 2))
        return [score(seen) for score, seen in zip(self.scores, features, strict=False)]


class Multiscale(nn.Module):
    """uint8 RGB (B, 3, H, W) -> "stacks" and "regression": heatmaps (B, J, H / 4, W / 4), float32."""

    def __init__(self, config: MultiscaleConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton, J = config, skeleton, len(skeleton)
        self.normalise = Normalise()
        self.hourglasses = StackedHourglass(
            config.stacks,
            config.width,
            J,
            config.levels,
            config.scales,
            config.feed_scales,
            config.recompute,
        )
        self.regressor: Regressor | None = None
        if config.regressor != "none":
            answers = config.scales if config.regressor_scales == "all" else 1
            self.regressor = Regressor(
                J, config.scales, answers, config.regressor_form, config.width, config.levels
            )

    def stacks(self, image: Tensor) -> list[list[Tensor]]:
        """For every stack its maps (B, J, h, w), finest scale first."""
        return self.hourglasses(self.normalise(image))

    def forward(self, image: Tensor, upto_stacks: bool = False) -> dict[str, Tensor]:
        """What `predict` averages over flips."""
        maps = self.stacks(image)[-1]
        answers = {"stacks": self._shown(maps[0])}
        if self.regressor is not None and not upto_stacks:
            answers["regression"] = self._shown(self.regressor(maps)[0])
        return answers

    def _shown(self, maps: Tensor) -> Tensor:
        """The maps themselves, or their softmax over all cells."""
        return codecs.softmax_maps(maps) if self.config.loss == "softmax" else maps.float()


def targets(config: MultiscaleConfig, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Maps (B, J, h, w) of each scale, finest first, and the joints that count (B, J)."""
    located = batch.state >= State.OCCLUDED

    def drawn(scale: int) -> Tensor:
        stride = STRIDE * 2**scale
        h, w = (side // stride for side in config.crop)
        xy_cell = geometry.px_to_cell(batch.joints, stride)
        gaussians = codecs.encode_gaussians(xy_cell, h, w, config.sigma, config.window)
        return torch.where(located[..., None, None], gaussians, 0)

    maps = [drawn(0)]
    for scale in range(1, config.scales):
        if config.target_scale == "rerender":
            maps.append(drawn(scale))
        else:
            pool = F.max_pool2d if config.target_scale == "maxpool" else F.avg_pool2d
            maps.append(pool(maps[-1], 2))
    return maps, located if config.missing == "mask" else batch.state != State.UNDEFINED


def map_losses(
    config: MultiscaleConfig,
    name: str,
    maps: list[Tensor],
    target: list[Tensor],
    counted: Tensor,
) -> dict[str, Tensor]:
    """Equation (1) for each scale of one subnetwork: `name_gt`, then `name_gt/2`, `/4` and `/8`."""
    loss = softmax_loss if config.loss == "softmax" else squared_loss
    return {
        f"{name}_gt/{2**scale}" if scale else f"{name}_gt": loss(config, answer, wanted, counted)
        for scale, (answer, wanted) in enumerate(zip(maps, target, strict=False))
    }


def squared_loss(config: MultiscaleConfig, maps: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Of maps (B, J, h, w), as `reduction` and `foreground` say."""
    error = (maps.float() - target).square()
    if config.foreground:
        error = error * (1 + config.foreground * target)
    value = losses.mean_over_counted(error, counted)
    return value * maps[0, 0].numel() if config.reduction == "sum" else value


def softmax_loss(config: MultiscaleConfig, maps: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Cross-entropy with the target as a density; less than a cell's mass, at an edge, weighs less."""
    mass = target.sum((-2, -1), keepdim=True)
    return losses.heatmap_cross_entropy(maps, target / mass.clamp(min=1), counted)


def stack_losses(
    config: MultiscaleConfig, stacks: list[list[Tensor]], target: list[Tensor], counted: Tensor
) -> dict[str, Tensor]:
    """Intermediate supervision: every scale of every stack."""
    found: dict[str, Tensor] = {}
    for number, maps in enumerate(stacks, start=1):
        found |= map_losses(config, f"stack{number}", maps, target, counted)
    return found


def stacks_step(net: Multiscale, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """The stacks alone."""
    return stack_losses(net.config, net.stacks(batch.image), *targets(net.config, batch))


def regression_step(net: Multiscale, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """The regression net, and the stacks with it unless they stand still."""
    assert net.regressor is not None
    config = net.config
    target, counted = targets(config, batch)
    with torch.set_grad_enabled(torch.is_grad_enabled() and config.regressor != "after"):
        stacks = net.stacks(batch.image)
    maps = stacks[-1]
    if config.regressor == "detached":
        maps = [m.detach() for m in maps]
    found = map_losses(config, "regression", net.regressor(maps), target, counted)
    if config.regressor == "after":
        return found
    return stack_losses(config, stacks, target, counted) | found


def stacks_have_learnt(net: Multiscale, batches: Iterable[Batch], rng: Generator) -> None:
    """Refuses to train a regression net alone on stacks that no step has ever trained.

    Raises:
        UserError: their BatchNorms have seen no batch.
    """
    buffers = net.hourglasses.named_buffers()
    seen = [count for name, count in buffers if name.endswith("num_batches_tracked")]
    if not any(seen):
        raise UserError(
            "multiscale: with config.regressor=after the stacks stand still, and these are random; train"
            " multiscale/compact_after, or the stacks alone (--set config.regressor=none --out STACKS) and"
            " then this --from STACKS"
        )


def stages(config: MultiscaleConfig) -> tuple[Stage, ...]:
    """stacks, and with a regression net regression, which trains both unless `regressor` is "after".

    A recipe whose `regressor` is "joint" or "detached" needs the second one only; with "after" it needs
    both, or stacks to start from.
    """
    if config.regressor == "none":
        return (Stage("stacks", stacks_step, trains=("",)),)
    stacks = Stage("stacks", stacks_step, trains=("hourglasses",))
    if config.regressor == "after":
        alone = ("regressor",)
        return stacks, Stage("regression", regression_step, alone, before=stacks_have_learnt)
    return stacks, Stage("regression", regression_step, trains=("hourglasses", "regressor"))


def predict(net: Multiscale, image: Tensor, ask: Ask) -> Answer:
    """Peaks of the regression net's heatmaps, else of the last stack's; scores are their heights, or the
    share of a map's mass in the 5 x 5 cells about a peak (softmax).

    With `ask.flip` of the mean over both mirrorings. `ask.maps` gives both subnetworks' heatmaps.
    """
    upto_stacks = ask.upto == "stacks"
    answers = net(image, upto_stacks)
    if ask.flip:
        mirrored = net(image.flip(-1), upto_stacks)
        answers = {
            name: (maps + codecs.flip_maps(mirrored[name], net.skeleton.swap)) / 2
            for name, maps in answers.items()
        }
    maps = answers["stacks" if upto_stacks or net.regressor is None else "regression"]
    xy_cell, score = codecs.decode_heatmaps(maps, net.config.offset)
    if net.config.loss == "softmax":
        score = codecs.window_mass(maps, xy_cell)
    xy_crop = geometry.cell_to_px(xy_cell, STRIDE)
    H, W = net.config.crop
    middle = net.config.nowhere == "middle"
    nowhere = xy_crop.new_tensor([(W - 1) / 2, (H - 1) / 2] if middle else [0.0, 0.0])
    xy_crop = torch.where((score > 0)[..., None], xy_crop, nowhere)
    return Answer(xy_crop, score.clamp(0, 1), answers if ask.maps else {})


MULTISCALE = System("multiscale", MultiscaleConfig, Multiscale, stages, predict)
