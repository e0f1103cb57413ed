"""The bytes of a photograph -> pixels -> poses -> JSON."""

from __future__ import annotations

import base64
import contextlib
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.photos import cut, decode_photo, reduction_for
from vitruvian.models import ModelInfo
from vitruvian.types import UserError
from vitruvian.use.heatmaps import MapRunner, Seen, look_at
from vitruvian.use.look import Photo, factor_for, poses_in, sighting
from vitruvian.use.poses import PhotoPoses
from vitruvian.use.predict import Model
from vitruvian.use.serve.limits import Memory, boxes_in, read_header
from vitruvian.use.serve.settings import RefusedError

_EDGE = np.array([0.5, 0.5, 0, 0])  # boxes of `types` -> boxes as in COCO


@dataclass(frozen=True)
class Wish:
    """What is asked of a photograph, beside what a batch has in common."""

    data: bytes
    name: str  # what errors call it
    boxes: Any = None  # rows of x, y, width, height in px as in COCO; None: the whole photograph

    @property
    def persons(self) -> int:
        """How many crops it stands for, at least one."""
        return max(1, len(self.boxes)) if isinstance(self.boxes, list) else 1


@dataclass(frozen=True)
class Kind:
    """What the photographs of a batch have in common."""

    passes: int
    flip: bool = False
    maps: bool = False


@dataclass(frozen=True, eq=False)
class Photograph(Photo):
    """A decoded photograph that can be decoded finer while it is being looked at."""

    data: bytes = b""
    name: str = ""
    boxes: np.ndarray | None = None  # as in `types`

    def crop(self, to_image: np.ndarray, height: int, width: int) -> np.ndarray:
        """A crop, upsampled no more than the file makes necessary."""
        pixels, factor = self.pixels, self.factor
        needed = reduction_for(to_image)
        if needed < factor:
            with contextlib.suppress(UserError):
                pixels, factor = decode_photo(self.data, self.name, needed)
        return cut(pixels, geometry.after_reduction(to_image, factor), height, width)


@dataclass(frozen=True)
class Found:
    """What is answered about a photograph."""

    size: tuple[int, ...]  # height, width in px
    poses: PhotoPoses
    maps: tuple[Seen, ...] | None = None  # one for each person


def prepare(
    wish: Wish, kind: Kind, crop: tuple[int, int], pixels: int, boxes: int, memory: Memory
) -> Photograph:
    """Decodes a photograph as finely as its first crops need.

    Args:
        wish: the file and its boxes.
        kind: see there.
        crop: height, width px of the model's crops.
        pixels: most that are decoded.
        boxes: most of one photograph.
        memory: where its pixels are counted, until nobody holds them.

    Raises:
        RefusedError: it is too large, or its boxes are none.
        UserError: it is damaged.
    """
    header = read_header(wish.data, wish.name, pixels)
    asked = None if wish.boxes is None else boxes_in(wish.boxes, header.size, boxes)
    factor = factor_for(header.size, asked, kind.passes, crop)
    factor = factor if header.kind == "JPEG" else 1
    working = header.working(factor)
    memory.take(working)
    try:
        decoded, factor = decode_photo(wish.data, wish.name, factor)
    except BaseException:
        memory.give(working)
        raise
    photo = Photograph(decoded, factor, header.size, None, wish.data, wish.name, asked)
    memory.give(working - decoded.nbytes)
    weakref.finalize(photo, memory.give, decoded.nbytes)
    return photo


def answer(
    model: Model,
    run_maps: MapRunner | None,
    kind: Kind,
    photos: list[Photograph],
    batch: int,
    each: Callable[..., Iterable[np.ndarray]],
) -> list[Found]:
    """The poses of several photographs; with `kind.maps` what `run_maps` shows of each person."""
    boxes = [photo.boxes for photo in photos]
    poses = poses_in(model, list(photos), boxes, kind.passes, kind.flip, batch, each)
    found = []
    for photo, of in zip(photos, poses, strict=True):
        maps = None
        if kind.maps and run_maps is not None:
            seen = sighting(model, of, photo.boxes is not None, photo.crop)
            maps = tuple(look_at(run_maps, seen, kind.flip))
        found.append(Found(photo.size, of, maps))
    return found


def to_json(name: str, info: ModelInfo, found: Found) -> dict[str, Any]:
    """Plain values as `schema.Prediction` describes them."""
    height, width = found.size
    persons = [_person(info, found, i) for i in range(len(found.poses))]
    return {"model": name, "width": width, "height": height, "persons": persons}


def _person(info: ModelInfo, found: Found, i: int) -> dict[str, Any]:
    xy, score = _rounded(found.poses.xy[i], 2), _rounded(found.poses.score[i], 4)
    joints = [
        {"name": joint, "x": x, "y": y, "score": of}
        for joint, (x, y), of in zip(info.skeleton.joint_names, xy, score, strict=True)
    ]
    person = {
        "box": _box(found.poses.box[i]),
        "source": found.poses.source[i],
        "score": round(sum(score) / len(score), 4),
        "joints": joints,
    }
    if found.maps is not None:
        person["maps"] = _maps(info, found.maps[i])
    return person


def _maps(info: ModelInfo, seen: Seen) -> list[dict[str, Any]]:
    """Each set as one grey PNG, the maps of its joints from top to bottom."""
    height, width = info.crop
    (left, _, x), (_, down, y) = seen.to_image.tolist()
    box = np.array([x - left / 2, y - down / 2, left * width, down * height])
    described = []
    for name, values in seen.maps.items():
        values = np.maximum(values[: len(info.skeleton)], 0)  # the background is no joint
        peaks = values.max((1, 2))
        scaled = values * (255 / np.maximum(peaks, 1e-12))[:, None, None]
        K, h, w = values.shape
        done, png = cv2.imencode(".png", scaled.round().astype(np.uint8).reshape(K * h, w))
        if not done:
            raise RefusedError(
                500, f"the maps {name} of {K * h} x {w} cells are too large to be sent"
            )
        described.append(
            {
                "name": name,
                "height": h,
                "width": w,
                "box": _box(box),
                "peaks": _rounded(peaks, 4),
                "png": base64.b64encode(png.tobytes()).decode(),
            }
        )
    return described


def _box(box: np.ndarray) -> list[float]:
    values: list[float] = _rounded(box + _EDGE, 2)
    return values


def _rounded(values: np.ndarray, digits: int) -> Any:
    return values.astype(np.float64).round(digits).tolist()
