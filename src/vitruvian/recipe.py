"""What a training is, as one frozen value: written in Python, read from and shown as YAML.

A recipe names a system, its sizes and a list of fits; it never names data.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vitruvian.data.augment import Augment
from vitruvian.data.boxes import Start
from vitruvian.types import UserError

Positive = Annotated[float, Field(gt=0)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Optim(_Value):
    """An optimiser of PyTorch, or timm's Muon; `options` are its other arguments by their names there."""

    name: Literal["adamw", "adam", "sgd", "rmsprop", "adagrad", "muon"] = "adamw"
    lr: Positive = 1e-3
    weight_decay: float = Field(default=0.0, ge=0)
    decay_norms: bool = Field(
        default=True, description="weight decay also on biases and norm parameters"
    )
    options: dict[str, Any] = {}


class Schedule(_Value):
    """The factor on the rate; but for `plateau` a pure function of step / steps."""

    law: Literal["constant", "cosine", "drops", "plateau"] = "constant"
    warmup: float = Field(
        default=0.0, ge=0, lt=1, description="share of the steps with a rising rate"
    )
    floor: float = Field(default=0.0, ge=0, description="cosine: the factor that it falls towards")
    drops: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        default=(), description="drops: shares of the steps"
    )
    factor: float = Field(
        default=0.2, gt=0, lt=1, description="drops, plateau: what a drop multiplies by"
    )
    patience: int = Field(
        default=5, ge=1, description="plateau: evaluations on `tune` without a better score"
    )
    most_drops: int = Field(default=1, ge=0, description="plateau: how often the rate drops")


LAST = "last"


class Fit(_Value):
    """The training of one stage."""

    stage: str = Field(
        description="the system's name for it; last: the last one that its config has"
    )
    epochs: Positive = 1.0
    steps: int | None = Field(default=None, ge=1, description="instead of epochs")
    batch: int = Field(default=32, ge=1, description="persons per step, over all processes")
    accumulate: int = Field(
        default=1, ge=1, description="parts a batch is computed in, to save memory"
    )
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    clip: float | None = Field(default=None, gt=0, description="largest norm of the gradient")
    ema: float | None = Field(default=None, gt=0, lt=1, description="decay of the averaged weights")

    def planned_steps(self, persons: int) -> int:
        """How many steps the fit takes on that many training persons."""
        return self.steps or max(1, math.ceil(self.epochs * persons / self.batch))


