"""Frames of a video or camera -> poses of the same persons from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from vitruvian.types import UserError
from vitruvian.use.detect import Detector
from vitruvian.use.look import BATCH, Photo, poses_in
from vitruvian.use.poses import USER, PhotoPoses
from vitruvian.use.predict import Model
from vitruvian.use.reading import checked_boxes
from vitruvian.use.smooth import OneEuro, Smoother
from vitruvian.use.track import Tracker
from vitruvian.use.video import Frame

TRACK = "track"  # the box follows the person from the frame before


@dataclass(frozen=True)
class Watching:
    """How a video is looked at."""

    detect_every: int = 10  # frames; between, boxes follow the poses
    smooth: OneEuro | None = None
    passes: int | None = None  # of the look at the whole frame, as in `Model.predict`
    flip: bool = False
    batch: int = BATCH
    faces: bool = False


def watch(
    model: Model,
    frames: Iterable[Frame],
    boxes: np.ndarray | None = None,
    detector: Detector | None = None,
    watching: Watching = Watching(),
    name: str = "",
) -> Iterator[tuple[Frame, PhotoPoses]]:
    """The poses of every frame, in order, in memory that does not grow with their number.

    With boxes, these are looked at in every frame. With a detector it looks at every so many frames, and
    whenever nobody is left to follow; without, the whole frame is one person's, and is looked at
    whenever that person is lost. Between, a box follows each person's last pose.

    Args:
        model: see `predict.load`.
        frames: from `video.Video.frames` or `capture.Capture.frames`.
        boxes: (N, 4) as in COCO, the same for all frames.
        detector: see `detect.open_detector`.
        watching: see there.
        name: of the video, for `PhotoPoses.name`.

    Yields:
        The frame and its poses; `identity` says who is who, `source` where each box came from.

    Raises:
        UserError: the frames break off, or a box is no box.
    """
    if watching.detect_every < 1:
        raise UserError(
            f"a detector cannot look every {watching.detect_every} frames: give 1 or more"
        )
    given = None if boxes is None else checked_boxes(boxes)[:, :4]
    passes = model.info.predict.passes if watching.passes is None else watching.passes
    tracker = Tracker(model.info.predict.box_threshold)
    smoothers: dict[int, Smoother] = {}
    for count, frame in enumerate(frames):
        photo = Photo(frame.pixels, 1, frame.pixels.shape[:2], None)
        asked, source, known = _boxes(photo, given, detector, tracker, count, watching)
        (poses,) = poses_in(
            model, [photo], [asked], passes, watching.flip, watching.batch,
            sources=[source], faces=watching.faces,
        )  # fmt: skip
        identity = tracker.update(poses, known)
        if watching.smooth is not None:
            smoothers = {i: smoothers.get(i, Smoother(watching.smooth)) for i in tracker.alive()}
            poses = _smoothed(poses, [smoothers[i] for i in identity], frame.seconds)
        yield frame, replace(
            poses, identity=identity, name=name, photo=frame.pixels,
            frame=frame.number, seconds=frame.seconds,
        )  # fmt: skip


def _boxes(
    photo: Photo,
    given: np.ndarray | None,
    detector: Detector | None,
    tracker: Tracker,
    count: int,
    watching: Watching,
) -> tuple[np.ndarray | None, str, tuple[int, ...] | None]:
    """Boxes of `types` or None, the whole frame; where they come from; whose they are, where known."""
    if given is not None:
        return given, USER, None
    due = detector is not None and count % watching.detect_every == 0
    following, whose = tracker.follow()
    if len(following) and not due:
        return following, TRACK, whose
    if detector is None:
        return None, "", None
    ((found, _),) = detector([photo.pixels])
    return found, f"detector:{detector.name}", None


def _smoothed(poses: PhotoPoses, smoothers: list[Smoother], seconds: float) -> PhotoPoses:
    """Speeds are measured in sizes of the person, so that distance to the camera does not matter."""
    sizes = np.sqrt(np.maximum(poses.box[:, 2:].prod(-1), 1.0))
    rows = zip(smoothers, poses.xy, sizes.tolist(), strict=True)
    xy = [smooth(xy, seconds, size) for smooth, xy, size in rows]
    return replace(poses, xy=np.array(xy, np.float32).reshape(poses.xy.shape))
