"""vitruvian export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    data: Annotated[
        str | None,
        typer.Option(help="name=folder for parity and scores; without: the run's own data."),
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="Store all weights in single precision.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0)] = 2,
) -> None:
    """Make a model folder: weights, ONNX graphs, parity, scores and a card."""
    from vitruvian.learn.ship import ship

    ship(run, out, data, half=not single, workers=workers)
