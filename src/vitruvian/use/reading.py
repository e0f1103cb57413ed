"""Files and arrays -> what is to be looked at: pixels as fine as the crops need, and boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from vitruvian import geometry
from vitruvian.data.photos import decode_photo, photo_size, pixels_of, read_photo
from vitruvian.types import UserError
from vitruvian.use.look import Photo, factor_for

Photograph = np.ndarray | str | Path | Image.Image | bytes  # the last: a file's, whole
_NO_MORE = object()
_FORM = "boxes are rows of four numbers, x, y, width, height in px"
_SCORED = f"{_FORM}, or of five, the box's score last"


@dataclass(frozen=True)
class Want:
    """What is to be read of a file; or why it cannot be."""

    path: Path
    boxes: np.ndarray | None = None  # as `checked_boxes` returns them
    size: tuple[int, ...] = (0, 0)  # height, width in px
    factor: int = 1
    picture: bool = False  # the photograph in full as well
    nbytes: int = 0  # of what is decoded
    error: UserError | None = None
    pixels: np.ndarray | None = None  # of a photograph that is an array


@dataclass(frozen=True)
class Item:
    """What was read of a file: `photo` or `error`."""

    want: Want
    photo: Photo | None = None
    picture: np.ndarray | None = None
    error: UserError | None = None


def wants(
    photos: Iterable[Photograph],
    boxes: Any,
    passes: int,
    crop: tuple[int, int],
    full: bool = False,
) -> Iterator[Want]:
    """What is to be read of files and arrays, as it is needed.

    `boxes` is None, a mapping of file names, or goes along with the photographs; `full`: see `want_of`.
    """
    along = repeat(None) if boxes is None or isinstance(boxes, Mapping) else iter(boxes)
    for number, photo in enumerate(photos):
        try:
            of = next(along)
        except StopIteration:
            raise UserError(
                f"there are boxes of {number} photographs alone: give an entry for each"
            ) from None
        path = Path(photo) if isinstance(photo, str | Path) else Path(f"array {number}")
        named = {str(path): of} if of is not None else boxes if isinstance(boxes, Mapping) else None
        if isinstance(photo, str | Path):
            yield want_of(path, named, passes, crop, False, full)
            continue
        try:
            pixels = checked_photo(np.asarray(in_pixels(photo)))
            asked = None if of is None else checked_boxes(of)
            check_on_photo(asked, pixels.shape[:2])
        except UserError as error:
            yield Want(path, error=UserError(f"{path}: {error}"))
            continue
        size = pixels.shape[:2]
        yield Want(path, asked, size, picture=True, nbytes=pixels.nbytes, pixels=pixels)
    if not isinstance(along, repeat) and next(along, _NO_MORE) is not _NO_MORE:
        raise UserError("there are boxes of more photographs than were given: leave them out")


def want_of(
    path: Path,
    boxes: Mapping[str, Any] | None,
    passes: int,
    crop: tuple[int, int],
    picture: bool,
    full: bool = False,
) -> Want:
    """What is to be read of a file.

    Args:
        path: of the file.
        boxes: file name -> boxes as in COCO; None: the whole photograph.
        passes: how often the net will look, at most.
        crop: height, width of its crops in px.
        picture: the photograph itself is wanted, to draw on.
        full: a detector looks where there are no boxes, at every pixel.
    """
    try:
        asked = None if boxes is None else _boxes_of(path, boxes, full)
        size = photo_size(path)
        check_on_photo(asked, size, f"{path}: ")
    except UserError as error:
        return Want(path, error=error)
    factor = 1 if full and asked is None else factor_for(size, asked, passes, crop)
    shrunk = factor if path.suffix.lower() in (".jpg", ".jpeg", ".jfif") else 1
    whole = 3 * size[0] * size[1]
    nbytes = whole // shrunk**2 + (whole if picture and shrunk > 1 else 0)
    return Want(path, asked, size, factor, picture, nbytes)


def named_boxes(path: Path, boxes: Mapping[str, Any], else_none: bool = False) -> Any:
    """The boxes of a file, under any end of its path; None: it has none, and may.

    Raises:
        UserError: it has none, and must.
    """
    ends = ("/".join(path.parts[start:]) for start in range(len(path.parts)))
    name = next((end for end in (str(path), *ends) if end in boxes), None)
    if name is None and not else_none:
        raise UserError(f"{path} is not among the boxes: add it, or leave it out")
    return None if name is None else boxes[name]


def _boxes_of(path: Path, boxes: Mapping[str, Any], else_none: bool) -> np.ndarray | None:
    found = named_boxes(path, boxes, else_none)
    try:
        return None if found is None else checked_boxes(found)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def size_of(item: Item) -> tuple[int, int]:
    """Crops and bytes; errors count too."""
    return 1 if item.want.boxes is None else len(item.want.boxes), item.want.nbytes


def read(want: Want) -> Item:
    """Decodes; an error is part of the answer."""
    try:
        if want.error:
            raise want.error
        if want.pixels is not None:
            return Item(want, Photo(want.pixels, 1, want.size, None), want.pixels)
        pixels, factor = read_photo(want.path, want.factor)
        picture = None
        if want.picture:
            picture = pixels if factor == 1 else read_photo(want.path)[0]
    except UserError as error:
        return Item(want, error=error)
    except MemoryError:
        why = f"{want.path} is too large for the memory: save it smaller"
        return Item(want, error=UserError(why))
    return Item(want, Photo(pixels, factor, want.size, want.path), picture)


def checked_boxes(boxes: Any, scores: bool = True) -> np.ndarray:
    """Boxes (N, 4) as in COCO -> boxes (N, 4) as in `types`; scores, a fifth column, stay as they are.

    Args:
        boxes: rows of numbers.
        scores: they may have them.

    Raises:
        UserError: another shape, a box without four finite numbers or without area, or a score that is
            not from 0 to 1 (NaN: a box has none).
    """
    try:
        with np.errstate(over="ignore"):  # then it is not finite, which is what is wrong with it
            asked = np.array(boxes, np.float32, ndmin=2)
    except (TypeError, ValueError):
        raise UserError(_SCORED if scores else _FORM) from None
    asked = asked if asked.size else np.zeros((0, 4), np.float32)
    if asked.ndim != 2 or asked.shape[1] not in (4, 5):
        raise UserError(_SCORED if scores else _FORM)
    if asked.shape[1] == 5 and not scores:
        raise UserError(f"{_FORM}: leave scores out")
    for number, box in enumerate(asked, 1):
        if not np.isfinite(box[:4]).all() or box[2:4].min() <= 0:
            raise UserError(f"box {number} is {box.tolist()}: give x, y, width, height in px > 0")
        if np.any((box[4:] < 0) | (box[4:] > 1)):
            raise UserError(f"box {number} has score {box[4]:g}: give 0 to 1 as the fifth number")
    return np.concatenate([geometry.boxes_of_pixels(asked[:, :4]), asked[:, 4:]], 1)


def boxes_for(
    photo: np.ndarray | str | Path, boxes: Any, else_none: bool = False
) -> np.ndarray | None:
    """The `checked_boxes` of one photograph; `boxes` may be a mapping of file names.

    Raises:
        UserError: a mapping does not have it, or names an array; or they are no boxes.
    """
    if not isinstance(boxes, Mapping):
        return checked_boxes(boxes)
    if isinstance(photo, np.ndarray):
        raise UserError("boxes by file names are of files: give an array's as rows of four numbers")
    return _boxes_of(Path(photo), boxes, else_none)


def check_on_photo(boxes: np.ndarray | None, size: tuple[int, ...], name: str = "") -> None:
    """Boxes (N, 4 or 5) as in `types` of a photograph of a size (height, width).

    Raises:
        UserError: one of them lies outside; `name` stands before what is said.
    """
    if boxes is None:
        return
    height, width = size
    low, high = boxes[:, :2], boxes[:, :2].astype(np.float64) + boxes[:, 2:4]
    whole = geometry.whole_image(height, width)
    outside = (low >= whole[:2] + whole[2:]).any(1) | (high <= whole[:2]).any(1)
    if outside.any():
        number = int(outside.argmax()) + 1
        raise UserError(
            f"{name}box {number} lies outside of the photograph of {width} x {height} px: correct it"
        )


def in_pixels(photo: Any) -> Any:
    """Images of Pillow and files' bytes as RGB arrays; all else as it is.

    Raises:
        UserError: they are damaged or no photograph.
    """
    if isinstance(photo, Image.Image):
        return pixels_of(photo, "the image")
    if isinstance(photo, bytes | bytearray):
        return decode_photo(bytes(photo), "the photograph")[0]
    return photo


def checked_photo(photo: np.ndarray) -> np.ndarray:
    """RGB (H, W, 3) uint8, contiguous, of an RGB or grey one.

    Raises:
        UserError: it is neither.
    """
    if photo.dtype != np.uint8 or photo.size == 0:
        raise UserError(
            f"a photograph is a filled uint8 array, not {photo.dtype} of shape {photo.shape}"
        )
    if photo.ndim == 2:
        return cv2.cvtColor(np.ascontiguousarray(photo), cv2.COLOR_GRAY2RGB)
    if photo.ndim != 3 or photo.shape[2] != 3:
        raise UserError(f"a photograph is RGB (H, W, 3) or grey (H, W), not of shape {photo.shape}")
    return np.ascontiguousarray(photo)
