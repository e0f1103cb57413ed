"""Joints <-> heatmaps: encode and decode side by side, from the same numbers. Axes as in `types`."""

from __future__ import annotations

import torch
from torch import Tensor

OFFSETS = ("none", "both_axes", "highest_neighbour", "local_mean")


def encode_gaussians(
    xy_cell: Tensor, h: int, w: int, sigma: float, window: float | None = None
) -> Tensor:
    """A Gaussian of height 1 and `sigma` cells at each joint: (B, J, 2) -> (B, J, h, w).

    A joint outside the map leaves only its tail; the whole batch is one outer product. Where several
    persons share a map, (B, N, J, 2) -> (B, N, J, h, w), overlaps are decided by `amax(1)`.

    Args:
        window: 0 outside the square of that many cells about the joint, 6 sigma + 1 where it is 0; None: no
            edge.
    """
    x = torch.arange(w, device=xy_cell.device) - xy_cell[..., :1]  # (B, J, w)
    y = torch.arange(h, device=xy_cell.device) - xy_cell[..., 1:]  # (B, J, h)
    along_x = torch.exp(x.square() / (-2 * sigma**2))
    along_y = torch.exp(y.square() / (-2 * sigma**2))
    if window is not None:
        window = window or 6 * sigma + 1
        along_x, along_y = along_x * (x.abs() <= window / 2), along_y * (y.abs() <= window / 2)
    return along_y[..., :, None] * along_x[..., None, :]


def encode_discs(xy_cell: Tensor, h: int, w: int, radius: float | Tensor) -> Tensor:
    """1 in the cells whose centre lies within `radius` cells of a joint, else 0.

    Args:
        xy_cell: (B, J, 2).
        radius: of all discs, or (B, J). From 0.71 on a disc on the map has at least one cell.

    Returns:
        (B, J, h, w) float32.
    """
    x = torch.arange(w, device=xy_cell.device)
    y = torch.arange(h, device=xy_cell.device)
    along_x = (x - xy_cell[..., :1]).square()  # (B, J, w)
    along_y = (y - xy_cell[..., 1:]).square()  # (B, J, h)
    limit = radius[..., None, None] if isinstance(radius, Tensor) else radius
    return (along_y[..., :, None] + along_x[..., None, :] <= limit**2).float()


def softmax_maps(logits: Tensor) -> Tensor:
    """The softmax over all cells of each map: (B, J, h, w) -> the same, float32, of sum 1."""
    return logits.float().flatten(2).softmax(-1).unflatten(2, logits.shape[-2:])


