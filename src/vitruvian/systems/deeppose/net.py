"""The cascade's nets and what they see: boxes, windows, diameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.nn.alexnet import LRN, Regressor, Weights, alexnet, compact
from vitruvian.nn.backbones import Backbone
from vitruvian.nn.blocks import Normalise
from vitruvian.nn.warp import cut_windows, filled_part, from_box, whole_crop
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import check_numbers
from vitruvian.types import UserError

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
    displacements: Literal["simulated", "predicted", "mixed"] = "simulated"
    draws: int = 1  # windows a joint, image and step
    cov: Literal["diag", "full"] = "diag"
    vary_size: bool = False
    inherit: bool = False
    smallest: float = 0.1  # least diameter, shorter sides of the initial box
    loss: Literal["l2", "l1"] = "l2"
    channels: tuple[int, ...] = (96, 256, 384, 384, 256)  # of alexnet and compact, or of the trunk
    trunk: str | None = None  # compact: a net of timm, whose last map stage 1 takes for its own
    hidden: int = 4096
    window_channels: tuple[int, ...] | None = None  # of later stages; None: as stage 1
    window_hidden: int | None = None
    auxiliary: float = 0.0  # compact: weight of finding each joint's cell in the last map
    dropout: float = 0.6  # chance that a hidden unit is dropped
    groups: int = 1  # alexnet: of convolutions 2, 4 and 5
    lrn: LRN = "alexnet"
    weights: Weights = "gaussian"  # alexnet
    bias: float = 1.0  # alexnet: of convolutions 2, 4, 5 and the hidden layers, before training
    normalisation: Literal["imagenet", "gcn"] = "imagenet"  # of what a net sees

    def __post_init__(self) -> None:
        check_numbers("deeppose", self)
        hidden = self.hidden if self.window_hidden is None else min(self.hidden, self.window_hidden)
        sizes = (self.input, self.window, self.stages, self.draws, hidden, self.groups)
        if min(sizes) < 1 or min(self.sigma, self.smallest) <= 0:
            raise UserError(
                "deeppose: sizes, stages, draws, groups, sigma and smallest must be positive"
            )
        if min(self.translation, self.auxiliary) < 0:
            raise UserError("deeppose: translation and auxiliary must not be negative")
        if not 0 <= self.dropout < 1:
            raise UserError(f"deeppose: dropout {self.dropout:g} must be from 0 to less than 1")
        self._check_net()

    def _check_net(self) -> None:
        widths = (*self.channels, *(self.window_channels or ()))
        if self.net == "alexnet" and any(width % self.groups for width in widths):
            raise UserError(
                f"deeppose: groups {self.groups} must divide all channels {list(widths)}"
            )
        if self.head == "per_joint_net" and self.net not in ("alexnet", "compact"):
            raise UserError(
                f"deeppose: head per_joint_net needs net alexnet or compact, not {self.net}"
            )
        if self.trunk is not None and (self.net != "compact" or self.window_channels is None):
            raise UserError(
                "deeppose: trunk needs net compact, and window_channels for later stages"
            )
        if self.auxiliary and (self.net != "compact" or self.head == "per_joint_net"):
            raise UserError("deeppose: auxiliary needs net compact and head gather")

    @property
    def names(self) -> list[str]:
        """The stages, as in the paper's tables."""
        return [f"stage{s}" for s in range(1, self.stages + 1)]


def standardised(views: Tensor) -> Tensor:
    """Every channel of every view (..., h, w), 0 to 255, with mean 0 and standard deviation 1.

    A deviation of less than one grey level counts as one, so that an even view is 0.
    """
    centred = views - views.mean((-2, -1), keepdim=True)
    return centred / centred.square().mean((-2, -1), keepdim=True).sqrt().clamp(min=1)


def averaged(image: Tensor, box: Box, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """A crop (B, 3, H, W) with its box, small enough to be resampled to `side` px without a grain.

    As resampling averages 2 x 2 pixels and no more, the mean of k x k comes before it where the crop's
    shorter side is 2 k times `side`.
    """
    centre, size = box
    k = min(image.shape[-2:]) // (2 * side)
    if k < 2:
        return image, centre, size
    return F.avg_pool2d(image, k), (centre + 0.5) / k - 0.5, size / k


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


class LastMap(nn.Module):
    """A timm net's last map: (N, 3, side, side) -> (N, C, h, w), of stride 32."""

    def __init__(self, name: str, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone = Backbone(name, channels=channels)

    def forward(self, image: Tensor) -> Tensor:
        return self.backbone(image)[-1]


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
    if config.trunk is not None and not later:
        maps = LastMap(config.trunk, channels)
        last, left = channels[-1], -(-side // 32)
        inputs = last * left**2
        find = nn.Conv2d(last, J, 1) if config.auxiliary else None
        return Regressor(maps, inputs, hidden, outputs, config.dropout, 1, True, find)
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

    def first(self, image: Tensor, box: Box, cells: bool = False) -> tuple[Tensor, Tensor | None]:
        """psi of stage 1, (B, J, 2) sizes of the box; if asked, of `auxiliary`, cells (B, J, h, w)."""
        view = cut_windows(*averaged(image, box, self.config.input), self.config.input)[:, 0]
        outputs, places = self._look(1, view, cells)
        return outputs.unflatten(-1, (-1, 2))[:, 0], places

    def later(
        self, stage: int, image: Tensor, centre: Tensor, side: Tensor, cells: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """psi of a stage from 2 on, each joint's own.

        Args:
            image: (B, 3, H, W) float.
            centre: (B, D, J, 2) px, where the windows of joint J lie, of which it has D.
            side: their sides, px, broadcast to (B, D, J, 1).

        Returns:
            (B, D, J, 2) sides of the window; if asked, cells (B D J, J, h, w) of all joints.
        """
        D, J = centre.shape[1:3]
        size = side.expand(-1, D, J, 2).flatten(1, 2)
        windows = cut_windows(image, centre.flatten(1, 2), size, self.config.window)
        if self.config.head == "per_joint_net":
            views = windows.unflatten(1, (D, J)).flatten(0, 1).flatten(1, 2)  # (B D, J 3, h, w)
            return self._look(stage, views, False)[0].unflatten(0, (-1, D)), None
        outputs, places = self._look(stage, windows.flatten(0, 1), cells)
        psi = outputs.view(-1, J, J, 2)  # (B D, window of a joint, pair of outputs, 2)
        own = torch.arange(J, device=psi.device)
        return psi[:, own, own].unflatten(0, (-1, D)), places

    def _look(self, stage: int, view: Tensor, cells: bool) -> tuple[Tensor, Tensor | None]:
        """A stage's outputs (N, copies, outputs) for black-filled views (N, copies 3, h, w)."""
        copies = view.unflatten(1, (-1, 3))
        gcn = self.config.normalisation == "gcn"
        ready = standardised(copies) if gcn else self.normalise(copies)
        ready = ready.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        net: Any = self.nets[stage - 1]
        if not cells:
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
