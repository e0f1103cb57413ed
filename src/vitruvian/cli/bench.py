"""vitruvian bench data, train, predict, serve, score"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure speed as ratios within one run; machines are noisy.", no_args_is_help=True
)


@app.command("data")
def data(
    data: Annotated[str, typer.Argument(help="name=folder, e.g. lspet=DIR")],
    size: Annotated[int, typer.Option(min=32, help="Side of the crops, px.")] = 256,
    count: Annotated[int, typer.Option(min=32, help="Persons.")] = 600,
) -> None:
    """The loader against bare imdecode + warpAffine of the same files, one thread."""
    from vitruvian.data import open_data
    from vitruvian.learn.bench import bench_data

    typer.echo(bench_data(open_data(data), size, count))


@app.command("train")
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name.")] = "resnet_fcn/compact",
    data: Annotated[
        str | None, typer.Option(help="name=folder; without: rendered figures.")
    ] = None,
    steps: Annotated[int, typer.Option(min=4)] = 12,
    device: Annotated[str, typer.Option()] = "auto",
    stage: Annotated[
        str | None, typer.Option(help="Of a staged recipe; without: the first.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="As for train.")] = None,
) -> None:
    """Steps fed by the loader against the same steps on one batch in memory."""
    from vitruvian.learn.bench import bench_train

    typer.echo(bench_train(recipe, data, steps, device, stage, settings or ()))


@app.command("predict")
def predict(
    model: Annotated[str, typer.Argument(help="A model folder or a bundled model's name.")],
    photos: Annotated[Path, typer.Argument(help="A folder of photographs.")],
    count: Annotated[int, typer.Option(min=8, help="Photographs.")] = 200,
) -> None:
    """Files to poses against the bare graph; a cascade against its networks alone."""
    import importlib.util

    from vitruvian.use.bench import bench_predict

    typer.echo(bench_predict(model, photos, count))
    if importlib.util.find_spec("torch") is not None:
        from vitruvian.learn.bench import bench_cascade

        if (cascade := bench_cascade(model)) is not None:
            typer.echo(cascade)


@app.command("serve")
def serve(
    model: Annotated[str, typer.Argument(help="A model folder or a bundled model's name.")],
    photos: Annotated[Path, typer.Argument(help="A folder of photographs.")],
    count: Annotated[int, typer.Option(min=64, help="Photographs.")] = 400,
    clients: Annotated[int, typer.Option(min=1, help="At the same time.")] = 32,
) -> None:
    """A service with many clients against files to poses, and its slowest answers at half load."""
    from vitruvian.use.serve.load import bench_serve

    typer.echo(bench_serve(model, photos, count, clients))


@app.command("score")
def score(
    persons: Annotated[int, typer.Option(min=1000)] = 1_000_000,
    paired: Annotated[int, typer.Option(min=100, help="Photographs of the paired test.")] = 10_000,
) -> None:
    """Scoring of random poses in memory, and a paired bootstrap."""
    from vitruvian.use.bench import bench_score

    typer.echo(bench_score(persons, paired))
