"""vitruvian heatmaps"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.options import (
    Device,
    Flip,
    OccludersCount,
    OccludersSeed,
    Subset,
    occluders_of,
)


def heatmaps(
    model: Annotated[
        str, typer.Argument(help="A run, a model folder, a bundled model, NAME@STAGE, or default.")
    ] = "default",
    data: Annotated[
        str | None,
        typer.Option(help="name=folder or name=file, e.g. lspet=DIR; without: rendered figures."),
    ] = None,
    subset: Subset = None,
    count: Annotated[int, typer.Option(min=1, help="Persons, evenly from the rows.")] = 10,
    occluders: OccludersCount = None,
    occluders_seed: OccludersSeed = None,
    out: Annotated[Path, typer.Option(help="Folder of pictures, arrays and page.")] = Path(
        "heatmaps"
    ),
    flip: Flip = False,
    device: Device = "auto",
) -> None:
    """Draw a model's heatmaps of labelled persons, each set of maps, joint by joint."""
    from vitruvian.use.heatmap_people import Request, draw_people

    pasted = occluders_of(occluders, occluders_seed)
    draw_people(Request(model, out, data, subset, count, pasted, flip, device))
