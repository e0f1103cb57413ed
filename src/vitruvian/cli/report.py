"""vitruvian report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.options import (
    Base,
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


def report(
    items: Annotated[
        list[str],
        typer.Argument(
            help="Runs, models, NAME@STAGE or files of predictions; LABEL=ITEM names one."
        ),
    ],
    truth: Annotated[
        str, typer.Option("--truth", "--data", help="name=folder or name=file, e.g. lspet=DIR")
    ],
    protocol: ProtocolName = None,
    subset: Subset = None,
    published: Published = None,
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("report"),
    markdown: Annotated[
        Path | None, typer.Option(help="The Markdown file, its JSON beside it; without: in --out.")
    ] = None,
    skeleton: SkeletonName = None,
    worst: Annotated[int, typer.Option(min=0, help="Pictures of the worst persons.")] = 12,
    base: Base = None,
    flip: Flip = False,
    occluders: OccludersCount = None,
    occluders_seed: OccludersSeed = None,
    device: Device = "auto",
    workers: Workers = 2,
) -> None:
    """Write what models score, joint by joint, with curves, parts and failures."""
    from vitruvian.skeleton import find_skeleton
    from vitruvian.use.compare import Request
    from vitruvian.use.report import MARKDOWN, Files, make_report, own_command

    request = Request(
        items=tuple(items),
        truth=truth,
        protocol=protocol,
        subset=subset,
        published=published,
        flip=flip,
        occluders=occluders_of(occluders, occluders_seed),
        skeleton=None if skeleton is None else find_skeleton(skeleton),
        base=base,
        device=device,
        workers=workers,
    )
    files = Files(out, markdown or out / MARKDOWN, worst)
    if files.markdown.suffix.lower() != ".md":
        raise UserError(f"--markdown {files.markdown}: name it .md; its JSON lies beside it")
    make_report(request, own_command(request, files), files)
    typer.echo(f"written: {files.markdown}, {out / 'index.html'}")
