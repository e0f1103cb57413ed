"""DeepPose: a cascade of networks that regress joints, each looking closer than the one before.

Paper: Toshev & Szegedy, "DeepPose: human pose estimation via deep neural networks" (CVPR 2014).

Stage 1 sees the initial box, resized to `input` px, and regresses all joints in sizes of that box. Each
later stage cuts a window about every joint, `sigma` pose diameters wide, out of the same crop (which has
more pixels than stage 1 sees) and regresses where in it the joint lies. A pose's diameter is the distance
of a shoulder and the opposite hip. A later stage trains on windows displaced from the true joints by draws
from each joint's normal distribution, measured on the errors of the stage before over the training set in
diameters; one draw a joint and step is 40 a joint and image after 40 epochs (`draws` makes it more a step).

Where the paper is read one way of several:
    output    every stage has 2J outputs, of which a joint's window trains and reads its own pair;
              head "per_joint_net" gives every joint a network of its own instead
    equation 6  adds a position, N^-1(psi), to a position; here psi moves the joint: y + size psi
    diameter  the other diagonal where an end is missing, else the training set's median share of the
              box; at least `smallest` of the box's shorter side. A later stage's window is measured on
              the true pose in training and on the predicted one in use
    box       aspect "stretch" is the paper's: the box is resized with separate x and y scales. A crop
              comes at its own aspect, so the box is taken to be its part that is not black fill: the
              photograph when the box is the whole image, and in general the box cut to the photograph.
              "pad" takes the crop as it is. Crops are never stretched, so that a length in pixels of the
              crop is one of the photograph but for a factor, which ratios to the diameter lose
    shift     `translation` moves stage 1's box in training and fills with black, labels kept

Departures, each off in the paper's recipes:
    net       "compact" (BatchNorm, residual pairs) or any timm net (average of its last map, linear);
              `window`, `window_channels` and `window_hidden` make later stages smaller
    loss      "l1": the sum of absolute instead of squared differences
    auxiliary  in training, each joint's cell of the last map is found by a softmax over the cells: a net
              that is trained from nothing leaves the mean pose sooner. A window finds all joints in it
    vary_size training windows vary in size as predicted diameters were measured to vary
    displacements  "predicted": windows lie where the stage before puts them, for comparison (section 4.1)
Scores: a regressor has no confidence. What stands there is how little the last stage moved a joint:
1 - 2 |psi|, which is 1 without a move and 0 for one to the window's border; 1 when stage 1 answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from vitruvian import codecs, geometry, losses
from vitruvian.nn.alexnet import LRN, Weights, alexnet, compact
from vitruvian.nn.backbones import Backbone
from vitruvian.nn.blocks import Normalise
from vitruvian.nn.warp import cut_windows, filled_part, from_box, to_box, whole_crop
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Answer, Ask, Batch, Stage, System, normal_per_sample
from vitruvian.types import State, UserError

Box = tuple[Tensor, Tensor]  # centre and size, (B, 1, 2) px of the crop
DIAGONALS = ("torso", "torso_other")  # reference lengths; the second is used where it is defined


@dataclass(frozen=True)
class DeepPoseConfig:
    """Sizes and readings; the defaults are the paper's for full bodies."""

    crop: tuple[int, int] = (440, 440)  # H, W px
    net: str = "alexnet"  # or compact, or a net of timm
    stages: int = 3
    input: int = 220  # px, side of what stage 1 sees
    window: int = 220  # px, side of what later stages see
    sigma: float = 2.0  # side of a window, pose diameters
    aspect: Literal["stretch", "pad"] = "stretch"
    translation: float = 0.0  # largest shift of stage 1's box in training, box sides per axis
    head: Literal["gather", "per_joint_net"] = "gather"
    displacements: Literal["simulated", "predicted"] = "simulated"
    draws: int = 1  # windows a joint, image and step; simulated only
    cov: Literal["diag", "full"] = "diag"
    vary_size: bool = False
    smallest: float = 0.1  # least diameter, shorter sides of the initial box
    loss: Literal["l2", "l1"] = "l2"
    channels: tuple[int, ...] = (96, 256, 384, 384, 256)  # of alexnet and compact
    hidden: int = 4096
    window_channels: tuple[int, ...] | None = None  # of later stages; None: as stage 1
    window_hidden: int | None = None
    auxiliary: float = 0.0  # compact: weight of finding each joint's cell in the last map
    dropout: float = 0.6  # chance that a hidden unit is dropped
    groups: int = 1  # alexnet: of convolutions 2, 4 and 5
    lrn: LRN = "alexnet"
    weights: Weights = "gaussian"  # alexnet
    bias: float = 1.0  # alexnet: of convolutions 2, 4, 5 and the hidden layers, before training

    def __post_init__(self) -> None:
        sizes = (*self.crop, self.input, self.window, self.stages, self.draws, self.hidden)
        if min(sizes) < 1 or min(self.sigma, self.smallest) <= 0:
            raise UserError("deeppose: sizes, stages, draws, sigma and smallest must be positive")
        if self.head == "per_joint_net" and self.net not in ("alexnet", "compact"):
            raise UserError(
                f"deeppose: head per_joint_net needs net alexnet or compact, not {self.net}"
            )
        if self.auxiliary and (self.net != "compact" or self.head == "per_joint_net"):
            raise UserError("deeppose: auxiliary needs net compact and head gather")

    @property
    def names(self) -> list[str]:
        """The stages, as in the paper's tables."""
        return [f"stage{s}" for s in range(1, self.stages + 1)]


