"""Persons whose joints are painted pixels, and the crops that a training takes of them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Generator
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, training_crops
from vitruvian.data.people import People
from vitruvian.skeleton import Skeleton
from vitruvian.types import Crops, State, UserError

BODY = Skeleton("body", ("right_hand", "left_hand", "nose"), (("right_hand", "left_hand"),))
HEIGHT, WIDTH = 60, 90  # of a photograph
H, W = 96, 64  # of a crop
GEOMETRY = Augment(
    scale=(0.8, 1.2), rotation=60, translation=0.05, flip=0.5, scale_sigma=0.1, fill=(0.3, 0.5)
)
ALL = GEOMETRY.model_copy(update={"colour": 0.4, "occluders": 2})


def crowd(count: int, seed: int = 0, broken: Collection[int] = (), noise: bool = False) -> People:
    """Persons whose right hand is one red pixel, the left a green and the nose a blue one."""
    rng = np.random.default_rng(seed)
    middle = rng.integers((30, 25), (60, 35), (count, 2))
    joints = (middle[:, None] + rng.integers(-9, 10, (count, 3, 2))).astype(np.float32)
    state = np.full((count, 3), State.VISIBLE, np.uint8)

    def photo(row: int, factor: int) -> tuple[np.ndarray, int]:
        if row in broken:
            raise UserError(f"p{row} is damaged")
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        if noise:
            picture = np.random.default_rng(row).integers(0, 256, picture.shape).astype(np.uint8)
        for j, (x, y) in enumerate(joints[row].astype(int)):
            picture[y, x, j] = 255
        return picture, 1

    return People(
        name="crowd",
        skeleton=BODY,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, state >= State.OCCLUDED),
        key=1000 + 7 * np.arange(count),
        photo=photo,
        label=lambda row: f"p{row}.png",
        size=lambda row: (HEIGHT, WIDTH),
        subsets={},
        provenance="painted",
    )


def training(
    people: People,
    batch: int = 4,
    augment: Augment = ALL,
    seed: int = 3,
    skipped: Skipped | None = None,
    **options: Any,
) -> Generator[Crops]:
    """The batches of a training on crops of `H` x `W` px, without an end."""
    return training_crops(people, augment, H, W, batch, seed, skipped or Skipped(), **options)


def first(crops: Generator[Crops], count: int) -> list[Crops]:
    """So many batches, after which no more are made."""
    taken = list(itertools.islice(crops, count))
    crops.close()
    return taken


def assert_same(one: Crops, other: Crops) -> None:
    """Two batches are equal in every number."""
    for name in ("image", "joints", "state", "to_image", "key"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
