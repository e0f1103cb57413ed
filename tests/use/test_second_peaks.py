"""Second peaks of a model on a data set: which maps are asked, of which joints, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import drawn
from vitruvian import geometry
from vitruvian.data.boxes import image_boxes
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.synthetic import figures
from vitruvian.measure.peaks import ALL
from vitruvian.models import Predict
from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.types import State, UserError
from vitruvian.use import scores
from vitruvian.use import second_peaks as peaks_module
from vitruvian.use.scores import score_model
from vitruvian.use.second_peaks import model_peaks, peaks_of, peaks_table

h, w = 24, 16


@pytest.fixture(scope="module")
def people():
    return figures(20, seed=2, side=64)


def maps_of(skeleton, doubled, background=False):
    """A runner whose maps have one peak a joint; the sets and joints of `doubled` have another."""

    def run(image, flip):
        B, J = len(image), len(skeleton) + background
        one = np.zeros((B, J, h, w), np.float32)
        one[:, :, 4, 5] = 1
        sets = {"first": one, "second": one.copy()}
        for name, joint in doubled:
            sets[name][:, skeleton.index(joint)[0], 15, 12] = 0.8
        if background:
            sets["first"][:, -1, 15, 12] = sets["second"][:, -1, 15, 12] = 0.9
        answer = np.zeros((B, len(skeleton), 2), np.float32)
        return answer, answer[..., 0], sets

    return run


def shares(found):
    return {
        name: {j: e.value for j, e in of.items() if e.value} for name, of in found.shares.items()
    }


def counted(run, people, skeleton=LSP, joints=LSP.joint_names, **more):
    model = drawn.model_of(None, skeleton)
    return peaks_of(run, model, people, joints, workers=0, **more)


def test_sets_and_joints(people):
    doubled = [("first", "neck"), ("first", "left_knee"), ("second", "neck")]
    found = counted(maps_of(LSP, doubled), people)
    assert shares(found) == {
        "first": {ALL: pytest.approx(2 / 14), "neck": 1, "left_knee": 1},
        "second": {ALL: pytest.approx(1 / 14), "neck": 1},
    }
    assert found.shares["first"][ALL].n == 20 * 14
    assert found.gaps["second"][ALL].value == pytest.approx(-1 / 14)


def test_the_background_is_no_joint(people):
    found = counted(maps_of(LSP, [("first", "neck")], background=True), people)
    assert shares(found)["second"] == {}
    assert set(shares(found)["first"]) == {ALL, "neck"}


def test_joints_of_another_skeleton_by_name(people):
    found = counted(maps_of(MPII, [("first", "pelvis"), ("first", "neck")]), people, MPII)
    assert shares(found)["first"] == {ALL: pytest.approx(1 / 14), "neck": 1}


def test_only_located_joints_are_asked(people):
    state = people.state.copy()
    state[:15, 12] = State.MISSING
    state[:, 0] = State.UNDEFINED

    def photo(row, factor):
        if row == 19:
            raise UserError("it is not there: copy it again")
        return people.photo(row, factor)

    some = replace(people, state=state, photo=photo)
    found = counted(maps_of(LSP, [("first", "neck")]), some).shares["first"]
    assert found["neck"].n == 4
    assert np.isnan(found["right_ankle"].value)
    assert found[ALL].n == 19 * 12 + 4
    assert found[ALL].value == pytest.approx(4 / (19 * 12 + 4))


def test_the_flip_test_is_passed_on(people):
    asked = []

    def run(image, flip):
        asked.append(flip)
        return maps_of(LSP, [])(image, flip)

    counted(run, people, flip=True)
    assert asked == [True, True]  # 16 crops and 4


def test_a_table(people, monkeypatch):
    monkeypatch.setattr(
        peaks_module, "open_maps", lambda model, device: maps_of(LSP, [("first", "neck")])
    )
    found = model_peaks(drawn.model_of(None), people, workers=0)
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(peaks_table(found))
    lines = console.export_text().splitlines()
    (first,) = [line for line in lines if "first" in line]
    (second,) = [line for line in lines if "second " in line and "peak" not in line]
    assert ("7.1" in first, "280" in first, "-7.1 (" in first) == (True, True, False)
    assert "-7.1 (-7.1 to -7.1)" in second


def test_without_shared_joints_nothing_runs(people, monkeypatch):
    monkeypatch.setattr(peaks_module, "open_maps", lambda model, device: pytest.fail("ran"))
    hand = drawn.model_of(None, Skeleton("hand", ("palm", "tip")))
    with pytest.raises(UserError, match="none of the joints of data set 'figures'"):
        model_peaks(hand, people, workers=0)


@pytest.mark.parametrize("start", ["image", "face"])
def test_peaks_are_counted_where_a_model_has_learnt_to_look(people, monkeypatch, start):
    """In whole photographs or enlarged faces, not in the box of the labels."""
    people = replace(people, boxes={"face": geometry.grow(people.box, 0.4)})
    box = image_boxes(people) if start == "image" else geometry.grow(people.box, 1.2)
    (expected,) = plain_crops(people, box, *drawn.CROP, len(people), Skipped())
    seen = []

    def run(image, flip):
        seen.extend(image)
        return maps_of(LSP, [("first", "neck")])(image, flip)

    model = drawn.model_of(
        drawn.answering(people, people.joints, box), predict=Predict(passes=1, face_factor=3)
    )
    info = model.info.model_copy(update={"recipe": {"box": start}})
    monkeypatch.setattr(peaks_module, "open_maps", lambda model, device: run)
    monkeypatch.setattr(scores, "load", drawn.loader(tiny=replace(model, info=info)))
    monkeypatch.setattr(scores, "open_data", lambda data, convention: people)
    found = score_model("tiny", ["figures=here"], "all", peaks=True, workers=0)
    np.testing.assert_allclose(np.array(seen), expected.image, atol=1)
    assert found.peaks.shares["first"]["neck"].value == 1
