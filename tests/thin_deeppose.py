"""DeepPose thin enough for tests, a batch for it, and a net whose answer is known."""

import numpy as np
import torch
from torch import nn

from vitruvian.skeleton import LSP, Skeleton
from vitruvian.systems.contract import Batch
from vitruvian.systems.deeppose.net import DeepPose, DeepPoseConfig
from vitruvian.types import State

THIN = DeepPoseConfig(
    crop=(64, 96),
    net="compact",
    input=40,
    window=24,
    aspect="pad",
    channels=(6, 8, 10),
    hidden=16,
    dropout=0.0,
)
PAIR = Skeleton(
    "pair",
    ("right_shoulder", "left_hip", "left_shoulder", "right_hip"),
    flip_pairs=(("right_shoulder", "left_shoulder"), ("left_hip", "right_hip")),
    references={
        "torso": ("left_shoulder", "right_hip"),
        "torso_other": ("right_shoulder", "left_hip"),
    },
)


def new(config=THIN, skeleton=LSP, seed=0):
    """A net in eval mode with first weights."""
    torch.manual_seed(seed)
    return DeepPose(config, skeleton).eval()


def batch(B=6, J=14, H=64, W=96, seed=0):
    """Crops of noise, all of whose joints are visible."""
    rng = np.random.default_rng(seed)
    joints = rng.uniform(10, 54, (B, J, 2)).astype(np.float32)
    return Batch(
        image=torch.from_numpy(rng.integers(1, 256, (B, 3, H, W), np.uint8)),
        joints=torch.from_numpy(joints),
        state=torch.full((B, J), int(State.VISIBLE), dtype=torch.uint8),
        to_image=torch.eye(2, 3).expand(B, 2, 3),
        key=torch.arange(B),
    )


class Says(nn.Module):
    """A net whose answer is known: images (N, ...) -> `values` (N, outputs) or one row of them."""

    def __init__(self, values):
        super().__init__()
        self.values, self.seen = values, []

    def forward(self, image):
        self.seen.append(image)
        return self.values.expand(len(image), -1)[:, None]
