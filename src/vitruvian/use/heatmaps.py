"""A net's heatmaps of the persons of photographs, as arrays. Needs torch: graphs give joints alone.

xy_crop = geometry.cell_to_px(xy_cell, H / h)        xy_image = geometry.apply(to_image, xy_crop)
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.photos import cut
from vitruvian.draw import write_whole
from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses, UserError
from vitruvian.use.look import Sighting, sighting
from vitruvian.use.predict import Model, find_in_photos
from vitruvian.use.runners import torch_runners

# As a `Runner`, and the heatmaps, set -> (B, K, h, w) float32; K is J, or J + 1 with the background last
MapRunner = Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]

BACKGROUND = "background"
_BATCH = 4  # crops at once: the maps of a paper's net at its own resolution are 20 MB a person


@dataclass(frozen=True)
class Seen:
    """One look at a person: the crop, the net's heatmaps of it, and its answer."""

    maps: dict[str, np.ndarray]  # set -> (K, h, w) float32; K is J, or J + 1: the background last
    crop: np.ndarray  # (H, W, 3) uint8 RGB
    to_image: np.ndarray  # (2, 3), xy_crop -> xy_image
    xy_crop: np.ndarray  # (J, 2) float32, the answer
    score: np.ndarray  # (J,) float32, 0 to 1


@dataclass(frozen=True)
class Truth:
    """What is labelled of a person, in the model's joints."""

    xy_crop: np.ndarray  # (J, 2)
    state: np.ndarray  # (J,), values of State


def open_maps(model: Model, device: str = "auto") -> MapRunner:
    """What runs a model's net on crops and gives its heatmaps too, sets in the order of their making.

    Raises:
        UserError: torch is not installed, or the system answers without heatmaps.
    """
    learn = torch_runners("heatmaps need torch, a model's graph gives joints alone")
    run: MapRunner = learn.torch_maps(model.folder, model.info, device)
    _, _, maps = run(np.zeros((1, *model.info.crop, 3), np.uint8), False)
    if not maps:
        raise UserError(
            f"{model.info.name} has no heatmaps: system {model.info.system!r} answers without them"
        )
    return run


def heatmaps(
    model: Model,
    photos: Iterable[Path | str],
    boxes: Mapping[str, Any] | None = None,
    passes: int | None = None,
    flip: bool = False,
    device: str = "auto",
) -> Iterator[tuple[Path, Seen | UserError]]:
    """The heatmaps of every person in photographs, in order; memory does not grow with their number.

    Args:
        model: from `load`; the others as in `predict_photos`.

    Yields:
        The path and one look at a person, or the error that keeps the photograph from being read.

    Raises:
        UserError: as `open_maps`.
    """
    run = open_maps(model, device)
    paths = map(Path, photos)
    for path, _, found in find_in_photos(model, paths, boxes, passes, flip, pictures=False):
        if isinstance(found, UserError):
            yield path, found
            continue
        for seen in look_at(run, found, flip):
            yield path, seen


def look_at(run: MapRunner, found: Sighting, flip: bool = False) -> Iterator[Seen]:
    """The maps of the persons of a photograph, in the very crops that their poses were read from."""
    for start in range(0, len(found.poses), _BATCH):
        part = range(len(found.poses))[start : start + _BATCH]
        crops = np.stack([found.crop(i) for i in part])
        yield from unpack(run(crops, flip), crops, found.to_image[start : start + _BATCH])


def look(
    model: Model,
    run: MapRunner,
    photo: np.ndarray,
    poses: Poses,
    given: bool = False,
    flip: bool = False,
) -> Iterator[Seen]:
    """As `look_at`, of a photograph, RGB uint8 (H, W, 3), and the poses found in it.

    Args:
        given: somebody gave `poses.box`, so that the model's margin is still to be added.
    """
    return look_at(run, sighting(model, poses, given, partial(cut, photo)), flip)


def unpack(
    answer: tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]],
    crops: np.ndarray,
    to_image: np.ndarray,
) -> Iterator[Seen]:
    """A `MapRunner`'s answer for crops (B, H, W, 3) with their matrices (B, 2, 3), one by one."""
    xy, score, maps = answer
    for i in range(len(crops)):
        of = {name: values[i] for name, values in maps.items()}
        yield Seen(of, crops[i], to_image[i], xy[i], score[i])


def peak(values: np.ndarray, crop: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """The centre xy_crop (2,) of the highest cell of a map (h, w), and its value; `crop` is (H, W)."""
    h, w = values.shape
    y, x = np.unravel_index(int(values.argmax()), (h, w))
    xy_crop = geometry.cell_to_px(x, crop[1] / w), geometry.cell_to_px(y, crop[0] / h)
    return np.array(xy_crop, np.float64), float(values[y, x])


def channels(skeleton: Skeleton, count: int) -> tuple[str, ...]:
    """What each of a set's `count` maps is of: joints, and perhaps the background."""
    return (*skeleton.joint_names, BACKGROUND)[:count]


def write_maps(path: Path, seen: Seen, skeleton: Skeleton, truth: Truth | None = None) -> None:
    """One person's maps as .npz, for `numpy.load` without pickle.

        sets                names, in the order of their making
        maps_NAME           (K, h, w) float16, one array a set
        joints              J names; a set with J + 1 maps has the background last
        to_image            (2, 3) float64, xy_crop -> xy_image
        crop_size           height, width of the crop in px; H / h px are a cell
        xy_image, score     (J, 2), (J,) float32: the answer
        true_xy_image, state    (J, 2) float32, (J,) uint8 of `types.State`, where there are labels

    Raises:
        UserError: it cannot be written.
    """
    limit = np.finfo(np.float16).max
    arrays = {
        f"maps_{name}": np.clip(values, -limit, limit).astype(np.float16)
        for name, values in seen.maps.items()
    }
    if truth is not None:
        true = geometry.apply(seen.to_image, truth.xy_crop)
        arrays |= {"true_xy_image": true.astype(np.float32), "state": truth.state}
    data = io.BytesIO()
    np.savez_compressed(
        data,
        sets=np.array(list(seen.maps)),
        joints=np.array(skeleton.joint_names),
        to_image=np.asarray(seen.to_image, np.float64),
        crop_size=np.array(seen.crop.shape[:2]),
        xy_image=geometry.apply(seen.to_image, seen.xy_crop).astype(np.float32),
        score=seen.score.astype(np.float32),
        **arrays,
    )
    write_whole(path, data.getvalue())
