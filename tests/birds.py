"""COCO keypoint files of birds, a skeleton of one's own, and their photographs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ["tip", "l_wing", "r_wing", "tail_L", "tail_R"]  # of a bird's joints


def person(number: int, image: int = 1, flat: Any = None, **more: Any) -> dict[str, Any]:
    """An annotation of a bird: joint j at (10 j + number, 20 j + number), all visible."""
    if flat is None:
        flat = [n for j in range(5) for n in (10 * j + number, 20 * j + number, 2)]
    box = [number, number + 0.5, 40, 80]
    return {
        **{"id": number, "image_id": image, "category_id": 1, "keypoints": flat, "bbox": box},
        **{"area": 900.0, "iscrowd": 0, "num_keypoints": 5},
        **more,
    }


def values(persons: Any = None, images: Iterable[Any] = (1, 2, 3), **more: Any) -> dict[str, Any]:
    """A file of birds, by default of three on two of three photographs of 60 x 90 px."""
    return {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 60, "height": 90}
            for number in images
        ],
        "annotations": [person(7), person(8, 2), person(9, 2)] if persons is None else persons,
        "categories": [{"id": 1, "name": "bird", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]}],
        **more,
    }


def write(path: Path, content: Any) -> Path:
    """A file as JSON, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def paint(path: Path, value: int, width: int = 60, height: int = 90, **more: Any) -> None:
    """A photograph of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path, **more)
