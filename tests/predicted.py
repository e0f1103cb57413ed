"""A data set made by hand, predictions of it in files, and the line that refuses a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vitruvian.data.people import People
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError
from vitruvian.use.predictions import read_predictions

N = 7  # persons, where nothing else is said


def people_of(xy, skeleton=LSP, state=None, labels=None, image=None, box=None, name="some"):
    """A data set from joints (N, J, 2); photographs im0001.jpg and on, numbered from 1."""
    count = len(xy)
    state = np.full(xy.shape[:2], State.VISIBLE) if state is None else state
    labels = labels or [f"im{row + 1:04}.jpg" for row in range(count)]
    return People(
        name=name,
        skeleton=skeleton,
        joints=np.where((state >= State.OCCLUDED)[..., None], xy, 0).astype(np.float32),
        state=state.astype(np.uint8),
        box=np.tile(np.float32([0, 0, 50, 80]), (count, 1)) if box is None else box,
        key=100 + np.arange(count),
        photo=lambda row, factor: pytest.fail("no photograph is needed"),
        label=lambda row: labels[row],
        size=lambda row: pytest.fail("no photograph is needed"),
        subsets={},
        provenance="made by hand",
        image=1 + np.arange(count) if image is None else np.array(image),
    )


def poses(count=N, joints=14, seed=0):
    """Places (N, J, 2) of chance, to a hundredth of a pixel."""
    return np.random.default_rng(seed).uniform(5, 200, (count, joints, 2)).round(2)


def result(xy, **more):
    """One result; its joints' scores are 0.5, 0.51 ..."""
    score = 0.5 + 0.01 * np.arange(len(xy))
    return {"keypoints": np.column_stack([xy, score]).ravel().tolist(), **more}


def write_json(path, values):
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def says(notes, words):
    """Whether one of the notes has these words."""
    return any(words in note for note in notes)


def refused(path, people, *words, **more):
    """The one line with which a file is refused."""
    with pytest.raises(UserError) as caught:
        read_predictions(path, people, **more)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    for word in words:
        assert word in line
    return line
