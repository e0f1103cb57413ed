"""vitruvian init"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.types import UserError


def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder, which is made.")],
    images: Annotated[Path | None, typer.Option(help="Folder of the photographs.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="COCO keypoint JSON, as CVAT, Label Studio and others export it."),
    ] = None,
    joints: Annotated[
        str | None, typer.Option(help="base,elbow,left_tip,right_tip; without: the labels' own.")
    ] = None,
    pairs: Annotated[
        str | None, typer.Option(help="left_tip-right_tip,...; without: by the joints' names.")
    ] = None,
    limbs: Annotated[str | None, typer.Option(help="base-elbow,elbow-left_tip,...")] = None,
    reference: Annotated[
        str | None, typer.Option(help="base-elbow: the length that errors are measured in.")
    ] = None,
    skeleton: Annotated[
        str | None, typer.Option(help="lsp, mpii, flic, coco or a YAML file, instead of --joints.")
    ] = None,
    recipe: Annotated[
        str, typer.Option(help="What to train; sizes are cut to this machine.")
    ] = "resnet_fcn/compact",
    example: Annotated[
        int | None,
        typer.Option(min=3, help="Render so many labelled pictures of a robot's arm instead."),
    ] = None,
) -> None:
    """Begin a project with your own joints: skeleton, labels, a recipe, the next commands.

    On a terminal, what is not given is asked for.
    """
    import sys

    if example is not None:
        from vitruvian.data.arm import write_example

        path = write_example(folder, example)
        typer.echo(f"written: {path}, {example} pictures in {folder / 'images'}")
        return
    if images is None:
        raise UserError("where are the photographs? Give --images FOLDER, or --example 200 to try")
    from vitruvian.learn.project import Request, init

    def ask(question: str, default: str) -> str:
        return str(typer.prompt(question, default=default, show_default=bool(default)))

    made = init(
        Request(folder, images, labels, skeleton, joints, pairs, limbs, reference, recipe),
        ask if sys.stdin.isatty() else None,
    )
    for line in made.lines:
        typer.echo(line)
