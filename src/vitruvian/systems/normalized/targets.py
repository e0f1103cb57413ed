"""What maps are to be, and what they cost: discs or Gaussians, softmax, sigmoid or squares (section 3.4).

Every loss is a mean over a map's cells, over its joints (the softmax: over its cells alone) and over the
batch; the recipes' rates belong to that.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitruvian import codecs, geometry, losses
from vitruvian.types import State

LEAST = 0.71  # cells: a disc of this radius has at least one cell


def disc_radius(
    joints: Tensor, state: Tensor, ends: list[int], length: Tensor, share: float, stride: int
) -> Tensor:
    """Radii (B, 1) in cells: `share` x the distance of the two joints `ends`, at least `LEAST`.

    Args:
        joints: (B, J, 2) xy_crop; state: (B, J).
        length: (), px, the distance that is taken for persons of whom an end is not located.
    """
    start, end = ends
    both = (state[:, start] >= State.OCCLUDED) & (state[:, end] >= State.OCCLUDED)
    apart = (joints[:, start] - joints[:, end]).norm(dim=-1)
    radius = share * torch.where(both, apart, length) / stride
    return radius.clamp(min=LEAST)[:, None]


def disc_classes(xy_cell: Tensor, counted: Tensor, h: int, w: int, radius: Tensor) -> Tensor:
    """For each cell the joint whose disc it lies in, the nearest where discs overlap; J for none.

    Args:
        xy_cell: (B, J, 2); counted: (B, J) bool, the joints that have a disc.
        radius: (B, 1) cells.

    Returns:
        (B, h, w) int64, 0 to J.
    """
    x = torch.arange(w, device=xy_cell.device) - xy_cell[..., :1]  # (B, J, w)
    y = torch.arange(h, device=xy_cell.device) - xy_cell[..., 1:]  # (B, J, h)
    squares = y.square()[..., :, None] + x.square()[..., None, :]  # (B, J, h, w)
    inside = counted[..., None, None] & (squares <= radius.square()[..., None, None])
    nearest, joint = torch.where(inside, squares, torch.inf).min(1)
    return torch.where(nearest.isfinite(), joint, xy_cell.shape[1])


def softmax_loss(logits: Tensor, classes: Tensor, known: Tensor, foreground: float = 0.0) -> Tensor:
    """Cross-entropy of each cell's K + 1 classes, in nats.

    Args:
        logits: (B, K + 1, h, w).
        classes: (B, h, w), K for the background.
        known: (B, K) bool; the other joints' maps are left out of their sample's softmax.
        foreground: cells of a disc count 1 + foreground times.
    """
    kept = F.pad(known, (0, 1), value=True)[..., None, None]
    logits = logits.float().masked_fill(~kept, -1e4)
    error = F.cross_entropy(logits, classes, reduction="none")  # (B, h, w)
    if foreground:
        error = error * (1 + foreground * (classes < known.shape[1]))
    return error.mean()


def sigmoid_loss(
    logits: Tensor, target: Tensor, counted: Tensor, foreground: float = 0.0
) -> Tensor:
    """Cross-entropy of each cell's probability of each joint, in nats; counted (B, J) bool."""
    if not foreground:
        return losses.sigmoid_cross_entropy(logits, target, counted)
    target = torch.where(counted[..., None, None], target, 0)
    error = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return losses.mean_over_counted(error * (1 + foreground * target), counted)


def square_loss(maps: Tensor, target: Tensor, counted: Tensor, foreground: float = 0.0) -> Tensor:
    """Squared error of heights; counted (B, J) bool."""
    target = torch.where(counted[..., None, None], target, 0)
    error = (maps.float() - target).square()
    return losses.mean_over_counted(error * (1 + foreground * target), counted)


def discs(xy_crop: Tensor, h: int, w: int, radius: Tensor, stride: int) -> Tensor:
    """Discs of 1 about joints (B, J, 2): (B, J, h, w); radius (B, 1) cells."""
    return codecs.encode_discs(geometry.px_to_cell(xy_crop, stride), h, w, radius)


def gaussians(
    xy_crop: Tensor, h: int, w: int, sigma: float, stride: int, window: float | None
) -> Tensor:
    """Gaussians of height 1 about joints (B, J, 2): (B, J, h, w); sigma and window in cells."""
    return codecs.encode_gaussians(geometry.px_to_cell(xy_crop, stride), h, w, sigma, window)
