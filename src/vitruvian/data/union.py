"""Several data sets as one, joints matched by name: Sun et al. train on MPII, LSPET and LSP at once,
DeepPose on LSP and LSPET.

What a part does not define stays UNDEFINED, so no loss sees it; left and right mean the same in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vitruvian.data.convention import in_convention
from vitruvian.data.people import People
from vitruvian.skeleton import Skeleton, find_skeleton
from vitruvian.types import Convention, State, UserError

SPACE = 2**40  # keys that each part has for itself, more where one of them has larger keys
CONVENTIONS: dict[Convention, str] = {
    "PC": "the person's own",
    "OC": "as if all faced the observer",
}  # left is


def in_skeleton(
    people: People, skeleton: Skeleton, derive: Mapping[str, tuple[str, str]] | None = None
) -> People:
    """A data set with the joints of another skeleton, found by name; boxes stay as they are.

    Joints that the data set lacks are UNDEFINED, those that the skeleton lacks are dropped.

    Args:
        derive: joints to make where the data set does not define them, each as the mean of two of its
            own: {"neck": ("left_shoulder", "right_shoulder")}. The lower of the two states is theirs,
            so one that is missing leaves them missing. The provenance tells.

    Raises:
        UserError: no joint is shared, or a joint cannot be derived.
    """
    derive = derive or {}
    _check_derivable(people, skeleton, derive)
    names = people.skeleton.joint_names
    if skeleton.joint_names == names and not derive:
        return replace(people, skeleton=skeleton)
    if not set(skeleton.joint_names) & {*names, *derive}:
        raise UserError(
            f"data set {people.name!r} labels skeleton {people.skeleton.name!r}, which shares no joint "
            f"with {skeleton.name!r}; joints are matched by name"
        )
    joints = np.zeros((len(people), len(skeleton), 2), np.float32)
    state = np.full(joints.shape[:2], State.UNDEFINED, np.uint8)
    provenance = people.provenance
    for joint, name in enumerate(skeleton.joint_names):
        if name in names:
            source = names.index(name)
            joints[:, joint], state[:, joint] = people.joints[:, source], people.state[:, source]
        if name in derive:
            a, b = people.skeleton.index(*derive[name])
            lower = np.minimum(people.state[:, a], people.state[:, b])
            made = (state[:, joint] == State.UNDEFINED) & (lower != State.UNDEFINED)
            state[made, joint] = lower[made]
            made &= lower >= State.OCCLUDED
            joints[made, joint] = (people.joints[made, a] + people.joints[made, b]) / 2
            if made.any():
                provenance += f"; {name} made as the mean of {' and '.join(derive[name])}"
    return replace(people, skeleton=skeleton, joints=joints, state=state, provenance=provenance)


def _check_derivable(
    people: People, skeleton: Skeleton, derive: Mapping[str, tuple[str, str]]
) -> None:
    for name, pair in derive.items():
        if name not in skeleton.joint_names:
            raise UserError(
                f"{name!r} cannot be derived: skeleton {skeleton.name!r} has no such joint"
            )
        if lacking := [joint for joint in pair if joint not in people.skeleton.joint_names]:
            raise UserError(
                f"{name!r} cannot be derived: data set {people.name!r} has no {lacking[0]!r}, only "
                f"{', '.join(people.skeleton.joint_names)}"
            )


def known_convention(name: str | None) -> Convention | None:
    """A convention by name; None stays.

    Raises:
        UserError: there is none of that name.
    """
    for convention in CONVENTIONS:
        if name == convention:
            return convention
    if name is None:
        return None
    raise UserError(f"no convention {name!r}; choose OC or PC")


def converted(people: People, convention: str | None) -> People:
    """`in_convention` by name; None: as it is.

    Raises:
        UserError: there is no such convention, or the data set cannot be brought to it.
    """
    wanted = known_convention(convention)
    return in_convention(people, wanted) if wanted else people


def union(
    parts: Sequence[People],
    skeleton: Skeleton | None = None,
    convention: str | None = None,
    weights: Sequence[float] | None = None,
) -> People:
    """One data set out of several, row after row.

    A key is that of the part plus the part's number times `SPACE`, an image's number likewise: those of
    the first part stay. Subsets of one name are put together; a part without any subsets is all
    `train`. Lengths and boxes that a part lacks are NaN. The subset scored is the first part's.

    Args:
        skeleton: its joints; None: the first part's.
        convention: what left and right must mean; None: what they mean in all parts.
        weights: how often a training draws from each part, its persons taken together, relatively;
            None: in proportion to their number.

    Raises:
        UserError: there is no part, conventions differ, a part shares no joint with the skeleton, or the
            weights do not fit the parts.
    """
    if not parts:
        raise UserError("a union needs one data set at least")
    parts = [converted(part, convention) for part in parts]
    _check_one_convention(parts)
    parts = [in_skeleton(part, skeleton or parts[0].skeleton) for part in parts]
    first = parts[0]
    if len(parts) == 1 and weights is None:
        return first
    starts = np.cumsum([0, *(len(part) for part in parts)])
    space = _space(parts)
    encoded = [part.encoded for part in parts if part.encoded is not None]
    return People(
        name="+".join(part.name for part in parts),
        skeleton=first.skeleton,
        joints=np.concatenate([part.joints for part in parts]),
        state=np.concatenate([part.state for part in parts]),
        box=np.concatenate([part.box for part in parts]),
        key=np.concatenate([part.key + i * space for i, part in enumerate(parts)]),
        photo=_dispatch([part.photo for part in parts], starts),
        label=_dispatch([part.label for part in parts], starts),
        size=_dispatch([part.size for part in parts], starts),
        subsets=_subsets(parts, starts),
        provenance=" + ".join(part.provenance for part in parts),
        whole=all(part.whole for part in parts),
        convention=next((part.convention for part in parts if part.convention), ""),
        scored=first.scored,
        image=np.concatenate([part.images + i * space for i, part in enumerate(parts)]),
        lengths=_columns(parts, [part.lengths for part in parts]),
        boxes=_columns(parts, [part.boxes for part in parts], 4),
        weight=_weight(parts, weights),
        encoded=_dispatch(encoded, starts) if len(encoded) == len(parts) else None,
        box_words=" or ".join(dict.fromkeys(part.box_words for part in parts)),
        face_words=" or ".join(dict.fromkeys(part.face_words for part in parts)),
    )


def choose_skeleton(parts: Sequence[People], name: str) -> Skeleton:
    """The skeleton in which several data sets are put together.

    The one that all share; else the one called `name`, if every part has most of its joints; else the
    first part's.

    Raises:
        UserError: the parts differ and there is no skeleton of that name.
    """
    own = [part.skeleton for part in parts]
    if all(skeleton.joint_names == own[0].joint_names for skeleton in own):
        return own[0]
    wanted = next((s for s in own if s.name == name), None) or find_skeleton(name)
    shared = [len(set(s.joint_names) & set(wanted.joint_names)) for s in own]
    return wanted if 2 * min(shared) > len(wanted) else own[0]


def _check_one_convention(parts: Sequence[People]) -> None:
    sided = [part for part in parts if part.convention]
    for part in sided[1:]:
        if part.convention != sided[0].convention:
            pair = " and ".join(
                f"data set {p.name!r} is {p.convention} (left is {CONVENTIONS[p.convention]})"
                for p in (sided[0], part)
            )
            raise UserError(f"{pair}: convert what is PC with --convention OC")


def _space(parts: Sequence[People]) -> int:
    """The power of two that sets the keys and image numbers of parts apart, `SPACE` at least."""
    largest = 0
    for part in parts:
        for number in (part.key, part.images):
            if len(number) and number.min() < 0:
                raise UserError(f"data set {part.name!r} has keys or image numbers below 0")
            largest = max(largest, int(number.max(initial=0)))
    space = max(SPACE, 1 << largest.bit_length())
    if space * len(parts) > 2**63:
        raise UserError(
            f"keys up to {largest} are too large to put {len(parts)} data sets together"
        )
    return space


def _dispatch(functions: Sequence[Callable[..., Any]], starts: np.ndarray) -> Callable[..., Any]:
    """A function of a row of the union, from the parts' own."""

    def of_row(row: int, *rest: Any) -> Any:
        part = int(np.searchsorted(starts, row, "right")) - 1
        return functions[part](row - int(starts[part]), *rest)

    return of_row


