"""The command line: one thin file per verb; each parses, imports what it needs, calls one function."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

import vitruvian
from vitruvian.cli import (
    bench,
    claims,
    compare,
    data,
    demo,
    evaluate,
    export,
    heatmaps,
    init,
    predict,
    protocols,
    report,
    serve,
    systems,
    train,
    tune,
)
from vitruvian.types import UserError

app = typer.Typer(
    name="vitruvian",
    help="2-D human pose estimation you can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(init.init)
app.command("train")(train.train)
app.command("tune")(tune.tune)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("protocols")(protocols.protocols)
app.command("predict")(predict.predict)
app.command("heatmaps")(heatmaps.heatmaps)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("export")(export.export)
app.command("systems")(systems.systems)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")
app.add_typer(claims.app, name="claims")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vitruvian {vitruvian.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print it and leave."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Runs a command; what a user can mend is one line on stderr and exit code 1."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # most often a path that was given: too long, or in a closed folder
        if not isinstance(error.filename, str | bytes | os.PathLike) or not error.strerror:
            raise
        print(f"error: {os.fsdecode(error.filename)}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name in ("torch", "timm", "onnx", "onnxscript", "torchvision"):
            print(
                f"error: this needs {error.name}: install vitruvian with its extra [train]",
                file=sys.stderr,
            )
            sys.exit(1)
        raise
