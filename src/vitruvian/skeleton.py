"""Joints by name, and every fact about a body that a system, a metric or a drawing may need."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from vitruvian.types import UserError

Pair = tuple[str, str]


@dataclass(frozen=True)
class Skeleton:
    """A set of named joints; every other fact is written with these names.

    Raises:
        ValueError: a fact names a joint that does not exist, a name stands twice, or a joint is in two
            flip pairs (flipping twice would then move joints).
    """

    name: str
    joint_names: tuple[str, ...]
    flip_pairs: tuple[Pair, ...] = ()
    limbs: tuple[Pair, ...] = ()
    references: dict[str, Pair] = field(default_factory=dict, hash=False)  # lengths by name
    reference: str | None = None  # the one that normalises errors: a key of `references`

    def __post_init__(self) -> None:
        if len(set(self.joint_names)) != len(self.joint_names) or not self.joint_names:
            raise ValueError(f"skeleton {self.name!r} needs joints with different names")
        named = {
            j for pair in (*self.flip_pairs, *self.limbs, *self.references.values()) for j in pair
        }
        if unknown := sorted(named - set(self.joint_names)):
            raise ValueError(f"skeleton {self.name!r} has no joint {unknown}")
        paired = [j for pair in {frozenset(pair) for pair in self.flip_pairs} for j in pair]
        if len(set(paired)) != len(paired):
            raise ValueError(
                f"skeleton {self.name!r}: flipping twice moves joints, so one is in two flip pairs"
            )
        if self.reference is not None and self.reference not in self.references:
            raise ValueError(
                f"skeleton {self.name!r} defines no reference length {self.reference!r}"
            )

    def __len__(self) -> int:
        return len(self.joint_names)

    @cached_property
    def swap(self) -> list[int]:
        """For each joint the one that takes its place in a flipped image."""
        other = dict(self.flip_pairs) | {right: left for left, right in self.flip_pairs}
        return [self.joint_names.index(other.get(name, name)) for name in self.joint_names]

    def index(self, *names: str) -> list[int]:
        """The positions of joints by name.

        Raises:
            UserError: a joint does not exist; the message names the nearest one.
        """
        for name in names:
            if name not in self.joint_names:
                near = difflib.get_close_matches(name, self.joint_names, 1, 0)
                raise UserError(
                    f"skeleton {self.name!r} has no joint {name!r}; nearest: {near[0]!r}"
                )
        return [self.joint_names.index(name) for name in names]

    def has(self, fact: str) -> bool:
        """Whether a fact that a system needs is defined: "limbs" or the name of a reference length."""
        return bool(self.limbs) if fact == "limbs" else fact in self.references

    def length(self, name: str) -> list[int]:
        """The two joints whose distance is the reference length `name`."""
        return self.index(*self.references[name])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in a model folder and in a skeleton file."""
        return {
            "name": self.name,
            "joints": list(self.joint_names),
            "flip_pairs": [list(pair) for pair in self.flip_pairs],
            "limbs": [list(pair) for pair in self.limbs],
            "references": {name: list(pair) for name, pair in self.references.items()},
            "reference": self.reference,
        }


def skeleton_from_dict(values: dict[str, Any]) -> Skeleton:
    """The inverse of `Skeleton.to_dict`.

    Raises:
        UserError: a key is unknown or lacking, or the facts contradict each other.
    """
    known = ("name", "joints", "flip_pairs", "limbs", "references", "reference")
    if not isinstance(values, dict) or not {"name", "joints"} <= set(values):
        raise UserError("a skeleton needs at least `name` and `joints`")
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0)[0]
            raise UserError(f"a skeleton has no key {key!r}; nearest: {near!r}")

    def listed(key: str) -> list[Any]:
        found = values.get(key) or []
        if not isinstance(found, list | tuple):
            raise UserError(f"skeleton {values['name']!r}: {key!r} is not a list")
        return list(found)

    def pair(names: Any) -> Pair:
        if not isinstance(names, list | tuple) or len(names) != 2:
            raise UserError(f"skeleton {values['name']!r}: {names!r} is not a pair of joints")
        return str(names[0]), str(names[1])

    references = values.get("references") or {}
    if not isinstance(references, dict):
        raise UserError(f"skeleton {values['name']!r}: 'references' does not give pairs by name")
    reference = values.get("reference")
    try:
        return Skeleton(
            name=str(values["name"]),
            joint_names=tuple(str(name) for name in listed("joints")),
            flip_pairs=tuple(pair(names) for names in listed("flip_pairs")),
            limbs=tuple(pair(names) for names in listed("limbs")),
            references={str(name): pair(names) for name, names in references.items()},
            reference=None if reference is None else str(reference),
        )
    except ValueError as error:
        raise UserError(str(error)) from None