class Pooled(nn.Module):
    """A timm net's last map, averaged, and linear outputs: (N, 3, side, side) -> (N, 1, outputs)."""

    def __init__(self, name: str, outputs: int) -> None:
        super().__init__()
        self.backbone = Backbone(name)
        self.outputs = nn.Linear(self.backbone.channels[-1], outputs)
        nn.init.normal_(self.outputs.weight, std=0.01)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, image: Tensor) -> Tensor:
        return self.outputs(self.backbone(image)[-1].mean((2, 3)))[:, None]


def regressor(config: DeepPoseConfig, stage: int, J: int) -> nn.Module:
    """The network of a stage, counted from 1."""
    later = stage > 1
    copies = J if later and config.head == "per_joint_net" else 1
    outputs = 2 if copies > 1 else 2 * J
    side = config.window if later else config.input
    channels = (later and config.window_channels) or config.channels
    hidden = (later and config.window_hidden) or config.hidden
    if config.net not in ("alexnet", "compact"):
        return Pooled(config.net, outputs)
    common = partial(
        alexnet if config.net == "alexnet" else compact,
        channels=channels,
        hidden=hidden,
        dropout=config.dropout,
        copies=copies,
    )
    if config.net == "compact":
        return common(side, outputs, places=J if config.auxiliary else 0)
    own = {"lrn": config.lrn, "weights": config.weights, "bias": config.bias}
    return common(side, outputs, groups=config.groups, **own)


