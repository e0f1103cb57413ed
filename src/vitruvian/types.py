"""The vocabulary that all rooms share; NumPy only.

Axes:   N persons or poses, B batch, J joints, H W crop rows and columns, h w heatmap rows and columns,
        S stacks or scales. `xy`: x stands first.
Frames: xy_image in px of the photograph, xy_crop in px of the person's crop, xy_cell in heatmap cells,
        xy_norm in crop sizes from -0.5 to 0.5. In every frame integer coordinates are pixel centres, so
        an image of width W spans -0.5 to W - 0.5 and a flip is W - 1 - x.
Boxes:  (x, y, width, height) in px, x and y at the *edge*: the whole image is (-0.5, -0.5, W, H).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np

# (crops (B, H, W, 3) uint8 RGB, flip test) -> xy_crop (B, J, 2) float32, score (B, J) float32
Runner = Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray]]

# Person-centric: left is the person's own. Observer-centric: the sides of a person who faces the observer,
# so that right is on the left of the image, whichever way the person is turned. "": joints without sides.
Convention = Literal["PC", "OC", ""]


class State(IntEnum):
    """What is known of a joint; only the last two have coordinates.

    A joint that leaves the crop keeps its state.
    """

    UNDEFINED = 0  # the data set has no such joint
    MISSING = 1  # not located for this person
    OCCLUDED = 2  # located, but hidden
    VISIBLE = 3


class UserError(Exception):
    """Something a user can mend: one line that names the thing and the cure; never a stack trace."""


@dataclass(frozen=True)
class Crops:
    """A batch of persons cut out of their photographs."""

    image: np.ndarray  # (B, H, W, 3) uint8 RGB
    joints: np.ndarray  # (B, J, 2) float32 xy_crop; 0 where there is no coordinate
    state: np.ndarray  # (B, J) uint8, values of State
    to_image: np.ndarray  # (B, 2, 3) float32, xy_crop -> xy_image
    key: np.ndarray  # (B,) int64, names the sample


@dataclass(frozen=True)
class Poses:
    """What a model answers for the persons of one photograph."""

    xy: np.ndarray  # (N, J, 2) float32 xy_image
    score: np.ndarray  # (N, J) float32, 0 to 1
    box: np.ndarray  # (N, 4) float32, where each person was looked for

    def __post_init__(self) -> None:
        N, J = self.xy.shape[:2]
        for name, expected in (("xy", (N, J, 2)), ("score", (N, J)), ("box", (N, 4))):
            if (actual := getattr(self, name).shape) != expected:
                raise ValueError(f"Poses.{name} has shape {actual}, expected {expected}")

    def __len__(self) -> int:
        return len(self.xy)
