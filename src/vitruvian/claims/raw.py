"""What stays of a training: counts per photograph and joint, in a JSON file small enough to commit.

    format, id       of the file
    content          what was trained: `Training.content`
    arm, command     its name, and the command that makes the file again
    made             versions, hardware, parameters, persons, images, seconds on the wall and of the CPU
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
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.types import UserError
from vitruvian.use.files import write_text

FORMAT = 1
NONE = 255
HEIGHTS, BACKGROUNDS = 50, 250
RAW = Path(__file__).parent / "raw"


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

    @property
    def id(self) -> str:
        return str(self.values["id"])

    @property
    def keys(self) -> frozenset[str]:
        """What was measured."""
        return frozenset(self.values.get("measures", {}))

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        return dict(self.values.get("facts", {}))

    def measured(self, key: str) -> Measured:
        """What a measure counted.

        Raises:
            KeyError: there was no such measure.
        """
        if key not in self._measured:
            values = self.values["measures"][key]
            name = str(values["persons"])
            planes = {n: unpacked(plane) for n, plane in values["planes"].items()}
            self._measured[key] = Measured(
                name, self._persons(name), values["protocol"], tuple(values["thresholds"]), planes
            )
        return self._measured[key]

    @cached_property
    def _measured(self) -> dict[str, Measured]:
        return {}

    def _persons(self, name: str) -> Persons:
        values = self.values["persons"][name]
        state, angle = unpacked(values["state"]), unpacked(values["angle"])
        return Persons(values["skeleton"], values["rows"], state, angle)

    def with_measured(self, found: Mapping[str, Measured]) -> Raw:
        """The file with more measures in it."""
        persons = self.values.get("persons", {}) | {
            m.name: m.persons.to_dict() for m in found.values()
        }
        measures = self.values.get("measures", {}) | {key: m.to_dict() for key, m in found.items()}
        return Raw(self.values | {"persons": persons, "measures": measures})


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
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT or values["id"] != path.stem:
            raise ValueError
        for measure in values.get("measures", {}).values():
            if measure["persons"] not in values["persons"] or "level" not in measure["planes"]:
                raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path} is no raw file of this version: take it from its source again, or delete it and "
            "run its claim"
        ) from None
    return Raw(values)


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
