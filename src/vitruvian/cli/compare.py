"""vitruvian compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.types import UserError


def compare(
    items: Annotated[
        list[str],
        typer.Argument(
            help="Models, runs, NAME@STAGE, files of predictions, or what `eval --json` wrote; "
            "LABEL=ITEM names a row. The others are held against the first."
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Option("--truth", "--data", help="name=folder or name=file, e.g. lsp=DIR"),
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="A name of `vitruvian protocols`.")] = None,
    subset: Annotated[
        str | None, typer.Option(help="Rows of the data set; without: those of published figures.")
    ] = None,
    published: Annotated[
        str | None, typer.Option(help="The papers' rows beside them: lsp-pc, lsp-oc, mpii-val ...")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv or json")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write here instead of printing.")] = None,
    skeleton: Annotated[
        str | None, typer.Option(help="Joints of the predictions, where a file does not say.")
    ] = None,
    base: Annotated[
        int | None, typer.Option(min=0, max=1, help="Number of the first pixel in the predictions.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Flip test of the models.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    workers: Annotated[int, typer.Option(min=0)] = 2,
) -> None:
    """One table of several results under one protocol, with intervals and paired tests."""
    from vitruvian.skeleton import find_skeleton
    from vitruvian.use.compare import Request, compare
    from vitruvian.use.compare_tables import FORMATS
    from vitruvian.use.files import write_text

    if form not in FORMATS:
        raise UserError(f"no format {form!r}, only {', '.join(FORMATS)}")
    found = compare(
        Request(
            items=tuple(items),
            truth=truth,
            protocol=protocol,
            subset=subset,
            published=published,
            flip=flip,
            skeleton=None if skeleton is None else find_skeleton(skeleton),
            base=base,
            device=device,
            workers=workers,
        )
    )
    written = FORMATS[form](found)
    if out is None:
        typer.echo(written, nl=False)
    else:
        write_text(out, written)
        typer.echo(f"written: {out}")
