"""Poses that know what they are of."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dots import DOTS, MODEL, dots, save
from vitruvian.data.photos import read_photo
from vitruvian.types import UserError
from vitruvian.use.poses import PhotoPoses

XY = np.array([[[1, 2], [3, 4.00049], [5, 6]]], np.float32)
POSES = PhotoPoses(
    XY, np.array([[0.5, 1, 0]], np.float32), np.array([[-0.5, 1.5, 9, 8]], np.float32),
    DOTS, 0.3, ("user",), name="a.jpg",
)  # fmt: skip
ROW = {
    "image_id": 7, "file_name": "a.jpg", "category_id": 1,
    "keypoints": [1, 2, 0.5, 3, 4, 1, 5, 6, 0], "score": 0.5, "bbox": [0, 2, 9, 8],
    "box_source": "user",
}  # fmt: skip


def test_as_coco() -> None:
    assert POSES.to_coco(7) == [ROW]
    moving = replace(POSES, identity=(3,), frame=20, seconds=2 / 3)
    assert moving.to_coco(7) == [{**ROW, "frame": 20, "seconds": 0.666667, "track_id": 3}]


@pytest.mark.parametrize(
    ("box", "score"), [(0.5, 0.25), (0.00012, 0.00006), (0, 0), (float("nan"), 0.5)]
)
def test_a_known_score_of_the_box_counts(box: float, score: float) -> None:
    """The mean of the joints' is 0.5."""
    sure = replace(POSES, box_score=np.array([box], np.float32))
    assert sure.to_coco(7) == [{**ROW, "score": score}]


def test_drawn(tmp_path: Path) -> None:
    photo = dots((90, 80), (20, 30), (42, 34), (26, 61))
    path = save(photo, tmp_path / "a.png")
    poses = MODEL.predict(path)
    drawn = poses.draw()
    assert drawn.shape == photo.shape
    np.testing.assert_array_equal(MODEL.predict(photo).draw(), drawn)
    np.testing.assert_array_equal(poses.draw(read_photo(path)[0]), drawn)
    assert (drawn != photo).any()
    assert MODEL.predict(photo[..., 0]).draw().shape == photo.shape
    assert (replace(poses, identity=(12,)).draw() != drawn).any()
    path.unlink()
    with pytest.raises(UserError, match="does not exist"):
        poses.draw()
    with pytest.raises(UserError, match="do not know their photograph"):
        POSES.draw()


@dataclass
class KeyPoints:
    """As supervision has it up to 0.26; later ones call the scores otherwise."""

    xy: np.ndarray
    class_id: np.ndarray
    confidence: np.ndarray
    data: dict[str, Any]


@dataclass
class LaterKeyPoints:
    xy: np.ndarray
    class_id: np.ndarray
    keypoint_confidence: np.ndarray
    data: dict[str, Any]


@pytest.mark.parametrize(
    ("kind", "score"), [(KeyPoints, "confidence"), (LaterKeyPoints, "keypoint_confidence")]
)
def test_as_supervision(monkeypatch: pytest.MonkeyPatch, kind: type, score: str) -> None:
    monkeypatch.setitem(sys.modules, "supervision", SimpleNamespace(KeyPoints=kind))  # type: ignore
    points = POSES.to_supervision()
    np.testing.assert_array_equal(points.xy, XY)
    np.testing.assert_array_equal(getattr(points, score), POSES.score)
    assert points.class_id.tolist() == [0]


def test_without_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UserError, match="pip install supervision"):
        POSES.to_supervision()
