"""Part heatmaps thin enough for tests, and batches whose joints are known."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from vitruvian.systems.contract import Batch
from vitruvian.systems.part_heatmaps import PartHeatmapsConfig

THIN = PartHeatmapsConfig(
    crop=(64, 96), backbone="resnet18", channels=(4, 6, 8, 10), width=8, levels=2, sigma=3, stride=2
)
THIN_VGG = replace(
    THIN,
    backbone="vgg11_bn",
    channels=(4, 4, 6, 6, 8),
    hidden=12,
    hidden_kernel=3,
    regressor="large_kernels",
    widths=(6, 8, 8),
    kernels=(5, 3),
    weights="he",
)
KINDS = pytest.mark.parametrize("config", [THIN, THIN_VGG], ids=["res", "vgg"])


def stirred(net, seed=0):
    """The net in eval mode with weights and statistics that are nowhere zero."""
    rng = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.3, generator=rng)
    return net.eval()


def batch_of(xy, state, crop=(64, 96)):
    """Black crops with joints (B, J, 2) xy_crop and their states (B, J)."""
    B = len(xy)
    return Batch(
        image=torch.zeros(B, 3, *crop, dtype=torch.uint8),
        joints=torch.tensor(xy),
        state=torch.tensor(state, dtype=torch.uint8),
        to_image=torch.eye(3)[:2].expand(B, 2, 3),
        key=torch.arange(B),
    )
