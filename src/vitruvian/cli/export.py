"""vitruvian export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[
        str, typer.Argument(help="Folder of a run; for --int8 and NAME.onnx also a model.")
    ],
    out: Annotated[
        Path, typer.Option(help="The model folder to write, or NAME.onnx for one graph alone.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="name=folder for parity and scores; without: the run's own data."),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Graphs in 8 bits, calibrated on `train`; says what it costs on `tune`."
        ),
    ] = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="NAME.onnx with the flip test inside: twice the work.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="How a run's weights are stored: single, int8, or half, as without."),
    ] = None,
    workers: Annotated[int, typer.Option(min=0)] = 2,
) -> None:
    """Make a model folder: weights, ONNX graphs, parity, scores and a card; or one ONNX file."""
    from vitruvian.learn import exporting
    from vitruvian.weights import precision_of

    exporting.export(
        exporting.Request(
            run,
            out,
            data,
            int8=int8,
            flip=flip,
            precision=None if weights is None else precision_of(weights),
            workers=workers,
        )
    )
