"""Two tiny systems and a tiny data set: what the tests of the contract and of the loop train.

Axes and frames as in `vitruvian.types`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vitruvian import codecs, geometry, losses
from vitruvian.data.people import People
from vitruvian.learn.devices import Place
from vitruvian.learn.report import Report
from vitruvian.learn.runner import new_net
from vitruvian.learn.session import Session
from vitruvian.nn.blocks import Normalise, conv_norm
from vitruvian.recipe import Fit, Optim, Recipe
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Answer, Ask, Batch, Stage, System, normal_per_sample
from vitruvian.types import State

torch.set_num_threads(1)  # sums then have one order, and the tests one speed

FIGURE = Skeleton(
    name="figure",
    joint_names=("neck", "hip", "left_wrist", "right_wrist"),
    flip_pairs=(("left_wrist", "right_wrist"),),
    limbs=(("neck", "left_wrist"), ("neck", "right_wrist")),
    references={"torso": ("neck", "hip")},
    reference="torso",
)
HAND = Skeleton("hand", ("palm", "thumb"))  # has no fact that a system may need


# ---- heatmaps in one stage ----------------------------------------------------------------------
@dataclass(frozen=True)
class HeatmapsConfig:
    crop: tuple[int, int] = (64, 48)  # H, W px
    channels: int = 16
    sigma: float = 1.0  # cells


class HeatmapNet(nn.Module):
    """uint8 RGB (B, 3, H, W) -> heatmaps (B, J, h, w)."""

    stride = 4  # px per cell

    def __init__(self, config: HeatmapsConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton, C = config, skeleton, config.channels
        self.normalise = Normalise()
        self.trunk = nn.Sequential(
            *(conv_norm(3, C, 3, 2), nn.ReLU(), conv_norm(C, C, 3, 2), nn.ReLU()),
            *(conv_norm(C, C, 5), nn.ReLU(), nn.Dropout2d(0.1)),
        )
        self.head = nn.Conv2d(C, len(skeleton), 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.trunk(self.normalise(image)))


def heatmaps_step(net: HeatmapNet, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    heatmaps = net(batch.image)
    xy_cell = geometry.px_to_cell(batch.joints, net.stride)
    target = codecs.encode_gaussians(xy_cell, *heatmaps.shape[-2:], net.config.sigma)
    located = batch.state >= State.OCCLUDED
    return {"heatmaps": losses.heatmap_mse(heatmaps, target, located)}


def heatmaps_predict(net: HeatmapNet, image: Tensor, ask: Ask) -> Answer:
    heatmaps = net(image).float()
    if ask.flip:
        mirrored = codecs.flip_maps(net(image.flip(-1)).float(), net.skeleton.swap)
        heatmaps = (heatmaps + mirrored) / 2
    xy_cell, score = codecs.decode_heatmaps(heatmaps, "both_axes")
    maps = {"heatmaps": heatmaps} if ask.maps else {}
    return Answer(geometry.cell_to_px(xy_cell, net.stride), score.clamp(0, 1), maps)


HEATMAPS = System(
    name="tiny_heatmaps",
    config=HeatmapsConfig,
    build=HeatmapNet,
    stages=lambda config: (Stage("heatmaps", heatmaps_step, trains=("",)),),
    predict=heatmaps_predict,
)
HEAD_ONLY = replace(
    HEATMAPS,
    name="tiny_head",
    stages=lambda config: (Stage("head", heatmaps_step, trains=("head",)),),
)


# ---- a cascade: every refinement sees only a window around each joint ---------------------------
@dataclass(frozen=True)
class CascadeConfig:
    crop: tuple[int, int] = (64, 48)  # H, W px
    stages: int = 3  # the initial regression and the refinements
    side: float = 0.8  # of a window, torsos
    window: int = 16  # rows and columns of a resampled window

    @property
    def names(self) -> list[str]:
        return ["initial", *(f"refine_{s}" for s in range(1, self.stages))]


def regressor(height: int, width: int, J: int) -> nn.Sequential:
    """Images (N, 3, height, width) -> (N, J, 2)."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 16, 5, 2, 2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(height * width, 2 * J), nn.Unflatten(1, (J, 2))),
    )


