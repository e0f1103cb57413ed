"""vitruvian eval"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="A run, a model folder, or a bundled model's name.")],
    data: Annotated[
        str | None, typer.Option(help="name=folder, e.g. lspet=DIR; without: rendered figures.")
    ] = None,
    subset: Annotated[str, typer.Option(help="Rows of the data set.")] = "val",
    flip: Annotated[bool, typer.Option("--flip", help="Flip test.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the first table's figures here.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    workers: Annotated[int, typer.Option(min=0)] = 2,
) -> None:
    """Score a model on labelled photographs: per joint, with intervals and baselines."""
    from rich.console import Console

    from vitruvian.use.scores import score_model, write_json

    results, about = score_model(model, data, subset, flip=flip, device=device, workers=workers)
    console = Console()
    words = "{model} on {data} {subset}: {provenance}".format(**about)
    console.print(words, highlight=False, soft_wrap=True)
    for result in results:
        console.print(result.table())
    if json_file is not None:
        write_json(json_file, results, about)
        console.print(f"written: {json_file}", highlight=False)
