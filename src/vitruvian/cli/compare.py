"""vitruvian compare"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.options import (
    Base,
    Boxes,
    Device,
    Flip,
    OccludersCount,
    OccludersSeed,
    ProtocolName,
    Published,
    SkeletonName,
    Subset,
    Workers,
    occluders_of,
)
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
    protocol: ProtocolName = None,
    subset: Subset = None,
    published: Published = None,
    form: Annotated[str, typer.Option("--format", help="text, markdown, csv or json")] = "text",
    out: Annotated[Path | None, typer.Option(help="Write here instead of printing.")] = None,
    skeleton: SkeletonName = None,
    base: Base = None,
    boxes: Boxes = None,
    flip: Flip = False,
    occluders: OccludersCount = None,
    occluders_seed: OccludersSeed = None,
    costs: Annotated[
        bool,
        typer.Option(
            "--costs",
            help="Also size, speed, hours of training, and the score in whole photographs.",
        ),
    ] = False,
    device: Device = "auto",
    workers: Workers = 2,
) -> None:
    """One table of several results under one protocol, with intervals and paired tests."""
    from vitruvian.skeleton import find_skeleton
    from vitruvian.use.compare import Request, compare
    from vitruvian.use.compare_tables import FORMATS, below
    from vitruvian.use.files import check_place, write_text

    if form not in FORMATS:
        raise UserError(f"no format {form!r}, only {', '.join(FORMATS)}")
    if out is not None:
        check_place(out)
    found = compare(
        Request(
            items=tuple(items),
            truth=truth,
            protocol=protocol,
            subset=subset,
            published=published,
            flip=flip,
            occluders=occluders_of(occluders, occluders_seed),
            skeleton=None if skeleton is None else find_skeleton(skeleton),
            base=base,
            boxes=boxes,
            device=device,
            workers=workers,
            costs=costs,
        )
    )
    written = FORMATS[form](found)
    if form == "csv":  # which has no place for what must be said with it
        typer.echo("\n".join(below(found)), err=True)
    if out is None:
        typer.echo(written, nl=False)
    else:
        write_text(out, written)
        typer.echo(f"written: {out}")
