"""vitruvian predict"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def predict(
    model: Annotated[
        str, typer.Argument(help="A run, a model folder, a bundled model, or default.")
    ],
    photos: Annotated[list[Path], typer.Argument(help="Photographs or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for overlays, poses.json and index.html.")],
    box: Annotated[
        str | None,
        typer.Option(help="x,y,width,height in px, closely around the person; for every photo."),
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="COCO-style JSON, or CSV of file,x,y,width,height.")
    ] = None,
    passes: Annotated[
        int | None, typer.Option(min=1, max=3, help="2 or 3: look again around the pose found.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Flip test: twice the work.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    overlays: Annotated[
        bool, typer.Option(help="Draw the photographs and the page; without: poses.json alone.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Find poses in photographs: overlays, COCO results JSON and a page."""
    from vitruvian.use.gallery import Request, predict_to_folder

    predict_to_folder(
        Request(model, tuple(photos), out, box, boxes, passes, flip, device, quiet, overlays)
    )
