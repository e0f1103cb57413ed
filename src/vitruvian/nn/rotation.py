"""Maps turned about a point, and turned back: the normalization module of Sun et al. (ICCV 2017).

    blurred_peaks -> positions -> upright_angle, downward_angle -> turn -> (a net) -> turn_back

Angles are in radians. An angle t turns a vector (x, y), y down, by R = [[cos t, -sin t], [sin t, cos t]]:
clockwise on the screen where t is positive. Positions and angles are detached, so that gradients pass
through the sampled values alone (figure 7, the green line). Everything works on a whole batch at once,
every map with a point and an angle of its own; branches may be stacked along the batch.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

PAD = 0.21  # of the longer side; from 0.207 on, maps turned about their middle stay whole


def blurred_peaks(maps: Tensor, sigma: float) -> Tensor:
    """The highest cell of each blurred map: (B, K, h, w) -> xy_cell (B, K, 2), whole numbers, detached.

    The blur is Gaussian, cut off at 3 sigma; at the border it averages over what there is, so that it keeps
    a constant map constant. The first of equal maxima wins.

    Args:
        maps: any real values.
        sigma: cells; 0 leaves the maps as they are.
    """
    maps = _single(maps.detach())
    if sigma > 0:
        maps = _blur(_blur(maps, sigma, -1), sigma, -2)
    w = maps.shape[-1]
    index = maps.flatten(2).argmax(-1)  # (B, K)
    return torch.stack([index % w, index // w], -1).to(maps.dtype)


def _blur(maps: Tensor, sigma: float, axis: int) -> Tensor:
    inside = maps.new_ones(1, 1, *maps.shape[-2:])
    return _weighted(maps, sigma, axis) / _weighted(inside, sigma, axis)


def _weighted(maps: Tensor, sigma: float, axis: int) -> Tensor:
    """Shifted sums, not a convolution, which would compute in bfloat16 where a training does."""
    n = maps.shape[axis]
    reach = min(math.ceil(3 * sigma), n - 1)
    wide = F.pad(maps, (reach, reach) if axis == -1 else (0, 0, reach, reach))
    total = maps
    for k in range(1, reach + 1):
        both = wide.narrow(axis, reach - k, n) + wide.narrow(axis, reach + k, n)
        total = total + math.exp(-(k**2) / (2 * sigma**2)) * both
    return total


def upright_angle(centre: Tensor, top: Tensor, upright: float = 0.0) -> Tensor:
    """The angle that makes what points from `centre` to `top` point up (equation 2).

    The paper's arc cosine loses the sign; this is the arc tangent of both components.

    Args:
        centre, top: (B, 2) xy_cell, such as the torso's centre and the neck.
        upright: radians; the common orientation, clockwise from up.

    Returns:
        (B,) radians, detached; 0 where the two are less than a cell apart, whatever `upright` is.
    """
    v = (
        centre - top
    ).detach()  # whose negative may be -0.0: in a graph's quotient the other half turn
    return _angle(v[:, 0], v[:, 1], upright)


def downward_angle(root: Tensor, middle: Tensor, upright: float = 0.0) -> Tensor:
    """The angle that makes what points from `root` to `middle` point down; otherwise as `upright_angle`."""
    u = (middle - root).detach()
    return _angle(u[:, 0], u[:, 1], upright)


def _angle(opposite: Tensor, adjacent: Tensor, common: float) -> Tensor:
    apart = opposite.square() + adjacent.square() >= 1
    return torch.where(apart, torch.atan2(opposite, adjacent) + common, 0.0)


def padding(h: int, w: int, pad: float = PAD) -> tuple[int, int]:
    """Cells that `turn` adds above and below, and to the left and to the right, of maps of h x w.

    Both padded sides are about (1 + 2 pad) times the longer side, so that ceil(pad side) is added all about
    a square map. It depends on no point, because a graph's maps have one size. A map that is turned about a
    point up to (pad - 0.207) / 2 of the longer side away from its middle stays whole: with 0.21 about the
    middle, with 0.5 about points up to 0.146 away. What leaves is replaced by the fill when turned back.
    """
    longer = max(h, w)
    return math.ceil(pad * longer + (longer - h) / 2), math.ceil(pad * longer + (longer - w) / 2)


def turn(
    maps: Tensor,
    centre_xy_cell: Tensor,
    theta: Tensor,
    fill: Tensor | float = 0.0,
    pad: float = PAD,
) -> Tensor:
    """Maps turned about a point, on a larger canvas: out(x) = in(R^T (x - c) + c), bilinear.

    Args:
        maps: (B, C, h, w), both sides of 2 or more.
        centre_xy_cell: (B, 2), the fixed points c.
        theta: (B,) radians.
        fill: the value outside the maps, for all channels or (C,): 0 for a joint's probability, 1 for the
            background's, a low one for scores that a sigmoid follows.
        pad: see `padding`.

    Returns:
        (B, C, h + 2 pad_y, w + 2 pad_x), float32 or float64. Cell (0, 0) of the maps' frame, in which c
        is given, is cell (pad_x, pad_y) here.
    """
    h, w = maps.shape[-2:]
    pad_y, pad_x = padding(h, w, pad)
    from_middle = _from_middle(centre_xy_cell, h, w)
    return _turned(maps, from_middle, theta, fill, h + 2 * pad_y, w + 2 * pad_x)


def turn_back(
    maps: Tensor,
    centre_xy_cell: Tensor,
    theta: Tensor,
    fill: Tensor | float = 0.0,
    *,
    size: tuple[int, int],
) -> Tensor:
    """The inverse of `turn`, cut to the size of the maps before it.

    Exact for quarter turns about a cell; otherwise the two passes smooth, and a Gaussian of sigma cells has
    lost up to 0.5 / (sigma^2 + 0.5) of its height: a third at sigma 1, a ninth at 2, a fiftieth at 5.

    Args:
        maps: (B, C, h + 2 pad_y, w + 2 pad_x).
        centre_xy_cell, theta: what `turn` was given.
        size: (h, w) of the maps before.

    Returns:
        (B, C, h, w).
    """
    h, w = size
    return _turned(maps, _from_middle(centre_xy_cell, h, w), -theta, fill, h, w)


def _single(values: Tensor) -> Tensor:
    """At least single precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _from_middle(xy_cell: Tensor, h: int, w: int) -> Tensor:
    return xy_cell.detach() - xy_cell.new_tensor([(w - 1) / 2, (h - 1) / 2])


