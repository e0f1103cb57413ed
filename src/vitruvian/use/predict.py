"""Photographs in, poses out: box -> crop -> runner -> pixels of the photograph."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.photos import cut, photo_size, read_photo
from vitruvian.models import ModelInfo, find_model, read_model
from vitruvian.types import Poses, UserError
from vitruvian.use.runners import Runner, open_runner

Result = tuple[Path, np.ndarray, Poses] | tuple[Path, None, UserError]

_BATCH = 32
_ENOUGH_JOINTS = 3  # to look again where a first look has found them
_AHEAD = 64 << 20  # bytes of photographs decoded before they are needed
_TOGETHER = 64 << 20  # bytes of photographs that wait for one batch


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
            boxes: (N, 4) x, y, width, height in px as in COCO, one for each person; without, the
                whole photograph is one person's.
            passes: 2 looks once more, around the joints found in the whole photograph; None is what
                the model says. Boxes that are given are looked at once.
            flip: average with the answer for the mirrored crop.

        Raises:
            UserError: the photograph cannot be read, or a box is no box.
        """
        array = _checked_photo(photo) if isinstance(photo, np.ndarray) else read_photo(photo)[0]
        asked = None if boxes is None else checked_boxes(boxes)
        return _poses(self, [array], [asked], passes, flip, _BATCH)[0]


def load(name: str | Path = "default", device: str = "auto") -> Model:
    """A model by its name or folder; see `models.find_model` and `runners.open_runner`.

    Raises:
        UserError: there is no such model, it is damaged, or it needs torch and that is absent.
    """
    folder = find_model(name)
    info = read_model(folder)
    return Model(info, open_runner(folder, info, device), folder)


