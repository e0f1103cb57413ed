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
from vitruvian.use.predict import load, predict_photos

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
    boxes: Mapping[str, Any] | None = None
    if request.box is not None and request.boxes is not None:
        raise UserError("give --box or --boxes, not both")
    if request.box is not None:
        boxes = _Everywhere(parse_box(request.box))
    elif request.boxes is not None:
        boxes = read_boxes(request.boxes)
    model = load(request.model, request.device)
    paths = list_photos(request.photos)
    try:
        (request.out / OVERLAYS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{request.out} cannot be made ({error.strerror})") from None
    made = {
        "Model": f"{model.info.name}, {model.info.parameters / 1e6:.2f} M parameters",
        "Command": shlex.join(["vitruvian", *sys.argv[1:]]),
    }
    started, done, bad = time.monotonic(), 0, 0
    with ExitStack() as stack:
        writer = stack.enter_context(CocoWriter(request.out / POSES))
        page = stack.enter_context(
            Page(
                request.out / PAGE,
                "Poses",
                model.info.skeleton,
                model.info.predict.threshold,
                made,
            )
        )
        names = _Names()
        for path, photo, poses in predict_photos(model, paths, boxes, request.passes, request.flip):
            if isinstance(poses, UserError) or photo is None:
                bad += 1
                console.print(f"skipped: {poses}", highlight=False, markup=False, soft_wrap=True)
                page.error(path.name, str(poses))
                continue
            done += 1
            overlay = request.out / OVERLAYS / names.unused(path)
            write_image(
                overlay,
                draw_poses(photo, poses, model.info.skeleton, model.info.predict.threshold),
            )
            writer.write(str(path), poses)
            page.photo(path.name, overlay, poses)
            if done % 1000 == 0:
                console.print(f"{done} photographs", highlight=False)
    if not done:
        raise UserError(f"none of {bad} photographs could be read; the reasons stand above")
    seconds = time.monotonic() - started
    skipped = f", {bad} skipped" if bad else ""
    console.print(
        f"{done} photographs{skipped} in {seconds:.1f} s with {model.info.name}\n"
        f"  page      {request.out / PAGE}\n"
        f"  overlays  {request.out / OVERLAYS}\n"
        f"  poses     {request.out / POSES} (COCO results, px of the photographs)",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


class _Names:
    """File names for overlays: the photograph's, numbered where two folders hold the same."""

    def __init__(self) -> None:
        self.used: dict[str, int] = {}

    def unused(self, path: Path) -> str:
        number = self.used.get(path.stem, 0)
        self.used[path.stem] = number + 1
        return f"{path.stem}.jpg" if not number else f"{path.stem}-{number + 1}.jpg"
