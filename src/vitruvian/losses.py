"""Losses over the joints that count. Each is divided by the batch size, so that N processes equal one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_over_counted(error: Tensor, counted: Tensor) -> Tensor:
    """The mean of error (B, J, ...) over its cells, summed over the joints counted (B, J), / (B J).

    A joint that is not counted adds nothing, whatever stands in `error` there (NaN included).
    """
    per_joint = error.flatten(2).mean(2) if error.dim() > 2 else error  # (B, J)
    return torch.where(counted, per_joint, 0).sum() / counted.numel()


def heatmap_mse(heatmaps: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Squared error of maps (B, J, h, w), mean over cells and joints; counted (B, J) bool."""
    difference = torch.where(counted[..., None, None], heatmaps.float() - target, 0)
    return mean_over_counted(difference.square(), counted)


def heatmap_cross_entropy(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Cross-entropy between the softmax over all cells and a target of mass <= 1, in nats.

    Args:
        logits: (B, J, h, w), any real values.
        target: (B, J, h, w), a density: a joint outside the map has less than mass 1 and so weighs less.
        counted: (B, J) bool.
    """
    log_probability = logits.float().flatten(2).log_softmax(-1)
    target = torch.where(counted[..., None, None], target, 0)
    entropy = -(target.flatten(2) * log_probability).sum(-1)  # (B, J)
    return mean_over_counted(entropy, counted)


def sigmoid_cross_entropy(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Cross-entropy between the sigmoid of every cell and a target of 0 to 1, in nats.

    Args:
        logits, target: (B, J, h, w); the mean over cells and joints is taken.
        counted: (B, J) bool.
    """
    target = torch.where(counted[..., None, None], target, 0)
    error = F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return mean_over_counted(error, counted)
