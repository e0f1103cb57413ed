"""Persons drawn so that every type of pose is trained on equally often.

Source: Sun et al., ICCV 2017, Section 3.2, "Discussions": to train the rivals of normalization, data
augmentation makes three types of poses equally many.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vitruvian.data.people import People
from vitruvian.measure.angles import TRUNK, lacking
from vitruvian.measure.pose_types import pose_types
from vitruvian.types import State, UserError


def balanced_types(people: People, types: int = 3) -> tuple[People, str]:
    """The data set with weights by which its types of poses are drawn equally often.

    Types are those of the labels, found on whoever is drawn at all. Within a type persons keep their
    relative weights; persons without a torso, who are of no type, are drawn as often as before. How often
    an augmentation turns a pose into one of another type is not looked at.

    Returns:
        the persons, and a line that says how many there are of each type, the most frequent first.

    Raises:
        UserError: the skeleton has no shoulders or hips, or too few poses differ.
    """
    if lacks := lacking(people.skeleton, *TRUNK):
        raise UserError(
            f"pose types cannot be balanced, as skeleton {people.skeleton.name!r} has no "
            f"{', '.join(lacks)}: set balance=none"
        )
    weight = np.ones(len(people)) if people.weight is None else people.weight.astype(np.float64)
    drawn = weight > 0
    located = people.state >= State.OCCLUDED
    found = pose_types(people.joints[drawn], located[drawn], people.skeleton, types)
    kind = found.nearest(people.joints, located)
    kind[~drawn] = -1
    typed = kind >= 0
    heft = np.bincount(
        kind[typed], weight[typed], types
    )  # above 0: each type was found on somebody
    factor = np.where(typed, (heft.mean() / heft)[kind], 1.0)
    *most, last = np.bincount(kind[typed], minlength=types).tolist()
    counts = f"{', '.join(map(str, most))} and {last}" if most else str(last)
    line = f"pose types of {counts} persons are drawn equally often"
    if without := int((drawn & ~typed).sum()):
        line += f", {without} persons without a torso as often as others are on average"
    return replace(people, weight=weight * factor), line
