"""vitruvian data check, data suspects, data convert, data stats, data pack"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitruvian.cli.options import Device, Workers
from vitruvian.types import UserError

if TYPE_CHECKING:
    from vitruvian.data.people import People

app = typer.Typer(help="Look at data sets and move them.", no_args_is_help=True)


@app.command("check")
def check(
    data: Annotated[str, typer.Argument(help="name=folder, e.g. lspet=DIR")],
    sheet: Annotated[
        Path | None, typer.Option(help="Write a picture of labelled persons here (PNG or JPEG).")
    ] = None,
    subset: Annotated[str, typer.Option(help="Rows to look at.")] = "all",
) -> None:
    """Count rows and labels, decode every photograph, name what is wrong; exit code 1 when it is."""
    import numpy as np

    from vitruvian.data import open_data
    from vitruvian.data.check import check
    from vitruvian.data.sheet import contact_sheet
    from vitruvian.draw import write_image

    people = open_data(data).subset(subset)
    report = check(people)
    for line in report.lines():
        typer.echo(line)
    if sheet is not None:
        rows = np.linspace(0, len(people) - 1, min(64, len(people))).astype(int)
        write_image(sheet, contact_sheet(people, rows))
        typer.echo(f"written: {sheet}")
    if not report.ok:
        raise typer.Exit(1)


@app.command("suspects")
def suspects(
    data: Annotated[str, typer.Argument(help="name=folder, e.g. lspet=DIR")],
    out: Annotated[
        Path, typer.Option(help="The file to write, for `train --leave-out` or `--correct`.")
    ],
    model: Annotated[
        str, typer.Option(help="A run, a model folder, a bundled model, or default.")
    ] = "default",
    subset: Annotated[
        str | None, typer.Option(help="Rows to look at; without: train, where there is one.")
    ] = None,
    beyond: Annotated[
        float, typer.Option(min=0, help="Least error, in extents of the person's joints.")
    ] = 0.15,
    sure: Annotated[
        float, typer.Option(min=0, max=1, help="Least score of the model's answer.")
    ] = 0.5,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write a picture of the worst, labels beside answers (PNG or JPEG)."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Persons on the picture.")] = 32,
    device: Device = "auto",
    workers: Workers = 2,
) -> None:
    """Find labels that a model contradicts: mistakes, exchanged sides, and what it has yet to learn."""
    from vitruvian.draw import image_suffix, write_image
    from vitruvian.use.contradicted import Request, find_suspects
    from vitruvian.use.contradicted_sheet import suspect_sheet
    from vitruvian.use.files import check_place, write_text
    from vitruvian.use.progress import Progress

    check_place(out)
    if sheet is not None:
        image_suffix(sheet)
        check_place(sheet)
    request = Request(data, model, subset, beyond, sure, device, workers)
    looked = find_suspects(request, Progress)
    for line in looked.lines():
        typer.echo(line)
    write_text(out, looked.suspects.to_json())
    typer.echo(f"written: {out}")
    if sheet is not None and looked.suspects.suspects:
        write_image(sheet, suspect_sheet(looked, count))
        typer.echo(f"written: {sheet}")


@app.command("pack")
def pack(
    data: Annotated[str, typer.Argument(help="name=folder, e.g. lspet=DIR")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    side: Annotated[int, typer.Option(min=16, help="Longest side of a crop, px.")] = 160,
    subset: Annotated[str, typer.Option(help="Rows to pack.")] = "all",
) -> None:
    """Write a compact self-contained copy, to train elsewhere with --data pack=FILE."""
    from rich.progress import Progress

    from vitruvian.data import open_data
    from vitruvian.data.pack import write_pack

    _check_free(out, data)
    people = open_data(data)
    people = people if subset == "all" else people.subset(subset)
    with Progress(transient=True) as bar:
        task = bar.add_task("packing", total=len(people))

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        report = write_pack(people, out, side, show)
    typer.echo(report.line())


@app.command("convert")
def convert(
    data: Annotated[
        str,
        typer.Argument(help="name=folder or name=file: mpii=DIR, yolo=DIR, deeplabcut=DIR ..."),
    ],
    out: Annotated[Path, typer.Option(help="The COCO keypoint JSON to write.")],
    subset: Annotated[str, typer.Option(help="Rows to convert.")] = "all",
    skeleton: Annotated[
        str | None, typer.Option(help="Write the joints of this skeleton, matched by name.")
    ] = None,
    derive: Annotated[
        list[str] | None,
        typer.Option(help="Make a joint of two: neck=left_shoulder+right_shoulder"),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(help="OC: sides as if all faced the observer, where that can be told."),
    ] = None,
) -> None:
    """Write any data set's labels as COCO keypoint JSON, which `coco=FILE` reads back.

    Labels of Ultralytics YOLO pose are yolo=DIR, those of DeepLabCut deeplabcut=DIR.
    """
    from vitruvian.data import open_data
    from vitruvian.data.coco_files import write_coco
    from vitruvian.data.foreign import where_photographs_are
    from vitruvian.data.union import in_skeleton, known_convention
    from vitruvian.skeleton import find_skeleton

    _check_free(out, data)
    people = open_data(data, known_convention(convention)).subset(subset)
    pairs = dict(_derived(text) for text in derive or [])
    if skeleton is not None or pairs:
        target = people.skeleton if skeleton is None else find_skeleton(skeleton)
        people = in_skeleton(people, target, pairs)
    write_coco(people, out)
    typer.echo(f"written: {out}, {len(people)} persons of {len(people.skeleton)} joints")
    typer.echo(people.provenance)
    if advice := where_photographs_are(people, Path(data.partition("=")[2]), out):
        typer.echo(advice)


def _check_free(out: Path, data: str) -> None:
    """Raises UserError where a data set would be written over a file, be it the one that is read."""
    if not out.exists():
        return
    where = data.partition("=")[2]
    source = Path(where).expanduser()
    if where and source.exists() and out.samefile(source):
        raise UserError(f"{out} is what is read: choose another --out")
    if where and out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{out} exists already, in the folder that is read: choose another --out")
    raise UserError(f"{out} exists already: remove it, or choose another --out")


def _derived(text: str) -> tuple[str, tuple[str, str]]:
    name, equals, pair = text.partition("=")
    one, plus, other = pair.partition("+")
    if not (name and equals and one and plus and other):
        raise UserError(
            f"--derive {text}: write JOINT=ONE+OTHER, e.g. neck=left_shoulder+right_shoulder"
        )
    return name, (one, other)


@app.command("stats")
def stats(
    data: Annotated[
        list[str], typer.Argument(help="name=folder or name=file, e.g. lspet=DIR; or several")
    ],
    subset: Annotated[
        list[str] | None, typer.Option(help="Rows to look at: one for all, or one each.")
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(help="OC: sides as if all faced the observer, where that can be told."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures of one data set here.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Draw plots of one data set into this folder.")
    ] = None,
    spread_plot: Annotated[
        Path | None,
        typer.Option(help="Draw the spread of poses, data sets side by side (SVG or PNG)."),
    ] = None,
    unit: Annotated[
        str, typer.Option(help="Of the spread plot: torso, or diagonals to compare data sets.")
    ] = "torso",
) -> None:
    """Labels of a data set: coverage, torso angles, sizes, and how widely poses are spread."""
    import json

    from vitruvian.data.stats import stats
    from vitruvian.data.stats_plots import write_plots, write_spread_plot
    from vitruvian.use.files import write_text

    if len(data) > 1 and (json_file or plots):
        raise UserError("--json and --plots are of one data set: give one, or --spread-plot")
    sets = _subsets(data, subset or ["all"], convention)
    found = [stats(people) for people in sets]
    for number, figures in enumerate(found):
        typer.echo("\n".join([*[""] * (number > 0), *figures.lines()]))
    if json_file is not None:
        write_text(json_file, json.dumps(found[0].to_dict(), indent=2, allow_nan=False) + "\n")
        typer.echo(f"written: {json_file}")
    if plots is not None:
        for path in write_plots(sets[0], plots):
            typer.echo(f"written: {path}")
    if spread_plot is not None:
        typer.echo(f"written: {write_spread_plot(sets, spread_plot, unit)}")


def _subsets(data: list[str], subsets: list[str], convention: str | None) -> list[People]:
    """The data sets, each with its subset's rows and name."""
    from dataclasses import replace

    from vitruvian.data import open_data
    from vitruvian.data.union import known_convention

    if len(subsets) not in (1, len(data)):
        raise UserError(f"{len(subsets)} subsets for {len(data)} data sets: give one, or one each")
    if len(subsets) == 1:
        subsets = subsets * len(data)
    sets = []
    for argument, subset in zip(data, subsets, strict=True):
        people = open_data(argument, known_convention(convention)).subset(subset)
        sets.append(people if subset == "all" else replace(people, name=f"{people.name} {subset}"))
    return sets
