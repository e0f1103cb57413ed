"""Faces in the bundled photographs, and where a model that starts from faces looks first."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data.photos import read_photo
from vitruvian.types import UserError
from vitruvian.use.faces import _cascade, find_face
from vitruvian.use.gallery import PHOTOS
from vitruvian.use.predict import Model, load


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return read_photo(PHOTOS / "astronaut.jpg")[0]


def test_the_face_of_the_astronaut(astronaut: np.ndarray) -> None:
    box = find_face(astronaut)
    assert box is not None
    centre = box[:2] + box[2:] / 2
    assert np.abs(centre - [224, 115]).max() < 15  # between her eyes and her mouth
    assert 70 < box[2] < 140


def test_a_larger_photograph_gives_a_larger_box(astronaut: np.ndarray) -> None:
    wide = np.repeat(np.repeat(astronaut, 3, 0), 3, 1)
    box, large = find_face(astronaut), find_face(wide)
    assert box is not None
    assert large is not None
    np.testing.assert_allclose(large / 3, box, atol=20)


def test_no_face() -> None:
    assert find_face(read_photo(PHOTOS / "figure_1.png")[0]) is None
    assert find_face(np.zeros((8, 300, 3), np.uint8)) is None


def test_a_model_that_learnt_from_faces_starts_there(astronaut: np.ndarray) -> None:
    plain = load("resnet_fcn/compact")
    predict = plain.info.predict.model_copy(update={"face_factor": 4.0, "passes": 1})
    model = replace(plain, info=plain.info.model_copy(update={"predict": predict}))
    face = find_face(astronaut)
    assert face is not None
    size = 4 * face[2:]
    expected = np.concatenate([face[:2] + face[2:] / 2 - size / 2, size])
    np.testing.assert_allclose(model.predict(astronaut).box[0], expected, atol=0.5)
    grey = np.zeros((40, 60, 3), np.uint8)  # nobody: the whole photograph
    np.testing.assert_allclose(model.predict(grey).box[0], [-0.5, -0.5, 60, 40])


def test_a_file_decoded_smaller_gives_the_same_box(astronaut: np.ndarray, tmp_path: Path) -> None:
    from vitruvian.draw import write_image

    wide = np.repeat(np.repeat(astronaut, 3, 0), 3, 1)
    write_image(tmp_path / "wide.jpg", wide, 95)
    plain: Model = load("resnet_fcn/compact")
    predict = plain.info.predict.model_copy(update={"face_factor": 4.0, "passes": 1})
    model = replace(plain, info=plain.info.model_copy(update={"predict": predict}))
    in_memory, from_file = model.predict(wide).box[0], model.predict(tmp_path / "wide.jpg").box[0]
    np.testing.assert_allclose(from_file, in_memory, atol=0.15 * in_memory[2])


def test_without_scikit_image(monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray) -> None:
    _cascade.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(UserError, match=r"extra \[face\]"):
        find_face(astronaut)
    _cascade.cache_clear()