class Recipe(_Value):
    """A training, complete."""

    name: str
    system: str
    config: dict[str, Any] = Field(description="sizes: the system's config, every field")
    skeleton: str = "lsp"
    augment: Augment = Augment()
    box: Start = Field(
        default="data",
        description="where crops are cut: data (the set's boxes), labelled, image, face or centre",
    )
    balance: Literal["none", "pose_types"] = Field(
        default="none",
        description="pose_types: persons are drawn so that each of three types is seen equally often",
    )
    fits: tuple[Fit, ...] = Field(min_length=1)
    init: str = Field(
        default="none", description="the backbone's weights: none, timm, a file, or another model's"
    )
    precision: Literal["fp32", "bf16"] = "fp32"
    evaluate_every: Positive = Field(default=1.0, description="epochs between scores on `tune`")
    seed: int = Field(default=0, ge=0)

    @field_validator("config")
    @classmethod
    def _plain(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Lists for tuples, so that a recipe equals what is read back from its YAML."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}

    @property
    def crop(self) -> tuple[int, int]:
        """(H, W) px of a crop."""
        if "crop" not in self.config:
            raise UserError(f"recipe {self.name!r}: config.crop: field required")
        H, W = self.config["crop"]
        return int(H), int(W)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: all that hold, so without the epochs of fits that end after their steps."""
        values = self.model_dump(mode="json")
        for fit in values["fits"]:
            if fit["steps"]:
                del fit["epochs"]
        return values

    def to_yaml(self) -> str:
        """The recipe as it stands in a run's folder."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)


def recipe_from_dict(values: Any, origin: str) -> Recipe:
    """A recipe from plain values.

    Raises:
        UserError: one line that names the key, what is wrong and, for an unknown key, the nearest one.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{origin}: {_first_fault(error)}") from None


def read_recipe(path: Path) -> Recipe:
    """A recipe from a YAML file.

    Raises:
        UserError: the file cannot be read, or is no recipe.
    """
    try:
        values = _load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(
            f"{path} is not a readable YAML file: {' '.join(str(error).split())}"
        ) from None
    return recipe_from_dict(values, str(path))


def override(recipe: Recipe, settings: list[str]) -> Recipe:
    """The recipe with some values replaced.

    Args:
        settings: such as "fits.0.optim.lr=1e-3" or "config.head=deconv"; values are read as YAML. A fit's
            epochs take the place of its steps.

    Raises:
        UserError: a key does not exist (the message names the nearest), or a value has the wrong type.
    """
    values = recipe.model_dump(mode="json")
    keys = [setting.partition("=")[0] for setting in settings]
    for number, fit in enumerate(values["fits"]):
        if f"fits.{number}.epochs" in keys:
            fit["steps"] = None
    replace_values(values, settings)
    return recipe_from_dict(values, "--set")


def replace_values(values: dict[str, Any], settings: Sequence[str], said: str = "--set ") -> None:
    """Replaces values in a tree of plain ones; arguments and errors as of `override`.

    Args:
        said: what messages begin with.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"{said}{setting}: write it as key.sub=value")
        place: Any = values
        *path, last = key.split(".")
        for part in path:
            place = place[_existing(place, part, said + key)]
        try:
            place[_existing(place, last, said + key)] = _load_yaml(text)
        except (ValueError, yaml.YAMLError):
            raise UserError(f"{said}{setting}: {text!r} is not readable as YAML") from None


def only(recipe: Recipe, stages: Sequence[str]) -> Recipe:
    """The recipe with no other fits than those of some stages; with all where none is named.

    Raises:
        UserError: the recipe has no fit of a stage.
    """
    known = [fit.stage for fit in recipe.fits]
    for stage in stages:
        if stage not in known:
            raise UserError(
                f"recipe {recipe.name!r} has no fit of stage {stage!r}, only of {', '.join(known)}"
            )
    kept = tuple(fit for fit in recipe.fits if fit.stage in stages)
    return recipe.model_copy(update={"fits": kept}) if stages else recipe


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number; YAML 1.1 wants 1.0e-3 and calls the rest text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _load_yaml(text: str) -> Any:
    return yaml.load(text, _Loader)


def _existing(place: Any, part: str, key: str) -> Any:
    """The key `part` of a dict, or the index of a list."""
    if isinstance(place, list):
        if part.isdecimal() and int(part) < len(place):
            return int(part)
        known = f"one of 0 to {len(place) - 1}" if place else "there: the list is empty"
        raise UserError(f"{key}: {part!r} is not {known}")
    if not isinstance(place, dict):
        raise UserError(f"{key}: {part!r} stands below a value that has no keys; set it whole")
    if not place:
        raise UserError(f"{key}: nothing is set there yet; set it whole, as {{{part}: ...}}")
    if part not in place:
        near = difflib.get_close_matches(part, place, 1, 0)
        raise UserError(f"{key}: no key {part!r}; nearest: {near[0]!r}")
    return part


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "a recipe"
    if fault["type"] == "missing":
        return f"{place}: {fault['msg'].lower()}"
    if fault["type"] == "extra_forbidden":
        model: Any = Recipe
        for part in fault["loc"][:-1]:
            inner = {"augment": Augment, "optim": Optim, "schedule": Schedule, "fits": Fit}
            model = inner.get(str(part), model)
        near = difflib.get_close_matches(str(fault["loc"][-1]), model.model_fields, 1, 0)
        return f"no key {place!r}; nearest: {near[0]!r}"
    return f"{place}: {fault['msg'].lower()}, got {fault['input']!r}"
