"""Poses drawn on their photograph.

Right, left and middle have three colours that colour-blind readers tell apart (Okabe and Ito,
2008), with a dark rim that shows them on any photograph. A joint below the threshold is a ring, and
a limb that touches one is thin and dashed.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses, UserError

Colour = tuple[int, int, int]

SIDE_COLOURS: dict[str, Colour] = {  # RGB
    "right": (230, 159, 0),
    "left": (86, 180, 233),
    "middle": (240, 240, 240),
}
RIM: Colour = (20, 20, 20)
_FAR = 1e6  # px; OpenCV's fixed-point coordinates end soon after
_SHIFT = 4  # binary digits after the point in the coordinates that OpenCV draws at
_DASHES = 60  # at most, for a limb that leaves the photograph far behind
_WORDS = re.compile(r"[_\-. ]+|(?<=[a-z0-9])(?=[A-Z])")  # what parts the words of a joint's name
_AROUND = tuple(
    (np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False)
)

(getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(0)  # its errors are raised


def draw_poses(
    photo: np.ndarray,
    poses: Poses,
    skeleton: Skeleton,
    threshold: float = 0.3,
    labels: Sequence[str] | None = None,
) -> np.ndarray:
    """A copy of a photograph, RGB uint8 (H, W, 3), with limbs and joints.

    Joints that are not finite are left out. `labels` are short words, one for each person, which
    stand above its highest joint.

    Raises:
        ValueError: the poses have another number of joints than the skeleton.
    """
    if poses.xy.shape[1] != len(skeleton):
        raise ValueError(f"{poses.xy.shape[1]} joints, but {skeleton.name!r} has {len(skeleton)}")
    drawn = np.ascontiguousarray(photo).copy()
    for xy, score in zip(poses.xy, poses.score, strict=True):
        _draw_pose(drawn, xy, score >= threshold, skeleton)
    for xy, label in zip(poses.xy, labels or (), strict=bool(labels)):
        _draw_label(drawn, xy[np.isfinite(xy).all(-1)], label)
    return drawn


def side(joint: str) -> str:
    """Which of "right", "left" and "middle", by a joint's name: left_x, xLeft, leftx, L_x, LX1, x.l ..."""
    words = [word.lower() for word in _WORDS.split(joint)]
    for name, letter in (("right", "r"), ("left", "l")):
        glued = rf"(?i:{name})|{letter.upper()}(?=[A-Z][a-z]|\d)"
        if {name, letter} & set(words) or re.match(glued, joint):
            return name
    return "middle"


def side_colour(*joints: str) -> Colour:
    """The colour of a joint or of the limb between two, by their names."""
    sides = {side(joint) for joint in joints} - {"middle"}
    return SIDE_COLOURS[sides.pop() if len(sides) == 1 else "middle"]


def image_suffix(path: Path) -> str:
    """The suffix, in lower case, of a picture that `write_image` can write.

    Raises:
        UserError: it is another.
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"{path} cannot be written: name it .png, .jpg or .jpeg")
    return suffix


def write_image(path: Path | str, photo: np.ndarray, quality: int = 90) -> None:
    """RGB uint8 (H, W, 3) as a PNG or JPEG, by the suffix; the file is whole or absent at any time.

    Raises:
        UserError: another suffix, or the file cannot be written.
    """
    path = Path(path)
    suffix = image_suffix(path)
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
    try:
        done, coded = cv2.imencode(suffix, cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), options)
    except cv2.error:
        done = False
    if not done:
        size = f"{photo.shape[1]} x {photo.shape[0]} px"
        raise UserError(f"{path} cannot be written: {size} is no size for {suffix}")
    write_whole(path, coded.tobytes())


def write_words(
    picture: np.ndarray,
    xy: tuple[float, float],
    words: str,
    size: int = 13,
    colour: Colour = SIDE_COLOURS["middle"],
) -> None:
    """Writes into a picture, RGB uint8 (H, W, 3), in place: letters of `size` px with a dark rim.

    `xy` px is the middle of their left edge; what reaches beyond the picture is cut off.
    """
    wide, high = words_size(words, size)
    canvas = Image.new("RGBA", (wide, high), (*RIM, 0))
    rim: dict[str, Any] = {"stroke_width": 1, "stroke_fill": (*RIM, 255)}
    ImageDraw.Draw(canvas).text((1, high / 2), words, (*colour, 255), _font(size), "lm", **rim)
    left, top = round(xy[0]), round(xy[1] - high / 2)
    x, y = slice(max(left, 0), max(left + wide, 0)), slice(max(top, 0), max(top + high, 0))
    under = picture[y, x]  # a part at the edge is smaller
    over = np.asarray(canvas)[max(-top, 0) :, max(-left, 0) :][: under.shape[0], : under.shape[1]]
    share = over[..., 3:] / 255
    under[:] = np.rint(share * over[..., :3] + (1 - share) * under).astype(np.uint8)


def words_size(words: str, size: int = 13) -> tuple[int, int]:
    """Width and height in px of what `write_words` writes."""
    return int(np.ceil(_font(size).getlength(words))) + 3, round(1.4 * size)


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def write_beside(
    picture: np.ndarray, xy: np.ndarray, words: Sequence[str], radius: float, size: int = 13
) -> None:
    """Writes short words beside points (K, 2) px of a picture, in place, where there is most room.

    Args:
        radius: px about each point that are kept free.
    """
    high, wide = picture.shape[:2]
    taken = [(x, y, 2 * radius, 2 * radius) for x, y in xy.tolist()]  # centre and size
    for (x, y), text in zip(xy.tolist(), words, strict=True):
        w, h = words_size(text, size)
        places = [
            (x + (radius + away + w / 2) * cos, y + (radius + away + h / 2) * sin, w, h)
            for away in (0, 6)
            for cos, sin in _AROUND
        ]

        def crowded(place: tuple[float, float, float, float]) -> float:
            x, y, w, h = place
            out = max(w / 2 - x, x + w / 2 - wide, 0) * h + max(h / 2 - y, y + h / 2 - high, 0) * w
            return 4 * out + sum(_overlap(place, other) for other in taken)

        best = min(places, key=crowded)
        taken.append(best)
        write_words(picture, (best[0] - w / 2, best[1]), text, size)


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> float:
    """The area in px that two boxes (centre x, y, width, height) share."""
    across = (one[2] + other[2]) / 2 - abs(one[0] - other[0])
    down = (one[3] + other[3]) / 2 - abs(one[1] - other[1])
    return max(min(across, one[2], other[2]), 0) * max(min(down, one[3], other[3]), 0)


def _draw_pose(drawn: np.ndarray, xy: np.ndarray, sure: np.ndarray, skeleton: Skeleton) -> None:
    """Draws one pose xy (J, 2) px in place; rims first, so that no limb is cut by another's rim."""
    there = np.isfinite(xy).all(-1)
    if not there.any():
        return
    xy = np.clip(np.where(there[:, None], xy, 0), -_FAR, _FAR)
    width = _line_width(drawn, xy[there])
    limbs = [(skeleton.index(*limb), side_colour(*limb)) for limb in skeleton.limbs]
    for rim in (True, False):
        for (a, b), colour in limbs:
            if not (there[a] and there[b]):
                continue
            shown = RIM if rim else colour
            if sure[a] and sure[b]:
                _line(drawn, xy[a], xy[b], shown, width + 2 * rim)
            else:
                _dashes(drawn, xy[a], xy[b], shown, max(1, round(0.6 * width)) + 2 * rim, 3 * width)
    for j, name in enumerate(skeleton.joint_names):
        if there[j]:
            _joint(drawn, xy[j], side_colour(name), width, bool(sure[j]))


