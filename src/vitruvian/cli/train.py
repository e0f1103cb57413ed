"""vitruvian train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.options import STOPPED, Boxes, Full


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name (`vitruvian systems`) or YAML file.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run; an unfinished one goes on.")],
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="name=folder, e.g. lspet=DIR; again for a union; without: rendered figures."
        ),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(
            help="For each --data, how often its persons together are drawn, relatively; "
            "without: by their number."
        ),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(help="PC or OC: whose left and right; OC converts data sets that are PC."),
    ] = None,
    full: Full = False,
    hold_out: Annotated[
        int, typer.Option(min=0, help="Photographs taken out of the training, to tune on.")
    ] = 0,
    leave_out: Annotated[
        list[Path] | None,
        typer.Option(help="File of `data suspects`: labels that are not learnt from."),
    ] = None,
    correct: Annotated[
        list[Path] | None,
        typer.Option(help="The same file: the model's answers are learnt in their place."),
    ] = None,
    boxes: Boxes = None,
    box_of: Annotated[
        list[str] | None,
        typer.Option(
            help="name=start: look at this data set's persons there (data, labelled, image, centre), "
            "not where the recipe's `box` says; again for more data sets."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="key.sub=value, e.g. fits.0.epochs=20")
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Only the fits of this stage of the recipe; again for more stages."),
    ] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="Model whose weights to start from.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Share this time over the fits, then stop.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Threads that make crops.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train a recipe; the same command goes on where a run was stopped."""
    from vitruvian.learn.run import Options, run

    finished = run(
        Options(
            recipe=recipe,
            out=out,
            settings=tuple(settings or ()),
            stages=tuple(stage or ()),
            data=tuple(data or ()),
            start_from=start_from,
            device=device,
            seed=seed,
            workers=workers,
            max_minutes=max_minutes,
            quiet=quiet,
            weights=tuple(weight or ()),
            convention=convention,
            hold_out=hold_out,
            leave_out=tuple(leave_out or ()),
            correct=tuple(correct or ()),
            boxes=boxes,
            box_of=tuple(box_of or ()),
            full=full,
        )
    )
    if not finished and max_minutes is None:
        raise typer.Exit(STOPPED)
