"""vitruvian serve"""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Runs, model folders, bundled models, or default; NAME=MODEL names one."
        ),
    ],
    host: Annotated[
        str, typer.Option(help="0.0.0.0 is every network of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; one uses all cores too.")] = 1,
    maps: Annotated[bool, typer.Option("--maps", help="Heatmaps too; needs torch.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Persons that a net sees at once.")] = 16,
    queue: Annotated[
        int, typer.Option(min=1, help="Persons that may wait, for each model; more get 429.")
    ] = 256,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="s to receive a request, and again to answer it.")
    ] = 10.0,
    megabytes: Annotated[float, typer.Option(min=0.1, help="Most of a request, MiB.")] = 16,
    megapixels: Annotated[float, typer.Option(min=0.1, help="Most of a photograph.")] = 50,
    boxes: Annotated[int, typer.Option(min=1, help="Most persons of a request.")] = 100,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="A site whose pages may read the answers, https://...; without: none."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
) -> None:
    """Poses over HTTP, and a page to look at them."""
    from vitruvian.use.serve.process import run
    from vitruvian.use.serve.settings import Settings

    settings = Settings(
        models=tuple(models), host=host, port=port, workers=workers, device=device, maps=maps,
        origins=tuple(allow_origin or ()), batch=batch, queue=queue, timeout=timeout,
        body=round(megabytes * 2**20), pixels=round(megapixels * 1e6), boxes=boxes,
    )  # fmt: skip
    run(settings, lambda line: typer.echo(line))
