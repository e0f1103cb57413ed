"""Multi-scale supervision thin enough for tests, and batches whose joints are known."""

import torch

from vitruvian.systems.contract import Batch
from vitruvian.systems.multiscale import MultiscaleConfig

THIN = MultiscaleConfig(crop=(32, 48), stacks=2, width=8, levels=2, scales=2)


def batch_of(xy, state, crop=(32, 48)):
    """Crops of noise with joints (B, J, 2) xy_crop and their states (B, J)."""
    B = len(xy)
    rng = torch.Generator().manual_seed(0)
    return Batch(
        image=torch.randint(0, 256, (B, 3, *crop), dtype=torch.uint8, generator=rng),
        joints=torch.tensor(xy),
        state=torch.tensor(state, dtype=torch.uint8),
        to_image=torch.eye(3)[:2].expand(B, 2, 3),
        key=torch.arange(B),
    )
