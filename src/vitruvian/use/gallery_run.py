"""One run of predict: each input in turn, and everything that is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from vitruvian.draw import write_image
from vitruvian.types import Poses, UserError
from vitruvian.use.capture import Capture, is_capture
from vitruvian.use.detect import Detector
from vitruvian.use.heatmap_files import MapFolder
from vitruvian.use.look import Sighting
from vitruvian.use.moving import Watching, watch
from vitruvian.use.page import Page
from vitruvian.use.poses import PhotoPoses, person_rows
from vitruvian.use.predict import Model, find_in_photos
from vitruvian.use.progress import Progress
from vitruvian.use.reading import named_boxes
from vitruvian.use.results import Journal, Row, Writer
from vitruvian.use.smooth import OneEuro
from vitruvian.use.video import Frame, Video, VideoWriter, is_video

PHOTO, VIDEO, CAPTURE, DONE = "photograph", "video", "capture", "done"
Source = Video | Capture


@dataclass(frozen=True)
class Settings:
    """How pictures are looked at."""

    passes: int | None
    flip: bool
    batch: int
    overlays: bool
    every: int
    detect_every: int
    smooth: bool
    frames: int | None  # of a camera, at most


@dataclass(frozen=True)
class Kit:
    """Where everything goes."""

    overlays: Path
    page: Page | None
    maps: MapFolder | None
    writers: list[Writer]
    journal: Journal
    progress: Progress


class Run:
    """Counts and writes; as a context it puts the outputs in place, or leaves the earlier ones there.

    `pictures` are done, photographs and frames, of which `replayed` by an earlier run and `moved`
    frames; `finished` files; `bad` ones could not be read, the last because of `why`.
    """

    def __init__(
        self,
        model: Model,
        settings: Settings,
        kit: Kit,
        boxes: Mapping[str, Any] | None,
        detector: Detector | None,
        faces: bool,
    ):
        self.model, self.settings, self.kit = model, settings, kit
        self.boxes, self.detector, self.faces = boxes, detector, faces
        self.pictures = self.replayed = self.moved = self.finished = self.bad = 0
        self.why = self._held = ""
        self._names = kit.journal.names()
        self._used = set(self._names.values())

    def kind(self, name: str) -> str:
        """What is to be done with an input."""
        if is_capture(name):
            return CAPTURE
        if (line := self.kit.journal.finished(name)) is not None:
            overlay = self._overlay(str(line["name"]), is_video(name))
            if not self.settings.overlays or overlay.exists():
                return DONE
        return VIDEO if is_video(name) else PHOTO

    def photos(self, paths: Iterator[Path]) -> None:
        """Finds and writes the poses of photographs."""
        settings, kit = self.settings, self.kit
        drawn = settings.overlays or kit.maps is not None
        for path, photo, found in find_in_photos(
            self.model, paths, self.boxes, settings.passes, settings.flip, settings.batch,
            drawn, self.detector, self.faces,
        ):  # fmt: skip
            if isinstance(found, UserError):
                self._failed(path.name, found)
                continue
            name = self._unused(path)
            if photo is not None:
                self._draw(name, path, photo, found)
            rows = person_rows(found.poses, 0, str(path))
            kit.journal.picture(str(path), rows)
            kit.journal.finish(str(path), name)
            self._picture(rows)
            self.finished += 1
            kit.progress.more()

    def moving(self, name: str, kind: str) -> None:
        """Finds and writes the poses of a video or camera; one that breaks off counts until there."""
        kit, called = self.kit, self._unused(Path(name.replace("://", "-").replace(":", "-")))
        before, persons, failed = self.pictures, set[int](), False
        overlay = _Overlay(self._overlay(called, True), self.settings.every)
        try:
            with Video(name) if kind == VIDEO else Capture(name) as source:
                self._frames(name, kind, source, overlay, persons)
        except UserError as error:
            failed = True
            kit.journal.drop(name)
            partly = self.pictures > before
            self._failed(Path(name).name, error, "ends early" if partly else "skipped")
        except KeyboardInterrupt as stop:
            # the way to stop a camera, but for a signal that is meant for the whole command
            if kind == VIDEO or self.pictures == before or type(stop) is not KeyboardInterrupt:
                overlay.discard()
                raise
        except BaseException:
            overlay.discard()
            raise
        overlay.close()
        self.finished += not failed
        if kind == VIDEO and not failed:
            kit.journal.finish(name, called, persons=len(persons))
        if kit.page is not None and self.pictures > before:
            shown = self._overlay(called, True)
            kit.page.video(Path(name).name, shown, self.pictures - before, len(persons))

    def _frames(
        self, name: str, kind: str, source: Source, overlay: _Overlay, persons: set[int]
    ) -> None:
        settings, boxes = self.settings, None
        if self.boxes is not None:
            boxes = named_boxes(Path(name), self.boxes, self.detector is not None)
        watching = Watching(
            settings.detect_every, OneEuro() if settings.smooth else None, settings.passes,
            settings.flip, settings.batch, self.faces,
        )  # fmt: skip
        frames = source.frames(settings.every)
        if kind == CAPTURE and settings.frames is not None:
            frames = islice(frames, settings.frames)
        for frame, poses in watch(self.model, frames, boxes, self.detector, watching, name):
            if settings.overlays:
                overlay.write(poses, frame, source.rate)
            rows = person_rows(poses, 0, name)
            if kind == VIDEO:
                self.kit.journal.picture(name, rows)
            persons.update(poses.identity or ())
            self._picture(rows)
            self.moved += 1
            self.kit.progress.more()

    def replay(self, name: str) -> None:
        """Writes again what an earlier run has found in a file."""
        line = self.kit.journal.finished(name) or {}
        count, called = 0, str(line.get("name"))
        rows: list[Row] = []
        for rows in self.kit.journal.pictures(name):
            self._picture(rows)
            count += 1
        self.replayed += count
        self.finished += 1
        self.kit.progress.skip(count)
        page = self.kit.page
        self.moved += count if is_video(name) else 0
        if page is not None and is_video(name):
            page.video(Path(name).name, self._overlay(called, True), count, line.get("persons", 0))
        elif page is not None:
            page.photo(Path(name).name, self._overlay(called, False), _poses(rows, self.model))
            self._maps_again(called, Path(name).name, len(rows))

    def _maps_again(self, called: str, title: str, persons: int) -> None:
        page, maps = self.kit.page, self.kit.maps
        if page is None or maps is None or not persons:
            return
        page.maps(title, maps.folder / f"{called}-all.jpg")
        for number in range(1, persons + 1):
            files = (maps.folder / f"{called}-person{number}{end}" for end in (".jpg", ".npz"))
            page.maps(f"{title}, person {number}", *files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.bad > 1 or self.finished or error is not None:
            self._say()
        self.kit.journal.close()
        outputs: list[Writer | Page] = [*self.kit.writers]
        for writer in outputs + ([] if self.kit.page is None else [self.kit.page]):
            if self.pictures:
                writer.close()
            else:  # what stands there is worth more than nothing
                writer.discard()

    def _say(self) -> None:
        """Says what has failed last; held back, as it is the command's error if nothing else was there."""
        if self._held:
            self.kit.progress.line(self._held)
        self._held = ""

    def _picture(self, rows: list[Row]) -> None:
        self._say()
        self.pictures += 1
        for row in rows:
            row["image_id"] = self.pictures
        for writer in self.kit.writers:
            writer.rows(rows)

    def _draw(self, name: str, path: Path, photo: np.ndarray, found: Sighting) -> None:
        page, maps = self.kit.page, self.kit.maps
        if self.settings.overlays:
            overlay = self._overlay(name, False)
            write_image(overlay, found.poses.draw(photo))
            if page is not None:
                page.photo(path.name, overlay, found.poses)
        if maps is not None:
            maps.photo(name, path.name, photo, found, page)

    def _failed(self, name: str, error: UserError, how: str = "skipped") -> None:
        self.bad += 1
        self.why = str(error)
        self._say()
        self._held = f"{how}: {error}"
        if self.kit.page is not None:
            self.kit.page.error(name, str(error))

    def _overlay(self, name: str, moving: bool) -> Path:
        return self.kit.overlays / f"{name}{'.mp4' if moving else '.jpg'}"

    def _unused(self, path: Path) -> str:
        """A name for what is made of a file: its own, numbered where another has taken it."""
        if str(path) in self._names:  # it has changed since
            return self._names[str(path)]
        name, number = path.stem, 1
        while name in self._used:
            number += 1
            name = f"{path.stem}-{number}"
        self._used.add(name)
        return name


class _Overlay:
    """An overlay video that is opened with its first frame, and put in its place by `close` alone."""

    def __init__(self, path: Path, every: int):
        self._path, self._every = path, every
        self._writer: VideoWriter | None = None

    def write(self, poses: PhotoPoses, frame: Frame, rate: Fraction) -> None:
        if self._writer is None:
            self._writer = VideoWriter(self._path, rate / self._every, frame.time_base)
        self._writer.write(poses.draw(), frame.pts)

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def discard(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()


def _poses(rows: list[Row], model: Model) -> Poses:
    """Poses as they were written; to show, not to measure."""
    joints = np.array([row["keypoints"] for row in rows], np.float32)
    joints = joints.reshape(len(rows), len(model.info.skeleton), 3)
    box = np.array([row["bbox"] for row in rows], np.float32).reshape(-1, 4)
    return Poses(joints[..., :2], joints[..., 2], box)