def _subsets(parts: Sequence[People], starts: np.ndarray) -> dict[str, np.ndarray]:
    rows: dict[str, list[np.ndarray]] = {}
    for part, start in zip(parts, starts, strict=False):
        for name, chosen in (part.subsets or {"train": np.arange(len(part))}).items():
            rows.setdefault(name, []).append(np.asarray(chosen, np.int64) + start)
    return {name: np.concatenate(chosen) for name, chosen in rows.items()}


def _columns(
    parts: Sequence[People], columns: Sequence[dict[str, np.ndarray]], *shape: int
) -> dict[str, np.ndarray]:
    """Columns by name, NaN for the rows of a part that lacks one."""
    names = dict.fromkeys(name for own in columns for name in own)
    return {
        name: np.concatenate(
            [
                own.get(name, np.full((len(part), *shape), np.nan, np.float32))
                for part, own in zip(parts, columns, strict=True)
            ]
        )
        for name in names
    }


def _trained(people: People) -> np.ndarray:
    """(N,) bool: the rows that a training draws, in `train` and with a box."""
    drawn = np.isfinite(people.box).all(1)
    if people.subsets:
        drawn &= np.isin(np.arange(len(people)), people.subsets.get("train", []))
    return drawn


def _weight(parts: Sequence[People], weights: Sequence[float] | None) -> np.ndarray | None:
    """(N,) weights of rows, with which a part's trained rows together weigh what it was given."""
    if weights is None:
        if all(part.weight is None for part in parts):
            return None
        weights = [float(_trained(part).sum()) for part in parts]
    else:
        _check_weights(parts, weights)
    columns = []
    for part, given in zip(parts, weights, strict=True):
        own = np.ones(len(part)) if part.weight is None else part.weight.astype(np.float64)
        total = own[_trained(part)].sum()
        if given and not total:
            raise UserError(
                f"data set {part.name!r} has nobody to train on (its subsets: "
                f"{', '.join(part.subsets) or 'none'}): give it the weight 0"
            )
        columns.append(own * (given / total if given else 0.0))
    return np.concatenate(columns)


def _check_weights(parts: Sequence[People], weights: Sequence[float]) -> None:
    if len(weights) != len(parts):
        raise UserError(f"{len(weights)} weights for {len(parts)} data sets: give one for each")
    if not all(np.isfinite(w) and w >= 0 for w in weights) or not sum(weights) > 0:
        text = ", ".join(f"{w:g}" for w in weights)
        raise UserError(f"weights {text}: give numbers from 0 up, one of them above 0")
