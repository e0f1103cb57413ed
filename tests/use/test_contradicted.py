"""Which labels an answer contradicts, by hand; and the picture of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import drawn
from posed import looked, six_alike
from vitruvian import geometry
from vitruvian.data.boxes import image_boxes
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.models import Predict
from vitruvian.types import State
from vitruvian.use.contradicted import Request, find_suspects, suspicious
from vitruvian.use.progress import Progress


@pytest.fixture
def people() -> People:
    return six_alike()


def found(people, xy, score=0.9, beyond=0.15, sure=0.5):
    scores = np.broadcast_to(np.float64(score), xy.shape[:2])
    return [
        (s.key, s.joint, s.error, s.mirrored) for s in suspicious(people, xy, scores, beyond, sure)
    ]


def test_a_label_is_suspect_beyond_a_share_of_the_extent(people):
    xy, neck = people.joints.astype(float), people.skeleton.index("neck")[0]
    xy[1, neck, 0] += 16  # of 100 px
    xy[2, neck, 1] -= 14
    key = int(people.key[1])
    assert found(people, xy) == [(key, "neck", 0.16, False)]
    assert found(people, xy, beyond=0.17) == []
    assert len(found(people, xy, beyond=0.13)) == 2


def test_an_unsure_answer_contradicts_nothing(people):
    xy, neck = people.joints.astype(float), people.skeleton.index("neck")[0]
    xy[1, neck, 0] += 50
    assert found(people, xy, score=0.49) == []
    assert len(found(people, xy, score=0.5)) == 1


def test_exchanged_sides_are_told(people):
    xy = people.joints.astype(float)
    xy[3] = xy[3, people.skeleton.swap]
    rows = found(people, xy, beyond=0.02)
    assert {row[0] for row in rows} == {int(people.key[3])}
    assert all(row[3] for row in rows)
    assert {row[1] for row in rows} <= set(np.ravel(people.skeleton.flip_pairs))


def test_what_is_not_labelled_or_not_answered_is_not_suspect(people):
    xy, neck = people.joints + 60.0, people.skeleton.index("neck")[0]
    people.state[:, neck] = State.MISSING
    xy[:, people.skeleton.index("left_knee")] = np.nan
    joints = {row[1] for row in found(people, xy)}
    assert joints == set(people.skeleton.joint_names) - {"neck", "left_knee"}


def test_one_joint_alone_has_no_extent(people):
    people.state[:] = State.MISSING
    people.state[:, 0] = State.VISIBLE
    assert len(found(people, people.joints + 3.0)) == 6  # px stand for extents


def test_words_count_labels_and_persons(people):
    xy = people.joints.astype(float)
    xy[[1, 4]] = xy[[1, 4]][:, people.skeleton.swap]
    lines = list(looked(people, xy).lines())
    many = len(looked(people, xy).suspects.suspects)
    assert lines[0].startswith(f"{people.name} all: {many} of 84 labels (")
    assert "of 2 of 6 persons" in lines[0]
    assert lines[1] == f"{many} of these (100%) lie where it sees the other side"


def test_no_suspects(people):
    nothing = looked(people, people.joints.astype(float))
    assert list(nothing.lines())[1].startswith("no label is suspect")


@pytest.fixture
def suspects(monkeypatch):
    """The suspects of a data set under a model, and what was said of how far it is."""

    def found(people, model):
        monkeypatch.setattr("vitruvian.use.contradicted.load", lambda name, device: model)
        monkeypatch.setattr("vitruvian.use.contradicted.open_data", lambda data, convention: people)
        said = []
        clock = itertools.count().__next__
        seen = find_suspects(
            Request("figures=here", "tiny", None, 0.15, 0.5, "cpu", 1),
            lambda total: Progress(total, said.append, terminal=True, clock=clock),
        )
        return seen.suspects, said

    return found


def test_a_model_looks_at_the_rows_that_it_learns_from(suspects):
    """Of `train`, and without who has no box; its answers are the labels, but for the first's sides."""
    people = figures(40, seed=6, side=64)
    people.box[people.subsets["train"][3]] = np.nan
    train = people.subset("train")
    train = train.rows(np.flatnonzero(np.isfinite(train.box).all(1)))
    xy = train.joints.astype(np.float64)
    xy[0] = xy[0][people.skeleton.swap]
    seen, said = suspects(people, drawn.model_of(drawn.answering(train, xy)))
    assert {suspect.key for suspect in seen.suspects} == {int(train.key[0])}
    assert all(suspect.mirrored for suspect in seen.suspects)
    assert len(train) == len(people.subsets["train"]) - 1
    assert (seen.subset, seen.persons) == ("train", len(train))
    assert f"{len(train)}/{len(train)} pictures" in said[0]


@pytest.mark.parametrize("start", ["image", "face"])
def test_a_model_looks_where_it_has_learnt_to(people, suspects, start):
    """Its answers are the labels, but for one, when it is shown whole photographs or enlarged faces."""
    people = replace(people, boxes={"face": geometry.grow(people.box, 0.4)})
    box = image_boxes(people) if start == "image" else geometry.grow(people.box, 1.2)
    train, neck = people.subset("train"), people.skeleton.index("neck")[0]
    xy = train.joints.astype(np.float64)
    xy[1, neck, 0] += 16  # of 100 px
    model = drawn.model_of(
        drawn.answering(train, xy, box[:3]), predict=Predict(passes=1, face_factor=3)
    )
    info = model.info.model_copy(update={"recipe": {"box": start}})
    seen, _ = suspects(people, replace(model, info=info))
    assert [(s.key, s.joint, s.error) for s in seen.suspects] == [(11, "neck", 0.16)]
