"""Crops -> poses: where to look in a photograph, what the net saw there, and where it looks again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vitruvian import geometry
from vitruvian.data.photos import cut, read_photo, reduction_for
from vitruvian.types import Poses, UserError
from vitruvian.use.boxes import closer_boxes, parted_boxes
from vitruvian.use.faces import find_face
from vitruvian.use.poses import USER, PhotoPoses

if TYPE_CHECKING:
    from vitruvian.use.predict import Model

BATCH = 16  # crops for a runner at once
FACE, IMAGE = "face", "image"  # the box is a face, enlarged, or the whole photograph
AGAIN = "+pass{}"  # and then lies around the pose that was found there


@dataclass(frozen=True)
class Photo:
    """A photograph, decoded as finely as its first crops need."""

    pixels: np.ndarray  # RGB, `factor` times smaller than the photograph
    factor: int
    size: tuple[int, ...]  # height, width in px of the photograph
    path: Path | None  # where finer pixels are to be had

    def crop(self, to_image: np.ndarray, height: int, width: int) -> np.ndarray:
        """The crop (height, width, 3) of `to_image`, from finer pixels where it needs them."""
        pixels, factor = self.pixels, self.factor
        needed = reduction_for(to_image)
        if self.path and needed < factor:
            with contextlib.suppress(UserError):  # gone since: what is there must do
                pixels, factor = read_photo(self.path, needed)
        return cut(pixels, geometry.after_reduction(to_image, factor), height, width)


@dataclass(frozen=True)
class Sighting:
    """The poses of the persons of one photograph, and the crops that they were read from."""

    poses: PhotoPoses
    to_image: np.ndarray  # (N, 2, 3), xy_crop -> xy_image
    crop: Callable[[int], np.ndarray]  # person -> (H, W, 3) uint8 RGB


def factor_for(
    size: tuple[int, ...], boxes: np.ndarray | None, passes: int, crop: tuple[int, int]
) -> int:
    """How many times smaller a photograph may be decoded; a second look may be twice as close."""
    box = geometry.whole_image(*size)[None] if boxes is None else boxes[:, :4]
    to_image = geometry.crop_to_image(geometry.fit_aspect(box, *crop), *crop)
    factor = min((reduction_for(matrix) for matrix in to_image), default=8)
    return max(1, factor // 2) if boxes is None and passes > 1 else factor


def poses_in(
    model: Model,
    photos: list[Photo],
    boxes: list[np.ndarray | None],
    passes: int,
    flip: bool,
    batch: int,
    each: Callable[..., Iterable[np.ndarray]] = map,
    sources: list[str] | None = None,
    faces: bool = False,
) -> list[PhotoPoses]:
    """The poses of several photographs, their persons together in batches.

    `boxes` are as in `types`, perhaps with scores as a fifth column; None is the whole photograph, or a
    face in it where the model has learnt from faces or `faces` are asked for; `each` may map with
    threads; `sources` says of each photograph where its boxes come from, if not from the user.
    """
    face = model.info.predict.face_factor
    starts = [
        _first_box(photo, face, faces) if of is None else None
        for photo, of in zip(photos, boxes, strict=True)
    ]
    asked = [start[0] if start else of for start, of in zip(starts, boxes, strict=True)]
    parts = [parted_boxes(of) for of in asked if of is not None]
    owner = np.repeat(np.arange(len(photos)), [len(of) for of, _ in parts])
    box = np.concatenate([np.zeros((0, 4), np.float32), *(of for of, _ in parts)])
    box_score = np.concatenate([np.zeros(0, np.float32), *(sure for _, sure in parts)])
    whole = np.array([of is None for of in boxes], bool)[owner]  # nobody gave a box
    source = [
        start[1] if start else sources[i] if sources else USER for i, start in enumerate(starts)
    ]
    persons = [source[i] for i in owner]
    margin = model.info.preprocessing.margin
    seen = np.where(whole[:, None], box, geometry.grow(box, margin))
    xy, score = _look(model, [photos[i] for i in owner], seen, flip, batch, each)
    for number in range(2, passes + 1):
        closer = closer_boxes(xy, score, box, margin, model.info.crop)
        again = whole & (closer != box).any(1)
        if not again.any():
            break
        box[again] = closer[again]
        for k in np.flatnonzero(again):
            persons[k] = source[owner[k]] + AGAIN.format(number)
        photos_again = [photos[i] for i in owner[again]]
        xy[again], score[again] = _look(model, photos_again, box[again], flip, batch, each)
    poses = []
    for i, photo in enumerate(photos):
        one = Poses(xy[owner == i], score[owner == i], box[owner == i])
        said = tuple(persons[k] for k in np.flatnonzero(owner == i))
        poses.append(_described(model, one, said, photo.path, box_score[owner == i]))
    return poses


def sighting(
    model: Model, poses: Poses, given: bool, crop: Callable[[np.ndarray, int, int], np.ndarray]
) -> Sighting:
    """The crops of poses, which `crop` cuts by `to_image`; `given` boxes were seen with a margin."""
    margin = model.info.preprocessing.margin
    to_image = _matrices(model, geometry.grow(poses.box, margin) if given else poses.box)
    if not isinstance(poses, PhotoPoses):
        poses = _described(model, poses, (USER if given else IMAGE,) * len(poses), None)
    return Sighting(poses, to_image, lambda i: crop(to_image[i], *model.info.crop))


def _described(
    model: Model,
    poses: Poses,
    source: tuple[str, ...],
    path: Path | None,
    box_score: np.ndarray | None = None,
) -> PhotoPoses:
    return PhotoPoses(
        poses.xy, poses.score, poses.box, model.info.skeleton, model.info.predict.threshold,
        source, box_score, name=str(path or ""), photo=path,
    )  # fmt: skip


def _matrices(model: Model, box: np.ndarray) -> np.ndarray:
    """`to_image` (N, 2, 3) of the crops that show boxes (N, 4)."""
    height, width = model.info.crop
    return geometry.crop_to_image(geometry.fit_aspect(box, height, width), height, width)


def _first_box(photo: Photo, face_factor: float | None, faces: bool) -> tuple[np.ndarray, str]:
    """(1, 4): the whole photograph, or what the face that is found in it says; and which of them."""
    whole = geometry.whole_image(*photo.size)[None]
    face = find_face(photo.pixels) if faces or face_factor is not None else None
    if face is None:
        return whole, IMAGE
    shift = np.array([0.5, 0.5, 0, 0], np.float32)  # the edge, where reductions meet
    box = ((face + shift) * photo.factor - shift)[None]
    if face_factor is not None:
        return geometry.grow(box, face_factor), FACE
    return body_of_face(box, photo.size), FACE


def body_of_face(face: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Boxes (N, 4) of standing persons by their faces, cut at the edges of a photograph of (H, W) px.

    A face that the cascade finds is about 0.8 heads wide and a person about 7.5 heads tall: 9.5 faces
    down from half a face above, and 6 across for the arms.
    """
    side = face[:, 2:3]
    low = face[:, :2] + np.concatenate([-2.5 * side, -0.5 * side], 1)
    high = low + np.concatenate([6 * side, 9.5 * side], 1)
    low = np.maximum(low, -0.5)
    high = np.minimum(high, np.array([size[1], size[0]]) - 0.5)
    return np.concatenate([low, high - low], 1).astype(np.float32)


def _look(
    model: Model,
    photos: list[Photo],
    box: np.ndarray,
    flip: bool,
    batch: int,
    each: Callable[..., Iterable[np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """One pass: persons in boxes (N, 4) of `photos` -> xy_image (N, J, 2), score (N, J)."""
    height, width = model.info.crop
    N, J = len(photos), len(model.info.skeleton)
    xy, score = np.zeros((N, J, 2), np.float32), np.zeros((N, J), np.float32)
    to_image = _matrices(model, box)
    for start in range(0, N, batch):
        part = slice(start, start + batch)
        crops = each(
            lambda photo, matrix: photo.crop(matrix, height, width), photos[part], to_image[part]
        )
        xy_crop, score[part] = model.runner(np.stack(list(crops)), flip)
        xy[part] = geometry.apply(to_image[part], xy_crop)
    return xy, score
