"""vitruvian systems"""

from __future__ import annotations

from typing import Annotated

import typer

from vitruvian.types import UserError


def systems(
    recipe: Annotated[
        str | None, typer.Argument(help="Show this one as YAML, which `train` takes.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="As for train.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="As for train.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
) -> None:
    """List the recipes: size, input, and the bundled models' scores; or show one."""
    import json

    import yaml
    from rich.console import Console
    from rich.measure import Measurement

    from vitruvian.use.listing import rows, table

    if recipe is not None:
        from vitruvian.learn.recipes.text import recipe_text

        text = recipe_text(recipe, settings or (), stage or ())
        typer.echo(json.dumps(yaml.safe_load(text), indent=2) if as_json else text, nl=as_json)
        return
    if settings or stage:
        raise UserError(
            "--set and --stage are of one recipe: name it, `vitruvian systems` lists them"
        )
    listed = rows()
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in listed], indent=2))
        return
    console, shown = Console(), table(listed)
    wide = Measurement.get(console, console.options.update(max_width=200), shown)
    console.width = max(console.width, wide.maximum)
    console.print(shown)