def _turned(
    maps: Tensor, centre: Tensor, theta: Tensor, fill: Tensor | float, h: int, w: int
) -> Tensor:
    """Maps turned into maps of h x w with the same middle, from which `centre` (B, 2) is counted."""
    maps = _single(maps)
    h_in, w_in = maps.shape[-2:]
    cx, cy = centre.to(maps.dtype)[:, :, None, None].unbind(1)  # (B, 1, 1) each
    angle = theta.detach().to(maps.dtype)[:, None, None]
    cos, sin = angle.cos(), angle.sin()
    x = torch.arange(w, device=maps.device, dtype=maps.dtype) - (w - 1) / 2 - cx  # (B, 1, w)
    y = (
        torch.arange(h, device=maps.device, dtype=maps.dtype)[:, None] - (h - 1) / 2 - cy
    )  # (B, h, 1)
    from_x = (cos * x + sin * y + cx) * (
        2 / (w_in - 1)
    )  # (B, h, w), -1 and 1 at the outermost cells
    from_y = (cos * y - sin * x + cy) * (2 / (h_in - 1))
    outside = fill.to(maps)[:, None, None] if isinstance(fill, Tensor) else fill
    grid = torch.stack([from_x, from_y], -1)
    return F.grid_sample(maps - outside, grid, align_corners=True) + outside
