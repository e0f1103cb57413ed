"""Heatmaps of persons of a data set, with their labels: the figures of papers, on any model."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from vitruvian.data import open_data
from vitruvian.data.convention import in_convention
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.skeleton import Skeleton
from vitruvian.types import State, UserError
from vitruvian.use.heatmap_files import MapFolder
from vitruvian.use.heatmaps import MapRunner, Seen, Truth, open_maps, unpack
from vitruvian.use.occluders import Occluders, occlude
from vitruvian.use.page import Page
from vitruvian.use.predict import Model, load
from vitruvian.use.scores import subset_name

PAGE = "index.html"
_BATCH = 4


@dataclass(frozen=True)
class Request:
    """What `vitruvian heatmaps` is told."""

    model: str
    out: Path
    data: str | None = None
    subset: str | None = None
    count: int = 10
    occluders: Occluders | None = None
    flip: bool = False
    device: str = "auto"


def draw_people(request: Request) -> None:
    """Writes a picture and the arrays of some persons, evenly from a data set's rows, and a page of them.

    Each is seen in the box of the labelled joints, as in evaluations. Labels are drawn where the model
    means the same left.

    Raises:
        UserError: no such model, data set or subset, nobody in it whose photograph can be read, or the
            model has no heatmaps.
    """
    model = load(request.model, request.device)
    run = open_maps(model, request.device)
    people, subset = _open(request, model)
    try:
        request.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{request.out} cannot be made ({error.strerror})") from None
    folder, skipped = MapFolder(request.out, model, run, request.flip), Skipped()
    made = {
        "Model": model.info.name,
        "Data": f"{people.name} {subset}: {people.provenance}",
        "Command": shlex.join(["vitruvian", *sys.argv[1:]]),
    }
    skeleton, threshold = model.info.skeleton, model.info.predict.threshold
    drawn = 0
    with Page(request.out / PAGE, "Heatmaps", skeleton, threshold, made) as page:
        for row, seen, truth in see_people(model, run, people, request.flip, skipped):
            title = f"{people.name} {subset}, {people.label(row)}"
            page.maps(title, *folder.person(f"person{row + 1}", title, seen, truth))
            drawn += 1
    if not drawn:
        raise UserError(f"not one photograph could be read: {skipped.summary()}")
    console = Console(stderr=True)
    for line in (skipped.summary(), f"heatmaps of {drawn} persons: {request.out / PAGE}"):
        if line:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def see_people(
    model: Model, run: MapRunner, people: People, flip: bool = False, skipped: Skipped | None = None
) -> Iterator[tuple[int, Seen, Truth | None]]:
    """A model's heatmaps of the persons of a data set, in the boxes of their labelled joints.

    Args:
        skipped: is told of photographs that cannot be read; their persons are left out.

    Yields:
        The row, one look, and what is labelled in the model's joints; None where left is another's.
    """
    skipped = Skipped() if skipped is None else skipped
    same = "" in (model.info.convention, people.convention) or (
        model.info.convention == people.convention
    )
    row = 0
    for crops in plain_crops(people, people.box, *model.info.crop, _BATCH, skipped, workers=0):
        for i, seen in enumerate(unpack(run(crops.image, flip), crops.image, crops.to_image)):
            if (crops.state[i] != State.UNDEFINED).any():
                labelled = (crops.joints[i], crops.state[i])
                yield row, seen, _truth(*labelled, people.skeleton, model) if same else None
            row += 1


def evenly(people: People, count: int) -> np.ndarray:
    """Rows of `count` persons with a box and a located joint, from the first to the last.

    Raises:
        UserError: there is nobody.
    """
    there = np.isfinite(people.box).all(1) & (people.state >= State.OCCLUDED).any(1)
    rows = np.flatnonzero(there)
    if not len(rows):
        raise UserError(f"data set {people.name!r}: nobody in this subset is labelled")
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def _open(request: Request, model: Model) -> tuple[People, str]:
    """The persons to draw, in the model's convention where there is a way to it, and their subset."""
    info = model.info
    people = figures(skeleton=info.skeleton) if request.data is None else open_data(request.data)
    if info.convention == "OC":
        people = in_convention(people, "OC")
    subset = subset_name(people, request.subset)
    people = people.subset(subset)
    return occlude(people.rows(evenly(people, request.count)), request.occluders), subset


def _truth(joints: np.ndarray, state: np.ndarray, data: Skeleton, model: Model) -> Truth:
    """Labels (J, 2), (J,) of a data set in a model's joints, by name."""
    skeleton = model.info.skeleton
    shared = [name for name in skeleton.joint_names if name in data.joint_names]
    xy_crop, known = np.zeros((len(skeleton), 2)), np.zeros(len(skeleton), np.uint8)
    xy_crop[skeleton.index(*shared)] = joints[data.index(*shared)]
    known[skeleton.index(*shared)] = state[data.index(*shared)]
    return Truth(xy_crop, known)
