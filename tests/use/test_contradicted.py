"""Which labels an answer contradicts, by hand; and the picture of them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import drawn
from vitruvian import geometry
from vitruvian.data.people import People
from vitruvian.data.suspects import Suspects
from vitruvian.data.synthetic import figures
from vitruvian.types import State
from vitruvian.use.contradicted import (
    Looked,
    Request,
    find_suspects,
    suspicious,
)
from vitruvian.use.progress import Progress


@pytest.fixture
def people() -> People:
    """Six persons with one pose of 100 px extent."""
    made = figures(6, seed=5, side=128)
    pose = made.joints[0] - made.joints[0].min(0)
    joints = np.broadcast_to(100 * pose / pose.max() + 10, made.joints.shape).astype(np.float32)
    state = np.full(made.state.shape, State.VISIBLE, np.uint8)
    return replace(made, joints=joints, state=state, box=geometry.box_of_joints(joints, state == 3))


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


def looked(people, xy):
    score = np.full(xy.shape[:2], 0.9)
    rows = suspicious(people, xy, score, 0.15, 0.5)
    values = Suspects(people.name, "all", "PC", "model", 0.15, 0.5, 84, 6, rows)
    return Looked(people, xy, values, "")


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


def test_a_model_looks_at_the_rows_that_it_learns_from(monkeypatch):
    """Of `train`, and without who has no box; its answers are the labels, but for the first's sides."""
    people = figures(40, seed=6, side=64)
    people.box[people.subsets["train"][3]] = np.nan
    train = people.subset("train")
    train = train.rows(np.flatnonzero(np.isfinite(train.box).all(1)))
    xy = train.joints.astype(np.float64)
    xy[0] = xy[0][people.skeleton.swap]
    model = drawn.model_of(drawn.answering(train, xy))
    monkeypatch.setattr("vitruvian.use.contradicted.load", lambda name, device: model)
    monkeypatch.setattr("vitruvian.use.contradicted.open_data", lambda data, convention: people)
    said = []
    seen = find_suspects(
        Request("figures=here", "tiny", None, 0.15, 0.5, "cpu", 1),
        lambda total: Progress(total, said.append, terminal=True, clock=itertools.count().__next__),
    )
    assert {suspect.key for suspect in seen.suspects.suspects} == {int(train.key[0])}
    assert all(suspect.mirrored for suspect in seen.suspects.suspects)
    assert len(train) == len(people.subsets["train"]) - 1
    assert (seen.suspects.subset, seen.suspects.persons) == ("train", len(train))
    assert f"{len(train)}/{len(train)} pictures" in said[0]
