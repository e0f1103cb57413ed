"""Persons -> crops -> batches. A worker decodes a photograph, makes one warp, and knows no map or system.

What a batch holds depends on (seed, step) alone, never on workers, processes or where a run was resumed.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from vitruvian import geometry
from vitruvian.data.augment import Augment, change_colour, draw_matrices, paste_occluders
from vitruvian.data.people import People
from vitruvian.data.photos import cut, reduction_for
from vitruvian.types import Crops, State, UserError


@dataclass
class Skipped:
    """Photographs that could not be read, by name: they do not stop a long run."""

    reasons: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """One line, empty when nothing was skipped."""
        if not self.reasons:
            return ""
        first = next(iter(self.reasons.values()))
        return f"{len(self.reasons)} photographs could not be read and were skipped; the first: {first}"


def extents(people: People) -> np.ndarray:
    """The longer side in px of each person's located joints: (N,)."""
    return geometry.box_of_joints(people.joints, people.state >= State.OCCLUDED, 1.0)[:, 2]


def make_crops(
    people: People,
    rows: np.ndarray,
    matrices: np.ndarray,
    height: int,
    width: int,
    skipped: Skipped,
    finish: Callable[[int, np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    | None = None,
) -> Crops:
    """The persons `rows` (B,) cut out by `to_image` matrices (B, 2, 3).

    `finish(i, crop, joints, state)` may change a crop's colours and states. A photograph that cannot be
    read, or a person without a box (its matrix is NaN), becomes a black crop whose joints are all
    undefined, so that it never counts.
    """
    state = people.state[rows]
    located = state >= State.OCCLUDED
    joints = geometry.apply(geometry.invert(matrices), people.joints[rows].astype(np.float64))
    joints = np.where(located[..., None], joints, 0).astype(np.float32)  # (B, J, 2) xy_crop
    image = np.zeros((len(rows), height, width, 3), np.uint8)
    for i, row in enumerate(rows):
        if not np.isfinite(matrices[i]).all():
            state[i], joints[i] = State.UNDEFINED, 0
            continue
        try:
            photo, factor = people.photo(int(row), reduction_for(matrices[i]))
        except UserError as error:
            skipped.reasons[people.label(int(row))] = str(error)
            state[i], joints[i] = State.UNDEFINED, 0
            continue
        matrix = geometry.after_reduction(matrices[i], factor) if factor > 1 else matrices[i]
        crop = cut(photo, matrix, height, width, out=image[i])
        if finish is not None:
            image[i], state[i] = finish(i, crop, joints[i], state[i])
    return Crops(image, joints, state, matrices.astype(np.float32), people.key[rows])


def plain_crops(
    people: People,
    box: np.ndarray,
    height: int,
    width: int,
    batch: int,
    skipped: Skipped,
    workers: int = 1,
) -> Generator[Crops]:
    """Every person once, in order, cut out of `box` (N, 4) without augmentation."""
    matrices = geometry.crop_to_image(geometry.fit_aspect(box, height, width), height, width)

    def make(first: int) -> Crops:
        rows = np.arange(first, min(first + batch, len(people)))
        return make_crops(people, rows, matrices[rows], height, width, skipped)

    yield from ahead(make, iter(range(0, len(people), batch)), workers)


def training_crops(
    people: People,
    augment: Augment,
    height: int,
    width: int,
    batch: int,
    seed: int,
    skipped: Skipped,
    start: int = 0,
    rank: int = 0,
    processes: int = 1,
    workers: int = 1,
) -> Generator[Crops]:
    """Batches without end from step `start` on; this process's share of each.

    Epochs are permutations laid end to end, cut into global batches of `batch` persons.

    Raises:
        UserError: there is nobody to train on, or the batch does not divide among the processes.
    """
    if not len(people):
        raise UserError(f"data set {people.name!r} has no person to train on")
    if batch % processes:
        raise UserError(f"a batch of {batch} does not divide among {processes} processes")
    extent = extents(people)

    @functools.lru_cache(maxsize=8)
    def order(epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(len(people))

    def make(step: int) -> Crops:
        places = np.arange(step * batch + rank, (step + 1) * batch, processes)
        epochs, within = np.divmod(places, len(people))
        rows = np.array([order(int(e))[p] for e, p in zip(epochs, within, strict=True)])
        draws = [
            np.random.default_rng([seed, int(e), int(k)])
            for e, k in zip(epochs, people.key[rows], strict=True)
        ]
        matrices = draw_matrices(augment, draws, people.box[rows], extent[rows], height, width)

        def finish(
            i: int, crop: np.ndarray, joints: np.ndarray, state: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray]:
            crop = change_colour(augment, draws[i], crop)
            return crop, paste_occluders(augment, draws[i], crop, joints, state)

        crops = make_crops(people, rows, matrices, height, width, skipped, finish)
        return _mirror_names(crops, people, matrices)

    def steps() -> Iterator[int]:
        step = start
        while True:
            yield step
            step += 1

    yield from ahead(make, steps(), workers)


def _mirror_names(crops: Crops, people: People, matrices: np.ndarray) -> Crops:
    """Left and right change names where a crop is mirrored (its matrix has a negative determinant)."""
    (a, b), (c, d) = np.moveaxis(matrices[:, :, :2], 0, -1)  # each (B,)
    mirrored = a * d < b * c
    swap = people.skeleton.swap
    joints = np.where(mirrored[:, None, None], crops.joints[:, swap], crops.joints)
    state = np.where(mirrored[:, None], crops.state[:, swap], crops.state)
    return Crops(crops.image, joints, state, crops.to_image, crops.key)


def step_aside() -> None:
    """Lets this thread run behind others of the process, where the system knows priorities of threads.

    A net on the same cores computes in step on all of them: a loader that takes one away makes all wait.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def ahead(make: Callable[[int], Crops], items: Iterator[int], workers: int) -> Generator[Crops]:
    """`make` of each item, in order, `workers` threads working a few items ahead; 0: no thread.

    Threads suffice: decoding and warping leave Python's lock.
    """
    if workers <= 0:
        yield from map(make, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="crops", initializer=step_aside)
    pending: deque[Future[Crops]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(make, item))
            if len(pending) > workers + 1:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
