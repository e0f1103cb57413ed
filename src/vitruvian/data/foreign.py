"""What the readers of other tools' labels share: skeletons by joints' names, photographs by their paths."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from vitruvian import geometry
from vitruvian.data.coco_facts import MARGIN
from vitruvian.data.coco_layout import Photograph, photograph_folders
from vitruvian.data.coco_skeleton import flip_pairs
from vitruvian.data.people import People
from vitruvian.measure.protocols import LABELLED_BOX
from vitruvian.skeleton import SKELETONS, Pair, Skeleton
from vitruvian.types import Convention, State, UserError

# Sides that no mark sets off: leftear, earLeft, L1A. A name's other side must be there too.
_GLUED = (
    re.compile(r"()(left|Left|LEFT)(.+)"),
    re.compile(r"(.+)(left|Left|LEFT)()"),
    re.compile(r"()(L)([A-Z][a-z].*|\d.*)"),
)
_OTHER = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "L": "R"}


def pairs_by_name(names: Sequence[str]) -> tuple[Pair, ...]:
    """Right and left joints whose names differ in the side alone, also where it is glued to the rest."""
    pairs = list(flip_pairs(list(names)))
    for pattern in _GLUED:
        for left in names:
            if match := pattern.fullmatch(left):
                begin, side, end = match.groups()
                right = begin + _OTHER[side] + end
                if right in names and not {left, right} & {name for pair in pairs for name in pair}:
                    pairs.append((right, left))
    return tuple(pairs)


def skeleton_by_names(
    name: str, names: Sequence[str], pairs: Sequence[Pair], limbs: Sequence[Pair] = ()
) -> tuple[Skeleton, list[int]]:
    """The known skeleton of the same joints and pairs, else a new one.

    Returns:
        the skeleton, and for each of its joints the place in `names`.
    """
    swapped = {frozenset(pair) for pair in pairs}
    for known in SKELETONS.values():
        if set(known.joint_names) == set(names) and swapped == set(
            map(frozenset, known.flip_pairs)
        ):
            return known, [list(names).index(joint) for joint in known.joint_names]
    skeleton = Skeleton(
        f"own {name}" if name in SKELETONS else name, tuple(names), tuple(pairs), tuple(limbs)
    )
    return skeleton, list(range(len(names)))


def read_yaml(path: Path) -> dict[str, Any]:
    """The values of a YAML file.

    Raises:
        UserError: it cannot be read, or has no keys.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the file") from None
    except (ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path} is no YAML ({said}): correct it") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} has no keys with values: is it the right file?")
    return values


def below_one_folder(source: Path, photographs: Iterable[Path]) -> tuple[Path, list[str]]:
    """`source` if all photographs are below it, else the folder that they are below; their names there."""
    source = Path(os.path.abspath(source))
    places = [Path(os.path.abspath(photograph)) for photograph in photographs]
    folders = {place.parent for place in places}
    inside = all(folder.is_relative_to(source) for folder in folders)
    root = source if inside else Path(os.path.commonpath(folders))
    return root, [place.relative_to(root).as_posix() for place in places]


def people_of(
    name: str,
    skeleton: Skeleton,
    xyv: np.ndarray,
    photographs: Sequence[Photograph],
    bbox: np.ndarray,
    subsets: dict[str, np.ndarray],
    notes: Sequence[str],
) -> People:
    """A data set.

    Args:
        xyv: (N, J, 3) xy_image and a state; x and y matter where the joint is located.
        photographs: N.
        bbox: (N, 4) px where the person ends, x and y at the edge; NaN where that is not told.
        subsets: rows by name.
        notes: what to say of it in words.

    Raises:
        UserError: two photographs have one number.
    """
    state = xyv[..., 2].astype(np.uint8)
    located = state >= State.OCCLUDED
    joints = np.where(located[..., None], xyv[..., :2], 0).astype(np.float32)
    labelled = geometry.box_of_joints(joints, located)
    bbox = bbox.astype(np.float32)
    told = np.isfinite(bbox).all(1)
    box = np.where(told[:, None], geometry.grow(bbox, MARGIN), labelled)
    words = [f"bbox x{MARGIN:g}"] * bool(told.any()) + [LABELLED_BOX] * (not told.all())
    sides: Convention = "PC" if skeleton.flip_pairs else ""
    return People(
        name=name,
        skeleton=skeleton,
        joints=joints,
        state=state,
        box=box,
        key=np.arange(len(joints)),
        photo=lambda row, factor: photographs[row].read(factor),
        label=lambda row: photographs[row].name,
        size=lambda row: photographs[row].size(),
        subsets=subsets,
        provenance="; ".join(note for note in notes if note),
        convention=sides,
        scored="val" if "val" in subsets else "all",
        image=numbers_of([photograph.name for photograph in photographs]),
        boxes={"labelled": labelled} | ({"bbox": bbox} if told.any() else {}),
        encoded=lambda row: photographs[row].path().read_bytes(),
        box_words=" or ".join(words),
    )


def numbers_of(names: Sequence[str]) -> np.ndarray:
    """(N,) int64 from names alone, so that a cut by them stays where others are added.

    48 bits: two of a million names have the same one in 1 of 500 cases, which is an error.

    Raises:
        UserError: two names have one number.
    """
    known: dict[int, str] = {}
    numbers = []
    for name in names:
        number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest())
        if known.setdefault(number, name) != name:
            raise UserError(f"{name} and {known[number]} get the same number: rename one")
        numbers.append(number)
    return np.array(numbers, np.int64)


def where_photographs_are(people: People, source: Path, out: Path) -> str:
    """What to do that `coco=out` finds the photographs of `source`; "" where it does, or none are there."""
    name = people.label(0)
    if any((folder / name).is_file() for folder in photograph_folders(out)):
        return ""
    folders = (source, source.parent, source / "images", source.parent / "images")
    found = next((folder for folder in folders if (folder / name).is_file()), None)
    if found is None:
        return ""
    return (
        f"the photographs are in {found}: keep the file there, or go on with "
        f"`vitruvian init PROJECT --images {found} --labels {out}`"
    )
