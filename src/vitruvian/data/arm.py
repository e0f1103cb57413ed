"""Photographs of a robot's arm, rendered: something that is no person, to try one's own joints on.

The files are what a labelling tool exports, so that an example goes the way of anybody's own data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian.draw import write_image
from vitruvian.skeleton import Skeleton
from vitruvian.types import State, UserError

ARM = Skeleton(
    name="arm",
    joint_names=("base", "shoulder", "elbow", "wrist", "left_finger", "right_finger"),
    flip_pairs=(("left_finger", "right_finger"),),
    limbs=(
        ("base", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"),
        ("wrist", "left_finger"), ("wrist", "right_finger"),
    ),
    references={"upper": ("shoulder", "elbow")},
    reference="upper",
)  # fmt: skip
_WIDTH = (0.2, 0.13, 0.1, 0.05, 0.05)  # of the limbs, in upper arms
_FINGERS = (4, 5)


def arm_picture(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture (side, side, 3) uint8 RGB, its joints (J, 2) xy_image and their states (J,)."""
    pose = _pose(rng)
    low, extent = pose.min(0), np.ptp(pose, axis=0).max()
    scale = rng.uniform(0.45, 0.75) * side / extent  # px in an upper arm
    room = side - 1 - scale * np.ptp(pose, axis=0)
    xy = (pose - low) * scale + rng.uniform(0.12, 0.88, 2) * room
    picture = _background(rng, side)
    ends = [ARM.index(*limb) for limb in ARM.limbs]
    metal = rng.integers(60, 256, 3)
    for (one, other), width in zip(ends, _WIDTH, strict=True):
        tone = np.clip(metal + rng.integers(-40, 41, 3), 0, 255)
        _line(picture, xy[one], xy[other], tone, max(2, width * scale))
    for joint in range(len(ARM)):
        radius = 0.03 if joint in _FINGERS else 0.07
        colour = (20, 20, 20) if joint in _FINGERS else np.clip(metal // 3, 0, 255)
        cv2.circle(picture, _fixed(xy[joint]), round(16 * radius * scale), _rgb(colour), -1, 16, 4)
    state = np.full(len(ARM), State.VISIBLE, np.uint8)
    if rng.random() < 0.3:
        state[_cover(picture, rng, xy, scale)] = State.OCCLUDED
    return picture, xy.astype(np.float32), state


def write_example(folder: Path, count: int, seed: int = 0, side: int = 160) -> Path:
    """Pictures in `images/` and their labels in `labels.json`, as CVAT exports COCO keypoints.

    Returns:
        The file of the labels.

    Raises:
        UserError: the folder holds something already, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} holds something already: give another folder")
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}): check the path") from None
    images, annotations = [], []
    for number in range(1, count + 1):
        picture, xy, state = arm_picture(np.random.default_rng([seed, number]), side)
        name = f"arm_{number:04d}.png"
        write_image(folder / "images" / name, picture)
        images.append({"id": number, "file_name": name, "width": side, "height": side})
        annotations.append(_annotation(number, xy, state))
    limbs = [[index + 1 for index in ARM.index(*limb)] for limb in ARM.limbs]
    category = {"id": 1, "name": ARM.name, "supercategory": "", "skeleton": limbs}
    labels = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"description": f"{count} rendered pictures of an arm, seed {seed}"},
        "categories": [category | {"keypoints": list(ARM.joint_names)}],
        "images": images,
        "annotations": annotations,
    }
    path = folder / "labels.json"
    path.write_text(json.dumps(labels) + "\n", encoding="utf-8")
    return path


def _annotation(number: int, xy: np.ndarray, state: np.ndarray) -> dict[str, Any]:
    low, high = xy.min(0) + 0.5, xy.max(0) + 0.5  # a box counts from the corner of the first pixel
    v = state - State.MISSING  # occluded 1, visible 2
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "segmentation": [],
        "bbox": [round(float(value), 2) for value in (*low, *(high - low))],
        "area": round(float(np.prod(high - low)), 2),
        "iscrowd": 0,
        "attributes": {"occluded": False},
        "keypoints": [
            value
            for (x, y), flag in zip(xy.tolist(), v.tolist(), strict=True)
            for value in (round(x, 2), round(y, 2), flag)
        ],
        "num_keypoints": len(xy),
    }


def _pose(rng: np.random.Generator) -> np.ndarray:
    """Joints (J, 2) in upper arms, y down: a column, two links that turn, two fingers that open.

    The left finger is on the left of whoever looks along the hand.
    """
    turn = np.deg2rad(rng.uniform([-65, -125, -70, 14], [65, 125, 70, 42]))
    upper = turn[0]
    fore = upper + turn[1]
    hand, open_ = fore + turn[2], turn[3]

    def along(angle: float, length: float) -> np.ndarray:
        return length * np.array([np.sin(angle), -np.cos(angle)])

    base = np.zeros(2)
    shoulder = base - np.array([0, rng.uniform(0.35, 0.6)])
    elbow = shoulder + along(upper, 1.0)
    wrist = elbow + along(fore, rng.uniform(0.7, 0.95))
    length = rng.uniform(0.38, 0.5)
    left, right = wrist + along(hand - open_, length), wrist + along(hand + open_, length)
    return np.stack([base, shoulder, elbow, wrist, left, right])


def _background(rng: np.random.Generator, side: int) -> np.ndarray:
    """Smooth colours, and bars that might be limbs."""
    coarse = rng.integers(30, 226, (*rng.integers(2, 8, 2), 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(2, 7))):
        ends = rng.uniform(0, side, (2, 2))
        _line(picture, ends[0], ends[1], rng.integers(0, 256, 3), rng.uniform(0.01, 0.07) * side)
    grain = np.asarray(rng.integers(0, 256, picture.shape), np.uint8)
    return cv2.addWeighted(picture, 0.93, grain, 0.07, 0)


def _cover(
    picture: np.ndarray, rng: np.random.Generator, xy: np.ndarray, scale: float
) -> np.ndarray:
    """Lays a plate over one joint; (J,) bool, which joints are under it."""
    centre = xy[rng.integers(len(xy))] + rng.normal(0, 0.1, 2) * scale
    half = rng.uniform(0.12, 0.28, 2) * scale
    low, high = _fixed(centre - half), _fixed(centre + half)
    cv2.rectangle(picture, low, high, _rgb(rng.integers(0, 256, 3)), -1, cv2.LINE_AA, 4)
    return (np.abs(xy - centre) <= half).all(1)


def _line(
    picture: np.ndarray, one: np.ndarray, other: np.ndarray, colour: Any, width: float
) -> None:
    cv2.line(
        picture, _fixed(one), _fixed(other), _rgb(colour), max(1, round(width)), cv2.LINE_AA, 4
    )


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    """Sixteenths of a pixel, as OpenCV takes them."""
    x, y = np.rint(xy * 16).astype(int).tolist()
    return x, y


def _rgb(colour: Any) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in colour)
    return red, green, blue
