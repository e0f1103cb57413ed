"""Photographs and videos in, a folder out: overlays, heatmaps, poses and one page that shows them."""

from __future__ import annotations

import hashlib
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, compress, groupby
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from vitruvian import __version__
from vitruvian.data.photos import SUFFIXES
from vitruvian.types import UserError
from vitruvian.use.capture import is_capture
from vitruvian.use.detect import LEAST_SCORE, open_finder
from vitruvian.use.files import list_photos, read_boxes
from vitruvian.use.gallery_run import DONE, PHOTO, Kit, Run, Settings
from vitruvian.use.heatmap_files import MapFolder
from vitruvian.use.heatmaps import open_maps
from vitruvian.use.look import BATCH
from vitruvian.use.page import Page
from vitruvian.use.predict import Model, load
from vitruvian.use.progress import Progress
from vitruvian.use.results import FORMATS, Journal, open_writer
from vitruvian.use.video import VIDEO_SUFFIXES, Video, is_video

PHOTOS = Path(__file__).parent / "photos"
OVERLAYS, HEATMAPS, POSES, PAGE = "overlays", "heatmaps", "poses", "index.html"
JOURNAL = ".finished.jsonl"


@dataclass(frozen=True)
class Request:
    """What `vitruvian predict` is told."""

    model: str
    photos: tuple[Path | str, ...]  # files, folders, patterns, videos, cameras, streams
    out: Path
    box: str | None = None
    boxes: Path | None = None
    passes: int | None = None
    flip: bool = False
    device: str = "auto"
    quiet: bool = False
    overlays: bool = True
    heatmaps: bool = False
    detector: str | None = None
    detector_score: float = LEAST_SCORE
    detect_every: int = 10  # frames
    smooth: bool = False
    every: int = 1
    frames: int | None = None  # of a camera, at most
    formats: tuple[str, ...] = ("json",)
    again: bool = False
    batch: int = BATCH


class _Everywhere(Mapping[str, np.ndarray]):
    """The same boxes for every photograph."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = boxes

    def __getitem__(self, name: str) -> np.ndarray:
        return self.boxes

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __contains__(self, name: object) -> bool:
        return True


def parse_box(text: str) -> np.ndarray:
    """ "x,y,width,height" in px -> (1, 4).

    Raises:
        UserError: it is not four numbers, or no box.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise UserError(f"--box {text}: write four numbers, x,y,width,height")
    if not np.isfinite(values).all() or min(values[2:]) <= 0:
        raise UserError(f"--box {text}: give x, y, width, height in px, the last two above 0")
    return np.array([values], np.float32)


def predict_to_folder(request: Request) -> None:
    """Streams: a folder of 100,000 photographs takes the memory of a few.

    What an interrupted run with the same settings has finished is taken from there. Where nothing can
    be read, earlier outputs stay as they are.

    Raises:
        UserError: no such model, photograph, box or detector, or not one photograph could be read.
    """
    boxes = _boxes(request)
    if unknown := [kind for kind in request.formats if kind not in FORMATS]:
        raise UserError(f"no format {unknown[0]!r}: give {', '.join(FORMATS)}")
    model = load(request.model, request.device)
    folders = (request.out / OVERLAYS, request.out / HEATMAPS)
    listed = _inputs(request, folders)
    detector, faces = open_finder(request.detector, request.detector_score, request.device)
    maps = _maps(request, model)
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        for folder in compress(folders, (request.overlays, request.heatmaps)):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{request.out} cannot be made ({error.strerror}): give another folder"
        ) from None
    started = time.monotonic()
    progress = _progress(request, folders)
    with ExitStack() as stack:
        stack.callback(progress.close)
        page = _page(request, model) if request.overlays else None
        writers = [
            open_writer(kind, request.out / f"{POSES}.{kind}", model.info.skeleton)
            for kind in dict.fromkeys(request.formats)
        ]
        journal = Journal(request.out / JOURNAL, _key(request, model), request.again)
        kit = Kit(folders[0], page, maps, writers, journal, progress)
        run = stack.enter_context(Run(model, _settings(request), kit, boxes, detector, faces))
        try:
            _through(run, listed)
        except KeyboardInterrupt:
            progress.close()
            said = f"stopped after {run.pictures} pictures, which are in {request.out}"
            console = Console(stderr=True, quiet=request.quiet)
            console.print(
                f"{said}; the same command goes on", highlight=False, markup=False, soft_wrap=True
            )
            raise
    if not run.pictures and run.bad == 1:
        raise UserError(run.why)
    if not run.pictures:
        raise UserError(f"none of {run.bad} inputs could be read; the reasons stand above")
    _tell(request, run, model, time.monotonic() - started)
    if not run.finished:
        raise UserError(f"{run.why}; what was found until then is in {request.out}")


