"""From a stopped run to a model folder: what it says is what was measured."""

from __future__ import annotations

import csv
import json

import numpy as np
import onnx
import pytest

from vitruvian.learn import run as runs
from vitruvian.learn import sources
from vitruvian.learn.card import card
from vitruvian.learn.folder import read_run
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.run import Options, run
from vitruvian.learn.ship import ship
from vitruvian.models import ModelInfo, Predict, Preprocessing, read_model
from vitruvian.skeleton import LSP
from vitruvian.types import UserError
from vitruvian.use.predict import load

SMALL = (
    "config.crop=[32, 64]", "config.channels=[4, 4, 4, 4]", "config.width=4", "config.inner=4",
    "fits.0.batch=8", "fits.0.steps=4", "evaluate_every=0.01", "precision=fp32",
)  # fmt: skip


@pytest.fixture
def fewer_figures(monkeypatch):
    made = sources.figures
    for module in ("sources", "ship"):
        monkeypatch.setattr(
            f"vitruvian.learn.{module}.figures", lambda skeleton: made(40, 1, skeleton, 64)
        )


def trained(tmp_path, **changes):
    options = Options("resnet_fcn/compact", tmp_path / "run", SMALL, device="cpu", workers=0,
                      quiet=True)  # fmt: skip
    from dataclasses import replace

    return run(replace(options, **changes))


@pytest.mark.usefixtures("fewer_figures")
def test_a_run_becomes_a_model_folder(tmp_path):
    assert trained(tmp_path)
    made = ship(tmp_path / "run", tmp_path / "model", None, workers=0)
    info = read_model(tmp_path / "model")
    assert info == made.info.model_copy(update={"files": info.files})
    assert info.parity is not None
    assert info.parity["p99_px"] <= 0.1
    assert info.scores[0]["data"] == "figures"
    assert info.scores[0]["total"]["value"] == made.after[0].total.value
    assert made.before[0].total.value == pytest.approx(made.after[0].total.value, abs=0.02)
    text = (tmp_path / "model" / "README.md").read_text()
    assert "vitruvian train resnet_fcn/compact --set config.crop" in text
    assert "4 steps in" in text
    assert "`vitruvian eval MODEL --data figures=PATH --subset val`" in text
    assert str(tmp_path) not in text
    assert str(tmp_path) not in json.dumps(info.model_dump(mode="json"))
    poses = load(tmp_path / "model").predict(np.zeros((50, 40, 3), np.uint8), flip=True)
    assert poses.xy.shape == (1, 14, 2)

    assert 0 <= info.hours < 0.1
    for name in ("model.onnx", "model.flip.onnx"):
        graph = onnx.load(tmp_path / "model" / name, load_external_data=False).graph
        assert any(tensor.data_location == tensor.EXTERNAL for tensor in graph.initializer), name
    assert "both graphs' weights are those of `model.safetensors` beside them" in text

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="holds something else than a model"):
        ship(tmp_path / "run", tmp_path / "full", None)


@pytest.mark.usefixtures("fewer_figures")
def test_a_run_predicts_from_its_first_score_on(tmp_path, monkeypatch):
    """A crash after a score leaves a model, and its rows are forgotten when the run goes on."""
    written = []
    real = runs.write_model

    def once(folder, *rest):
        written.append(folder)
        if len(written) == 3:
            raise UserError("the disk is full")
        return real(folder, *rest)

    monkeypatch.setattr(runs, "write_model", once)
    with pytest.raises(UserError, match="the disk is full"):
        trained(tmp_path)
    assert load(tmp_path / "run", "cpu").info.name == "resnet_fcn/compact"
    monkeypatch.setattr(runs, "write_model", real)
    assert trained(tmp_path)
    with (tmp_path / "run" / "log.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == [1, 2, 3, 4]


def test_a_stopped_run_answers_with_what_is_finished():
    recipe = find_recipe("resnet_fcn/compact")
    first = recipe.fits[0]
    stages = tuple(first.model_copy(update={"stage": name}) for name in ("one", "two", "three"))
    staged = recipe.model_copy(update={"fits": stages})
    assert [runs._last_finished(staged, fit) for fit in range(3)] == ["one", "one", "two"]


@pytest.mark.usefixtures("fewer_figures")
def test_what_a_run_says_of_itself(tmp_path):
    trained(tmp_path, seed=3, max_minutes=10.0)
    recipe, about = read_run(tmp_path / "run")
    assert recipe.seed == 3
    assert about["command"].endswith("--seed 3 --max-minutes 10 --out RUN")
    assert "cpu" in about["hardware"]


def test_the_curve_of_a_card_goes_to_the_end(tmp_path):
    info = read_model_like()
    history = [
        {"fit": "0", "step": str(s), "seconds": "7200", "tune": f"0.{s:02d}"} for s in range(1, 7)
    ]
    text = card(info, [], [], history, {"command": "c", "hardware": "h"}, "figures val")
    assert "| step | 1 | 2 | 3 | 4 | 5 | 6 |" in text
    assert "6 steps in 2.00 hours on h." in text


@pytest.mark.parametrize(
    ("recipe", "predict", "said"),
    [
        (
            {},
            {"passes": 3},
            "1.25 times the person's longer extent. `predict` looks in the whole image, then",
        ),
        (
            {"box": "image"},
            {"passes": 1},
            "A crop is the whole photograph, where `predict` looks once.",
        ),
        ({"box": "face"}, {"face_factor": 28.97}, "the square about a face, 29 times as wide;"),
    ],
)
def test_a_card_says_what_a_crop_is(recipe, predict, said):
    info = read_model_like().model_copy(update={"recipe": recipe, "predict": Predict(**predict)})
    assert said in card(info, [], [], [], {}, "figures val")


def read_model_like():
    return ModelInfo(
        name="m", system="resnet_fcn", config={}, skeleton=LSP,
        preprocessing=Preprocessing(crop=(32, 32)), parameters=1, gmacs=0.1,
    )  # fmt: skip
