"""What is wrong with a data set, told before a long training finds out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vitruvian import geometry
from vitruvian.data.coco_skeleton import lonely_sides
from vitruvian.data.convention import deciding_joints, observer_centric
from vitruvian.data.people import People
from vitruvian.types import State, UserError

OUTSIDE = 0.1  # widths or heights of the photograph that a labelled joint may lie outside
TINY = 10.0  # px of the reference length
_NAMED = 5  # faults of a kind that are listed
# Legs, arms that lie as the observer names them: of PC labels 66 % (LSP) to 95.0 % (FLIC), of OC labels
# 99.15 % (LSP's arms) to all (FLIC).
OBSERVED = 0.98  # share from which labels look observer-centric
EXCHANGED = 0.2  # share below which names look exchanged
_ENOUGH = 30  # persons from which a share says something
_SEEN_FROM_FRONT = ("right_hip", "left_hip", "right_shoulder", "left_shoulder")
_MEANING = {
    "PC": "PC, left is the person's own",
    "OC": "OC, sides as of people who face the observer",
    "": "none, joints have no sides",
}
_LIKE_OC = (
    "declared PC, but the labels look OC: right hip and shoulder are left of the left ones in nearly "
    "all persons, which is right only if nobody is seen from behind"
)
_LIKE_PC = (
    "declared OC, but the labels look PC: there are persons seen from behind, whose right hip or "
    "shoulder is right of the left one"
)
_EXCHANGED = "left and right look exchanged: hardly anybody faces the camera"
_DOUBTS = {  # (declared, looks like)
    ("PC", "OC"): _LIKE_OC,
    ("OC", "PC"): _LIKE_PC,
    ("PC", "exchanged"): _EXCHANGED,
    ("OC", "exchanged"): _EXCHANGED,
}


@dataclass(frozen=True)
class CheckReport:
    """What `check` found. Faults are lines that name the photograph."""

    name: str
    provenance: str
    joint_names: tuple[str, ...]
    rows: int
    subsets: dict[str, int]
    states: np.ndarray  # (J, 4) persons in each State
    reference: str | None  # the length that normalises errors
    with_reference: int  # persons of whom both its joints are located
    opened: int  # photographs looked at
    labels: int  # located joints in those of them that were read
    missing: tuple[str, ...]  # photographs that do not exist
    cure: str  # where the first of them was looked for, and what to do; "": none is missing
    unreadable: tuple[str, ...]  # photographs that cannot be read, with the reason
    outside: tuple[str, ...]  # joints more than `OUTSIDE` outside the photographs looked at
    far: int  # those of them that are more than a photograph's size outside
    nobody: tuple[str, ...]  # persons without a located joint
    tiny: tuple[str, ...]  # persons whose reference length is below `TINY` px
    duplicated: tuple[str, ...]  # rows with the very joints of an earlier one
    front: float | None  # persons whose right hip is left of the left one, a share; see `_front`
    photographs: int  # different ones among the rows
    convention: str  # as declared: PC, OC, or "" where joints have no sides
    looks: str  # what the labels look like: "PC", "OC", "exchanged", or "" where they do not tell
    undefined: tuple[str, ...]  # joints that the data set does not define
    lonely: tuple[str, ...]  # joints of a side without one of the other, in words

    @property
    def ok(self) -> bool:
        """Whether it can be trained on: somebody is labelled, every photograph was read and fits."""
        labelled = len(self.nobody) < self.rows
        return labelled and not (self.missing or self.unreadable or self.mostly_outside)

    @property
    def mostly_outside(self) -> bool:
        """Whether the labels are those of other photographs: most joints lie outside."""
        return 2 * len(self.outside) > self.labels

    def lines(self) -> list[str]:
        """The report as text, a line each."""
        subsets = ", ".join(f"{name} {count}" for name, count in self.subsets.items()) or "none"
        far = f", but labels far outside of their photographs: {self.far}, see below"
        state = f"ok{far if self.far else ''}" if self.ok else "NOT OK"
        if self.mostly_outside:
            state += (
                f", {len(self.outside)} of {self.labels} labels lie outside of their photographs: these "
                "are not the photographs that were labelled, or not in that size"
            )
        lines = [
            f"{self.name}: {state}; {self.provenance}",
            f"persons {self.rows} in {self.photographs} photographs; subsets: {subsets}; "
            f"photographs looked at: {self.opened}",
            f"reference length {self.reference or 'none'}: {self.with_reference} persons",
        ]
        if self.front is not None:
            lines.append(f"right hip left of the left one, seen upright: {self.front:.1%}")
        lines.append(f"convention: {_MEANING[self.convention]}")
        if doubt := _DOUBTS.get((self.convention, self.looks)):
            lines.append(f"warning: {doubt}")
        lines += [
            f"warning: {words}, so they do not change places in a mirror" for words in self.lonely
        ]
        if self.undefined:
            lines.append(f"joints not defined: {', '.join(self.undefined)}")
        width = max(len(name) for name in self.joint_names)
        lines.append(" ".join([" " * width, *(f"{state.name.lower():>9}" for state in State)]))
        for name, counts in zip(self.joint_names, self.states, strict=True):
            lines.append(" ".join([f"{name:{width}}", *(f"{count:>9}" for count in counts)]))
        for kind, faults in self._faults().items():
            lines.append(f"{kind}: {len(faults)}")
            lines += [f"    {fault}" for fault in faults[:_NAMED]]
            if len(faults) > _NAMED:
                lines.append(f"    and {len(faults) - _NAMED} more")
        if self.cure:
            lines.append(self.cure)
        return lines

    def _faults(self) -> dict[str, tuple[str, ...]]:
        return {
            "missing photographs": self.missing,
            "unreadable photographs": self.unreadable,
            f"joints more than {OUTSIDE:.0%} outside": self.outside,
            "persons without a located joint": self.nobody,
            f"persons with a reference below {TINY:g} px": self.tiny,
            "duplicated rows": self.duplicated,
        }


def check(people: People, decode: bool = True, limit: int | None = None) -> CheckReport:
    """Looks at all labels of a data set and at its photographs.

    Args:
        decode: decode the photographs; False: read only their sizes, which is fast but misses most
            damages.
        limit: look at this many photographs at most, spread evenly over the rows.
    """
    located = people.state >= State.OCCLUDED  # (N, J)
    rows = np.arange(len(people))
    if limit is not None and limit < len(rows):
        rows = np.linspace(0, len(people) - 1, max(limit, 0)).astype(int)
    missing, unreadable, sizes = _open(people, rows, decode)
    length = _reference(people, located)
    outside, far = _outside(people, located, sizes)
    read = np.array(list(sizes), int)
    states = np.stack([(people.state == state).sum(0) for state in State], 1)  # (J, 4)
    return CheckReport(
        name=people.name,
        provenance=people.provenance,
        joint_names=people.skeleton.joint_names,
        rows=len(people),
        subsets={name: len(chosen) for name, chosen in people.subsets.items()},
        states=states,
        reference=people.skeleton.reference,
        with_reference=int(np.isfinite(length).sum()),
        opened=len(rows),
        labels=int(located[read].sum()),
        missing=tuple(missing),
        cure=next(iter(missing.values()), ""),
        unreadable=unreadable,
        outside=outside,
        far=far,
        nobody=_labels(people, np.flatnonzero(~located.any(1))),
        tiny=tuple(
            f"{people.label(int(row))}: {length[row]:.1f} px"
            for row in np.flatnonzero(length < TINY)
        ),
        duplicated=_duplicated(people, located),
        front=_front(people, located),
        photographs=len(np.unique(people.images)),
        convention=people.convention,
        looks=_looks(people, located),
        undefined=tuple(
            name
            for name, count in zip(people.skeleton.joint_names, states, strict=True)
            if count[State.UNDEFINED] == len(people) > 0
        ),
        lonely=tuple(lonely_sides(people.skeleton)),
    )


def _labels(people: People, rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(people.label(int(row)) for row in rows)


def _open(
    people: People, rows: np.ndarray, decode: bool
) -> tuple[dict[str, str], tuple[str, ...], dict[int, tuple[int, int]]]:
    """Missing photographs with what is said of them, unreadable ones, and (H, W) of the others by row."""

    def size(row: int) -> tuple[int, int] | UserError:
        try:
            if not decode:
                return people.size(row)
            height, width = people.photo(row, 1)[0].shape[:2]
            return height, width
        except UserError as error:
            return error

    missing: dict[str, str] = {}  # a photograph of many persons is named once
    unreadable: dict[str, str] = {}
    sizes: dict[int, tuple[int, int]] = {}
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="check")
    try:
        found = pool.map(size, rows.tolist())
        for row, result in zip(rows.tolist(), found, strict=True):
            if not isinstance(result, UserError):
                sizes[row] = result
            elif isinstance(result.__context__, FileNotFoundError):
                missing[people.label(row)] = str(result)
            else:
                unreadable[people.label(row)] = f"{people.label(row)}: {result}"
    finally:
        pool.shutdown(cancel_futures=True)
    return missing, tuple(unreadable.values()), sizes


def _reference(people: People, located: np.ndarray) -> np.ndarray:
    """Reference lengths (N,) in px; NaN where unknown or where the skeleton has none."""
    if people.skeleton.reference is None:
        return np.full(len(people), np.nan)
    a, b = people.skeleton.length(people.skeleton.reference)
    length = np.linalg.norm(people.joints[:, a].astype(float) - people.joints[:, b], axis=-1)
    return np.where(located[:, a] & located[:, b], length, np.nan)


def _outside(
    people: People, located: np.ndarray, sizes: dict[int, tuple[int, int]]
) -> tuple[tuple[str, ...], int]:
    """Lines for located joints (N, J) that lie more than `OUTSIDE` beyond an edge, or nowhere.

    And how many of them lie more than a photograph's size beyond it.
    """
    lines, far = [], 0
    for row, (height, width) in sizes.items():
        beyond = geometry.beyond_edges(people.joints[row], height, width)  # (J,)
        far += int((located[row] & ~(beyond <= 1)).sum())  # NaN is nowhere
        for joint in np.flatnonzero(located[row] & ~(beyond <= OUTSIDE)):
            x, y = people.joints[row, joint]
            name = people.skeleton.joint_names[joint]
            lines.append(
                f"{people.label(row)}: {name} at ({x:.0f}, {y:.0f}), "
                f"the photograph is {width} x {height} px"
            )
    return tuple(lines), far


def _duplicated(people: People, located: np.ndarray) -> tuple[str, ...]:
    """Lines for rows whose states and coordinates all equal those of an earlier row."""
    first: dict[bytes, int] = {}
    lines = []
    for row in np.flatnonzero(located.any(1)).tolist():
        earlier = first.setdefault(people.joints[row].tobytes() + people.state[row].tobytes(), row)
        if earlier != row:
            lines.append(
                f"{people.label(row)} (row {row}) like {people.label(earlier)} (row {earlier})"
            )
    return tuple(lines)


def _front(people: People, located: np.ndarray) -> float | None:
    """Share of the persons whose right hip is left of the left one, the torso turned upright.

    Where left is the person's own, these are the persons seen from the front. None where the skeleton
    lacks the joints or nobody has all.
    """
    if not set(_SEEN_FROM_FRONT) <= set(people.skeleton.joint_names):
        return None
    joints = people.skeleton.index(*_SEEN_FROM_FRONT)
    known = located[:, joints].all(1)
    if not known.any():
        return None
    right_hip, left_hip, right_shoulder, left_shoulder = np.moveaxis(
        people.joints[known][:, joints].astype(float), 1, 0
    )
    up = right_shoulder + left_shoulder - right_hip - left_hip  # (n, 2); y points down
    across = left_hip - right_hip
    rightwards = across[:, 1] * up[:, 0] - across[:, 0] * up[:, 1]
    return float((rightwards > 0).mean())


def _looks(people: People, located: np.ndarray) -> str:
    """What labels look like: in OC, nobody's legs or arms would have to change sides."""
    joints = deciding_joints(people.skeleton)
    if not set(joints) <= set(people.skeleton.joint_names):
        return ""
    known = located[:, people.skeleton.index(*joints)].all(1)
    if known.sum() < _ENOUGH:
        return ""
    swaps = observer_centric(people.joints[known], located[known], people.skeleton)
    low, high = sorted(1 - swap.mean() for swap in swaps)
    if high < EXCHANGED:
        return "exchanged"
    return "OC" if low >= OBSERVED else "PC"
