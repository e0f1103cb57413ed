"""How the cascade learns: losses, windows in training, and the errors that they are drawn from."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from vitruvian import codecs, geometry, losses
from vitruvian.nn.warp import to_box
from vitruvian.systems.contract import Batch, normal_per_sample
from vitruvian.systems.deeppose.net import DIAGONALS, Box, DeepPose
from vitruvian.types import State


def regression_loss(net: DeepPose, psi: Tensor, target: Tensor, located: Tensor) -> Tensor:
    """Equations 4 and 8: the squared distance, summed over located joints (B, J), divided by B.

    `psi` and `target` are (B, J, 2), or (B, D, J, 2) whose D draws are averaged.
    """
    if psi.dim() == 3:
        psi, target = psi[:, None], target[:, None]
    difference = torch.where(located[:, None, :, None], psi - target, 0)
    error = difference.square() if net.config.loss == "l2" else difference.abs()
    return error.sum() / (psi.shape[0] * psi.shape[1])


def first_step(net: DeepPose, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """Stage 1's loss, in sizes of a box that is shifted for each sample."""
    image = batch.image.float()
    centre, size = net.initial_box(image)
    if net.config.translation:
        uniform = 2 * torch.special.ndtr(normal_per_sample(batch, (1, 2), rng)) - 1
        centre = centre + net.config.translation * uniform * size
    target = to_box(batch.joints, centre, size)
    located = batch.state >= State.OCCLUDED
    psi, cells = net.first(image, (centre, size), net.config.auxiliary > 0)
    found = {} if cells is None else {"places1": places_loss(net, cells, target, located)}
    return {"stage1": regression_loss(net, psi, target, located), **found}


