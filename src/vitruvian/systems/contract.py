"""What a published system is to every other room: a net, what a step costs, and an answer.

Axes and frames as in `vitruvian.types`. A system is data and functions; nothing inherits from anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from vitruvian.skeleton import Skeleton
from vitruvian.types import Crops, UserError


@dataclass(frozen=True)
class Batch:
    """A batch of crops on the device of the net."""

    image: Tensor  # (B, 3, H, W) uint8 RGB, channels last in memory
    joints: Tensor  # (B, J, 2) float32 xy_crop
    state: Tensor  # (B, J) uint8, values of State
    to_image: Tensor  # (B, 2, 3) float32, xy_crop -> xy_image
    key: Tensor  # (B,) int64, names the sample; stays on the host, where it seeds draws

    @staticmethod
    def of(crops: Crops) -> Batch:
        """The crops that a loader made, without a copy."""
        arrays = {f.name: torch.from_numpy(getattr(crops, f.name)) for f in fields(Crops)}
        return Batch(**(arrays | {"image": arrays["image"].permute(0, 3, 1, 2)}))

    def to(self, device: torch.device | str) -> Batch:
        moved = {
            f.name: getattr(self, f.name).to(device, non_blocking=True)
            for f in fields(self)
            if f.name != "key"
        }
        return replace(self, **moved)

    def part(self, first: int, step: int) -> Batch:
        """Every `step`-th sample from `first` on."""
        return replace(self, **{f.name: getattr(self, f.name)[first::step] for f in fields(self)})

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True)
class Ask:
    """What a caller wants from `predict`."""

    flip: bool = False  # merge with the answer for the mirrored crop
    upto: str | None = None  # the last stage to take part, by name; None: all
    maps: bool = False  # return named intermediates too


@dataclass(frozen=True)
class Answer:
    """Poses of a batch of crops."""

    xy: Tensor  # (B, J, 2) xy_crop
    score: Tensor  # (B, J), 0 to 1
    maps: dict[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """One paragraph of a paper's training section."""

    name: str
    step: Callable[[Any, Batch, Generator], dict[str, Tensor]]  # named losses, each divided by B
    trains: tuple[str, ...]  # paths of modules, "" is the whole net
    before: Callable[[Any, Iterable[Batch], Generator], None] | None = (
        None  # once: buffers, first weights
    )


# The networks of a cascade alone, on inputs in memory: what the whole's speed is held against.
Passes = tuple[Callable[[], Any], ...]


@dataclass(frozen=True)
class System:
    """A published system: how it is built, how it learns, what it answers.

    `config` is a frozen dataclass of sizes that has `crop`, the (H, W) px of a crop. `build` takes it and
    a skeleton; the net keeps both as `config` and `skeleton`.
    """

    name: str
    config: type
    build: Callable[[Any, Skeleton], nn.Module]
    stages: Callable[[Any], tuple[Stage, ...]]
    predict: Callable[[Any, Tensor, Ask], Answer]
    needs: tuple[str, ...] = ()  # facts of the skeleton: "limbs" or names of reference lengths
    scores: str = "the confidence in a joint's place, not a calibrated probability"  # what they are
    passes: Callable[[Any, int], Passes] | None = None  # of a cascade, on inputs for so many crops
    # `predict` helped by the labels of the crops, a bound for evaluations; None: nothing to help with
    told: Callable[[Any, Batch, Ask], Answer] | None = None


def build(system: System, config: Any, skeleton: Skeleton) -> nn.Module:
    """A net with random weights.

    Raises:
        UserError: the skeleton lacks a fact that the system needs.
    """
    if lacking := [fact for fact in system.needs if not skeleton.has(fact)]:
        raise UserError(
            f"system {system.name!r} needs {', '.join(lacking)}, which skeleton {skeleton.name!r} does"
            " not define; add it to the skeleton's file"
        )
    return system.build(config, skeleton)


@torch.no_grad()
def predict(system: System, net: Any, image: Tensor, ask: Ask = Ask()) -> Answer:
    """Poses for crops (B, 3, H, W) uint8 RGB.

    Raises:
        UserError: `ask.upto` is no stage of the system.
    """
    check_stage(system, net.config, ask.upto)
    return system.predict(net, image, ask)


def check_numbers(system: str, config: Any) -> None:
    """What holds for the sizes of every system's config: numbers are finite, lists hold sizes from 1 on.

    Raises:
        UserError: a field is infinite or not a number, or a list is empty or holds less than 1.
    """
    for name in (field.name for field in fields(config)):
        value = getattr(config, name)
        each = tuple(value) if isinstance(value, tuple | list) else (value,)
        if any(isinstance(one, float) and not math.isfinite(one) for one in each):
            raise UserError(f"{system}: {name} is {value}; set config.{name} to a finite number")
        if isinstance(value, tuple | list) and (not each or min(each) < 1):
            raise UserError(
                f"{system}: {name} {list(each)} must be whole numbers from 1 on, and one at least;"
                f" set config.{name}"
            )


def check_stage(system: System, config: Any, name: str | None) -> None:
    """Whether a system has a stage; None is all of them.

    Raises:
        UserError: it does not; the message names those it has.
    """
    names = [stage.name for stage in system.stages(config)]
    if name not in (None, *names):
        raise UserError(f"system {system.name!r} has no stage {name!r}, only {', '.join(names)}")


def generator(*seeds: int) -> Generator:
    """A generator that depends on all the seeds, their order and their number."""
    sequence = np.random.SeedSequence((len(seeds), *seeds))  # which takes zeros at the end for none
    return Generator().manual_seed(int(sequence.generate_state(1)[0]))


def normal_per_sample(batch: Batch, shape: Iterable[int], rng: Generator) -> Tensor:
    """Standard normal (B, *shape); a draw depends on the sample's key, never on who holds it."""
    seed = int(torch.randint(2**31, (), generator=rng))
    draws = [torch.randn(*shape, generator=generator(seed, key)) for key in batch.key.tolist()]
    return torch.stack(draws).to(batch.joints.device)
