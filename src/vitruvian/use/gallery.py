"""Photographs in, a folder out: overlays, COCO results and one page that shows them."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from vitruvian.draw import draw_poses, write_image
from vitruvian.types import UserError
from vitruvian.use.files import CocoWriter, list_photos, read_boxes
from vitruvian.use.page import Page
from vitruvian.use.predict import Model, load, predict_photos

PHOTOS = Path(__file__).parent / "photos"
OVERLAYS, POSES, PAGE = "overlays", "poses.json", "index.html"


@dataclass(frozen=True)
class Request:
    """What `vitruvian predict` is told."""

    model: str
    photos: tuple[Path, ...]
    out: Path
    box: str | None = None
    boxes: Path | None = None
    passes: int | None = None
    flip: bool = False
    device: str = "auto"
    quiet: bool = False
    overlays: bool = True


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
        UserError: it is not four numbers.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise UserError(f"--box {text}: write four numbers, x,y,width,height")
    return np.array([values], np.float32)


def predict_to_folder(request: Request) -> None:
    """Streams: a folder of 100,000 photographs takes the memory of a few.

    Raises:
        UserError: no such model, photograph or box, or not one photograph could be read.
    """
    console = Console(stderr=True, quiet=request.quiet)

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    boxes = _boxes(request)
    model = load(request.model, request.device)
    paths = list_photos(request.photos, leave_out=request.out / OVERLAYS)
    shown = request.out / OVERLAYS
    try:
        (shown if request.overlays else request.out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{request.out} cannot be made ({error.strerror})") from None
    started, done, bad = time.monotonic(), 0, 0
    with ExitStack() as stack:
        writer = stack.enter_context(CocoWriter(request.out / POSES))
        page = stack.enter_context(_page(request, model)) if request.overlays else None
        names = _Names()
        for path, photo, poses in predict_photos(
            model, paths, boxes, request.passes, request.flip, pictures=request.overlays
        ):
            if isinstance(poses, UserError):
                bad += 1
                say(f"skipped: {poses}")
                if page is not None:
                    page.error(path.name, str(poses))
                continue
            done += 1
            writer.write(str(path), poses)
            if page is not None and photo is not None:
                overlay = shown / names.unused(path)
                threshold = model.info.predict.threshold
                write_image(overlay, draw_poses(photo, poses, model.info.skeleton, threshold))
                page.photo(path.name, overlay, poses)
            if done % 1000 == 0:
                say(f"{done} photographs")
    if not done:
        raise UserError(f"none of {bad} photographs could be read; the reasons stand above")
    skipped = f", {bad} skipped" if bad else ""
    seconds = time.monotonic() - started
    say(f"{done} photographs{skipped} in {seconds:.1f} s with {model.info.name}")
    if request.overlays:
        say(f"  page      {request.out / PAGE}\n  overlays  {shown}")
    say(f"  poses     {request.out / POSES} (COCO results, px of the photographs)")


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


class _Names:
    """File names for overlays: the photograph's, numbered where another has taken it."""

    def __init__(self) -> None:
        self.used: set[str] = set()

    def unused(self, path: Path) -> str:
        name, number = path.stem, 1
        while name in self.used:
            number += 1
            name = f"{path.stem}-{number}"
        self.used.add(name)
        return f"{name}.jpg"
