"""Options that several verbs share, each worded once."""

from __future__ import annotations

from typing import Annotated

import typer

ProtocolName = Annotated[str | None, typer.Option(help="A name of `vitruvian protocols`.")]
Subset = Annotated[
    str | None, typer.Option(help="Rows of the data set; without: those of published figures.")
]
Published = Annotated[
    str | None, typer.Option(help="The papers' rows beside them: lsp-pc, lsp-oc, mpii-val ...")
]
SkeletonName = Annotated[
    str | None, typer.Option(help="Joints of the predictions, where a file does not say.")
]
Base = Annotated[
    int | None, typer.Option(min=0, max=1, help="Number of the first pixel in the predictions.")
]
Flip = Annotated[bool, typer.Option("--flip", help="Flip test of the models.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
Workers = Annotated[int, typer.Option(min=0)]
