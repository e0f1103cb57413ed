"""vitruvian systems"""

from __future__ import annotations

from typing import Annotated

import typer


def systems(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
) -> None:
    """List the recipes: size, input, and the bundled models' scores."""
    import json

    from rich.console import Console
    from rich.measure import Measurement

    from vitruvian.use.listing import rows, table

    listed = rows()
    if as_json:
        typer.echo(json.dumps([row.to_dict() for row in listed], indent=2))
        return
    console, shown = Console(), table(listed)
    wide = Measurement.get(console, console.options.update(max_width=200), shown)
    console.width = max(console.width, wide.maximum)
    console.print(shown)
