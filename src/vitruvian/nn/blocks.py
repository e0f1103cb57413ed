"""Small parts that several systems use. They take plain numbers, never a config."""

from __future__ import annotations

import torch
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


class LargeConv(nn.Conv2d):
    """A convolution with an odd kernel, a bias and "same" padding; from 15x15 on with channels first.

    With channels last, the weight's gradient of 15x15 kernels does not end in oneDNN (torch 2.13, AVX-512).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size[0] < 15:
            return super().forward(x)
        return self._conv_forward(x.contiguous(), self.weight.contiguous(), self.bias)


def upsample(maps: Tensor, factor: int) -> Tensor:
    """Bilinear, pixel centres at integers: (B, C, h, w) -> (B, C, factor h, factor w)."""
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


def upsampling_deconv(channels: int, kernel: int, stride: int) -> nn.ConvTranspose2d:
    """A trained upsampling: (B, C, h, w) -> (B, C, stride h, stride w), every channel at first by itself.

    It begins as the bilinear filter of Long et al.'s FCN where kernel = 2 stride, and as nearest upsampling
    where kernel = stride (the bilinear filter would fade there).

    Raises:
        ValueError: any other kernel.
    """
    if kernel not in (stride, 2 * stride) or (kernel == 2 * stride and stride % 2):
        raise ValueError(
            f"kernel {kernel} of stride {stride}: need the stride, or twice an even one"
        )
    layer = nn.ConvTranspose2d(channels, channels, kernel, stride, (kernel - stride) // 2)
    along = torch.ones(kernel)
    if kernel == 2 * stride:
        along = 1 - (torch.arange(kernel) - (stride - 0.5)).abs() / stride
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        for channel in range(channels):
            layer.weight[channel, channel] = torch.outer(along, along)
    return layer


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Zeros about an image (B, C, H, W), as many on either side, so that `multiple` divides its sides.

    Where the number is odd, the right and the bottom get one more.
    """
    missing_y, missing_x = (-side % multiple for side in image.shape[-2:])
    if not (missing_y or missing_x):
        return image
    left, top = missing_x // 2, missing_y // 2
    return F.pad(image, (left, missing_x - left, top, missing_y - top))


def cut_middle(maps: Tensor, h: int, w: int) -> Tensor:
    """The middle (B, C, h, w) of maps: what `pad_to_multiple` was given."""
    top, left = (maps.shape[-2] - h) // 2, (maps.shape[-1] - w) // 2
    return maps[..., top : top + h, left : left + w]
