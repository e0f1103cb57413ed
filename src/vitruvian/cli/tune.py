"""vitruvian tune"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.options import Full
from vitruvian.types import UserError


def tune(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or YAML file.")],
    out: Annotated[Path, typer.Option(help="Folder of all trainings; unfinished ones go on.")],
    grid: Annotated[
        list[str],
        typer.Option(
            "--try", help="key.sub=value,value; e.g. config.sigma=1.5,2.0; repeated: all pairs"
        ),
    ],
    data: Annotated[
        list[str] | None, typer.Option(help="name=folder; without: rendered figures.")
    ] = None,
    full: Full = False,
    hold_out: Annotated[int, typer.Option(min=1, help="Photographs to choose on.")] = 50,
    share: Annotated[
        int, typer.Option(min=0, help="First fits that the trials share: trained once.")
    ] = 0,
    settings: Annotated[list[str] | None, typer.Option("--set", help="As for train.")] = None,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="For each training.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    workers: Annotated[int, typer.Option(min=0)] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Choose settings, and how many stages, by the data set's protocol on held-out photographs."""
    from rich.console import Console

    from vitruvian.learn.run import Options
    from vitruvian.learn.tune import Plan, best, table, tune

    options = Options(
        recipe=recipe,
        out=out,
        settings=tuple(settings or ()),
        data=tuple(data or ()),
        device=device,
        seed=seed,
        workers=workers,
        max_minutes=max_minutes,
        quiet=quiet,
        hold_out=hold_out,
        full=full,
    )
    trials = tune(Plan(options, dict(_values(text) for text in grid), share))
    console = Console()
    console.print(table(trials))
    first = best(trials)
    console.print(f"best: {' '.join(first.settings)} up to {first.stage}", highlight=False)


def _values(text: str) -> tuple[str, tuple[str, ...]]:
    key, equals, values = text.partition("=")
    if not key or not equals or not values:
        raise UserError(f"--try {text}: write key.sub=value,value")
    return key, tuple(values.split(","))
