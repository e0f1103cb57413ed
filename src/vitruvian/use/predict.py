"""Photographs in, poses out: box -> crop -> runner -> pixels of the photograph."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.loader import step_aside
from vitruvian.data.photos import cut, photo_size, read_photo, reduction_for
from vitruvian.models import MOST_PASSES, ModelInfo, find_model, read_model
from vitruvian.types import Poses, Runner, UserError
from vitruvian.use.boxes import boxes_of_poses
from vitruvian.use.faces import find_face
from vitruvian.use.runners import open_runner

Result = tuple[Path, np.ndarray | None, Poses] | tuple[Path, None, UserError]

_BATCH = 16
_AHEAD = 48 << 20  # bytes of photographs decoded before they are needed
_TOGETHER = 48 << 20  # bytes of photographs that wait for one batch


@dataclass(frozen=True)
class Model:
    """A model that answers; see `load`."""

    info: ModelInfo
    runner: Runner
    folder: Path

    def predict(
        self,
        photo: np.ndarray | str | Path,
        boxes: Any = None,
        passes: int | None = None,
        flip: bool = False,
    ) -> Poses:
        """The poses of the persons of one photograph, in its pixels.

        Args:
            photo: RGB (H, W, 3) or grey (H, W) uint8, or the name of a file.
            boxes: (N, 4) x, y, width, height in px as in COCO, one closely around each person (the
                model's margin is added); without, the whole photograph is one person's.
            passes: 2 or 3 look again, around the joints found in the whole photograph; None is what
                the model says. Boxes that are given are looked at once.
            flip: average with the answer for the mirrored crop.

        Raises:
            UserError: the photograph cannot be read, or a box is no box.
        """
        asked = None if boxes is None else checked_boxes(boxes)
        passes = _checked_passes(self, passes)
        if isinstance(photo, np.ndarray):
            pixels = _checked_photo(photo)
            seen = _Photo(pixels, 1, pixels.shape[:2], None)
        else:
            size = photo_size(photo)
            factor = _factor(size, asked, passes, self.info.crop)
            seen = _Photo(*read_photo(photo, factor), size, Path(photo))
        return _poses(self, [seen], [asked], passes, flip, _BATCH)[0]


def load(name: str | Path = "default", device: str = "auto") -> Model:
    """A model by its name or folder; see `models.find_model` and `runners.open_runner`.

    Args:
        name: "NAME@STAGE" answers with the stages up to that one, which needs torch.

    Raises:
        UserError: there is no such model, it is damaged, or it needs torch and that is absent.
    """
    stage = None
    if "@" in str(name) and not Path(name).exists():
        name, _, stage = str(name).rpartition("@")
    folder = find_model(name)
    info = read_model(folder)
    if stage is not None:
        predict = info.predict.model_copy(update={"upto": stage})
        info = info.model_copy(
            update={"predict": predict, "files": {}}
        )  # the graph is of all stages
    return Model(info, open_runner(folder, info, device), folder)


def predict_photos(
    model: Model,
    paths: Iterable[Path],
    boxes: Mapping[str, Any] | None = None,
    passes: int | None = None,
    flip: bool = False,
    batch: int = _BATCH,
    pictures: bool = True,
) -> Iterator[Result]:
    """Poses of many photographs, in their order, in memory that does not grow with their number.

    Args:
        model: see `load`.
        paths: files; taken as they are needed.
        boxes: file name -> boxes, as `files.read_boxes` returns them and `Model.predict` takes
            them; a name may be any end of a path.
        passes: as in `Model.predict`.
        flip: as in `Model.predict`.
        batch: crops for the runner at once, at most.
        pictures: yield the photographs too, to draw on. Without, a JPEG is decoded only as finely
            as its crops need, which takes a third of the time; the poses are the same.

    Yields:
        The path, the photograph RGB (H, W, 3), or None without `pictures`, and its poses; or the
        path, None and the error that keeps it from being read.
    """
    passes = _checked_passes(model, passes)
    wanted = (_want(Path(path), boxes, passes, model.info.crop, pictures) for path in paths)
    with ThreadPoolExecutor(2, "cut") as pool:
        for group in _groups(_decoded(wanted, 2 * batch), batch):
            good = [item for item in group if item.photo]
            photos = [item.photo for item in good if item.photo]
            asked = [item.want.boxes for item in good]
            poses = iter(_poses(model, photos, asked, passes, flip, batch, pool.map))
            del photos, good
            while group:
                item = group.popleft()
                if item.photo:
                    yield item.want.path, item.picture, next(poses)
                else:
                    yield item.want.path, None, item.error or UserError("not read")


def checked_boxes(boxes: Any) -> np.ndarray:
    """Boxes (N, 4) as in COCO -> boxes (N, 4) as in `types`.

    Raises:
        UserError: another shape, or a box without four finite numbers or without area.
    """
    try:
        asked = np.array(boxes, np.float32, ndmin=2)
    except (TypeError, ValueError):
        raise UserError("boxes are rows of four numbers: x, y, width, height in px") from None
    asked = asked if asked.size else np.zeros((0, 4), np.float32)
    if asked.ndim != 2 or asked.shape[1] != 4:
        raise UserError("boxes are rows of four numbers: x, y, width, height in px")
    for number, box in enumerate(asked, 1):
        if not np.isfinite(box).all() or box[2:].min() <= 0:
            raise UserError(f"box {number} is {box.tolist()}: give x, y, width, height in px > 0")
    return geometry.boxes_of_pixels(asked)


def _checked_photo(photo: np.ndarray) -> np.ndarray:
    if photo.dtype != np.uint8 or photo.size == 0:
        raise UserError(
            f"a photograph is a filled uint8 array, not {photo.dtype} of shape {photo.shape}"
        )
    if photo.ndim == 2:
        return cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_GRAY2RGB)
    if photo.ndim != 3 or photo.shape[2] != 3:
        raise UserError(f"a photograph is RGB (H, W, 3) or grey (H, W), not of shape {photo.shape}")
    return np.ascontiguousarray(photo)


def _checked_passes(model: Model, passes: int | None) -> int:
    passes = model.info.predict.passes if passes is None else passes
    if passes not in range(1, MOST_PASSES + 1):
        raise UserError(f"passes is {passes!r}: give 1 to {MOST_PASSES}")
    return passes


# ---- crops -> poses ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Photo:
    """A photograph, decoded as finely as its first crops need."""

    pixels: np.ndarray  # RGB, `factor` times smaller than the photograph
    factor: int
    size: tuple[int, ...]  # height, width in px of the photograph
    path: Path | None  # where finer pixels are to be had

    def crop(self, to_image: np.ndarray, height: int, width: int) -> np.ndarray:
        pixels, factor = self.pixels, self.factor
        needed = reduction_for(to_image)
        if self.path and needed < factor:
            with contextlib.suppress(UserError):  # gone since: what is there must do
                pixels, factor = read_photo(self.path, needed)
        return cut(pixels, geometry.after_reduction(to_image, factor), height, width)


def _factor(
    size: tuple[int, ...], boxes: np.ndarray | None, passes: int, crop: tuple[int, int]
) -> int:
    """How many times smaller a photograph may be decoded; a second look may be twice as close."""
    box = geometry.whole_image(*size)[None] if boxes is None else boxes
    to_image = geometry.crop_to_image(geometry.fit_aspect(box, *crop), *crop)
    factor = min((reduction_for(matrix) for matrix in to_image), default=8)
    return max(1, factor // 2) if boxes is None and passes > 1 else factor


def _poses(
    model: Model,
    photos: list[_Photo],
    boxes: list[np.ndarray | None],
    passes: int,
    flip: bool,
    batch: int,
    each: Callable[..., Iterable[np.ndarray]] = map,
) -> list[Poses]:
    """The poses of several photographs, their persons together in batches.

    `boxes` are as in `types`, None is the whole photograph; `each` may map with threads.
    """
    face = model.info.predict.face_factor
    asked = [
        _first_box(photo, face) if of is None else of
        for photo, of in zip(photos, boxes, strict=True)
    ]
    owner = np.repeat(np.arange(len(photos)), [len(of) for of in asked])
    box = np.concatenate([np.zeros((0, 4), np.float32), *asked])
    whole = np.array([of is None for of in boxes], bool)[owner]  # nobody gave a box
    margin = model.info.preprocessing.margin
    seen = np.where(whole[:, None], box, geometry.grow(box, margin))
    xy, score = _look(model, [photos[i] for i in owner], seen, flip, batch, each)
    for _ in range(passes - 1):
        closer = boxes_of_poses(xy, score, box, model.info.predict.box_threshold, margin)
        again = whole & (closer != box).any(1)
        box[again] = closer[again]
        photos_again = [photos[i] for i in owner[again]]
        xy[again], score[again] = _look(model, photos_again, box[again], flip, batch, each)
    return [Poses(xy[owner == i], score[owner == i], box[owner == i]) for i in range(len(photos))]


def _first_box(photo: _Photo, face_factor: float | None) -> np.ndarray:
    """(1, 4): the whole photograph, or the face that is found in it, enlarged."""
    whole = geometry.whole_image(*photo.size)[None]
    face = None if face_factor is None else find_face(photo.pixels)
    if face is None or face_factor is None:
        return whole
    shift = np.array([0.5, 0.5, 0, 0], np.float32)  # the edge, where reductions meet
    return geometry.grow(((face + shift) * photo.factor - shift)[None], face_factor)


def _look(
    model: Model,
    photos: list[_Photo],
    box: np.ndarray,
    flip: bool,
    batch: int,
    each: Callable[..., Iterable[np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """One pass: persons in boxes (N, 4) of `photos` -> xy_image (N, J, 2), score (N, J)."""
    height, width = model.info.crop
    N, J = len(photos), len(model.info.skeleton)
    xy, score = np.zeros((N, J, 2), np.float32), np.zeros((N, J), np.float32)
    to_image = geometry.crop_to_image(geometry.fit_aspect(box, height, width), height, width)
    for start in range(0, N, batch):
        part = slice(start, start + batch)
        crops = each(
            lambda photo, matrix: photo.crop(matrix, height, width), photos[part], to_image[part]
        )
        xy_crop, score[part] = model.runner(np.stack(list(crops)), flip)
        xy[part] = geometry.apply(to_image[part], xy_crop)
    return xy, score


# ---- files -> photographs, ahead of their use ----------------------------------------------------


@dataclass(frozen=True)
class _Want:
    """What is to be read of a file; or why it cannot be."""

    path: Path
    boxes: np.ndarray | None = None  # as in `types`
    size: tuple[int, int] = (0, 0)  # height, width in px
    factor: int = 1
    picture: bool = False  # the photograph in full as well
    nbytes: int = 0  # of what is decoded
    error: UserError | None = None


@dataclass(frozen=True)
class _Item:
    """What was read of a file: `photo` or `error`."""

    want: _Want
    photo: _Photo | None = None
    picture: np.ndarray | None = None
    error: UserError | None = None


def _want(
    path: Path,
    boxes: Mapping[str, Any] | None,
    passes: int,
    crop: tuple[int, int],
    picture: bool,
) -> _Want:
    try:
        asked = None if boxes is None else _boxes_of(path, boxes)
        size = photo_size(path)
    except UserError as error:
        return _Want(path, error=error)
    factor = _factor(size, asked, passes, crop)
    shrunk = factor if path.suffix.lower() in (".jpg", ".jpeg", ".jfif") else 1
    full = 3 * size[0] * size[1]
    nbytes = full // shrunk**2 + (full if picture and shrunk > 1 else 0)
    return _Want(path, asked, size, factor, picture, nbytes)


def _boxes_of(path: Path, boxes: Mapping[str, Any]) -> np.ndarray:
    ends = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
    name = next((end for end in (str(path), *ends) if end in boxes), None)
    if name is None:
        raise UserError(f"{path} is not among the boxes: add it, or leave it out")
    try:
        return checked_boxes(boxes[name])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read(want: _Want) -> _Item:
    try:
        if want.error:
            raise want.error
        pixels, factor = read_photo(want.path, want.factor)
        picture = None
        if want.picture:
            picture = pixels if factor == 1 else read_photo(want.path)[0]
    except UserError as error:
        return _Item(want, error=error)
    except MemoryError:
        why = f"{want.path} is too large for the memory: save it smaller"
        return _Item(want, error=UserError(why))
    return _Item(want, _Photo(pixels, factor, want.size, want.path), picture)


def _decoded(wanted: Iterator[_Want], most: int) -> Iterator[_Item]:
    """Photographs in order, decoded by threads: at most `most` and `_AHEAD` bytes wait, or one."""
    threads = min(4, max(2, os.cpu_count() or 2))
    waiting: deque[tuple[int, Future[_Item]]] = deque()
    following = next(wanted, None)
    held = 0
    with ThreadPoolExecutor(threads, "decode", initializer=step_aside) as pool:
        try:
            while following or waiting:
                while following and (
                    not waiting or (len(waiting) < most and held + following.nbytes <= _AHEAD)
                ):
                    waiting.append((following.nbytes, pool.submit(_read, following)))
                    held += following.nbytes
                    following = next(wanted, None)
                nbytes, future = waiting.popleft()
                held -= nbytes
                yield future.result()
                del future  # it holds the photograph
        finally:
            for _, future in waiting:
                future.cancel()


def _groups(items: Iterator[_Item], batch: int) -> Iterator[deque[_Item]]:
    """Items together until they fill a batch of crops or `_TOGETHER` bytes; errors among them."""
    group: deque[_Item] = deque()
    persons = held = 0
    for item in items:
        group.append(item)
        persons += 1 if item.want.boxes is None else len(item.want.boxes)
        held += item.want.nbytes
        del item
        if persons >= batch or len(group) >= 2 * batch or held >= _TOGETHER:
            yield group
            group, persons, held = deque(), 0, 0
    if group:
        yield group
