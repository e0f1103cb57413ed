"""vitruvian report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    protocol: Annotated[str | None, typer.Option(help="A name of `vitruvian protocols`.")] = None,
    subset: Annotated[
        str | None, typer.Option(help="Rows of the data set; without: those of published figures.")
    ] = None,
    published: Annotated[
        str | None, typer.Option(help="The papers' rows beside them: lsp-pc, lsp-oc, mpii-val ...")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("report"),
    markdown: Annotated[
        Path | None, typer.Option(help="The Markdown file, its JSON beside it; without: in --out.")
    ] = None,
    skeleton: Annotated[
        str | None, typer.Option(help="Joints of the predictions, where a file does not say.")
    ] = None,
    worst: Annotated[int, typer.Option(min=0, help="Pictures of the worst persons.")] = 12,
    base: Annotated[
        int | None, typer.Option(min=0, max=1, help="Number of the first pixel in the predictions.")
    ] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Flip test of the models.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    workers: Annotated[int, typer.Option(min=0)] = 2,
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
