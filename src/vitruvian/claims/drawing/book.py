"""All drawn figures in a folder, with an index that says what each shows in its paper and here."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian import plots
from vitruvian.claims.drawing import deeppose, multiscale, normalized, part_heatmaps, resnet_fcn
from vitruvian.claims.drawing.scene import Ask, Made, PaperFigure, Scene, open_scene
from vitruvian.draw import write_image
from vitruvian.types import UserError
from vitruvian.use.evaluate import protocol_for
from vitruvian.use.files import write_text

FIGURES: tuple[PaperFigure, ...] = (
    *normalized.FIGURES,
    *multiscale.FIGURES,
    *deeppose.FIGURES,
    *resnet_fcn.FIGURES,
    *part_heatmaps.FIGURES,
)
INDEX = "index.md"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Drawn:
    """What became of a figure."""

    figure: PaperFigure
    files: tuple[str, ...] = ()  # beside the index, the picture to show first
    seen: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    without: str = ""  # of one that is drawn in part: what is not in it
    lacks: str = ""  # why it was not drawn


def draw_figures(ask: Ask, say: Say = print) -> list[Drawn]:
    """Draws the papers' figures into `ask.out` and writes the index.

    A figure whose model, data or library is absent is left out, which is said.

    Raises:
        UserError: there is no such figure, model or data set, not one figure can be drawn, or a file
            cannot be written.
    """
    wanted = find_figures(ask.only)
    scene = open_scene(ask)
    try:
        ask.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{ask.out} cannot be made ({error.strerror})") from None
    found = []
    for figure in wanted:
        try:
            made = figure.draw(scene)
            files = _written(ask.out, figure, made)
            drawn = Drawn(figure, files, made.seen, made.table, made.without)
            part = f", without {made.without}" if made.without else ""
            say(f"{figure.title}: {ask.out / files[0]}{part}")
        except UserError as error:
            drawn = Drawn(figure, lacks=str(error))
            say(f"{figure.title}: {error}")
        found.append(drawn)
    if not any(drawn.files for drawn in found):
        raise UserError(f"nothing could be drawn; {found[0].figure.title}: {found[0].lacks}")
    command = shlex.join(["vitruvian", *sys.argv[1:]])
    write_text(ask.out / INDEX, index(scene, found, command))
    return found


def tally(found: Sequence[Drawn]) -> str:
    """How many figures were drawn, and which of them in part."""
    drawn = [one for one in found if one.files]
    parts = [one.figure.name for one in drawn if one.without]
    words = f"{len(drawn)} of {len(found)} figures drawn"
    return f"{words}, {len(parts)} of them in part ({', '.join(parts)})" if parts else words


def find_figures(names: Sequence[str]) -> tuple[PaperFigure, ...]:
    """Figures by their names; none: all.

    Raises:
        UserError: there is no such figure.
    """
    known = {figure.name: figure for figure in FIGURES}
    for name in names:
        if name not in known:
            raise UserError(f"no figure {name!r}, only {', '.join(known)}")
    return tuple(figure for figure in FIGURES if not names or figure.name in names)


def index(scene: Scene, found: Sequence[Drawn], command: str) -> str:
    """The page, in Markdown."""
    people, models = scene.people, scene.entries
    listed = [f"`{e.label}` ({e.info.system}, {e.info.parameters:,} parameters)" for e in models]
    lines = [
        "# The papers' figures, drawn of these models",
        "",
        f"Made by `{command}`: {tally(found)}.",
        "",
        f"Models: {', '.join(listed) or 'none'}.",
        "",
        f"Persons: {scene.words}, the same for every figure and every model; examples are those of them "
        f"with most joints labelled. {people.provenance}.",
        "",
        f"Protocol, where nothing else is said: {protocol_for(people).describe()}.",
        "",
        "Intervals are 95 %, over photographs. Nothing here says that a paper is right or wrong: "
        "`vitruvian claims` does, of models that were trained for it.",
    ]
    if scene.ask.data is not None:
        lines += [
            "",
            f"The photographs are {people.name}'s and under its licence; most data sets allow research "
            "only. Read it before these pictures leave this folder.",
        ]
    for drawn in found:
        lines += ["", *_section(drawn)]
    return "\n".join(lines) + "\n"


def _section(drawn: Drawn) -> list[str]:
    figure = drawn.figure
    lines = [f"## {figure.title}", "", f"In the paper: {figure.shows.rstrip('.')}.", ""]
    if drawn.lacks:
        return [*lines, f"Not drawn: {drawn.lacks}."]
    if drawn.without:
        lines += [f"Drawn in part, without {drawn.without}.", ""]
    others = [f"[{file}]({file})" for file in drawn.files[1:]]
    more = ["", f"Also {', '.join(others)}."] if others else []
    table = ["", *_table(drawn.table)] if drawn.table else []
    picture = f"![{figure.title}]({drawn.files[0]})"
    return [*lines, f"Here: {drawn.seen}", *table, "", picture, *more]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *others = [f"| {' | '.join(row)} |" for row in rows]
    return [head, f"|{' --- |' * len(rows[0])}", *others]


def _written(folder: Path, figure: PaperFigure, made: Made) -> tuple[str, ...]:
    """Writes photographs as PNG, curves as PNG and SVG; the files' names."""
    first = f"{figure.name}.png"
    if isinstance(made.picture, np.ndarray):
        write_image(folder / first, made.picture)
        return (first,)
    both = first, f"{figure.name}.svg"
    for name in both:
        if callable(made.picture):
            made.picture(folder / name)
        else:
            plots.write(made.picture, folder / name)
    return both
