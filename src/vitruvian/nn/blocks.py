"""Small parts that several systems use. They take plain numbers, never a config."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn, tensor

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Normalise(nn.Module):
    """uint8 RGB (B, 3, H, W) -> float32 near unit variance; part of the net, so it is done one way."""

    mean: Tensor  # (3, 1, 1)
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        return (image.float() - self.mean) / self.std


def conv_norm(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution without bias ("same" padding) and its BatchNorm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


def upsample(maps: Tensor, factor: int) -> Tensor:
    """Bilinear, pixel centres at integers: (B, C, h, w) -> (B, C, factor h, factor w)."""
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)
