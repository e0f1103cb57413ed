"""A model by name on a data set by name: what `eval` prints."""

from __future__ import annotations

import json
from pathlib import Path

from vitruvian.data import open_data
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.measure.protocols import Result
from vitruvian.use.evaluate import Look, check_skeleton, evaluate
from vitruvian.use.files import WholeFile
from vitruvian.use.predict import Model, load


def score_model(
    name: str,
    data: str | None,
    subset: str,
    *,
    flip: bool = False,
    device: str = "auto",
    workers: int = 2,
) -> tuple[list[Result], dict[str, str]]:
    """The labelled joints' box first, then the whole image, then what `predict` does by itself.

    Returns:
        The results, and what they are of: model, data, subset, provenance.

    Raises:
        UserError: no such model, data set or subset, or the joints differ.
    """
    model = load(name, device)
    people = open_data(data) if data else figures(skeleton=model.info.skeleton)
    check_skeleton(model.info.skeleton, people)
    about = {
        "model": model.info.name,
        "data": people.name,
        "subset": subset,
        "provenance": people.provenance,
    }
    return score_people(model, people, subset, flip=flip, workers=workers), about


def score_people(
    model: Model, people: People, subset: str, *, flip: bool = False, workers: int = 2
) -> list[Result]:
    """As `score_model`, for what is open already."""
    chosen = people.subset(subset)
    trained_on = people.subset("train") if "train" in people.subsets else None
    looks: list[Look] = ["labelled"]
    if chosen.whole:
        looks.append("image")
    if chosen.whole and model.info.predict.passes > 1:
        looks.append("found")
    return [
        evaluate(
            model.runner,
            chosen,
            model.info.crop,
            look=look,
            trained_on=trained_on,
            flip=flip,
            predict=model.info.predict,
            margin=model.info.preprocessing.margin,
            workers=workers,
        )
        for look in looks
    ]


def write_json(path: Path, results: list[Result], about: dict[str, str]) -> None:
    """The first result's figures, and the others under `also`, as shares of one.

    Args:
        about: model, data, subset, provenance: what the figures are of.

    Raises:
        UserError: the file cannot be written.
    """
    first, *others = [result.to_dict() | {"failed": len(result.failed)} for result in results]
    file = WholeFile(path)
    file.write(json.dumps(about | first | {"also": others}, indent=2, allow_nan=False) + "\n")
    file.close()
