"""vitruvian data check, vitruvian data pack"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look at data sets and move them.", no_args_is_help=True)


@app.command("check")
def check(
    data: Annotated[str, typer.Argument(help="name=folder, e.g. lspet=DIR")],
    sheet: Annotated[
        Path | None, typer.Option(help="Write a picture of labelled persons here (PNG or JPEG).")
    ] = None,
    subset: Annotated[str, typer.Option(help="Rows to look at.")] = "all",
) -> None:
    """Count rows and labels, decode every photograph, name what is wrong; exit code 1 when it is."""
    import numpy as np

    from vitruvian.data import open_data
    from vitruvian.data.check import check, contact_sheet
    from vitruvian.draw import write_image

    people = open_data(data).subset(subset)
    report = check(people)
    for line in report.lines():
        typer.echo(line)
    if sheet is not None:
        rows = np.linspace(0, len(people) - 1, min(64, len(people))).astype(int)
        write_image(sheet, contact_sheet(people, rows))
        typer.echo(f"written: {sheet}")
    if not report.ok:
        raise typer.Exit(1)


@app.command("pack")
def pack(
    data: Annotated[str, typer.Argument(help="name=folder, e.g. lspet=DIR")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    side: Annotated[int, typer.Option(min=16, help="Longest side of a crop, px.")] = 160,
    subset: Annotated[str, typer.Option(help="Rows to pack.")] = "all",
) -> None:
    """Write a compact self-contained copy, to train elsewhere with --data pack=FILE."""
    from rich.progress import Progress

    from vitruvian.data import open_data
    from vitruvian.data.pack import write_pack

    people = open_data(data)
    people = people if subset == "all" else people.subset(subset)
    with Progress(transient=True) as bar:
        task = bar.add_task("packing", total=len(people))

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = write_pack(people, out, side, show)
    typer.echo(report.line())
