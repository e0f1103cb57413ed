"""Hourglasses, after Newell, Yang & Deng, "Stacked hourglass networks" (ECCV 2016) and their code.

Every convolution has a bias, also before BatchNorm, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from vitruvian.nn.blocks import upsampling_deconv

Tap = Callable[[int, Tensor], Tensor]


class Residual(nn.Module):
    """BN-ReLU-1x1, BN-ReLU-3x3, BN-ReLU-1x1, added to the input: (B, I, h, w) -> (B, O, h, w).

    `inner` is the width between, by default half of O. Where I differs from O, a 1x1 convolution stands
    in the shortcut.
    """

    def __init__(self, inputs: int, outputs: int, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or outputs // 2
        self.branch = nn.Sequential(
            *(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), nn.Conv2d(inputs, inner, 1)),
            *(nn.BatchNorm2d(inner), nn.ReLU(inplace=True), nn.Conv2d(inner, inner, 3, 1, 1)),
            *(nn.BatchNorm2d(inner), nn.ReLU(inplace=True), nn.Conv2d(inner, outputs, 1)),
        )
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.branch(x)


def residuals(count: int, width: int, inner: int | None = None) -> nn.Sequential:
    """`count` residual blocks of one width."""
    return nn.Sequential(*(Residual(width, width, inner) for _ in range(count)))


class Hourglass(nn.Module):
    """Down by `levels` halvings and up again, with a skip at every resolution.

    Args:
        levels: halvings; 2 ** levels must divide the map's sides.
        width: channels, everywhere.
        blocks: residual blocks on each skip, after each halving, and at the bottom.
        after: residual blocks before each doubling (the bottom has those of `blocks` too).
        merged: residual blocks after each merging.
        deconv: doubling by a trained 2x2 deconvolution instead of repeating cells.
        inner: width inside a residual block; None: half.
    """

    def __init__(
        self,
        levels: int,
        width: int,
        blocks: int = 1,
        after: int = 1,
        merged: int = 0,
        deconv: bool = False,
        inner: int | None = None,
    ) -> None:
        super().__init__()
        self.skip = residuals(blocks, width, inner)
        self.down = residuals(blocks, width, inner)
        self.below: nn.Module
        if levels > 1:
            self.below = Hourglass(levels - 1, width, blocks, after, merged, deconv, inner)
        else:
            self.below = residuals(blocks, width, inner)
        self.after = residuals(after, width, inner)
        self.grow = upsampling_deconv(width, 2, 2) if deconv else nn.Upsample(scale_factor=2)
        self.merged = residuals(merged, width, inner)

    def forward(self, x: Tensor, tap: Tap | None = None, level: int = 0) -> list[Tensor]:
        """The merged maps of every resolution but the bottom's, finest first.

        Args:
            x: (B, width, h, w).
            tap: called with (level, its merged map), level 0 the finest, the coarsest first; what it
                returns goes on, and stands in the result.
        """
        low = self.down(F.max_pool2d(x, 2))
        coarser: list[Tensor] = []
        if isinstance(self.below, Hourglass):
            coarser = self.below(low, tap, level + 1)
            low = coarser[0]
        else:
            low = self.below(low)
        whole = self.merged(self.skip(x) + self.grow(self.after(low)))
        return [whole if tap is None else tap(level, whole), *coarser]


class Stack(nn.Module):
    """An hourglass and maps of its `scales` finest resolutions; but for the last stack, both go on.

    Args:
        scales: 1 is the finest alone; the coarser ones are read from the hourglass' merged maps.
        feed: a coarser scale's maps are added to what they were read from.
        last: whether no stack follows.
    """

    def __init__(
        self, width: int, outputs: int, levels: int, scales: int, feed: bool, last: bool
    ) -> None:
        super().__init__()
        self.hourglass = Hourglass(levels, width)
        self.mix = nn.Sequential(
            Residual(width, width), nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.score = nn.Conv2d(width, outputs, 1)
        self.coarser = nn.ModuleList(nn.Conv2d(width, outputs, 1) for _ in range(scales - 1))
        self.coarser_on = nn.ModuleList(
            nn.Conv2d(outputs, width, 1) for _ in range(scales - 1 if feed else 0)
        )
        self.features_on = None if last else nn.Conv2d(width, width, 1)
        self.maps_on = None if last else nn.Conv2d(outputs, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the next stack takes, and the maps (B, K, h, w), finest first."""
        coarser: list[Tensor] = []  # coarsest first, as the hourglass comes up

        def read(level: int, features: Tensor) -> Tensor:
            if not 0 < level <= len(self.coarser):
                return features
            maps = self.coarser[level - 1](features)
            coarser.append(maps)
            return features + self.coarser_on[level - 1](maps) if self.coarser_on else features

        mixed = self.mix(self.hourglass(x, read)[0])
        maps = self.score(mixed)
        if self.features_on is not None and self.maps_on is not None:
            x = x + self.features_on(mixed) + self.maps_on(maps)
        return x, [maps, *reversed(coarser)]


class StackedHourglass(nn.Module):
    """Images (B, 3, H, W), sides multiples of 4 * 2 ** levels -> K maps of stride 4 after every stack.

    Args:
        stacks: hourglasses; width: their channels; levels: their halvings.
        scales: maps of stride 4, 8, ..., at most `levels`.
        feed: coarser maps are added to the features they were read from, too.
        recompute: in training keep only what stands between the stacks, and compute the rest again for the
            gradient: less memory, and the forward pass twice.
    """

    def __init__(
        self,
        stacks: int,
        width: int,
        outputs: int,
        levels: int = 4,
        scales: int = 1,
        feed: bool = False,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.recompute = recompute
        self.entry = nn.Sequential(
            *(nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True)),
            *(Residual(64, 128), nn.MaxPool2d(2), Residual(128, 128), Residual(128, width)),
        )
        self.stacks = nn.ModuleList(
            Stack(width, outputs, levels, scales, feed, last=number == stacks - 1)
            for number in range(stacks)
        )

    def forward(self, image: Tensor) -> list[list[Tensor]]:
        """The maps (B, K, H / 4, W / 4) of every stack and, after them, those of its coarser scales."""
        again = self.recompute and self.training and torch.is_grad_enabled()
        x = recomputed(self.entry, image) if again else self.entry(image)
        answers = []
        for stack in self.stacks:
            x, maps = recomputed(stack, x) if again else stack(x)
            answers.append(maps)
        return answers


def recomputed(module: nn.Module, x: Tensor) -> Any:
    """`module(x)`, of which only `x` is kept: what its gradient needs is computed again then.

    The second time, BatchNorms do not count the batch again. For modules that draw nothing at random.
    """
    return checkpoint(
        module,
        x,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _statistics_kept(module)),
    )


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """BatchNorms compute as ever, and leave their running statistics as they are."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
