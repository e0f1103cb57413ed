"""The world through a box, after Toshev & Szegedy (CVPR 2014, equation 1): joints and windows of an image.

A box is its centre and its size (width, height) in px: N(y; b) = (y - centre) / size, so that its left and
top edges are at -0.5 and its right and bottom ones at 0.5.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian import geometry


def to_box(xy_px: Tensor, centre: Tensor, size: Tensor) -> Tensor:
    """N(.; b) of points (..., 2) px; centre and size (..., 2) px are broadcast."""
    return (xy_px - centre) / size


def from_box(xy_box: Tensor, centre: Tensor, size: Tensor) -> Tensor:
    """The inverse of `to_box`."""
    return xy_box * size + centre


def whole_crop(image: Tensor) -> tuple[Tensor, Tensor]:
    """The square about a crop (B, 3, H, W) that holds all of it: centre and size, (B, 1, 2) px each."""
    H, W = image.shape[-2:]
    centre = image.new_tensor([(W - 1) / 2, (H - 1) / 2])
    size = image.new_tensor([max(H, W), max(H, W)])
    return tuple(value.expand(image.shape[0], 1, 2) for value in (centre, size))  # type: ignore[return-value]


def filled_part(image: Tensor) -> tuple[Tensor, Tensor]:
    """The rectangle of a crop (B, 3, H, W) outside which every pixel is 0: centre and size, (B, 1, 2) px.

    A loader fills with 0 what lies outside the photograph, so this is the box cut to the photograph. All
    of the crop where every pixel is 0.
    """
    filled = image.amax(1)  # (B, H, W)
    along_x, along_y = (_span(filled.amax(axis) > 0) for axis in (1, 2))
    centre, size = (torch.stack(pair, -1)[:, None] for pair in zip(along_x, along_y, strict=True))
    return centre, size


def _span(filled: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and length (B,) px of the shortest stretch that holds what is True in (B, n)."""
    n = filled.shape[-1]
    place = torch.arange(n, device=filled.device, dtype=torch.float32)
    none = ~filled.any(-1, keepdim=True)
    filled = filled | none
    first = torch.where(filled, place, float(n)).amin(-1)
    last = torch.where(filled, place, -1.0).amax(-1)
    return (first + last) / 2, last - first + 1


def cut_windows(image: Tensor, centre: Tensor, size: Tensor, side: int) -> Tensor:
    """N(x; b): windows of crops, each resampled to `side` x `side`, all of a batch in one call.

    Bilinear, pixel centres at integers, 0 outside the crop. A window that shrinks by a whole even factor
    is sampled between pixels and so averages 2 x 2 of them; nothing smooths a stronger reduction.

    Args:
        image: (B, C, H, W), any floating type.
        centre, size: (B, K, 2) px of the crop.

    Returns:
        (B, K, C, side, side).
    """
    H, W = image.shape[-2:]
    cells = torch.arange(side, device=image.device, dtype=torch.float32)
    offset = geometry.px_to_norm(cells, side)  # (side,) of a window
    axes = [
        2 * geometry.px_to_norm(centre[..., i : i + 1] + offset * size[..., i : i + 1], length)
        for i, length in ((0, W), (1, H))
    ]  # (B, K, side) each; as grid_sample counts, and spread out only then
    x = axes[0][:, :, None, :].expand(-1, -1, side, -1)
    y = axes[1][:, :, :, None].expand(-1, -1, -1, side)
    grid = torch.stack([x, y], -1)
    windows = F.grid_sample(image, grid.flatten(1, 2), align_corners=False)  # (B, C, K side, side)
    return windows.unflatten(2, (-1, side)).transpose(1, 2)