class DeepPose(nn.Module):
    """uint8 RGB (B, 3, H, W) -> poses xy_crop (B, J, 2) after each stage.

    The statistics are those that `measure` writes before a later stage s is trained, at s - 2.
    """

    shift_mean: Tensor  # (S - 1, J, 2) diameters
    shift_factor: Tensor  # (S - 1, J, 2, 2) diameters, L of the covariance L L^T
    size_mean: Tensor  # (S - 1,) of the log of predicted / true diameter
    size_std: Tensor
    share: Tensor  # () diameters in shorter sides of the initial box, median over the training set

    def __init__(self, config: DeepPoseConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton, J = config, skeleton, len(skeleton)
        self.normalise = Normalise()
        self.nets = nn.ModuleList(regressor(config, s, J) for s in range(1, config.stages + 1))
        later = config.stages - 1
        self.register_buffer("shift_mean", torch.zeros(later, J, 2))
        self.register_buffer("shift_factor", torch.zeros(later, J, 2, 2))
        self.register_buffer("size_mean", torch.zeros(later))
        self.register_buffer("size_std", torch.zeros(later))
        self.register_buffer("share", torch.tensor(0.25))

    def initial_box(self, image: Tensor) -> Box:
        """b0 of crops (B, 3, H, W) float."""
        return filled_part(image) if self.config.aspect == "stretch" else whole_crop(image)

    def diameter(self, xy_crop: Tensor, box: Box, located: Tensor | None = None) -> Tensor:
        """Diameters (B, 1, 1) px of poses (B, J, 2), of which joints `located` (B, J) have a place."""
        side = box[1].amin(-1, keepdim=True)  # (B, 1, 1)
        diameter = self.share * side
        for name in reversed([name for name in DIAGONALS if self.skeleton.has(name)]):
            start, end = self.skeleton.length(name)
            length = (xy_crop[:, start] - xy_crop[:, end]).norm(dim=-1)[:, None, None]
            if located is None:
                diameter = length
            else:
                both = located[:, start] & located[:, end]
                diameter = torch.where(both[:, None, None], length, diameter)
        return torch.maximum(diameter, self.config.smallest * side)

    def first(self, image: Tensor, box: Box) -> tuple[Tensor, Tensor | None]:
        """psi of stage 1, (B, J, 2) sizes of the box; with `auxiliary`, cells (B, J, h, w)."""
        outputs, cells = self._look(1, cut_windows(image, *box, self.config.input)[:, 0])
        return outputs.unflatten(-1, (-1, 2))[:, 0], cells

    def later(
        self, stage: int, image: Tensor, centre: Tensor, side: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """psi of a stage from 2 on, each joint's own.

        Args:
            image: (B, 3, H, W) float.
            centre: (B, D, J, 2) px, where the windows of joint J lie, of which it has D.
            side: their sides, px, broadcast to (B, D, J, 1).

        Returns:
            (B, D, J, 2) sides of the window; with `auxiliary`, cells (B D J, J, h, w) of all joints.
        """
        B, D, J, _ = centre.shape
        size = side.expand(-1, D, J, 2).flatten(1, 2)
        windows = cut_windows(image, centre.flatten(1, 2), size, self.config.window)
        if self.config.head == "per_joint_net":
            views = windows.unflatten(1, (D, J)).flatten(0, 1).flatten(1, 2)  # (B D, J 3, h, w)
            return self._look(stage, views)[0].unflatten(0, (-1, D)), None
        outputs, cells = self._look(stage, windows.flatten(0, 1))
        psi = outputs.view(-1, J, J, 2)  # (B D, window of a joint, pair of outputs, 2)
        own = torch.arange(J, device=psi.device)
        return psi[:, own, own].unflatten(0, (-1, D)), cells

    def _look(self, stage: int, view: Tensor) -> tuple[Tensor, Tensor | None]:
        """A stage's outputs (N, copies, outputs) for black-filled views (N, copies 3, h, w)."""
        copies = view.unflatten(1, (-1, 3))
        ready = self.normalise(copies).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        net = self.nets[stage - 1]
        if not self.config.auxiliary:
            return net(ready).float(), None
        maps = net.maps(ready)
        return net.regress(maps).float(), net.places(maps).float()

    def forward(self, image: Tensor, stages: int) -> tuple[list[Tensor], Tensor]:
        """Poses (B, J, 2) xy_crop after each of `stages` stages; how far the last one moved each
        joint, (B, J) sides of its window (0 for stage 1)."""
        image = image.float()
        box = self.initial_box(image)
        poses = [from_box(self.first(image, box)[0], *box)]
        moved = torch.zeros_like(poses[0][..., 0])
        for stage in range(2, stages + 1):
            before = poses[-1]
            side = self.config.sigma * self.diameter(before, box)
            psi = self.later(stage, image, before[:, None], side[:, None])[0][:, 0]
            poses.append(from_box(psi, before, side))
            moved = psi.norm(dim=-1)
        return poses, moved


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
    psi, cells = net.first(image, (centre, size))
    found = {} if cells is None else {"places1": places_loss(net, cells, target, located)}
    return {"stage1": regression_loss(net, psi, target, located), **found}


def later_step(stage: int, net: DeepPose, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    """A later stage's loss: from each window to the true joint, in sides of the window."""
    image = batch.image.float()
    box = net.initial_box(image)
    located = batch.state >= State.OCCLUDED
    if net.config.displacements == "predicted":
        with torch.no_grad():
            poses, _ = net(batch.image, stage - 1)
        centre = poses[-1][:, None]
        side = net.config.sigma * net.diameter(poses[-1], box)[:, None]
    else:
        centre, side = simulated(stage, net, batch, box, rng)
    target = to_box(batch.joints[:, None], centre, side)
    psi, cells = net.later(stage, image, centre, side)
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
    error, known, true, predicted, short = (torch.cat(c) for c in zip(*columns, strict=True))
    measured = true.isfinite()
    if measured.any():
        net.share.copy_((true / short)[measured].median())
        ratio = (predicted / true)[measured].log()
        net.size_mean[stage - 2] = ratio.mean()
        net.size_std[stage - 2] = ratio.std(correction=0)
    least = net.config.smallest * short
    diameter = torch.where(measured, true, torch.maximum(net.share * short, least))
    mean, factor = shift_statistics(error / diameter[:, None, None], known, net.config.cov)
    net.shift_mean[stage - 2] = mean
    net.shift_factor[stage - 2] = factor


def stages(config: DeepPoseConfig) -> tuple[Stage, ...]:
    later = (
        Stage(name, partial(later_step, s), (f"nets.{s - 1}",), partial(measure, s))
        for s, name in enumerate(config.names[1:], 2)
    )
    return (Stage("stage1", first_step, trains=("nets.0",)), *later)


def predict(net: DeepPose, image: Tensor, ask: Ask) -> Answer:
    """Joints after the last stage asked for; with `ask.flip` their mean with those of the mirrored crop.

    Scores as in the module's header.
    """
    names = net.config.names
    count = names.index(ask.upto or names[-1]) + 1
    poses, moved = net(image, count)
    if ask.flip:
        swap = net.skeleton.swap
        mirrored, moved_there = net(image.flip(-1), count)
        back = [_mirror(pose[:, swap], image.shape[-1]) for pose in mirrored]
        poses = [(here + there) / 2 for here, there in zip(poses, back, strict=True)]
        moved = (moved + moved_there[:, swap]) / 2
    maps = dict(zip(names, poses, strict=False)) if ask.maps else {}
    return Answer(poses[-1], (1 - 2 * moved).clamp(0, 1), maps)


def _mirror(xy_crop: Tensor, width: int) -> Tensor:
    x, y = xy_crop.unbind(-1)
    return torch.stack([geometry.flip_x(x, width), y], -1)


DEEPPOSE = System("deeppose", DeepPoseConfig, DeepPose, stages, predict, needs=("torso",))
