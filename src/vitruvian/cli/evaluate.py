"""vitruvian eval"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitruvian.cli.options import Boxes, OccludersCount, OccludersSeed, occluders_of
from vitruvian.types import UserError


def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="A run, a model folder, or a bundled model's name.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "--truth",
            help="name=folder or name=file, e.g. lspet=DIR; repeated: together; without: rendered "
            "figures.",
        ),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Score this file instead: .json (COCO), .npz, .mat or .h5.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="A name of `vitruvian protocols`; without, of a model: the data set's."),
    ] = None,
    subset: Annotated[
        str | None,
        typer.Option(help="Rows to score; without: those of published figures, of own data all."),
    ] = None,
    skeleton: Annotated[
        str | None, typer.Option(help="Joints of the predictions, where the file does not say.")
    ] = None,
    base: Annotated[
        int | None, typer.Option(min=0, max=1, help="Number of the first pixel in the predictions.")
    ] = None,
    boxes: Boxes = None,
    flip: Annotated[bool, typer.Option("--flip", help="Flip test.")] = False,
    occluders: OccludersCount = None,
    occluders_seed: OccludersSeed = None,
    peaks: Annotated[
        bool, typer.Option("--peaks", help="Count second peaks of heatmaps too; needs torch.")
    ] = False,
    true_angles: Annotated[
        bool,
        typer.Option("--true-angles", help="Score turning by the true angles too; needs torch."),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures here.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps")] = "auto",
    workers: Annotated[int, typer.Option(min=0)] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Score a model, or anybody's predictions, on labelled photographs."""
    from rich.console import Console

    from vitruvian.measure.peaks import RULE
    from vitruvian.skeleton import find_skeleton
    from vitruvian.use.files import check_place
    from vitruvian.use.progress import Progress
    from vitruvian.use.scores import protocols_of, score_file, score_model, write_json
    from vitruvian.use.second_peaks import peaks_table

    if model is None and predictions is None:
        raise UserError("give a model, or --predictions FILE with --truth and --protocol")
    if model is not None and predictions is not None:
        raise UserError(f"model {model} or --predictions {predictions}: give one of them")
    ignored: dict[str, object] = {"--skeleton": skeleton, "--base": base}
    if model is None:
        ignored = {"--boxes": boxes, "--flip": flip or None}
        ignored |= {"--occluders": occluders, "--peaks": peaks or None}
        ignored |= {"--true-angles": true_angles or None}
    pasted = occluders_of(occluders, occluders_seed)
    if said := next((name for name, value in ignored.items() if value is not None), None):
        other = "predictions in a file" if model is None else "what a model answers"
        raise UserError(f"{said} says nothing about {other}: leave it out")
    if json_file is not None:
        check_place(json_file)
    if model is not None:
        scored = score_model(
            model, data or (), subset, protocol=protocol, boxes=boxes, flip=flip, occluders=pasted,
            peaks=peaks, true_angles=true_angles, device=device, workers=workers,
            progress=None if quiet else Progress,
        )  # fmt: skip
    elif predictions is None or not data or len(data) > 1:
        raise UserError("--predictions needs one --truth name=folder")
    elif protocol is None:
        raise UserError(f"--predictions needs --protocol NAME: {protocols_of(data[0])}")
    else:
        joints = None if skeleton is None else find_skeleton(skeleton)
        scored = score_file(predictions, data[0], protocol, subset, skeleton=joints, base=base)
    console = Console()
    words = "{of} on {data} {subset}: {provenance}".format(of=model or predictions, **scored.about)
    console.print(words, highlight=False, markup=False, soft_wrap=True)
    for note in (scored.about["made"], *scored.notes):
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    for number, result in enumerate(scored.results):
        console.print(result.table())
        cuts = result.cuts_table() if number == 0 else None
        if cuts is not None:
            console.print(cuts)
        line = result.protocol.describe()
        console.print(line, highlight=False, markup=False, soft_wrap=True)
        if number == 0 and scored.peaks is not None:
            console.print(peaks_table(scored.peaks))
            console.print(RULE, highlight=False, markup=False, soft_wrap=True)
    for warning in scored.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if json_file is not None:
        write_json(json_file, scored.to_dict())
        console.print(f"written: {json_file}", highlight=False, markup=False)
