"""The persons that claims are trained and measured on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from vitruvian import geometry
from vitruvian.data import open_data
from vitruvian.data.people import People
from vitruvian.data.photos import cut
from vitruvian.data.synthetic import figures
from vitruvian.data.union import in_skeleton
from vitruvian.skeleton import LSP, MPII
from vitruvian.types import State, UserError


def plain() -> People:
    """Rendered figures as `vitruvian train` has them without --data."""
    return figures()


def turned() -> People:
    """The same, each picture turned about its middle by any angle: as many lie as stand."""
    people = figures()
    degrees = np.random.default_rng([7, len(people)]).uniform(-180, 180, len(people))
    side = people.size(0)[0]
    whole = np.tile(geometry.whole_image(side, side), (len(people), 1))
    matrices = geometry.crop_to_image(whole, side, side, degrees)
    joints = geometry.apply(geometry.invert(matrices), people.joints.astype(np.float64))
    located = people.state >= State.OCCLUDED
    joints = np.where(located[..., None], joints, 0).astype(np.float32)

    def photo(row: int, factor: int) -> tuple[np.ndarray, int]:
        return cut(people.photo(row, 1)[0], matrices[row], side, side), 1

    return replace(
        people,
        name="figures turned",
        joints=joints,
        box=geometry.box_of_joints(joints, located),
        photo=photo,
        provenance=f"{people.provenance}, each turned about the picture's middle by any angle",
    )


def sixteen() -> People:
    """The same figures with MPII's 16 joints."""
    return figures(skeleton=MPII)


def fourteen_of_sixteen() -> People:
    """The same figures labelled with LSP's 14 joints, as rows of MPII's 16."""
    return in_skeleton(figures(skeleton=LSP), MPII)


SETS: dict[str, Callable[[], People]] = {
    "figures": plain,
    "figures turned": turned,
    "figures of 16 joints": sixteen,
    "figures with 14 of 16 joints": fourteen_of_sixteen,
}
_RENDERED_BY_TRAIN = ("figures", "figures of 16 joints")  # which `vitruvian train` makes itself


def open_set(name: str, data: Mapping[str, str]) -> People:
    """A set of the table, or a data set that is given as name -> folder.

    Raises:
        UserError: it is not given, or cannot be opened.
    """
    if name in SETS:
        return SETS[name]()
    return open_data(given(name, data))


def given(name: str, data: Mapping[str, str]) -> str:
    """What --data is to be told of a data set; where it lies may also be said by VITRUVIAN_DATA."""
    if name in data:
        return f"{name}={data[name]}"
    if os.environ.get("VITRUVIAN_DATA"):
        return name
    raise UserError(f"this needs {name}: give --data {name}=FOLDER or set VITRUVIAN_DATA")


def is_given(name: str, data: Mapping[str, str]) -> bool:
    """Whether a set can be opened: rendered, or a folder that is told."""
    try:
        return name in SETS or bool(given(name, data))
    except UserError:
        return False


def unreadable(name: str, data: Mapping[str, str]) -> str | None:
    """Why a data set cannot be trained on: it cannot be opened, or its first photograph cannot be read."""
    try:
        people = open_set(name, data)
        people.photo(0, 1)
    except UserError as error:
        return f"{error}; what labels alone decide needs no photographs"
    return None


def must_be_packed(name: str) -> bool:
    """Whether a set of the table reaches a training only as a file."""
    return name in SETS and name not in _RENDERED_BY_TRAIN


def held_out(people: People) -> People:
    """The rows that are measured on."""
    return people.subset(people.scored if people.scored in people.subsets else "all")


def parse_data(arguments: Sequence[str]) -> dict[str, str]:
    """name -> folder of arguments such as lspet=DIR.

    Raises:
        UserError: an argument is written otherwise.
    """
    found = {}
    for argument in arguments:
        name, equals, folder = argument.partition("=")
        if not (name and equals and folder):
            raise UserError(f"--data {argument}: write name=FOLDER, e.g. lspet=DIR")
        found[name] = folder
    return found
