"""The poses of one photograph with their names: what a user writes, draws or hands on."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data.photos import read_photo
from vitruvian.draw import draw_poses
from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses, UserError

USER = "user"  # the source of a box that somebody gave


@dataclass(frozen=True)
class PhotoPoses(Poses):
    """Poses `xy` (N, J, 2) px, `score` (N, J) and `box` (N, 4), with what they are of.

    `source` says of each box where it came from: "user"; "detector:NAME"; "face" or "image" (the
    whole photograph), "image+pass2" after a second look around what was found there; "track", a box
    that follows the person from the frame before.

    A row of results has the mean of the joints' scores, times the box's where that is known: much as
    the published code of Simple Baselines ranks COCO's results.
    """

    skeleton: Skeleton
    threshold: float  # of a score, below which a joint is not sure
    source: tuple[str, ...]  # one for each person
    box_score: np.ndarray | None = None  # (N,), of a detector, 0 to 1; NaN or None: not known
    identity: tuple[int, ...] | None = None  # of a video: who it is, from 1
    name: str = ""  # of the file
    photo: np.ndarray | Path | None = None  # to draw on
    frame: int | None = None  # of a video, from 0
    seconds: float | None = None

    def to_coco(self, image_id: int = 1) -> list[dict[str, Any]]:
        """COCO results, a row for each person; see docs/predict.md for the fields that COCO lacks."""
        return person_rows(self, image_id, self.name)

    def to_supervision(self) -> Any:
        """As `supervision.KeyPoints`.

        Raises:
            UserError: the package supervision is not installed.
        """
        try:
            KeyPoints: Any = importlib.import_module("supervision").KeyPoints
        except ImportError:
            raise UserError("to_supervision needs that package: pip install supervision") from None
        names = {field.name for field in fields(KeyPoints)}
        score = "keypoint_confidence" if "keypoint_confidence" in names else "confidence"
        return KeyPoints(
            xy=self.xy.copy(),
            class_id=np.zeros(len(self), int),
            data={"class_name": np.full(len(self), "person")},
            **{score: self.score.copy()},
        )

    def draw(self, photo: np.ndarray | None = None) -> np.ndarray:
        """The photograph with the poses drawn on it, RGB uint8 (H, W, 3).

        Args:
            photo: to draw on; without, the one that they were found in.

        Raises:
            UserError: that photograph is gone, or was not kept.
        """
        shown = self.photo if photo is None else photo
        if shown is None:
            raise UserError("these poses do not know their photograph: draw(photo)")
        if isinstance(shown, Path):
            shown, _ = read_photo(shown)
        if shown.ndim == 2:
            shown = np.repeat(shown[..., None], 3, 2)
        labels = None if self.identity is None else [str(number) for number in self.identity]
        return draw_poses(shown, self, self.skeleton, self.threshold, labels)


def person_rows(poses: Poses, image_id: int, file_name: str) -> list[dict[str, Any]]:
    """COCO results of one photograph: px of the photograph, 0-based, integers at pixel centres.

    `bbox` is where the person was looked for. With `PhotoPoses` rows say `box_source` and, of a video,
    `frame`, `seconds` and `track_id`.
    """
    rows = []
    for i, (xy, score, box) in enumerate(zip(poses.xy, poses.score, poses.box, strict=True)):
        row = {
            "image_id": image_id,
            "file_name": file_name,
            "category_id": 1,
            "keypoints": _rounded(np.column_stack([xy, score]).ravel()),
            "score": person_score(poses, i),
            "bbox": _rounded(box + np.array([0.5, 0.5, 0, 0])),
        }
        if isinstance(poses, PhotoPoses):
            row["box_source"] = poses.source[i]
            if poses.frame is not None:
                row |= {"frame": poses.frame, "seconds": round(poses.seconds or 0.0, 6)}
            if poses.identity is not None:
                row["track_id"] = poses.identity[i]
        rows.append(row)
    return rows


def person_score(poses: Poses, person: int) -> float:
    """The mean of a person's joint scores, times the box's score where it has one.

    Scores of boxes may be tiny, and rank persons: they have more digits.
    """
    mean, box = poses.score[person].mean(), box_score(poses, person)
    return float(_rounded(mean)) if np.isnan(box) else float(f"{mean * box:.4g}")


def box_score(poses: Poses, person: int) -> float:
    """Of a detector, 0 to 1; NaN: not known."""
    known = poses.box_score if isinstance(poses, PhotoPoses) else None
    return math.nan if known is None else float(known[person])


def _rounded(values: Any) -> Any:
    """Plain numbers to 0.001, which in px no eye and no metric sees."""
    return np.round(np.nan_to_num(np.asarray(values, np.float64)), 3).tolist()