def _through(run: Run, listed: Iterator[str]) -> None:
    for kind, part in groupby(listed, run.kind):
        if kind == PHOTO:
            run.photos(map(Path, part))
            continue
        for name in part:
            if kind == DONE:
                run.replay(name)
            else:
                run.moving(name, kind)


def _tell(request: Request, run: Run, model: Model, seconds: float) -> None:
    skipped = f", {run.bad} skipped" if run.bad else ""
    before = f", {run.replayed} of them before" if run.replayed else ""
    what = ("picture" if run.moved else "photograph") + ("s" if run.pictures != 1 else "")
    done = f"{run.pictures} {what}{before}{skipped} in {seconds:.1f} s with {model.info.name}"
    console = Console(stderr=True, quiet=request.quiet)
    lines = [done]
    if request.overlays:
        lines += [f"  page      {request.out / PAGE}", f"  overlays  {request.out / OVERLAYS}"]
    if request.heatmaps and run.pictures > run.moved:  # they are of photographs
        lines += [f"  heatmaps  {request.out / HEATMAPS}"]
    words = {"json": " (COCO results, px of the photographs)"}
    for kind in dict.fromkeys(request.formats):
        lines += [f"  poses     {request.out / POSES}.{kind}{words.get(kind, '')}"]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _inputs(request: Request, folders: tuple[Path, ...]) -> Iterator[str]:
    """Names in order, of photographs each `every`-th; what does not exist is said at once."""
    if request.every < 1:
        raise UserError(f"every {request.every}th picture: give 1 or more")
    known = SUFFIXES | VIDEO_SUFFIXES
    parts: list[Iterator[str]] = [
        iter((str(given),)) if is_capture(str(given)) else map(str, list_photos([given], folders, known))
        for given in request.photos
    ]  # fmt: skip
    return _thinned(chain.from_iterable(parts), request.every)


def _thinned(names: Iterator[str], every: int) -> Iterator[str]:
    number = 0
    for name in names:
        moving = is_capture(name) or is_video(name)
        if moving or number % every == 0:
            yield name
        number += not moving


def _progress(request: Request, folders: tuple[Path, ...]) -> Progress:
    """Counts what is to be done, without opening photographs."""
    if request.quiet:
        return Progress(0, lambda text: None, False)
    total = 0
    for name in _inputs(request, folders):
        count = 1
        if is_capture(name):
            count = request.frames or 0
        elif is_video(name):
            try:
                with Video(name) as video:
                    count = -(-video.count // request.every)
            except UserError:
                continue
        if not count:
            return Progress(0)
        total += count
    return Progress(total)


def _settings(request: Request) -> Settings:
    return Settings(
        request.passes, request.flip, request.batch, request.overlays, request.every,
        request.detect_every, request.smooth, request.frames,
    )  # fmt: skip


def _key(request: Request, model: Model) -> dict[str, Any]:
    """What poses and pictures depend on, beside their files."""
    values = {name: value for name, value in asdict(request).items() if name in (
        "box", "passes", "flip", "overlays", "heatmaps", "detector_score", "detect_every", "smooth", "every"
    )}  # fmt: skip
    said = __version__ + model.info.to_json() + str(model.folder.resolve())
    values["model"] = hashlib.sha256(said.encode()).hexdigest()
    for name, file in (("boxes", request.boxes), ("detector", request.detector)):
        values[name] = None if file is None else str(file)
        if file is not None and Path(file).is_file():
            values[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return values


def _maps(request: Request, model: Model) -> MapFolder | None:
    if not request.heatmaps:
        return None
    run = open_maps(model, request.device)
    return MapFolder(request.out / HEATMAPS, model, run, request.flip)


def _boxes(request: Request) -> Mapping[str, Any] | None:
    if request.box is not None and request.boxes is not None:
        raise UserError("give --box or --boxes, not both")
    if request.box is not None:
        return _Everywhere(parse_box(request.box))
    return None if request.boxes is None else read_boxes(request.boxes)


def _page(request: Request, model: Model) -> Page:
    made = {
        "Model": f"{model.info.name}, {model.info.parameters / 1e6:.2f} M parameters",
        "Command": shlex.join(["vitruvian", *sys.argv[1:]]),
    }
    skeleton, threshold = model.info.skeleton, model.info.predict.threshold
    return Page(request.out / PAGE, "Poses", skeleton, threshold, made)
