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
from dataclasses import dataclass, field, replace

import numpy as np

from vitruvian import geometry
from vitruvian.data.augment import Augment, change_colour, draw_matrices, paste_occluders
from vitruvian.data.people import People
from vitruvian.data.photos import cut, reduction_for
from vitruvian.types import Crops, State, UserError

_AGAIN = (
    2**55
)  # is added to the key of a person each time it comes again: its other draws differ, too
_LARGEST = 2**63 - 1  # of keys; who comes hundreds of times in an epoch is given one from 0 again


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

    Epochs are laid end to end and cut into global batches of `batch` persons; each has as many draws
    as there are persons: all of them, or as `People.weight` says (`epoch_rows`). What is drawn of a
    person depends on (seed, epoch, key); where one comes again in an epoch, on how often before, too.

    Raises:
        UserError: there is nobody to train on, the batch does not divide among the processes, or
            weights are no numbers from 0 up.
    """
    if not len(people):
        raise UserError(f"data set {people.name!r} has no person to train on")
    _check_weight(people)
    if batch % processes:
        raise UserError(f"a batch of {batch} does not divide among {processes} processes")
    extent = extents(people)

    @functools.lru_cache(maxsize=8)
    def order(epoch: int) -> tuple[np.ndarray, np.ndarray]:
        return epoch_rows(len(people), people.weight, seed, epoch)

    def make(step: int) -> Crops:
        places = np.arange(step * batch + rank, (step + 1) * batch, processes)
        epochs, within = np.divmod(places, len(people))
        orders = [order(int(e)) for e in epochs]
        rows = np.array([rows[p] for (rows, _), p in zip(orders, within, strict=True)])
        before = [int(again[p]) for (_, again), p in zip(orders, within, strict=True)]
        draws = [
            _draws(seed, int(e), int(k), b)
            for e, k, b in zip(epochs, people.key[rows], before, strict=True)
        ]
        matrices = draw_matrices(augment, draws, people.box[rows], extent[rows], height, width)

        def finish(
            i: int, crop: np.ndarray, joints: np.ndarray, state: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray]:
            crop = change_colour(augment, draws[i], crop)
            return crop, paste_occluders(augment, draws[i], crop, joints, state)

        crops = make_crops(people, rows, matrices, height, width, skipped, finish)
        crops = replace(crops, key=(crops.key + np.array(before) * _AGAIN) & _LARGEST)
        return _mirror_names(crops, people, matrices)

    def steps() -> Iterator[int]:
        step = start
        while True:
            yield step
            step += 1

    yield from ahead(make, steps(), workers)


def epoch_rows(
    count: int, weight: np.ndarray | None, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows (N,) of an epoch of `count` draws, in order, and how often (N,) each came before in it.

    Without weights every row comes once. With weights (count,) a row comes as often as its share of
    all weights times `count` says, rounded up or down; over epochs the mean is exact. So are, but for
    one draw, the sums over rows of equal weight (systematic resampling).
    """
    rng = np.random.default_rng([seed, epoch])
    if weight is None:
        return rng.permutation(count), np.zeros(count, np.int64)
    expected = count * (weight / weight.sum())
    times = np.floor(expected * (1 + 1e-12)).astype(np.int64)
    if left := count - int(times.sum()):
        mixed = rng.permutation(count)  # who else comes is another in every epoch
        mixed = mixed[np.argsort(weight[mixed], kind="stable")]
        ends = np.cumsum(np.maximum(expected - times, 0)[mixed])
        ends = np.minimum(ends * (left / ends[-1]), left)
        ends[-1] = left
        times[mixed] += np.diff(np.floor(ends + rng.random()), prepend=0).astype(np.int64)
    rows = np.repeat(np.arange(count), times)
    before = np.arange(count) - np.repeat(np.cumsum(times) - times, times)
    shuffled = rng.permutation(count)
    return rows[shuffled], before[shuffled]


def _draws(seed: int, epoch: int, key: int, before: int) -> np.random.Generator:
    """What is random about a person in an epoch in which it came `before` times already."""
    again = (before,) if before else ()
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, key], spawn_key=again))


def _check_weight(people: People) -> None:
    weight = people.weight
    if weight is None:
        return
    if not (np.isfinite(weight).all() and weight.min() >= 0 and weight.max() > 0):
        raise UserError(
            f"data set {people.name!r} has weights that nobody can be drawn by: they must be numbers "
            "from 0 up, one of them above 0"
        )


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
