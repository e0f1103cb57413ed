"""A category of a COCO keypoint file <-> a `Skeleton`; everything by the joints' names.

Under the key `KEY` a category written here also has what COCO has no place for: the skeleton's name, flip
pairs and reference lengths, as `Skeleton.to_dict` gives them.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from vitruvian.data.coco_layout import lies_apart
from vitruvian.skeleton import SKELETONS, Pair, Skeleton, read_skeleton, skeleton_from_dict
from vitruvian.types import UserError

KEY = "vitruvian"
FILE = "skeleton.yaml"  # beside the JSON, it wins over what the JSON says of joints

# What left and right are called where a name begins or ends with it, set off by one of `_MARKS`.
_SIDES = (
    ("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"), ("l", "r"), ("L", "R"),
)  # fmt: skip
_MARKS = "_-. "


def category_of(skeleton: Skeleton) -> dict[str, Any]:
    """The category "person" whose keypoints are the joints of a skeleton."""
    limbs = [[index + 1 for index in skeleton.index(*limb)] for limb in skeleton.limbs]
    return {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.joint_names),
        "skeleton": limbs,
        KEY: skeleton.to_dict(),
    }


def find_category(categories: list[Any], path: Path) -> dict[str, Any]:
    """The category whose annotations are read: the only one with keypoints, or "person".

    Raises:
        UserError: there is none, or there are several and none is "person".
    """
    for category in categories:
        if not isinstance(category, dict) or type(category.get("id")) is not int:
            raise UserError(f"{path}: a category has no whole number as its id: write one")
    named = [category for category in categories if category.get("keypoints")]
    if not named and _beside(path).is_file():  # which names them
        named = categories
    if not named:
        raise UserError(
            f"{path} has no category with keypoints: name the joints in categories[].keypoints, or "
            f"put a {FILE} beside it"
        )
    chosen = [category for category in named if category.get("name") == "person"]
    chosen = named if len(named) == 1 else chosen
    if len(chosen) != 1:
        names = ", ".join(repr(category.get("name")) for category in named)
        raise UserError(
            f"{path} has {len(named)} categories with keypoints: {names}; keep one of them, or call "
            "it 'person'"
        )
    return chosen[0]


def _beside(path: Path) -> Path:
    """The YAML file that wins over a JSON; one stands beside the folders of subsets with a JSON in each."""
    above = path.absolute().parent.parent / FILE
    return above if lies_apart(path) and above.is_file() else path.parent / FILE


def skeleton_of(category: dict[str, Any], path: Path) -> tuple[Skeleton, list[int], str]:
    """The skeleton of a category, and where its joints stand in `keypoints`.

    The first of these that there is: `skeleton.yaml` beside the JSON, the facts under `KEY`, a known
    skeleton with the same joints in any order, a new one from the category's names and pairs.

    Returns:
        the skeleton; for each of its joints the column of the file; in words where it is from.

    Raises:
        UserError: names or pairs are no names or pairs, or contradict the YAML file.
    """
    names = _names(category, path)
    beside = _beside(path)
    if beside.is_file():
        skeleton = read_skeleton(beside)
        return skeleton, _columns(skeleton, names, path, str(beside)), f"skeleton of {FILE}"
    if KEY in category:
        try:
            skeleton = skeleton_from_dict(category[KEY])
        except UserError as error:
            raise UserError(f"{path}, category key {KEY!r}: {error}; or remove the key") from None
        skeleton = next((known for known in SKELETONS.values() if known == skeleton), skeleton)
        columns = _columns(skeleton, names, path, f"the category's key {KEY!r}")
        return skeleton, columns, f"skeleton {skeleton.name!r}"
    for skeleton in SKELETONS.values():
        if set(skeleton.joint_names) == set(names):
            columns = _columns(skeleton, names, path, skeleton.name)
            return skeleton, columns, f"skeleton {skeleton.name!r} by the joints' names"
    pairs = flip_pairs(names)
    name = str(category.get("name", "person"))
    name = f"own {name}" if name in SKELETONS else name
    skeleton = Skeleton(name, tuple(names), pairs, _limbs(category, names, path))
    listed = ", ".join(f"{a}/{b}" for a, b in pairs) or "none found"
    return skeleton, list(range(len(names))), f"skeleton of the file, flip pairs by name: {listed}"


def flip_pairs(names: list[str]) -> tuple[Pair, ...]:
    """Joints whose names differ in left and right alone: left_x and right_x, x_L and x_R, and so on."""
    pairs: dict[str, str] = {}  # right -> left
    for left, right in _SIDES:
        for name in names:
            other = _mirrored(name, right, left)
            if other in names and not {name, other} & {*pairs, *pairs.values()}:
                pairs[name] = other
    return tuple(pairs.items())


def _mirrored(name: str, side: str, other: str) -> str:
    """A joint's name with the other side in the place of this one; "" where it does not have it."""
    begin, end = name[len(side) :], name[: -len(side)]
    if name.startswith(side) and begin[:1] in _MARKS:
        return other + begin
    return end + other if name.endswith(side) and end[-1:] in _MARKS else ""


def lonely_sides(skeleton: Skeleton) -> list[str]:
    """In words each joint of a side whose other side there is not, as a misspelt name makes it."""
    paired = {name for pair in skeleton.flip_pairs for name in pair}
    alone = [name for name in skeleton.joint_names if name not in paired]
    said = []
    for name in alone:
        sides = (pair for left, right in _SIDES for pair in ((left, right), (right, left)))
        others = [other for side in sides if (other := _mirrored(name, *side))]
        if others and not set(others) & set(skeleton.joint_names):
            near = difflib.get_close_matches(others[0], [each for each in alone if each != name], 1)
            said.append(f"{name} has no {others[0]}{f'; nearest: {near[0]}' if near else ''}")
    return said


def _names(category: dict[str, Any], path: Path) -> list[str]:
    names = category.get("keypoints") or []
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise UserError(f"{path}: categories[].keypoints is not a list of names: write names")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{path}: categories[].keypoints has {twice[0]!r} twice: rename one")
    return names


def _columns(skeleton: Skeleton, names: list[str], path: Path, source: str) -> list[int]:
    """For each joint of a skeleton its place in `names`; the same place where the file has no names."""
    if not names:
        return list(range(len(skeleton)))
    lacking = [name for name in skeleton.joint_names if name not in names]
    if lacking:
        near = difflib.get_close_matches(lacking[0], names, 1, 0)[0]
        raise UserError(
            f"{path} has no keypoint {lacking[0]!r}, which {source} names; nearest: {near!r}"
        )
    if len(names) > len(skeleton):
        more = next(name for name in names if name not in skeleton.joint_names)
        raise UserError(f"{path} has a keypoint {more!r} that {source} does not name: add it there")
    return [names.index(name) for name in skeleton.joint_names]


def _limbs(category: dict[str, Any], names: list[str], path: Path) -> tuple[Pair, ...]:
    pairs = category.get("skeleton") or []
    limbs = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        ends: list[Any] = pair if isinstance(pair, list) and len(pair) == 2 else [None, None]
        if not all(type(end) is int and 1 <= end <= len(names) for end in ends):
            raise UserError(
                f"{path}: categories[].skeleton has {pair!r}, not two joints from 1 to {len(names)}: "
                f"correct it, or put a {FILE} beside the file"
            )
        limbs.append((names[ends[0] - 1], names[ends[1] - 1]))
    return tuple(limbs)