def _draw_label(drawn: np.ndarray, xy: np.ndarray, label: str) -> None:
    """Light letters with a dark rim above the highest of joints (J, 2), moved into the photograph."""
    if not len(xy):
        return
    scale = max(drawn.shape[:2]) / 1200 + 0.3
    thick = max(1, round(1.5 * scale))
    (wide, high), below = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    x, y = np.clip(xy[xy[:, 1].argmin()], -_FAR, _FAR)
    left = round(float(np.clip(x - wide / 2, 2, max(drawn.shape[1] - wide - 2, 2))))
    base = round(float(np.clip(y - 1.5 * high, high + 2, max(drawn.shape[0] - below, high + 2))))
    for colour, width in ((RIM, 3 * thick), (SIDE_COLOURS["middle"], thick)):
        at, font = (left, base), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(drawn, label, at, font, scale, colour, width, cv2.LINE_AA)


def _line_width(drawn: np.ndarray, xy: np.ndarray) -> int:
    """Whole px, in proportion to the person but never to more than the photograph."""
    extent = min(float(np.ptp(xy, axis=0).max()), max(drawn.shape[:2]))
    return max(1, round(0.012 * extent), round(0.002 * max(drawn.shape[:2])))


def _line(
    drawn: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: int
) -> None:
    cv2.line(drawn, _fixed(start), _fixed(end), colour, width, cv2.LINE_AA, _SHIFT)


def _dashes(
    drawn: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Colour, width: int, dash: float
) -> None:
    """A dashed line that starts and ends with a dash of about `dash` px."""
    length = float(np.linalg.norm(end - start))
    count = int(np.clip(round(length / (2 * dash)), 1, _DASHES))
    for i in range(count):
        a, b = 2 * i / (2 * count - 1), (2 * i + 1) / (2 * count - 1)
        _line(drawn, start + a * (end - start), start + b * (end - start), colour, width)


def _joint(drawn: np.ndarray, xy: np.ndarray, colour: Colour, width: int, sure: bool) -> None:
    """A filled dot, or a ring of the same size."""
    radius, at = round(1.6 * width * 2**_SHIFT) + 2**_SHIFT, _fixed(xy)
    if sure:
        cv2.circle(drawn, at, radius + 2**_SHIFT, RIM, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(drawn, at, radius, colour, -1, cv2.LINE_AA, _SHIFT)
    else:
        line = max(1, width // 2)
        cv2.circle(drawn, at, radius, RIM, line + 2, cv2.LINE_AA, _SHIFT)
        cv2.circle(drawn, at, radius, colour, line, cv2.LINE_AA, _SHIFT)


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(xy * 2**_SHIFT).astype(int).tolist()
    return x, y


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that is whole or absent at any time.

    Raises:
        UserError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            beside.write_bytes(data)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): check the folder") from None
