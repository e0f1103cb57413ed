"""Small sizes of every system, as cases that each test of the battery runs through."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

import tiny
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops, training_crops
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.learn.runner import new_net, system_and_config
from vitruvian.learn.train import set_trained
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.systems import SYSTEMS
from vitruvian.systems.contract import Batch, Stage, System, generator

THIN = {"crop": (64, 96), "backbone": "resnet18", "channels": (8, 16, 16, 24), "width": 16}
THIN_DEEP = {
    "crop": (64, 96),
    "net": "compact",
    "input": 40,
    "window": 24,
    "aspect": "pad",
    "channels": (8, 12, 16),
    "hidden": 32,
    "dropout": 0.1,
}
THIN_PARTS = {
    "crop": (64, 96),
    "backbone": "resnet18",
    "channels": (8, 12, 16, 24),
    "width": 16,
    "levels": 2,
    "radius": 5.0,
    "sigma": 3.0,
    "stride": 2,
}
THIN_PARTS_VGG = {
    "backbone": "vgg11_bn",
    "channels": (8, 8, 12, 16, 16),
    "hidden": 32,
    "hidden_kernel": 3,
    "dropout": 0.1,
    "regressor": "large_kernels",
    "widths": (12, 16, 16, 24),
    "kernels": (5, 7, 3),
    "weights": "he",
}
THIN_SCALES = {
    "crop": (64, 96),
    "stacks": 2,
    "width": 16,
    "levels": 2,
    "scales": 2,
    "nowhere": "middle",
}
THIN_NORMALIZED = {
    "crop": (64, 96),
    "grid": 4,
    "scale": 4,
    "backbone": "resnet18",
    "channels": (8, 12, 16, 24),
    "bias": -3.0,
    "width": 8,
    "kernels": (5, 7, 7),
    "refine_bias": -3.0,
}
# System -> sizes that train in seconds; a crop that is not square finds swapped rows and columns.
SMALL: dict[str, list[dict[str, Any]]] = {
    "resnet_fcn": [
        THIN | {"inner": 8},
        THIN
        | {
            "inner": 8,
            "lateral": True,
            "loss": "softmax",
            "missing": "mask",
            "offset": "local_mean",
        },
    ],
    "deeppose": [
        THIN_DEEP
        | {
            "cov": "full",
            "vary_size": True,
            "draws": 2,
            "loss": "l1",
            "inherit": True,
            "auxiliary": 0.5,
        },
        THIN_DEEP
        | {
            "stages": 2,
            "head": "per_joint_net",
            "aspect": "stretch",
            "translation": 0.1,
            "normalisation": "gcn",
        },
        {
            "crop": (64, 96),
            "stages": 2,
            "input": 68,
            "window": 60,
            "displacements": "mixed",
            "draws": 2,
            "channels": (8, 12, 16, 16, 12),
            "hidden": 32,
            "weights": "he",
            "bias": 0.1,
            "groups": 2,
        },
    ],
    "part_heatmaps": [
        THIN_PARTS,
        THIN_PARTS | {"variant": "detection", "output_stride": 8, "bias": -3.0, "missing": "zero"},
        THIN_PARTS | {"variant": "regression", "foreground": 4.0, "reduction": "sum"},
        THIN_PARTS | THIN_PARTS_VGG | {"crop": (60, 92)},
        THIN_PARTS
        | THIN_PARTS_VGG
        | {
            "variant": "regression_regression",
            "stack": "features",
            "downsample": "input_quarter",
            "sigma": 10.0,
            "stride": 4,
        },
    ],
    "multiscale": [
        THIN_SCALES,
        THIN_SCALES
        | {
            "stacks": 1,
            "levels": 3,
            "scales": 3,
            "feed_scales": True,
            "regressor": "after",
            "regressor_scales": "all",
            "target_scale": "rerender",
            "reduction": "mean",
            "foreground": 4.0,
            "sigma": 1.0,
        },
        THIN_SCALES
        | {
            "stacks": 1,
            "regressor": "detached",
            "regressor_form": "convs",
            "regressor_scales": "all",
            "target_scale": "avgpool",
            "missing": "mask",
            "offset": "local_mean",
        },
        THIN_SCALES | {"scales": 1, "regressor": "none", "recompute": True, "window": None},
    ],
    "normalized": [
        THIN_NORMALIZED,
        THIN_NORMALIZED
        | {
            "grid": 8,
            "scale": 8,
            "backbone": "vgg11_bn",
            "channels": (8, 8, 12, 16, 16),
            "hidden": 32,
            "hidden_kernel": 3,
            "dropout": 0.1,
            "supervision": "extra",
            "loss_grid": "input",
            "branches": "types",
            "types": 1,
            "angles": "truth",
            "root_merge": "mean",
            "foreground": 1.0,
        },
        THIN_NORMALIZED
        | {
            "detector": "resnet",
            "intermediate": True,
            "refine": "st1",
            "branches": "multi",
            "types": 1,
            "background": "none",
            "pad": 0.5,
            "upright_angle": 30.0,
        },
        THIN_NORMALIZED
        | {
            "detector": "hourglass",
            "stacks": 2,
            "features": 16,
            "levels": 2,
            "width": 16,
            "body_norm": False,
            "limb_norm": False,
            "root_merge": "limb",
            "offset": "both_axes",
        },
    ],
}


@dataclass(frozen=True)
class Case:
    """A system with small sizes, and a skeleton to build it for."""

    system: System
    config: Any
    skeleton: Skeleton

    def net(self) -> nn.Module:
        return new_net(self.system, self.config, self.skeleton, seed=0)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self.system.stages(self.config)

    def people(self) -> People:
        return people_of(self.skeleton)

    def batch(self) -> Batch:
        return batch_of(self.skeleton, self.config.crop)

    def plain(self) -> list[Batch]:
        people = self.people()
        crops = plain_crops(people, people.box, *self.config.crop, 8, Skipped(), 0)
        return [Batch.of(c) for c in crops]


@cache
def people_of(skeleton: Skeleton) -> People:
    if skeleton is tiny.FIGURE:
        return tiny.blobs(16)
    return figures(16, 1, skeleton, side=96, missing=0.1)


@cache
def batch_of(skeleton: Skeleton, crop: tuple[int, int]) -> Batch:
    people = people_of(skeleton)
    return Batch.of(next(training_crops(people, Augment(), *crop, 8, 0, Skipped(), workers=0)))


def cases() -> list[Any]:
    made = {
        f"{name}-{number}": Case(*system_and_config(name, values, "SMALL"), LSP)
        for name in SYSTEMS
        for number, values in enumerate(SMALL.get(name, []))
    }
    for system, config in (
        (tiny.HEATMAPS, tiny.HeatmapsConfig()),
        (tiny.HEAD_ONLY, tiny.HeatmapsConfig()),
        (tiny.CASCADE, tiny.CascadeConfig(stages=1)),
        (tiny.CASCADE, tiny.CascadeConfig(stages=3)),
    ):
        made[f"{system.name}-{len(system.stages(config))}"] = Case(system, config, tiny.FIGURE)
    return [pytest.param(case, id=name) for name, case in made.items()]


every_case = pytest.mark.parametrize("case", cases())


def as_if_trained(net: nn.Module) -> None:
    for name, count in net.named_buffers():
        if name.endswith("num_batches_tracked"):
            count.fill_(1)


def begin(case: Case, net: nn.Module, stage: Stage) -> None:
    """What the loop does before a fit's first step, where the stages before it have been trained."""
    as_if_trained(net)
    if stage.before:
        with torch.no_grad():
            stage.before(net.eval(), case.plain(), generator(0))
    set_trained(net, stage.trains)


def module_modes(net: nn.Module) -> dict[str, bool]:
    return {path: module.training for path, module in net.named_modules()}
