"""Where models look for the persons of a data set, alone and together, in its boxes and in a file's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drawn
from vitruvian.data.boxes import CENTRE_BOX
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.models import ModelInfo, Predict
from vitruvian.types import UserError
from vitruvian.use.where import where_all_look, where_learnt

PERSON, CENTRE, IMAGE = "labelled joints x1.25, square", CENTRE_BOX, "whole image"


@pytest.fixture(scope="module")
def people() -> People:
    return replace(figures(6, seed=3, side=64), label=lambda row: f"{row}.png")


def learnt(start: str, factor: float | None = None) -> ModelInfo:
    info = drawn.model_of(lambda image, flip: (image, image)).info
    predict = Predict(face_factor=factor)
    return info.model_copy(update={"recipe": {"box": start}, "predict": predict})


@pytest.fixture
def file(people: People, tmp_path: Path) -> Path:
    """The boxes of all but the last two."""
    drawn.write_detections(people, tmp_path / "dets.json", 4)
    return tmp_path / "dets.json"


@pytest.mark.parametrize(
    ("start", "words"), [("data", PERSON), ("image", IMAGE), ("centre", CENTRE)]
)
def test_one_looks_as_it_has_learnt(people: People, start: str, words: str) -> None:
    assert where_learnt(people, learnt(start)).box_words == words


def test_the_factor_of_faces_is_the_models(people: People) -> None:
    faces = replace(people, boxes={"face": np.tile(np.float32([20, 20, 8, 8]), (6, 1))})
    assert where_learnt(faces, learnt("face", 3)).box_words == "face x3, square"
    assert where_all_look(faces, [learnt("face", 3)] * 2)[0].box_words == "face x3, square"
    assert where_all_look(faces, [learnt("face", 3), learnt("face", 4)])[0] is faces


def test_together_where_all_have_learnt(people: People) -> None:
    for starts, words, alike in (
        (("centre", "centre"), CENTRE, True), (("image", "centre"), PERSON, False),
        (("data",), PERSON, False), ((), PERSON, False),
    ):  # fmt: skip
        found, told, fit = where_all_look(people, [learnt(start) for start in starts])
        assert (found.box_words, told, fit) == (words, alike, None)


@pytest.mark.parametrize("starts", [("data", "data"), ("image", "data"), ("labelled",)])
def test_in_boxes_of_a_file(people: People, file: Path, starts: tuple[str, ...]) -> None:
    found, alike, fit = where_all_look(people, [learnt(start) for start in starts], file)
    assert fit is not None
    assert (fit.fitted, fit.persons, alike) == (4, 6, False)
    assert (found.box != people.box).any(1).tolist() == [True] * 4 + [False] * 2


def test_nobody_looks_in_a_file(people: People, file: Path) -> None:
    with pytest.raises(UserError, match="box=image looks in no box of a file"):
        where_all_look(people, [learnt("image")], file)
    with pytest.raises(UserError, match="there is none: leave it out"):
        where_all_look(people, [], file)