class Cascade(nn.Module):
    """uint8 RGB (B, 3, H, W) -> poses xy_crop (B, J, 2) after each stage."""

    shift_mean: Tensor  # (S - 1, J, 2) torsos: what the stages before get wrong; `before` writes it
    shift_std: Tensor

    def __init__(self, config: CascadeConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton, J = config, skeleton, len(skeleton)
        self.normalise = Normalise()
        self.initial = regressor(*config.crop, J)
        refinements = range(config.stages - 1)
        self.refine = nn.ModuleList(regressor(config.window, config.window, J) for _ in refinements)
        self.register_buffer("shift_mean", torch.zeros(len(refinements), J, 2))
        self.register_buffer("shift_std", torch.zeros(len(refinements), J, 2))

    def torso(self, xy_crop: Tensor) -> Tensor:
        """Lengths in px: (B, J, 2) -> (B, 1, 1), at least 1."""
        start, end = self.skeleton.length("torso")
        return (xy_crop[:, start] - xy_crop[:, end]).norm(dim=-1).clamp(min=1)[:, None, None]

    def start(self, crop: Tensor) -> Tensor:
        """The initial pose (B, J, 2) xy_crop in a normalised crop."""
        H, W = crop.shape[-2:]
        return geometry.norm_to_px(self.initial(crop).float(), crop.new_tensor([W, H]))

    def correct(self, s: int, crop: Tensor, xy_crop: Tensor, torso: Tensor) -> Tensor:
        """Every joint (B, J, 2) moved by what refinement s, from 1, sees around it."""
        windows = cut_windows(crop, xy_crop, self.config.side * torso, self.config.window)
        J = xy_crop.shape[1]
        shift = self.refine[s - 1](windows.flatten(0, 1)).unflatten(0, (-1, J))  # (B, J, J, 2)
        own = torch.arange(J, device=xy_crop.device)
        return xy_crop + shift[:, own, own] * torso

    def forward(self, image: Tensor, stages: int) -> list[Tensor]:
        crop = self.normalise(image)
        poses = [self.start(crop)]
        for s in range(1, stages):
            poses.append(self.correct(s, crop, poses[-1], self.torso(poses[-1])))
        return poses


def cut_windows(crop: Tensor, centre: Tensor, side: Tensor, size: int) -> Tensor:
    """Squares of side (B, 1, 1) px about centres (B, J, 2) px, resampled; zeros outside the crop.

    Returns:
        (B, J, 3, size, size).
    """
    H, W = crop.shape[-2:]
    cells = torch.arange(size, device=crop.device)
    offset = geometry.px_to_norm(cells, size) * side  # (B, 1, size) px
    x = (centre[..., :1] + offset)[:, :, None, :].expand(-1, -1, size, -1)  # (B, J, h, w)
    y = (centre[..., 1:] + offset)[:, :, :, None].expand(-1, -1, -1, size)
    grid = 2 * geometry.px_to_norm(torch.stack([x, y], -1), crop.new_tensor([W, H]))
    windows = F.grid_sample(crop, grid.flatten(1, 2), align_corners=False)  # (B, 3, J h, w)
    return windows.unflatten(2, (-1, size)).transpose(1, 2)


def wrong(net: Cascade, batch: Batch, poses: Tensor) -> tuple[Tensor, Tensor]:
    """Errors (B, J, 2) of poses in torsos, and where (B, J) they are known: joint and torso are."""
    located = batch.state >= State.OCCLUDED
    known = located & located[:, net.skeleton.length("torso")].all(1, keepdim=True)
    return (poses - batch.joints) / net.torso(batch.joints), known


def initial_step(net: Cascade, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    error, known = wrong(net, batch, net(batch.image, 1)[-1])
    return {"initial": losses.mean_over_counted(error.square(), known)}


def refine_step(s: int, net: Cascade, batch: Batch, rng: Generator) -> dict[str, Tensor]:
    torso = net.torso(batch.joints)
    draws = normal_per_sample(batch, batch.joints.shape[1:], rng)
    shift = net.shift_mean[s - 1] + net.shift_std[s - 1] * draws  # (B, J, 2) torsos
    poses = net.correct(s, net.normalise(batch.image), batch.joints + shift * torso, torso)
    error, known = wrong(net, batch, poses)
    return {f"refine_{s}": losses.mean_over_counted(error.square(), known)}


def measure_shifts(s: int, net: Cascade, batches: Iterable[Batch], rng: Generator) -> None:
    """Mean and deviation of the errors before refinement s, per joint and axis."""
    measured = [wrong(net, batch, net(batch.image, s)[-1]) for batch in batches]
    shift = torch.cat(
        [torch.where(known[..., None], error, torch.nan) for error, known in measured]
    )
    net.shift_mean[s - 1] = shift.nanmean(0)
    net.shift_std[s - 1] = (shift - shift.nanmean(0)).square().nanmean(0).sqrt()


def cascade_stages(config: CascadeConfig) -> tuple[Stage, ...]:
    return (
        Stage("initial", initial_step, trains=("initial",)),
        *(
            Stage(
                name=f"refine_{s}",
                step=partial(refine_step, s),
                trains=(f"refine.{s - 1}",),
                before=partial(measure_shifts, s),
            )
            for s in range(1, config.stages)
        ),
    )


def cascade_predict(net: Cascade, image: Tensor, ask: Ask) -> Answer:
    names = net.config.names
    stages = names.index(ask.upto or names[-1]) + 1
    poses = net(image, stages)
    if ask.flip:
        mirrored = [mirror(pose, net, image.shape[-1]) for pose in net(image.flip(-1), stages)]
        poses = [(a + b) / 2 for a, b in zip(poses, mirrored, strict=True)]
    maps = dict(zip(names, poses, strict=False)) if ask.maps else {}
    return Answer(poses[-1], torch.ones_like(poses[-1][..., 0]), maps)


def mirror(xy_crop: Tensor, net: Cascade, width: int) -> Tensor:
    """Poses (B, J, 2) of a mirrored crop, as they would stand for the crop itself."""
    x, y = xy_crop[:, net.skeleton.swap].unbind(-1)
    return torch.stack([geometry.flip_x(x, width), y], -1)


CASCADE = System(
    name="tiny_cascade",
    config=CascadeConfig,
    build=Cascade,
    stages=cascade_stages,
    predict=cascade_predict,
    needs=("torso",),
)


# ---- data --------------------------------------------------------------------------------------
def blobs(count: int = 64, seed: int = 0, height: int = 64, width: int = 48) -> People:
    """People who face the viewer, a blob for each joint, in pictures that are their own crops.

    The wrists look alike: only their place tells left from right. Some joints are occluded (not
    painted) and some are missing. The last quarter is "tune".
    """
    rng, J = np.random.default_rng([seed]), len(FIGURE)
    scale = np.array([width / 48, height / 64])
    offset = np.array([[0, 0], [0, 1], [0.5, 0.6], [-0.5, 0.6]])  # torsos
    offset = offset + rng.uniform(-0.2, 0.2, (count, J, 2))
    neck = np.stack([rng.uniform(18, 30, (count, 1)), rng.uniform(14, 24, (count, 1))], -1)
    joints = ((neck + offset * rng.uniform(16, 24, (count, 1, 1))) * scale).astype(np.float32)
    states = np.array([State.MISSING, State.OCCLUDED, State.VISIBLE], np.uint8)
    state = rng.choice(states, (count, J), p=(0.03, 0.03, 0.94))
    maps = codecs.encode_gaussians(torch.from_numpy(joints), height, width, 2.5 * scale.min())
    maps = maps.numpy() * (state != State.OCCLUDED)[..., None, None]  # (N, J, H, W)
    colour = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], np.float32)
    images = 220 * np.einsum("njhw,jc->nhwc", maps, colour).clip(0, 1)
    images = (images + rng.uniform(0, 30, images.shape)).astype(np.uint8)
    rows = np.arange(count)
    located = (state >= State.OCCLUDED)[..., None]
    return People(
        name="blobs",
        skeleton=FIGURE,
        joints=np.where(located, joints, np.float32(0)),
        state=state,
        box=np.tile(geometry.whole_image(height, width), (count, 1)),
        key=rows.astype(np.int64),
        photo=lambda row, factor: (images[row], 1),
        label=lambda row: f"blobs {row}",
        size=lambda row: (height, width),
        subsets={"train": rows[: count - count // 4], "tune": rows[count - count // 4 :]},
        provenance=f"{count} rendered blobs, seed {seed}",
    )


# ---- a training --------------------------------------------------------------------------------
SGD = Optim(name="sgd", lr=0.002, options={"momentum": 0.9})


def session(
    folder: Path,
    system: System,
    config: Any,
    people: People,
    *fits: Fit,
    seed: int = 0,
    evaluate_every: float = 1000.0,
    where: Place = Place(torch.device("cpu")),  # noqa: B008
    workers: int = 0,
    **more: Any,
) -> Session:
    """A session with a new net, all of whose files are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(
        name="tiny",
        system=system.name,
        config=asdict(config),
        skeleton=people.skeleton.name,
        fits=fits,
        evaluate_every=evaluate_every,
        seed=seed,
    )
    return Session(
        system=system,
        net=new_net(system, config, people.skeleton, seed),
        recipe=recipe,
        people=people,
        folder=folder,
        where=where,
        report=Report(folder, quiet=True, silent=not where.first),
        workers=workers,
        **more,
    )


def seen(system: System, see: Callable[[nn.Module, Batch], None]) -> System:
    """The system, whose every step first calls `see`."""

    def watched(stage: Stage) -> Stage:
        def step(net: nn.Module, batch: Batch, rng: Generator) -> dict[str, Tensor]:
            see(net, batch)
            return stage.step(net, batch, rng)

        return replace(stage, step=step)

    return replace(system, stages=lambda config: tuple(map(watched, system.stages(config))))