def read_skeleton(path: Path) -> Skeleton:
    """A user's own skeleton from a small YAML file; see `Skeleton.to_dict` for its keys.

    Raises:
        UserError: the file cannot be read or does not describe a skeleton.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not a readable skeleton file: {type(error).__name__}") from None
    try:
        return skeleton_from_dict(values)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def find_skeleton(name: str) -> Skeleton:
    """A skeleton by name, or from a YAML file when `name` ends in .yaml or .yml."""
    if name.endswith((".yaml", ".yml")):
        return read_skeleton(Path(name))
    if name not in SKELETONS:
        near = difflib.get_close_matches(name, SKELETONS, 1, 0)[0]
        raise UserError(f"no skeleton {name!r}; nearest: {near!r}; or give a .yaml file")
    return SKELETONS[name]


def _sides(*parts: str) -> tuple[Pair, ...]:
    return tuple((f"right_{part}", f"left_{part}") for part in parts)


_DIAGONALS: dict[str, Pair] = {
    "torso": ("left_shoulder", "right_hip"),
    "torso_other": ("right_shoulder", "left_hip"),
}
_ARMS: tuple[Pair, ...] = (
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
)  # fmt: skip
_LEGS: tuple[Pair, ...] = (
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
)  # fmt: skip
_TRUNK: tuple[Pair, ...] = (("right_shoulder", "right_hip"), ("left_shoulder", "left_hip"))

LSP = Skeleton(
    name="lsp",
    joint_names=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
        "neck", "head_top",
    ),
    flip_pairs=_sides("ankle", "knee", "hip", "wrist", "elbow", "shoulder"),
    limbs=(
        *_LEGS, *_ARMS, *_TRUNK, ("neck", "head_top"),
        ("neck", "right_shoulder"), ("neck", "left_shoulder"),
    ),
    references={**_DIAGONALS, "head": ("neck", "head_top")},
    reference="torso",
)  # fmt: skip

MPII = Skeleton(
    name="mpii",
    joint_names=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "pelvis", "thorax", "neck", "head_top",
        "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    ),
    flip_pairs=_sides("ankle", "knee", "hip", "wrist", "elbow", "shoulder"),
    limbs=(
        *_LEGS, *_ARMS, ("pelvis", "right_hip"), ("pelvis", "left_hip"), ("pelvis", "thorax"),
        ("thorax", "right_shoulder"), ("thorax", "left_shoulder"), ("thorax", "neck"),
        ("neck", "head_top"),
    ),
    references={**_DIAGONALS, "head": ("neck", "head_top")},
    reference="head",
)  # fmt: skip

FLIC = Skeleton(
    name="flic",
    joint_names=(
        "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "right_hip",
        "left_shoulder", "left_elbow", "left_wrist", "left_hip",
    ),
    flip_pairs=_sides("shoulder", "elbow", "wrist", "hip"),
    limbs=(
        *_ARMS, *_TRUNK, ("neck", "nose"), ("neck", "right_shoulder"), ("neck", "left_shoulder"),
        ("right_hip", "left_hip"),
    ),
    references=_DIAGONALS,
    reference="torso",
)  # fmt: skip

COCO = Skeleton(
    name="coco",
    joint_names=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder",
        "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip",
        "left_knee", "right_knee", "left_ankle", "right_ankle",
    ),
    flip_pairs=_sides("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    limbs=(
        *_LEGS, *_ARMS, *_TRUNK, ("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"),
        ("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye"),
        ("left_eye", "left_ear"), ("right_eye", "right_ear"),
        ("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"),
    ),
    references=_DIAGONALS,
    reference="torso",
)  # fmt: skip

SKELETONS = {skeleton.name: skeleton for skeleton in (LSP, MPII, FLIC, COCO)}
