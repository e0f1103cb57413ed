"""vitruvian predict"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from vitruvian.cli.options import TERMINATED, folder_of


def predict(
    model: Annotated[
        str, typer.Argument(help="A run, a model folder, a bundled model, or default.")
    ],
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Photographs, videos, folders, patterns such as 'in/*.jpg', camera:0, rtsp://..., "
            "stream:http://..."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            parser=folder_of,
            metavar="<path>",
            help="Folder for overlays, poses.json and index.html.",
        ),
    ],
    box: Annotated[
        str | None,
        typer.Option(help="x,y,width,height in px, closely around the person; for every photo."),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="COCO-style JSON, COCO detection results, or CSV of file,x,y,width,height."
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Finds several people where no box is given: an ONNX file (YOLOX, RT-DETR), a "
            "detector of torchvision whose weights are cached, face, or auto: the best that is there."
        ),
    ] = None,
    detector_score: Annotated[
        float, typer.Option(min=0, max=1, help="Boxes below it are left out.")
    ] = 0.5,
    detect_every: Annotated[
        int, typer.Option(min=1, help="Frames of a video; between, boxes follow the poses.")
    ] = 10,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Steady the poses of videos (One Euro filter).")
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Only each N-th photograph or frame.")] = 1,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Of a camera, at most; without: until Ctrl-C.")
    ] = None,
    passes: Annotated[
        int | None, typer.Option(min=1, max=5, help="2 to 5: look again around the pose found.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Flip test: twice the work.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Persons that the net sees at once.")] = 16,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    format: Annotated[
        list[str] | None,
        typer.Option(help="json (COCO results), jsonl (as they are found), csv; may be repeated."),
    ] = None,
    overlays: Annotated[
        bool, typer.Option(help="Draw the pictures and the page; without: the poses alone.")
    ] = True,
    save_heatmaps: Annotated[
        bool,
        typer.Option(
            "--save-heatmaps",
            help="The net's heatmaps of every person in photographs, drawn and as .npz; torch.",
        ),
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also what an earlier run with these settings finished.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Find poses in photographs and videos: overlays, COCO results and a page."""
    from vitruvian.use.gallery import predict_to_folder
    from vitruvian.use.given import Request

    request = Request(
        model=model, photos=tuple(inputs), out=out, box=box, boxes=boxes, passes=passes,
        flip=flip, device=device, quiet=quiet, overlays=overlays, heatmaps=save_heatmaps,
        detector=detector, detector_score=detector_score, detect_every=detect_every,
        smooth=smooth, every=every, frames=frames, formats=tuple(format or ("json",)),
        again=again, batch=batch,
    )  # fmt: skip
    with _sigterm_like_ctrl_c():
        predict_to_folder(request)


class _Terminated(KeyboardInterrupt):
    """Cleaned up after as Ctrl-C is."""


@contextlib.contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    def stop(*_: object) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Terminated:
        raise typer.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
