"""Photographs and videos in, a folder out: overlays, heatmaps, poses and one page that shows them."""

from __future__ import annotations

import hashlib
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from itertools import compress, groupby
from pathlib import Path
from typing import Any

from rich.console import Console

from vitruvian import __version__
from vitruvian.types import UserError
from vitruvian.use.detect import open_finder
from vitruvian.use.files import HEATMAPS, JOURNAL, OVERLAYS, PAGE, POSES, Passed
from vitruvian.use.gallery_run import DONE, PHOTO, Kit, Run, Settings
from vitruvian.use.given import Given, Request, list_inputs, look_over
from vitruvian.use.heatmap_files import MapFolder
from vitruvian.use.heatmaps import open_maps
from vitruvian.use.page import Page
from vitruvian.use.predict import Model, load
from vitruvian.use.progress import Progress
from vitruvian.use.results import FORMATS, Journal, open_writer

PHOTOS = Path(__file__).parent / "photos"


def predict_to_folder(request: Request) -> None:
    """Streams: a folder of 100,000 photographs takes the memory of a few.

    What an interrupted run with the same settings has finished is taken from there. Where nothing can
    be read, earlier outputs stay as they are.

    Raises:
        UserError: no such model, photograph, box or detector, or not one photograph could be read.
    """
    if unknown := [kind for kind in request.formats if kind not in FORMATS]:
        raise UserError(f"no format {unknown[0]!r}: give {', '.join(FORMATS)}")
    folders = (request.out / OVERLAYS, request.out / HEATMAPS)
    given = look_over(request, folders)
    _say(request, given.lines)
    request = replace(request, detector=given.detector)
    model = load(request.model, request.device)
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
    progress = _progress(request, given)
    with ExitStack() as stack:
        stack.callback(progress.close)
        page = _page(request, model) if request.overlays else None
        writers = [
            open_writer(kind, request.out / f"{POSES}.{kind}", model.info.skeleton)
            for kind in dict.fromkeys(request.formats)
        ]
        journal = Journal(request.out / JOURNAL, _key(request, model), request.again)
        kit = Kit(folders[0], page, maps, writers, journal, progress)
        run = stack.enter_context(Run(model, _settings(request), kit, given.boxes, detector, faces))
        try:
            _through(run, list_inputs(request, folders, Passed()))
        except KeyboardInterrupt:
            progress.close()
            said = f"stopped after {run.pictures} pictures, which are in {request.out}"
            _say(request, [f"{said}; the same command goes on"])
            raise
    if not run.pictures and run.bad == 1:
        raise UserError(run.why)
    if not run.pictures:
        raise UserError(f"none of {run.bad} inputs could be read; the reasons stand above")
    _tell(request, run, model, given.skipped, time.monotonic() - started)
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


def _tell(request: Request, run: Run, model: Model, folders: int, seconds: float) -> None:
    skipped = f", {run.bad + folders} skipped" if run.bad + folders else ""
    before = f", {run.replayed} of them before" if run.replayed else ""
    what = ("picture" if run.moved else "photograph") + ("s" if run.pictures != 1 else "")
    done = f"{run.pictures} {what}{before}{skipped} in {seconds:.1f} s with {model.info.name}"
    lines = [done]
    if request.overlays:
        lines += [f"  page      {request.out / PAGE}", f"  overlays  {request.out / OVERLAYS}"]
    if request.heatmaps and run.pictures > run.moved:  # they are of photographs
        lines += [f"  heatmaps  {request.out / HEATMAPS}"]
    words = {"json": " (COCO results, px of the photographs)"}
    for kind in dict.fromkeys(request.formats):
        lines += [f"  poses     {request.out / POSES}.{kind}{words.get(kind, '')}"]
    _say(request, lines)


def _say(request: Request, lines: Iterable[str]) -> None:
    console = Console(stderr=True, quiet=request.quiet)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _progress(request: Request, given: Given) -> Progress:
    if request.quiet:
        return Progress(0, lambda text: None, False)
    return Progress(given.pictures or 0)


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


def _page(request: Request, model: Model) -> Page:
    made = {
        "Model": f"{model.info.name}, {model.info.parameters / 1e6:.2f} M parameters",
        "Command": shlex.join(["vitruvian", *sys.argv[1:]]),
    }
    skeleton, threshold = model.info.skeleton, model.info.predict.threshold
    return Page(request.out / PAGE, "Poses", skeleton, threshold, made)