def decode_heatmaps(
    heatmaps: Tensor, offset: str = "both_axes", cell: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The highest cell, refined: (B, J, h, w) -> xy_cell (B, J, 2), height there (B, J).

    Args:
        heatmaps: any real values; the first of equal maxima wins.
        offset: "none"; "both_axes", a quarter cell towards the higher neighbour along each axis, unless
            the peak lies on the border (Newell et al.'s code); "highest_neighbour", a quarter cell
            towards the highest of the four neighbours (Wang & Hao); "local_mean", the mean position in
            the 5 x 5 window, weighted by its values above 0.
        cell: whole xy_cell (B, J, 2) to refine in place of the highest ones.
    """
    h, w = heatmaps.shape[-2:]
    flat = heatmaps.flatten(2)  # (B, J, h w)
    index = flat.argmax(-1, keepdim=True)  # (B, J, 1)
    if cell is not None:
        index = (cell[..., 1:] * w + cell[..., :1]).long()
    height = flat.gather(-1, index)[..., 0]
    x, y = index % w, index // w
    xy_cell = torch.cat([x, y], -1).to(heatmaps.dtype)
    if offset == "none":
        return xy_cell, height
    if offset == "local_mean":
        return xy_cell + _local_mean(flat, x, y, h, w), height

    def at(dx: int, dy: int) -> Tensor:
        near = (y + dy).clamp(0, h - 1) * w + (x + dx).clamp(0, w - 1)
        return flat.gather(-1, near)[..., 0]

    right, left, down, up = at(1, 0), at(-1, 0), at(0, 1), at(0, -1)
    inside = ((x > 0) & (x < w - 1) & (y > 0) & (y < h - 1))[..., 0]
    along = torch.stack([right - left, down - up], -1)
    if offset == "highest_neighbour":
        best_x, best_y = torch.maximum(right, left), torch.maximum(down, up)
        along = along * torch.stack([best_x >= best_y, best_y > best_x], -1)
    return xy_cell + 0.25 * along.sign() * inside[..., None], height


def _local_mean(flat: Tensor, x: Tensor, y: Tensor, h: int, w: int) -> Tensor:
    """The offset (B, J, 2) in cells of the mean position in the 5 x 5 window about (x, y) (B, J, 1)."""
    step = torch.arange(-2, 3, device=flat.device)
    dx, dy = step.repeat(5), step.repeat_interleave(5)  # (25,)
    near_x, near_y = x + dx, y + dy  # (B, J, 25)
    inside = (near_x >= 0) & (near_x < w) & (near_y >= 0) & (near_y < h)
    index = near_y.clamp(0, h - 1) * w + near_x.clamp(0, w - 1)
    weight = flat.gather(-1, index).clamp(min=0) * inside
    total = weight.sum(-1).clamp(min=1e-12)
    return torch.stack([(weight * dx).sum(-1) / total, (weight * dy).sum(-1) / total], -1)


def decode_plateaus(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """The middle of the highest plateau: (B, J, h, w) -> xy_cell (B, J, 2), height there (B, J).

    For maps that saturate or were upsampled, in which many cells are equally high: the first of them, which
    an argmax gives, would be another one in the mirrored map. Cells within 1e-5 of the height count, if
    they lie in the highest one's plateau: in a box with nothing as high all about it. Of equal plateaus
    the first wins.

    Args:
        heatmaps: at least 0.
    """
    h, w = heatmaps.shape[-2:]
    height = heatmaps.amax((-2, -1))  # (B, J)
    highest = (heatmaps >= (height * (1 - 1e-5))[..., None, None]).to(heatmaps.dtype)
    first = heatmaps.flatten(2).argmax(-1, keepdim=True)  # (B, J, 1)
    row, column = first // w, first % w
    columns = (torch.arange(w, device=heatmaps.device) == column).to(heatmaps.dtype)  # (B, J, w)
    for _ in range(4):  # the box grows until what is convex lies in it
        rows = _run((highest @ columns[..., None])[..., 0], row)  # (B, J, h)
        columns = _run((rows[..., None, :] @ highest)[..., 0, :], column)
    per_row = (highest @ columns[..., None])[..., 0] * rows
    per_column = (rows[..., None, :] @ highest)[..., 0, :] * columns
    x = (per_column * torch.arange(w, device=heatmaps.device)).sum(-1)
    y = (per_row * torch.arange(h, device=heatmaps.device)).sum(-1)
    return torch.stack([x, y], -1) / per_row.sum(-1, keepdim=True), height


def _run(count: Tensor, place: Tensor) -> Tensor:
    """1 where nothing in (B, J, n) is 0 from there to a place (B, J, 1), else 0."""
    gaps = (count == 0).long().cumsum(-1)
    return ((count > 0) & (gaps == gaps.gather(-1, place))).to(count.dtype)


def window_mass(probabilities: Tensor, xy_cell: Tensor) -> Tensor:
    """How much of each map (B, J, h, w), which sums to 1, lies in the 5 x 5 cells about a point.

    Returns:
        (B, J), 0 to 1.
    """
    h, w = probabilities.shape[-2:]
    y = torch.arange(h, device=xy_cell.device)
    x = torch.arange(w, device=xy_cell.device)
    near_x = ((x - xy_cell[..., :1]).abs() <= 2.5).to(probabilities.dtype)  # (B, J, w)
    near_y = ((y - xy_cell[..., 1:]).abs() <= 2.5).to(probabilities.dtype)  # (B, J, h)
    return (near_y[..., None, :] @ probabilities @ near_x[..., :, None])[..., 0, 0].clamp(0, 1)


def flip_maps(heatmaps: Tensor, swap: list[int]) -> Tensor:
    """Maps (B, J, h, w) of a mirrored crop, as they would stand for the crop itself."""
    return heatmaps.flip(-1)[:, swap]
