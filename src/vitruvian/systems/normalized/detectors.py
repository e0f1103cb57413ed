"""The three kinds of joint detectors. Crops are normalised (B, 3, H, W); maps have `grid` px a cell.

Every detector gives the maps that losses are taken on, by name, and last among them those that answer:
logits of K joints and, from the FCN, a background after them; of the hourglass the heights of Gaussians.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vitruvian.nn.backbones import VGGS, Backbone, undilate
from vitruvian.nn.blocks import upsample
from vitruvian.nn.hourglass import StackedHourglass
from vitruvian.systems.normalized.config import NormalizedConfig

Maps = dict[str, Tensor]
SMALL = 0.01  # standard deviation of a scoring layer's first weights


class FCNDetector(nn.Module):
    """Figure 6: scores of several strides, each added to those of the coarser ones, and their fusions.

    The crop is padded with zeros at the right and at the bottom, so that cell j of stride s covers the
    pixels from s j on, and the maps are cut to the crop. Upsampling is bilinear and fixed. What is fused
    lies joint by joint: channel k n + i is joint k at the i-th of n scales, coarsest first.

    Args:
        outputs: K + 1, the last one the background.
    """

    def __init__(self, config: NormalizedConfig, outputs: int) -> None:
        super().__init__()
        self.scales, self.grid, fused = config.scales, config.grid, config.supervision == "fusion"
        own = {
            "hidden": config.hidden,
            "kernel": config.hidden_kernel,
            "dropout": config.dropout,
        }
        self.backbone = Backbone(
            config.backbone,
            self.scales[::-1],
            **({"channels": config.channels} if config.channels else {}),
            **(own if config.backbone in VGGS else {}),
        )
        widths = dict(zip(self.scales, self.backbone.channels[::-1], strict=True))
        self.scores = nn.ModuleDict(
            {str(s): nn.Conv2d(width, outputs, 1) for s, width in widths.items()}
        )
        self.fuse = nn.ModuleDict(
            {
                str(s): averaging(outputs, number + 2)
                for number, s in enumerate(self.scales[1:] if fused else ())
            }
        )
        self.bias = config.bias
        for s in self.scales:
            scored(self.scores[str(s)], 0.0)
        self._begin_below()

    def begin_anew(self, rng: Generator) -> None:
        """Scores and fusions as they are before any training, whatever they have learnt."""
        for score in self.scores.values():
            drawn = torch.randn(score.get_parameter("weight").shape, generator=rng)
            scored(score, 0.0)
            with torch.no_grad():
                score.get_parameter("weight").copy_(SMALL * drawn)
        self._begin_below()
        for number, (name, layer) in enumerate(self.fuse.items(), 2):
            outputs = layer.get_parameter("bias").numel()
            self.fuse[name].load_state_dict(averaging(outputs, number).state_dict())

    def _begin_below(self) -> None:
        with torch.no_grad():
            self.scores["32"].get_parameter("bias")[:-1] = self.bias  # the finer ones add to it

    def forward(self, crop: Tensor, upto: int | None = None) -> Maps:
        """Logits on the grid: "32s", "16s", "fusion16" and so on, to stride `upto`; None: to the last."""
        H, W = crop.shape[-2:]
        return self.heads(self.trunk(crop, upto), (H, W), self.grid)

    def trunk(self, crop: Tensor, upto: int | None = None) -> dict[int, Tensor]:
        """The scores (B, K + 1, H / s, W / s) of each stride s, of the padded crop."""
        H, W = crop.shape[-2:]
        features = self.backbone(F.pad(crop, (0, -W % 32, 0, -H % 32)))[::-1]
        scores: dict[int, Tensor] = {}
        coarser: Tensor | None = None
        for s, seen in zip(self.scales, features, strict=True):
            maps = self.scores[str(s)](seen).float()
            coarser = maps if coarser is None else maps + upsample(coarser, 2)
            scores[s] = coarser
            if s == upto:
                break
        return scores

    def heads(self, scores: dict[int, Tensor], crop: tuple[int, int], grid: int) -> Maps:
        """The scores and their fusions with `grid` px a cell, cut to a crop of (H, W) px."""
        h, w = (-(-side // grid) for side in crop)
        aligned: list[Tensor] = []
        maps: Maps = {}
        for s, score in scores.items():
            fine = upsample(score, s // grid) if s > grid else score
            aligned.append(fine[..., :h, :w])
            maps[f"{s}s"] = aligned[-1]
            if str(s) in self.fuse:
                stacked = torch.stack(aligned, 2).flatten(1, 2)
                maps[f"fusion{s}"] = self.fuse[str(s)](stacked).float()
        return maps


class ResNetDetector(nn.Module):
    """A ResNet whose last blocks keep the stride, 2 grid, and a 3x3 deconvolution from there: K logits.

    The crop is padded as for the FCN. With `intermediate`, the middle block of conv4_x is scored, too.
    """

    def __init__(self, config: NormalizedConfig, joints: int) -> None:
        super().__init__()
        self.stride, self.grid = 2 * config.grid, config.grid
        thinner = {"channels": config.channels} if config.channels else {}
        self.backbone = Backbone(
            config.backbone, (self.stride,), output_stride=self.stride, **thinner
        )
        if config.dilation == 1:
            undilate(self.backbone)
        inputs = {"maps": self.backbone.channels[-1]}
        if config.intermediate:
            inputs = {"intermediate": self._middle_width(), **inputs}
        self.scores = nn.ModuleDict(
            {
                name: nn.ConvTranspose2d(width, joints, 3, 2, padding=1, output_padding=1)
                for name, width in inputs.items()
            }
        )
        for score in self.scores.values():
            scored(score, config.bias)

    def forward(self, crop: Tensor, upto: int | None = None) -> Maps:
        """Logits on the grid: "intermediate" where it is asked for, and "maps"."""
        H, W = crop.shape[-2:]
        h, w = (-(-side // self.grid) for side in (H, W))
        x = F.pad(crop, (0, -W % 32, 0, -H % 32))
        seen = [self.backbone(x)[-1]] if len(self.scores) == 1 else self._both(x)
        return {
            name: score(features).float()[..., :h, :w]
            for (name, score), features in zip(self.scores.items(), seen, strict=True)
        }

    def _both(self, x: Tensor) -> list[Tensor]:
        """The middle of conv4_x and the end."""
        seen = []
        for name, layer in self.backbone.net.items():  # type: ignore[operator]
            if name != "layer3":
                x = layer(x)
                continue
            for number, block in enumerate(layer):
                x = block(x)
                if number == len(layer) // 2:
                    seen.append(x)
        return [*seen, x]

    def _middle_width(self) -> int:
        layer = self.backbone.net.get_submodule("layer3")
        convs = [m for m in layer.modules() if isinstance(m, nn.Conv2d)]
        return convs[-1].out_channels


class HourglassDetector(nn.Module):
    """Newell et al.'s stacked hourglass: the heights of K Gaussians after every stack, 4 px a cell."""

    def __init__(self, config: NormalizedConfig, joints: int) -> None:
        super().__init__()
        self.net = StackedHourglass(config.stacks, config.features, joints, config.levels)

    def forward(self, crop: Tensor, upto: int | None = None) -> Maps:
        """ "stack1", "stack2" and so on."""
        return {f"stack{number}": maps[0].float() for number, maps in enumerate(self.net(crop), 1)}


def detector(config: NormalizedConfig, joints: int) -> nn.Module:
    """The detector of a config."""
    if config.detector == "fcn":
        return FCNDetector(config, joints + 1)
    return (ResNetDetector if config.detector == "resnet" else HourglassDetector)(config, joints)


def scored(layer: nn.Module, bias: float) -> None:
    """How a scoring layer begins: small weights, since maps of one value have no highest cell."""
    nn.init.normal_(layer.get_parameter("weight"), std=SMALL)
    nn.init.constant_(layer.get_parameter("bias"), bias)


def averaging(outputs: int, scales: int) -> nn.Conv2d:
    """A 1x1 convolution that begins as the mean of a map's `scales`."""
    layer = nn.Conv2d(scales * outputs, outputs, 1)
    scored(layer, 0.0)
    with torch.no_grad():
        layer.weight.zero_()
        for output in range(outputs):
            layer.weight[output, scales * output : scales * (output + 1)] = 1 / scales
    return layer
