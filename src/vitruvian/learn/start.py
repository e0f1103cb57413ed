"""What a net's weights are before the first step: random, a published backbone's, or another model's."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vitruvian.models import find_model, read_model, read_weights
from vitruvian.nn.backbones import Backbone, published_weights
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError


def init_backbone(net: nn.Module, init: str) -> str:
    """Puts weights into every backbone of the net; one line that says what was taken.

    Args:
        init: "none", "timm" (its published weights; needs a network or its cache) or a safetensors file.

    Raises:
        UserError: the weights cannot be had, or fit nothing.
    """
    if init == "none":
        return ""
    backbones = [module for module in net.modules() if isinstance(module, Backbone)]
    if not backbones:
        raise UserError(f"init={init}: this system has no backbone; set init=none")
    for backbone in backbones:
        weights = published_weights(backbone.name) if init == "timm" else _read(Path(init))
        own = backbone.net.state_dict()
        fitting = {n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}
        if not fitting:
            raise UserError(f"init={init}: no tensor fits backbone {backbone.name!r}")
        backbone.net.load_state_dict(fitting, strict=False)
        line = f"init={init}: {len(fitting)} of {len(own)} tensors of {backbone.name} taken"
    return line


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        raise UserError(f"init: {path} is not a readable safetensors file") from None


def take_from(net: nn.Module, skeleton: Skeleton, model: str) -> str:
    """Starts from another model's weights, joints matched by name; says what was taken.

    A tensor of the same shape is copied. One that differs only in an axis as long as the other model's
    number of joints is copied joint by joint; joints that the other model lacks keep their new weights.

    Raises:
        UserError: there is no such model, or nothing of it fits.
    """
    folder = find_model(model)
    info = read_model(folder)
    other = {name: torch.from_numpy(value) for name, value in read_weights(folder).items()}
    own = net.state_dict()
    shared = [joint for joint in skeleton.joint_names if joint in info.skeleton.joint_names]
    same = skeleton.joint_names == info.skeleton.joint_names
    whole, matched = 0, 0
    for name, value in own.items():
        if name not in other:
            continue
        if value.shape == other[name].shape and (same or not _has_joints(value, skeleton)):
            value.copy_(other[name])
            whole += 1
        elif _copy_joints(value, other[name], skeleton, info.skeleton, shared):
            matched += 1
    if not whole + matched:
        raise UserError(f"--from {model}: none of its tensors fits; is it of the same system?")
    new = len(own) - whole - matched
    line = f"from {model}: {whole} tensors taken whole, {matched} joint by joint, {new} new"
    if lacking := [joint for joint in skeleton.joint_names if joint not in shared]:
        line += f"; joints that are new: {', '.join(lacking)}"
    return line


def _has_joints(value: Tensor, skeleton: Skeleton) -> bool:
    return value.dim() > 0 and len(skeleton) == value.shape[0]


def _copy_joints(
    value: Tensor, other: Tensor, skeleton: Skeleton, of: Skeleton, shared: list[str]
) -> bool:
    """Copies the rows of shared joints when the first axes are the two skeletons' joints."""
    if value.dim() == 0 or value.shape[1:] != other.shape[1:] or not shared:
        return False
    if (value.shape[0], other.shape[0]) != (len(skeleton), len(of)):
        return False
    value[skeleton.index(*shared)] = other[of.index(*shared)]
    return True
