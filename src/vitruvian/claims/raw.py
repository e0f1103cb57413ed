"""What stays of a training: counts per photograph and joint, in a JSON file small enough to commit.

    format, id       of the file
    content          what was trained: `Training.content`, whose digest ends the id
    arm, command     its name, and the command that makes the file again
    made             versions, hardware and arithmetic, parameters, persons, images, seconds on the wall
                     and of the CPU
    recipe           the recipe, resolved
    persons          on whom was measured: name -> skeleton, n, rows (a checksum of who), state, angle
    measures         key -> persons, protocol, thresholds, planes

A plane is (n, J) or (n,) uint8, compressed by bz2 and written in base 85; `NONE` is where nothing is
counted. `state` holds values of `types.State`, `angle` the place of the torso's angle in
`measure.angles.BIN_NAMES`. A measure's planes:

    level            how many of `thresholds` the error exceeds
    swapped          1: on the mirrored joint and not on its own
    baseline         as level, of the mean pose
    peaks SET        1: the joint's heatmap has a second peak
    height, background   the heatmap's value at the joint, in 1/`HEIGHTS`, and its mean away from all
                     joints, in 1/`BACKGROUNDS`

Without training: `facts`, key -> value, low, high, n, and whatever else was measured under `about`.
"""

from __future__ import annotations

import base64
import bz2
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat

from vitruvian.claims.model import digest
from vitruvian.skeleton import find_skeleton
from vitruvian.types import UserError
from vitruvian.use.files import write_text

FORMAT = 1
NONE = 255
HEIGHTS, BACKGROUNDS = 50, 250
RAW = Path(__file__).parent / "raw"
# word of a measure's key -> planes beside the level
_PLANES = {
    "swaps": {"swapped"},
    "baseline": {"baseline"},
    "heights": {"height", "background"},
}


@dataclass(frozen=True)
class Persons:
    """On whom was measured: those in whom anything is scored."""

    skeleton: str
    rows: str  # a checksum of who they are, in their order
    state: np.ndarray  # (n, J) uint8
    angle: np.ndarray  # (n,) uint8

    def to_dict(self) -> dict[str, Any]:
        return {
            "skeleton": self.skeleton,
            "n": len(self.state),
            "rows": self.rows,
            "state": packed(self.state),
            "angle": packed(self.angle),
        }


@dataclass(frozen=True)
class Measured:
    """What one measure counted."""

    name: str  # of the persons
    persons: Persons
    protocol: str
    thresholds: tuple[float, ...]
    planes: Mapping[str, np.ndarray]

    def to_dict(self) -> dict[str, Any]:
        return {
            "persons": self.name,
            "protocol": self.protocol,
            "thresholds": list(self.thresholds),
            "planes": {name: packed(plane) for name, plane in self.planes.items()},
        }


@dataclass(frozen=True)
class Raw:
    """A raw file; planes are unpacked when they are asked for."""

    values: dict[str, Any] = field(repr=False)
    path: Path | None = None  # that it was read from

    @property
    def id(self) -> str:
        return str(self.values["id"])

    @property
    def keys(self) -> frozenset[str]:
        """What was measured."""
        return frozenset(self.values.get("measures", {}))

    @property
    def arithmetic(self) -> str:
        """What it was computed in, "bf16" or "fp32"."""
        return str(self.values["made"]["hardware"]).rpartition(", ")[2]

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        return dict(self.values.get("facts", {}))

    def measured(self, key: str) -> Measured:
        """What a measure counted.

        Raises:
            KeyError: there was no such measure.
            UserError: its planes are damaged.
        """
        if key not in self._measured:
            values = self.values["measures"][key]
            with _damage_is_said(self.path):
                self._measured[key] = self._unpacked(values)
        return self._measured[key]

    @cached_property
    def _measured(self) -> dict[str, Measured]:
        return {}

    def _unpacked(self, values: Mapping[str, Any]) -> Measured:
        name = str(values["persons"])
        persons = self._persons(name)
        planes = {n: unpacked(plane) for n, plane in values["planes"].items()}
        if any(plane.shape != persons.state.shape for plane in planes.values()):
            raise ValueError("planes of other persons or joints")
        return Measured(name, persons, values["protocol"], tuple(values["thresholds"]), planes)

    def _persons(self, name: str) -> Persons:
        values = self.values["persons"][name]
        state, angle = unpacked(values["state"]), unpacked(values["angle"])
        joints = len(find_skeleton(values["skeleton"]))
        if state.shape != (angle.size, joints) or angle.ndim != 1:
            raise ValueError("states of other persons or joints")
        return Persons(values["skeleton"], values["rows"], state, angle)

    def with_measured(self, found: Mapping[str, Measured]) -> Raw:
        """The file with more measures in it."""
        persons = self.values.get("persons", {}) | {
            m.name: m.persons.to_dict() for m in found.values()
        }
        measures = self.values.get("measures", {}) | {key: m.to_dict() for key, m in found.items()}
        return replace(self, values=self.values | {"persons": persons, "measures": measures})


