"""vitruvian protocols"""

from __future__ import annotations

from typing import Annotated

import typer


def protocols(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects.")] = False,
) -> None:
    """List the ways of scoring, each in a line, with its source; and the published rows that ship."""
    import json

    from vitruvian.measure.protocol_table import PROTOCOLS
    from vitruvian.measure.published import published, row_sets

    if as_json:
        typer.echo(json.dumps([protocol.to_dict() for protocol in PROTOCOLS.values()], indent=2))
        return
    for protocol in PROTOCOLS.values():
        typer.echo(protocol.describe())
    rows = sum(len(table.rows) for table in published())
    keys = ", ".join(sorted(row_sets()))
    typer.echo(f"\npublished rows for `compare --published`: {rows}, under {keys}")
