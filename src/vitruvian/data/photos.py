"""Photographs as files, and the crops cut out of them.

JPEGs are decoded by OpenCV, which is fast and can decode them smaller; everything else by Pillow,
which refuses what is damaged and prints nothing. A photograph is RGB uint8 (H, W, 3), contiguous.
"""

from __future__ import annotations

import functools
import io
import math
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from vitruvian import geometry
from vitruvian.types import UserError

SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif"}
    | {".tiff", ".webp"}
)
NOT_FETCHED = (  # of an address
    ": photographs are read from disk alone: download it first; a camera's address is read by "
    "`vitruvian predict MODEL stream:ADDRESS`"
)
LARGEST = 400_000_000  # pixels; a file of a few KB may claim more than the memory holds

_FORMATS = ("PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG", "MPO", "JPEG2000", "AVIF")
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_RGB: int = getattr(cv2, "IMREAD_COLOR_RGB", 0)  # OpenCV 4.10 has none
_WARP_LIMIT = 32_766  # px; cv2.warpAffine stores source coordinates in 16 bits
_PILLOW = threading.Lock()
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # of one letter it is a disk

(getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(0)  # its errors are raised


@dataclass(frozen=True)
class _Jpeg:
    """What the segments before the picture of a JPEG say."""

    height: int  # px, as stored
    width: int
    components: int  # 1 grey, 3 colour, 4 CMYK
    orientation: int  # EXIF, 1 to 8
    picture: int  # offset of the coded picture

    def turned(self) -> tuple[int, int]:
        """Height and width when the orientation is honoured."""
        return _turned(self.height, self.width, self.orientation)


def is_address(name: Path | str) -> bool:
    """Whether a name is "https://..." or the like, which is not fetched."""
    return _ADDRESS.match(str(name)) is not None


def read_photo(path: Path | str, factor: int = 1, oriented: bool = True) -> tuple[np.ndarray, int]:
    """A photograph from a file; see `decode_photo`.

    Raises:
        UserError: there is no such file, or it cannot be read or decoded.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise _no_file(path, error) from None
    return decode_photo(data, str(path), factor, oriented)


def decode_photo(
    data: bytes, name: str, factor: int = 1, oriented: bool = True
) -> tuple[np.ndarray, int]:
    """A photograph from the bytes of a file.

    Args:
        data: the whole file.
        name: what an error calls it.
        factor: 1, 2, 4 or 8: how many times smaller it may be decoded. Only JPEGs can.
        oriented: turn it as its EXIF orientation says.

    Returns:
        RGB uint8 (H, W, 3) and the factor really used; a pixel of the result covers `factor` x
        `factor` pixels, counted from the top left (see `geometry.after_reduction`).

    Raises:
        UserError: empty, cut short, damaged, larger than `LARGEST` pixels or no photograph.
    """
    if not data:
        raise UserError(f"{name} is empty: copy it again from its source")
    if not data.startswith(b"\xff\xd8\xff"):
        return _decode_other(data, name, oriented), 1
    jpeg = _parse_jpeg(data)
    if jpeg is None or data.rfind(b"\xff\xd9", jpeg.picture) < 0:
        raise UserError(f"{name} is cut short: copy it again from its source")
    _check_size(jpeg.height, jpeg.width, name)
    if jpeg.components == 4:  # Pillow knows which CMYK files are stored inverted
        return _decode_other(data, name, oriented), 1
    return _decode_jpeg(data, name, jpeg, factor, oriented)


def photo_size(path: Path | str) -> tuple[int, int]:
    """Height and width in px of a photograph as `read_photo` would return it, without decoding it.

    Raises:
        UserError: there is no such file or it is no photograph.
    """
    try:
        with open(path, "rb") as file:
            return size_in(file, str(path))
    except OSError as error:
        raise _no_file(path, error) from None


def size_in(file: BinaryIO, name: str) -> tuple[int, int]:
    """As `photo_size`, of a file that is open at its beginning; `name` is what an error calls it."""
    start = file.read(1 << 16)
    if start.startswith(b"\xff\xd8\xff"):
        jpeg = _parse_jpeg(start) or _parse_jpeg(start + file.read())
        if jpeg is None:
            raise UserError(f"{name} is cut short: copy it again from its source")
        return jpeg.turned()
    if not start:
        raise UserError(f"{name} is empty: copy it again from its source")
    file.seek(0)
    with _open_pillow(file, name) as image:
        height, width, orientation = _stored(image)
        return _turned(height, width, orientation)


def reduction_for(to_image: np.ndarray) -> int:
    """How many times smaller (1, 2, 4 or 8) a photograph may be decoded for a crop.

    The crop of `to_image` (2, 3) is not upsampled from the reduced photograph.
    """
    shrink = _shrink(to_image) * (1 + 1e-6)
    return next(factor for factor in (8, 4, 2, 1) if factor <= shrink or factor == 1)


def cut(
    photo: np.ndarray,
    to_image: np.ndarray,
    height: int,
    width: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """The crop (height, width, 3) uint8 of a photograph; black where it leaves the photograph.

    Args:
        photo: uint8 (H, W, 3).
        to_image: (2, 3), xy_crop -> xy_image of `photo`; a flip and a rotation are part of it.
        out: where to write the crop, contiguous.

    A photograph more than twice too large is averaged down by a whole factor before the one warp.
    """
    to_image = np.asarray(to_image, np.float64)
    shrink = _shrink(to_image)
    factor = int(min(shrink, max(photo.shape))) if shrink > 2 else 1
    if factor > 1 or max(photo.shape[:2]) > _WARP_LIMIT:
        left, top, right, bottom = _seen(photo, to_image, height, width, factor)
        if left >= right or top >= bottom:
            empty = np.empty((height, width, 3), np.uint8) if out is None else out
            empty[:] = 0
            return empty
        photo = photo[top:bottom, left:right]
        longest = max(photo.shape[:2])
        factor = max(min(factor, longest), -(-longest // _WARP_LIMIT))
        to_image = to_image - [[0, 0, left], [0, 0, top]]
    if factor > 1:
        photo = _reduce(photo, factor)
        to_image = geometry.after_reduction(to_image, factor)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(photo, to_image, (width, height), dst=out, flags=flags)


def _shrink(to_image: np.ndarray) -> float:
    """Pixels of the photograph in a pixel of the crop, along the axis where they are fewest."""
    (a, b, _), (c, d, _) = to_image.tolist()
    return min(math.hypot(a, c), math.hypot(b, d))


def _seen(
    photo: np.ndarray, to_image: np.ndarray, height: int, width: int, factor: int
) -> tuple[int, int, int, int]:
    """The part of a photograph that a crop needs: left, top, right, bottom in px, ends excluded."""
    corners = np.array([[-1, -1], [width, -1], [-1, height], [width, height]], np.float64)
    xy = geometry.apply(to_image, corners)
    size = np.array([photo.shape[1], photo.shape[0]])
    low = np.clip(np.floor(xy.min(0)) - factor, 0, size).astype(int)
    high = np.clip(np.ceil(xy.max(0)) + factor + 1, 0, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _reduce(photo: np.ndarray, factor: int) -> np.ndarray:
    """Averages of `factor` x `factor` px; at the far edges up to half a cell may be left out."""

    def shrunk(photo: np.ndarray, x: int, y: int) -> np.ndarray:
        # dsize None: the scale stays exact, also where the size is no multiple of the factor
        return cv2.resize(photo, None, fx=1 / x, fy=1 / y, interpolation=cv2.INTER_AREA)

    height, width = photo.shape[:2]
    if min(height, width) >= factor:
        return shrunk(photo, factor, factor)
    if height < factor:  # thinner than one cell: black fills the cell, as outside of the photograph
        photo = shrunk(photo, factor, 1)
        photo = cv2.copyMakeBorder(photo, 0, factor - height, 0, 0, cv2.BORDER_CONSTANT)
        return shrunk(photo, 1, factor)
    return cv2.transpose(_reduce(cv2.transpose(photo), factor))


def _parse_jpeg(data: bytes) -> _Jpeg | None:
    """Walks the segments up to the picture; None when the data end or break before it."""
    at, frame, exif = 2, None, b""
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and at + 10 <= len(data):
            frame = data[at + 5 : at + 10]  # height, width, components
        elif marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif = exif or data[at + 4 : end]
        elif marker == 0xDA:
            if frame is None:
                return None
            height, width = int.from_bytes(frame[:2]), int.from_bytes(frame[2:4])
            return _Jpeg(height, width, frame[4], _orientation(exif), end)
        at = end
    return None


def _decode_jpeg(
    data: bytes, name: str, jpeg: _Jpeg, factor: int, oriented: bool
) -> tuple[np.ndarray, int]:
    orientation = jpeg.orientation if oriented else 1
    if orientation != 1:  # after a turn a partial cell would stand at the near edge and shift all
        while jpeg.height % factor or jpeg.width % factor:
            factor //= 2
    flags = _REDUCED.get(factor, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    if _RGB:
        flags = flags & ~cv2.IMREAD_COLOR | _RGB
    try:
        photo = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        photo = None
    if photo is None:
        raise UserError(f"{name} is damaged: copy it again, or save it anew as a JPEG or PNG")
    if not _RGB:
        photo = cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)
    return _turn(photo, orientation), factor if factor in _REDUCED else 1


def _decode_other(data: bytes, name: str, oriented: bool) -> np.ndarray:
    """By Pillow; of an animation the first picture, transparency is left out."""
    with _open_pillow(io.BytesIO(data), name) as image:
        return pixels_of(image, name, oriented)


def pixels_of(image: Image.Image, name: str, oriented: bool = True) -> np.ndarray:
    """RGB uint8 (H, W, 3) of an image of Pillow, as `decode_photo` gives it of its file.

    Raises:
        UserError: its file is damaged, or it is larger than `LARGEST` pixels.
    """
    height, width, orientation = _stored(image)
    _check_size(height, width, name)
    try:
        photo = _rgb(image)
    except Exception as error:  # the decoders raise whatever a broken file makes them
        raise UserError(
            f"{name} is cut short or damaged ({type(error).__name__}): copy it again"
        ) from None
    if image.format == "TIFF":  # which Pillow has turned already
        return photo if oriented else _turn(photo, {6: 8, 8: 6}.get(orientation, orientation))
    return _turn(photo, orientation if oriented else 1)


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "F":
        values = np.asarray(image)
        photo = np.clip(values * (255 if values.max(initial=0) <= 1 else 1), 0, 255)
    elif image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
        photo = np.clip(np.asarray(image) // 256, 0, 255)
    else:
        return np.array(image.convert("RGB"))
    return cv2.cvtColor(photo.astype(np.uint8), cv2.COLOR_GRAY2RGB)


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open_pillow(file: BinaryIO, name: str) -> Image.Image:
    """Reads the header only."""
    formats = _formats()
    with _PILLOW:  # `LARGEST` is the limit here; Pillow's own is lower and global
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=formats)
        except Exception:  # as above
            raise UserError(
                f"{name} is not a photograph that can be read: convert it to JPEG or PNG"
            ) from None
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _stored(image: Image.Image) -> tuple[int, int, int]:
    """Height, width and EXIF orientation before any turn."""
    if image.format == "TIFF":  # whose `size` is turned in some versions of Pillow
        tags = image.tag_v2  # type: ignore[attr-defined]
        return int(tags[257]), int(tags[256]), _valid(tags.get(274))
    return image.height, image.width, _orientation(image.info.get("exif", b""))


def _orientation(exif: bytes) -> int:
    if not exif:
        return 1
    tags = Image.Exif()
    try:
        tags.load(exif)
        return _valid(tags.get(0x0112))
    except Exception:  # a photograph with a broken comment is still a photograph
        return 1


def _valid(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def _turned(height: int, width: int, orientation: int) -> tuple[int, int]:
    return (width, height) if orientation >= 5 else (height, width)


def _turn(photo: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation; the result is contiguous."""
    if orientation in (5, 7):
        photo = cv2.transpose(photo)
    if orientation in (2, 4):
        return cv2.flip(photo, 1 if orientation == 2 else 0)
    turns = {
        3: cv2.ROTATE_180,
        6: cv2.ROTATE_90_CLOCKWISE,
        7: cv2.ROTATE_180,
        8: cv2.ROTATE_90_COUNTERCLOCKWISE,
    }
    return cv2.rotate(photo, turns[orientation]) if orientation in turns else photo


def _check_size(height: int, width: int, name: str) -> None:
    if height * width > LARGEST:
        raise UserError(
            f"{name} has {height * width / 1e6:.0f} megapixels, more than {LARGEST / 1e6:.0f}: "
            "save it smaller"
        )
    if height * width == 0:
        raise UserError(f"{name} is damaged: its height or width is 0")


def _no_file(path: Path | str, error: OSError) -> UserError:
    if is_address(path):
        return UserError(f"{path}{NOT_FETCHED}")
    if isinstance(error, FileNotFoundError):
        return UserError(f"{path} does not exist: check the name")
    return UserError(f"{path} cannot be read ({error.strerror or error}): check the file")