class Store:
    """The folder of raw files."""

    def __init__(self, folder: Path = RAW) -> None:
        self.folder = folder
        self._read: dict[str, Raw] = {}

    def get(self, id: str) -> Raw | None:
        """A raw file; None: there is none.

        Raises:
            UserError: it is damaged.
        """
        path = self.folder / f"{id}.json"
        if id not in self._read and path.exists():  # another command may write it at any moment
            self._read[id] = read_raw(path)
        return self._read.get(id)

    def check(self) -> None:
        """Raises UserError where the folder cannot be written: before hours are spent."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.folder, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            raise UserError(f"{self.folder} cannot be written: give --raw FOLDER")

    def put(self, raw: Raw) -> Path:
        """Writes a raw file, whole or not at all.

        Raises:
            UserError: the folder cannot be written.
        """
        path = self.folder / f"{raw.id}.json"
        write_text(path, json.dumps(raw.values, indent=1, allow_nan=False) + "\n")
        self._read[raw.id] = raw
        return path

    def all(self) -> list[Raw]:
        """Every raw file, by name."""
        names = sorted(path.stem for path in self.folder.glob("*.json"))
        return [raw for name in names if (raw := self.get(name)) is not None]


def read_raw(path: Path) -> Raw:
    """A raw file.

    Raises:
        UserError: it is damaged, or of another format.
    """
    with _damage_is_said(path):
        values = json.loads(path.read_text(encoding="utf-8"))
        _check(values, path.stem)
    return Raw(values, path)


@contextmanager
def _damage_is_said(path: Path | None) -> Iterator[None]:
    """Whatever a damaged file raises becomes the one line that names it."""
    try:
        yield
    except (OSError, ValueError, OverflowError, UserError):
        if path is None:  # it was made here
            raise
        raise UserError(
            f"{path} is no raw file of this version: take it from its source again, or delete it and "
            "run its claim"
        ) from None


def _check(values: Any, name: str) -> None:
    """Raises ValueError where something is absent or of another kind; planes are not unpacked."""
    head = _File.model_validate(values)
    if head.format != FORMAT or head.id != name:
        raise ValueError(f"{head.id!r} of format {head.format}")
    if "facts" in values:
        _Facts.model_validate(values)
        return
    trained = _Trained.model_validate(values)
    if not name.endswith(f"-{digest(trained.content)}"):
        raise ValueError("content that its id does not tell")
    for key, measure in trained.measures.items():
        if measure.persons not in trained.persons or not _planes(key) <= set(measure.planes):
            raise ValueError(f"persons or planes of {key!r} are absent")


def _planes(key: str) -> set[str]:
    """The planes that a measure's key speaks of."""
    planes = {"level"}
    for word in key.split():
        kind, _, names = word.partition("=")
        if kind == "maps":
            planes |= {f"peaks {name}" for name in names.split("+")}
        planes |= _PLANES.get(kind, set())
    return planes


class _Part(BaseModel):
    """What a raw file must hold, of the kinds that its readers rely on."""

    model_config = ConfigDict(strict=True)


class _Plane(_Part):
    shape: list[int]
    b85: str


class _Persons(_Part):
    skeleton: str
    rows: str
    state: _Plane
    angle: _Plane


class _Measure(_Part):
    persons: str
    protocol: str
    thresholds: list[FiniteFloat]
    planes: dict[str, _Plane]


class _Fact(_Part):
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    n: int


class _Made(_Part):
    images: int = 0
    parameters: int = 0
    cpu_seconds: FiniteFloat = 0.0


class _File(_Part):
    format: int
    id: str
    command: str


class _Trained(_File):
    arm: str
    content: dict[str, Any]
    made: _Made
    persons: dict[str, _Persons]
    measures: dict[str, _Measure]


class _Facts(_File):
    model_config = ConfigDict(extra="forbid")

    facts: dict[str, _Fact]
    about: dict[str, Any] = {}


def packed(plane: np.ndarray) -> dict[str, Any]:
    """A plane as text."""
    if plane.dtype != np.uint8:
        raise ValueError(f"a plane is uint8, not {plane.dtype}")
    text = base64.b85encode(bz2.compress(np.ascontiguousarray(plane).tobytes())).decode()
    return {"shape": list(plane.shape), "b85": text}


def unpacked(values: Mapping[str, Any]) -> np.ndarray:
    """The inverse of `packed`."""
    data = bz2.decompress(base64.b85decode(values["b85"]))
    return np.frombuffer(data, np.uint8).reshape(values["shape"])


def levels(errors: np.ndarray, thresholds: tuple[float, ...]) -> np.ndarray:
    """How many thresholds each error exceeds; `NONE` where it is NaN; the shape of `errors`, uint8."""
    from vitruvian.measure.metrics import hits

    exceeded = np.stack([~hits(errors, t) for t in thresholds]).sum(0)
    return np.where(np.isnan(errors), NONE, exceeded).astype(np.uint8)