def later_step(stage: int, net: DeepPose, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """A later stage's loss: from each window to the true joint, in sides of the window."""
    image = batch.image.float()
    box = net.initial_box(image)
    located = batch.state >= State.OCCLUDED
    centre, side = windows(stage, net, batch, box, rng)
    target = to_box(batch.joints[:, None], centre, side)
    psi, cells = net.later(stage, image, centre, side, net.config.auxiliary > 0)
    total = {f"stage{stage}": regression_loss(net, psi, target, located)}
    if cells is not None:  # (B D J, J, h, w): where all joints are in the window of each
        D, J = centre.shape[1:3]
        within = to_box(batch.joints[:, None, None], centre[:, :, :, None], side[..., None])
        located = located[:, None, None].expand(-1, D, J, J).flatten(0, 2)
        total[f"places{stage}"] = places_loss(net, cells, within.flatten(0, 2), located)
    return total


def places_loss(net: DeepPose, cells: Tensor, xy_norm: Tensor, located: Tensor) -> Tensor:
    """`auxiliary` x the cross-entropy of joints' cells (N, J, h, w), summed over joints in view, / N.

    `xy_norm` (N, J, 2) are the joints in sizes of the view; outside it they count nothing.
    """
    h, w = cells.shape[-2:]
    inside = located & (xy_norm.abs() <= 0.5).all(-1)
    xy_cell = geometry.norm_to_px(xy_norm, xy_norm.new_tensor([w, h]))
    target = codecs.encode_gaussians(xy_cell, h, w, 0.7)
    target = target / target.sum((2, 3), keepdim=True).clamp(min=1e-6)
    entropy = losses.heatmap_cross_entropy(cells, target, inside)
    return net.config.auxiliary * cells.shape[1] * entropy


def windows(
    stage: int, net: DeepPose, batch: Batch, box: Box, rng: Generator
) -> tuple[Tensor, Tensor]:
    """Where a stage looks in training: centres (B, D, J, 2) and sides (B, D, J or 1, 1) px."""
    config = net.config
    centre, side = simulated(stage, net, batch, box, rng)
    if config.displacements == "simulated":
        return centre, side
    with torch.no_grad():
        xy = net(batch.image, stage - 1)[0][-1]
    side_there = config.sigma * net.diameter(xy, box)[:, None]
    if config.displacements == "predicted":
        return xy[:, None].expand_as(centre), side_there.expand_as(side)
    coin = normal_per_sample(batch, (config.draws, centre.shape[2], 1), rng) > 0
    return torch.where(coin, xy[:, None], centre), torch.where(coin, side_there, side)


def simulated(
    stage: int, net: DeepPose, batch: Batch, box: Box, rng: Generator
) -> tuple[Tensor, Tensor]:
    """Windows as if a stage before had made its errors: centres (B, D, J, 2) and sides (B, D, 1, 1) px.

    The window of a joint without a place lies in the middle of the box; it never counts.
    """
    J = batch.joints.shape[1]
    located = batch.state >= State.OCCLUDED
    true = torch.where(located[..., None], batch.joints, box[0])
    normal = normal_per_sample(batch, (net.config.draws, 2 * J + 1), rng)
    noise = normal[..., :-1].unflatten(-1, (J, 2))  # (B, D, J, 2)
    shift = net.shift_mean[stage - 2] + (net.shift_factor[stage - 2] @ noise[..., None])[..., 0]
    diameter = net.diameter(batch.joints, box, located)[:, None]  # (B, 1, 1, 1)
    side = (net.config.sigma * diameter).expand(-1, net.config.draws, 1, 1)
    if net.config.vary_size:
        size = net.size_mean[stage - 2] + net.size_std[stage - 2] * normal[..., -1:]
        side = side * size.clamp(-1, 1).exp()[..., None]
    return true[:, None] + shift * diameter, side


def shift_statistics(error: Tensor, known: Tensor, cov: str) -> tuple[Tensor, Tensor]:
    """Each joint's mean displacement and a factor of its covariance.

    A joint known fewer than twice takes the statistics of all joints.

    Args:
        error: (N, J, 2); known: (N, J) bool.
        cov: "diag" or "full".

    Returns:
        (J, 2) and L (J, 2, 2), lower triangular, of the covariance L L^T.
    """

    def moments(error: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        count = known.sum(0).clamp(min=1)[:, None]
        mean = torch.where(known[..., None], error, 0).sum(0) / count
        centred = torch.where(known[..., None], error - mean, 0)
        outer = torch.einsum("nji,njk->jik", centred, centred) / count[..., None]
        return mean, outer

    error = error.double()
    mean, outer = moments(error, known)
    mean_all, outer_all = moments(error.flatten(0, 1)[:, None], known.flatten()[:, None])
    often = (known.sum(0) >= 2)[:, None]
    mean = torch.where(often, mean, mean_all)
    outer = torch.where(often[..., None], outer, outer_all)
    xx, yy = outer[:, 0, 0], outer[:, 1, 1]
    xy = outer[:, 0, 1] if cov == "full" else torch.zeros_like(xx)
    along_x = xx.sqrt()
    across = xy / along_x.clamp(min=1e-9)
    along_y = (yy - across.square()).clamp(min=0).sqrt()
    rows = (torch.stack([along_x, 0 * xx], -1), torch.stack([across, along_y], -1))
    return mean.float(), torch.stack(rows, -2).float()


def measure(stage: int, net: DeepPose, batches: Iterable[Batch], rng: Generator) -> None:
    """What the stages before `stage` get wrong on the training set, per joint; and predicted diameters."""
    columns = []
    pair = [name for name in DIAGONALS if net.skeleton.has(name)]
    for batch in batches:
        image = batch.image.float()
        box, located = net.initial_box(image), batch.state >= State.OCCLUDED
        xy = net(batch.image, stage - 1)[0][-1]
        ends = torch.stack([located[:, net.skeleton.length(name)].all(1) for name in pair]).any(0)
        true = net.diameter(batch.joints, box, located)[:, 0, 0]
        true = torch.where(ends, true, torch.nan)
        short = box[1].amin(-1)[:, 0]
        columns.append((xy - batch.joints, located, true, net.diameter(xy, box)[:, 0, 0], short))
    error, known, true, predicted, short = (torch.cat(c).cpu() for c in zip(*columns, strict=True))
    measured = true.isfinite()
    if measured.any():
        net.share.copy_((true / short)[measured].median())
        ratio = (predicted / true)[measured].log()
        net.size_mean[stage - 2] = ratio.mean()
        net.size_std[stage - 2] = ratio.std(correction=0)
    least = net.config.smallest * short
    diameter = torch.where(measured, true, torch.maximum(net.share.cpu() * short, least))
    mean, factor = shift_statistics(error / diameter[:, None, None], known, net.config.cov)
    net.shift_mean[stage - 2] = mean
    net.shift_factor[stage - 2] = factor
    if net.config.inherit and stage > 2:
        net.nets[stage - 1].load_state_dict(net.nets[stage - 2].state_dict())
