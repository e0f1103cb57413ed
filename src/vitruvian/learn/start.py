"""What a net's weights are before the first step: random, a published backbone's, or another model's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vitruvian.models import DataUsed, ModelInfo, find_model, read_model, read_weights
from vitruvian.nn.backbones import Backbone, published_name, published_weights
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import System, build
from vitruvian.types import UserError


@dataclass(frozen=True)
class Origin:
    """What a net's weights are before its first step."""

    said: str  # what was taken, a line each
    learnt: tuple[DataUsed, ...]  # by the models it starts from
    other: ModelInfo | None  # the model that `start_from` names
    hours: float | None  # of training those models; None: not known


def begin(system: System, net: Any, init: str, start_from: str | None) -> Origin:
    """Takes a backbone's weights, then those of another model.

    Raises:
        UserError: as `init_backbone` and `take_from`.
    """
    line, backbone = init_backbone(net, init)
    lines, other = [line], None
    if start_from:
        line, other = take_from(system, net, start_from)
        lines.append(line)
    models = [model for model in (backbone, other) if model is not None]
    learnt = dict.fromkeys(data for model in models for data in model.data)
    known = [model.hours for model in models if model.hours is not None]
    total = sum(known) if len(known) == len(models) and init != "timm" else None
    return Origin("\n".join(filter(None, lines)), tuple(learnt), other, total)


def init_backbone(net: nn.Module, init: str) -> tuple[str, ModelInfo | None]:
    """Puts weights into every backbone of the net.

    Args:
        init: "none", "timm" (its published weights; needs a network or its cache), a safetensors file
            whose names are timm's, or a model by folder or name, of whatever system, whose first
            backbone is taken.

    Returns:
        What was taken, in one line, and the other model where there is one.

    Raises:
        UserError: the weights cannot be had, or fit nothing.
    """
    if init == "none":
        return "", None
    backbones = [module for module in net.modules() if isinstance(module, Backbone)]
    if not backbones:
        raise UserError(f"init={init}: this system has no backbone; set init=none")
    info = None if init == "timm" or init.endswith(".safetensors") else read_model(find_model(init))
    for backbone in backbones:
        own = backbone.net.state_dict()
        weights = _weights_for(backbone.name, own, init, info)
        fitting = {n: v for n, v in weights.items() if n in own and own[n].shape == v.shape}
        if not fitting:
            raise UserError(f"init={init}: no tensor fits backbone {backbone.name!r}")
        backbone.net.load_state_dict(fitting, strict=False)
        name = published_name(backbone.name) if init == "timm" else backbone.name
        line = f"init={init}: {len(fitting)} of {len(own)} tensors of {name} taken"
    return line, info


def _weights_for(
    name: str, own: dict[str, Tensor], init: str, info: ModelInfo | None
) -> dict[str, Tensor]:
    """Tensors by the names that they have in the backbone `name`, whose are `own`."""
    if init == "timm":
        return published_weights(name)
    if info is None:
        return _read(Path(init))
    first = next(iter(own))
    tensors = read_weights(find_model(init))
    before = next((n.removesuffix(first) for n in tensors if n.endswith(f".{first}")), None)
    if before is None:
        raise UserError(f"init={init}: that model ({info.name}) has no backbone like {name!r}")
    return {
        n.removeprefix(before): torch.from_numpy(value)
        for n, value in tensors.items()
        if n.startswith(before)
    }


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        raise UserError(f"init: {path} is not a readable safetensors file") from None


def take_from(system: System, net: Any, model: str) -> tuple[str, ModelInfo]:
    """Starts from another model's weights, joints matched by name.

    A tensor without an axis of joints is copied where its shape is the same; one with such axes is
    copied joint by joint, and joints that the other model lacks keep their new weights.

    Returns:
        What was taken, in one line, and the other model.

    Raises:
        UserError: there is no such model, or nothing of it fits.
    """
    folder = find_model(model)
    info = read_model(folder)
    other = {name: torch.from_numpy(value) for name, value in read_weights(folder).items()}
    skeleton: Skeleton = net.skeleton
    shared = [joint for joint in skeleton.joint_names if joint in info.skeleton.joint_names]
    axes = _joint_axes(system, net.config, skeleton)
    own = net.state_dict()
    whole = matched = 0
    for name, value in own.items():
        source = other.get(name)
        if source is None or source.dim() != value.dim():
            continue
        if axes[name]:
            places = [skeleton.index(*shared), info.skeleton.index(*shared)]
            joints = (len(skeleton), len(info.skeleton))
            matched += _copy_joints(value, source, axes[name], places, joints)
        elif source.shape == value.shape:
            value.copy_(source)
            whole += 1
    if not whole + matched:
        raise UserError(f"--from {model}: none of its tensors fits; is it of the same system?")
    new = len(own) - whole - matched
    line = f"from {model}: {whole} tensors taken whole, {matched} joint by joint, {new} new"
    if lacking := [joint for joint in skeleton.joint_names if joint not in shared]:
        line += f"; joints that are new: {', '.join(lacking)}"
    return line, info


def _joint_axes(system: System, config: Any, skeleton: Skeleton) -> dict[str, dict[int, int]]:
    """For each tensor its axes that grow with the joints, and by how much a joint: seen by adding one."""
    longer = replace(skeleton, name="longer", joint_names=(*skeleton.joint_names, "one more"))
    with torch.device("meta"):
        small, large = (build(system, config, s).state_dict() for s in (skeleton, longer))
    return {
        name: {
            i: b - a
            for i, (a, b) in enumerate(zip(t.shape, large[name].shape, strict=True))
            if b > a
        }
        for name, t in small.items()
    }


def _copy_joints(
    value: Tensor,
    source: Tensor,
    axes: dict[int, int],
    shared: list[list[int]],
    joints: tuple[int, int],
) -> bool:
    """Copies shared joints along every axis of joints; False when other axes differ.

    Along such an axis a joint's entries stand together, and what is no joint's (a background map, an
    image's channels) comes after all joints.

    Args:
        axes: axis -> entries a joint has there.
        shared: the shared joints' positions in the two skeletons, that of `value` first.
        joints: how many the two skeletons have.
    """
    places: tuple[list[Tensor], list[Tensor]] = ([], [])
    for axis, sizes in enumerate(zip(value.shape, source.shape, strict=True)):
        each = axes.get(axis, 0)
        rest = [size - each * count for size, count in zip(sizes, joints, strict=True)]
        if rest[0] != rest[1] or rest[0] < 0:  # some joints of a skeleton have no entries there
            return False
        for side in range(2):
            entries = torch.tensor(shared[side])[:, None] * each + torch.arange(each)
            after = torch.arange(rest[side]) + each * joints[side]
            places[side].append(torch.cat([entries.flatten().long(), after]))
    to, of = (torch.meshgrid(*side, indexing="ij") for side in places)
    value[to] = source[of]
    return True
