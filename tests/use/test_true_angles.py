"""Turned by the true angles: what is answered, under which protocol it is scored, what is refused."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import drawn
import mapped
from faults import fault
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.learn.runner import new_net
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import check_comparable
from vitruvian.models import ModelInfo, Predict, Preprocessing, write_model
from vitruvian.skeleton import LSP, MPII
from vitruvian.systems.normalized import NORMALIZED
from vitruvian.systems.normalized.config import NormalizedConfig
from vitruvian.types import State, UserError
from vitruvian.use import scores
from vitruvian.use.occluders import Occluders
from vitruvian.use.predict import load
from vitruvian.use.scores import score_model
from vitruvian.use.true_angles import open_told, told_result

CONFIG = NormalizedConfig(
    crop=drawn.CROP, grid=4, scale=4, backbone="resnet18", channels=(4, 6, 8, 10), bias=-3.0,
    width=6, kernels=(5, 7),
)  # fmt: skip
TRUNK = LSP.index("left_shoulder", "right_shoulder", "left_hip", "right_hip")


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return drawn.write_figures(tmp_path_factory.mktemp("figures"), 30)


@pytest.fixture(scope="module")
def people(truth):
    return drawn.opened(truth)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of `normalized` that has learnt nothing: its maps show other angles than the true ones."""
    net = new_net(NORMALIZED, CONFIG, LSP, seed=0)
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "score" in name and weight.dim() > 1:
                weight.normal_(std=0.3, generator=rng)
    info = ModelInfo(
        name="turned", system="normalized", config=asdict(CONFIG), skeleton=LSP,
        preprocessing=Preprocessing(crop=CONFIG.crop), predict=Predict(passes=1), parameters=7,
        gmacs=0.5,
    )  # fmt: skip
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    where = tmp_path_factory.mktemp("turned") / "model"
    write_model(where, info, tensors, None, "")
    return where


@pytest.mark.parametrize("flip", [False, True])
def test_it_is_the_plain_answer_but_for_persons_whose_angles_are_known(folder, people, flip):
    model = load(folder, "cpu")
    state = people.state.copy()
    state[::2, TRUNK] = State.MISSING
    some = replace(people, state=state)
    (crops,) = plain_crops(some, some.box, *CONFIG.crop, len(some), Skipped(), 0)
    plain, told = model.runner(crops.image, flip)[0], open_told(model, some, "cpu")(crops, flip)[0]
    np.testing.assert_array_equal(told[::2], plain[::2])
    assert (told[1::2] != plain[1::2]).any((1, 2)).mean() > 0.8


def test_it_is_scored_beside_the_plain_answer_and_not_compared_with_it(
    folder, people, truth, monkeypatch
):
    """Whose plain answers are right here, so that the true angles of another net do harm."""
    val, flips = people.subset("val"), []

    def opened(*asked):
        run = open_told(*asked)
        return lambda crops, flip: flips.append(flip) or run(crops, flip)

    monkeypatch.setattr(scores, "open_told", opened)
    model = replace(load(folder, "cpu"), runner=drawn.answering(val, val.joints))
    monkeypatch.setattr(scores, "load", drawn.loader(turned=model))
    found = score_model(
        "turned", [truth], "val", flip=True, occluders=Occluders(2), true_angles=True, device="cpu",
        workers=0,
    )  # fmt: skip
    plain, told, image = found.results
    made = {"name": plain.protocol.name, "decoding": plain.protocol.decoding}
    assert replace(told.protocol, **made) == plain.protocol
    assert told.protocol.name == f"{plain.protocol.name}-true-angles"
    assert image.protocol.box == "whole image"
    with pytest.raises(UserError, match=r"decoding is .* turned by the labelled joints' angles"):
        check_comparable(plain.protocol, told.protocol)
    assert (flips, plain.n, plain.total.value) == ([True], told.n, 1)
    assert told.total.value < 0.5
    points = 100 * (told.total.value - 1)
    assert f"the total changes by {points:+.1f} (" in found.notes[-1]
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert said["also"][0]["total"]["value"] == told.total.value


def test_answers_are_scored_in_the_photograph(people):
    """Of whoever can be seen, looked for in the data set's box."""
    right = drawn.answering(people, people.joints)

    def photo(row, factor):
        if row == 3:
            raise UserError("it is not there: copy it again")
        return people.photo(row, factor)

    some, model = replace(people, photo=photo), drawn.model_of(None)
    protocol = PROTOCOLS["lsp-pck-pc"]
    run = lambda crops, flip: right(crops.image, flip)  # noqa: E731
    result = told_result(run, model, some, protocol, workers=0)
    assert result.total.value == pytest.approx(29 / 30)
    assert result.failed == (people.label(3),)


def refused(name, people, monkeypatch):
    """What is said before the plain answers are asked for."""
    monkeypatch.setattr(scores, "score_people", lambda *_, **__: pytest.fail("ran"))
    monkeypatch.setattr(scores, "open_data", lambda data, convention: people)
    return fault(
        lambda: score_model(str(name), ["x=y"], "all", true_angles=True, device="cpu", workers=0)
    )


def test_who_turns_no_maps_is_refused(folder, people, tmp_path, monkeypatch):
    parts = mapped.write_parts(tmp_path / "parts")
    assert "system 'part_heatmaps' turns no maps" in refused(parts, people, monkeypatch)
    as_they_are = "@config.body_norm=false"
    for settings in ("@detector", f"@body{as_they_are}", f"{as_they_are}@config.limb_norm=false"):
        said = refused(f"{folder}{settings}", people, monkeypatch)
        assert "this net of system 'normalized' turns no maps" in said
    assert open_told(load(f"{folder}{as_they_are}", "cpu"), people, "cpu"), "it turns limbs"


def test_weights_that_do_not_open_are_refused(folder, people, monkeypatch):
    said = refused(f"{folder}@config.width=5", people, monkeypatch)
    assert "the weights do not fit system 'normalized'" in said


def test_labels_that_are_not_the_models_are_refused(folder, people, monkeypatch):
    observed = replace(people, convention="OC")
    assert "is labelled OC: leave --true" in refused(folder, observed, monkeypatch)
    more = replace(
        people, skeleton=MPII, joints=np.zeros((30, 16, 2)), state=np.zeros((30, 16), np.uint8)
    )
    assert "is labelled with those of 'mpii'" in refused(folder, more, monkeypatch)


def test_it_needs_torch(folder, people, monkeypatch):
    model = load(folder, "cpu")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vitruvian.learn.runner", raising=False)
    with pytest.raises(UserError, match=r"needs torch.*pip install 'vitruvian\[train\]'"):
        open_told(model, people)