def predict_photos(
    model: Model,
    paths: Iterable[Path],
    boxes: Mapping[str, Any] | None = None,
    passes: int | None = None,
    flip: bool = False,
    batch: int = _BATCH,
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

    Yields:
        The path, the photograph RGB (H, W, 3) and its poses; or the path, None and the error that
        keeps it from being read.
    """
    for group in _groups(_decoded(paths, 2 * batch), boxes, batch):
        good = [item for item in group if isinstance(item.photo, np.ndarray)]
        photos = [item.photo for item in good if isinstance(item.photo, np.ndarray)]
        poses = iter(_poses(model, photos, [item.boxes for item in good], passes, flip, batch))
        photos.clear()
        good.clear()
        while group:
            item = group.popleft()
            if isinstance(item.photo, UserError):
                yield item.path, None, item.photo
            else:
                yield item.path, item.photo, next(poses)


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
    return asked - np.array([0.5, 0.5, 0, 0], np.float32)


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


# ---- crops -> poses ------------------------------------------------------------------------------


def _poses(
    model: Model,
    photos: list[np.ndarray],
    boxes: list[np.ndarray | None],
    passes: int | None,
    flip: bool,
    batch: int,
) -> list[Poses]:
    """The poses of several photographs, their persons together in batches.

    `boxes` are as in `types`; None is the whole photograph.
    """
    passes = model.info.predict.passes if passes is None else passes
    if passes not in (1, 2):
        raise UserError(f"passes is {passes!r}: give 1 or 2")
    asked = [
        geometry.whole_image(*photo.shape[:2])[None] if of is None else of
        for photo, of in zip(photos, boxes, strict=True)
    ]
    owner = np.repeat(np.arange(len(photos)), [len(of) for of in asked])
    box = np.concatenate([np.zeros((0, 4), np.float32), *asked])
    xy, score = _look(model, photos, owner, box, flip, batch)
    if passes == 2:
        sure = score >= model.info.predict.threshold
        around = geometry.box_of_joints(xy, sure, model.info.preprocessing.margin)
        whole = np.array([of is None for of in boxes], bool)[owner]
        again = whole & (sure.sum(1) >= _ENOUGH_JOINTS) & np.isfinite(around).all(1)
        box[again] = around[again]
        xy[again], score[again] = _look(model, photos, owner[again], box[again], flip, batch)
    return [Poses(xy[owner == i], score[owner == i], box[owner == i]) for i in range(len(photos))]


def _look(
    model: Model,
    photos: list[np.ndarray],
    owner: np.ndarray,
    box: np.ndarray,
    flip: bool,
    batch: int,
) -> tuple[np.ndarray, np.ndarray]:
    """One pass: persons (N,) of photographs `owner` in boxes (N, 4) -> xy_image, score."""
    height, width = model.info.crop
    N, J = len(owner), len(model.info.skeleton)
    xy, score = np.zeros((N, J, 2), np.float32), np.zeros((N, J), np.float32)
    to_image = geometry.crop_to_image(geometry.fit_aspect(box, height, width), height, width)
    for start in range(0, N, batch):
        part = slice(start, start + batch)
        crops = [
            cut(photos[i], matrix, height, width)
            for i, matrix in zip(owner[part], to_image[part], strict=True)
        ]
        xy_crop, score[part] = model.runner(np.stack(crops), flip)
        xy[part] = geometry.apply(to_image[part], xy_crop)
    return xy, score


# ---- files -> photographs, ahead of their use ----------------------------------------------------


@dataclass(frozen=True)
class _Item:
    path: Path
    photo: np.ndarray | UserError
    boxes: np.ndarray | None = None  # as in `types`


def _read(path: Path) -> np.ndarray | UserError:
    try:
        return read_photo(path)[0]
    except UserError as error:
        return error
    except MemoryError:
        return UserError(f"{path} is too large for the memory: save it smaller")


def _decoded(paths: Iterable[Path], most: int) -> Iterator[tuple[Path, np.ndarray | UserError]]:
    """Photographs in order, decoded by threads: at most `most` and `_AHEAD` bytes wait, or one."""
    threads = min(4, max(2, os.cpu_count() or 2))
    waiting: deque[tuple[Path, int, Future[np.ndarray | UserError]]] = deque()
    sized = ((Path(path), _size_of(Path(path))) for path in paths)
    following = next(sized, None)
    held = 0
    with ThreadPoolExecutor(threads, "decode") as pool:
        try:
            while following or waiting:
                while following and (
                    not waiting or (len(waiting) < most and held + following[1] <= _AHEAD)
                ):
                    path, size = following
                    waiting.append((path, size, pool.submit(_read, path)))
                    held += size
                    following = next(sized, None)
                path, size, future = waiting.popleft()
                photo = future.result()
                del future  # it holds the photograph
                held -= size
                yield path, photo
                del photo
        finally:
            for *_, future in waiting:
                future.cancel()


def _size_of(path: Path) -> int:
    """Bytes of the decoded photograph; 0 for a file that will turn out to be unreadable."""
    try:
        height, width = photo_size(path)
    except UserError:
        return 0
    return 3 * height * width


def _groups(
    decoded: Iterable[tuple[Path, np.ndarray | UserError]],
    boxes: Mapping[str, Any] | None,
    batch: int,
) -> Iterator[deque[_Item]]:
    """Photographs together until they fill a batch or `_TOGETHER` bytes; errors among them."""
    group: deque[_Item] = deque()
    persons = held = 0
    for path, photo in decoded:
        item = _with_boxes(path, photo, boxes)
        del photo
        group.append(item)
        persons += 1 if item.boxes is None else len(item.boxes)
        held += item.photo.nbytes if isinstance(item.photo, np.ndarray) else 0
        del item
        if persons >= batch or len(group) >= 2 * batch or held >= _TOGETHER:
            yield group
            group, persons, held = deque(), 0, 0
    if group:
        yield group


def _with_boxes(
    path: Path, photo: np.ndarray | UserError, boxes: Mapping[str, Any] | None
) -> _Item:
    if boxes is None or isinstance(photo, UserError):
        return _Item(path, photo)
    ends = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
    name = next((end for end in (str(path), *ends) if end in boxes), None)
    if name is None:
        return _Item(path, UserError(f"{path} is not among the boxes: add it, or leave it out"))
    try:
        return _Item(path, photo, checked_boxes(boxes[name]))
    except UserError as error:
        return _Item(path, UserError(f"{path}: {error}"))
