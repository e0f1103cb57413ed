"""A net as a `Runner`: crops in, poses out, as the exported graph gives them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from vitruvian.learn.devices import choose_device
from vitruvian.models import ModelInfo, read_weights
from vitruvian.recipe import LAST, Recipe
from vitruvian.skeleton import Skeleton
from vitruvian.systems import SYSTEMS
from vitruvian.systems.contract import Ask, Batch, System, build, check_stage, predict
from vitruvian.types import Crops, Runner, UserError
from vitruvian.use.heatmaps import MapRunner
from vitruvian.use.true_angles import ToldRunner


def system_and_config(name: str, values: dict[str, Any], origin: str) -> tuple[System, Any]:
    """A system by name and its config from plain values.

    Raises:
        UserError: no such system, an unknown size, or one of the wrong type.
    """
    if name not in SYSTEMS:
        raise UserError(f"{origin}: no system {name!r}, only {', '.join(SYSTEMS)}")
    system = SYSTEMS[name]
    known = list(system.config.__dataclass_fields__)  # type: ignore[attr-defined]
    if unknown := sorted(set(values) - set(known)):
        raise UserError(
            f"{origin}: system {name!r} has no size {unknown[0]!r}, only {', '.join(known)}"
        )
    try:
        return system, TypeAdapter(system.config).validate_python(values)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise UserError(
            f"{origin}: config.{place}: {fault['msg'].lower()}, got {fault['input']!r}"
        ) from None


def name_stages(recipe: Recipe) -> Recipe:
    """The recipe with a name for each stage that it calls "last".

    Raises:
        UserError: as `system_and_config`.
    """
    if all(fit.stage != LAST for fit in recipe.fits):
        return recipe
    system, config = system_and_config(recipe.system, recipe.config, recipe.name)
    name = system.stages(config)[-1].name
    fits = [f.model_copy(update={"stage": name}) if f.stage == LAST else f for f in recipe.fits]
    return recipe.model_copy(update={"fits": tuple(fits)})


def new_net(system: System, config: Any, skeleton: Skeleton, seed: int) -> nn.Module:
    """A net with weights drawn from `seed`, channels last."""
    torch.manual_seed(seed)
    net = build(system, config, skeleton)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def net_runner(
    system: System, net: nn.Module, device: torch.device, upto: str | None = None
) -> Runner:
    """The net's own `predict` as a runner, with the stages up to `upto`.

    Raises:
        UserError: the system has no such stage.
    """
    check_stage(system, net.config, upto)

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        crops = torch.from_numpy(image).to(device).permute(0, 3, 1, 2)
        answer = predict(system, net, crops, Ask(flip=flip, upto=upto))
        return answer.xy.float().cpu().numpy(), answer.score.float().cpu().numpy()

    return run


def net_maps(
    system: System, net: nn.Module, device: torch.device, upto: str | None = None
) -> MapRunner:
    """The net's own `predict` with the heatmaps that its answer is made of, in the order of their making.

    Intermediates that are no heatmaps of the skeleton's joints are left out.
    """
    J = len(net.skeleton)  # type: ignore[arg-type]

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        crops = torch.from_numpy(image).to(device).permute(0, 3, 1, 2)
        answer = predict(system, net, crops, Ask(flip=flip, upto=upto, maps=True))
        found = {
            name: maps.float().cpu().numpy()
            for name, maps in answer.maps.items()
            if maps.dim() == 4 and maps.shape[1] in (J, J + 1)
        }
        return answer.xy.float().cpu().numpy(), answer.score.float().cpu().numpy(), found

    return run


def load_net(folder: Path, info: ModelInfo) -> tuple[System, nn.Module]:
    """The net of a model folder, in eval mode on the CPU.

    Raises:
        UserError: the weights do not fit the architecture that the folder names.
    """
    system, config = system_and_config(info.system, info.config, str(folder))
    net = new_net(system, config, info.skeleton, seed=0)
    weights = {name: torch.from_numpy(value) for name, value in read_weights(folder).items()}
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise UserError(
            f"{folder}: the weights do not fit system {info.system!r}: {first}"
        ) from None
    return system, net.eval()


def torch_runner(folder: Path, info: ModelInfo, device: str = "auto") -> Runner:
    """A model folder run by PyTorch."""
    system, net = load_net(folder, info)
    chosen = choose_device(device)
    return net_runner(system, net.to(chosen), chosen, info.predict.upto)


def torch_maps(folder: Path, info: ModelInfo, device: str = "auto") -> MapRunner:
    """A model folder run by PyTorch, with its heatmaps."""
    system, net = load_net(folder, info)
    chosen = choose_device(device)
    return net_maps(system, net.to(chosen), chosen, info.predict.upto)


def torch_told(folder: Path, info: ModelInfo, device: str = "auto") -> ToldRunner:
    """A model folder run by PyTorch, helped by the labels of the crops.

    Raises:
        UserError: the system answers without such help, or as `load_net`.
    """
    system, net = load_net(folder, info)
    if (told := system.told) is None:
        raise UserError(f"system {info.system!r} turns no maps: leave --true-angles out")
    ask, chosen = Ask(upto=info.predict.upto), choose_device(device)
    check_stage(system, net.config, ask.upto)
    net = net.to(chosen)

    @torch.no_grad()
    def run(crops: Crops, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        answer = told(net, Batch.of(crops).to(chosen), replace(ask, flip=flip))
        return answer.xy.float().cpu().numpy(), answer.score.float().cpu().numpy()

    return run
