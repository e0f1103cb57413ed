"""Whether a run may go on in a folder: the same training, by whatever version it was begun."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vitruvian.learn.folder import RECIPE, claim
from vitruvian.learn.recipes import find_recipe
from vitruvian.recipe import override
from vitruvian.types import UserError

ABOUT = {"data": "figures", "rows": 12}


def begun(folder: Path) -> None:
    with claim(folder, find_recipe("resnet_fcn/compact"), ABOUT, {"command": "train"}):
        pass


def test_a_size_that_was_not_known_then_has_its_default(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begun(folder)
    values = yaml.safe_load((folder / RECIPE).read_text())
    del values["config"]["sigma"]
    (folder / RECIPE).write_text(yaml.safe_dump(values))
    default, recipe = 1.0, find_recipe("resnet_fcn/compact")
    same = recipe.model_copy(update={"config": recipe.config | {"sigma": default}})
    with claim(folder, same, ABOUT, {}):
        pass
    other = recipe.model_copy(update={"config": recipe.config | {"sigma": default + 1}})
    with (
        pytest.raises(UserError, match=r"different run \(config.sigma was 1.0, is 2.0\)"),
        claim(folder, other, ABOUT, {}),
    ):
        pass


def test_epochs_without_effect_are_not_written_and_not_compared(tmp_path: Path) -> None:
    folder, named = tmp_path / "run", find_recipe("resnet_fcn/compact")
    recipe = override(named, ["fits.0.steps=100"])
    for _ in range(2):
        with claim(folder, recipe, ABOUT, {}):
            pass
    (fit,) = yaml.safe_load((folder / RECIPE).read_text())["fits"]
    assert (fit["steps"], "epochs" in fit) == (100, False)
    with claim(folder, find_recipe(str(folder / RECIPE)), ABOUT, {}):
        pass
    (folder / RECIPE).write_text(yaml.safe_dump(recipe.model_dump(mode="json")))  # as it once was
    with claim(folder, recipe, ABOUT, {}):
        pass
    with (
        pytest.raises(UserError, match=r"different run \(fits.0.steps was 100, is None"),
        claim(folder, named, ABOUT, {}),
    ):
        pass


def test_another_training_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    begun(folder)
    begun(folder)
    with (
        pytest.raises(UserError, match=r"different run \(rows was 12, is 13\)"),
        claim(folder, find_recipe("resnet_fcn/compact"), ABOUT | {"rows": 13}, {}),
    ):
        pass


def test_other_labels_are_refused(tmp_path: Path) -> None:
    folder, recipe = tmp_path / "run", find_recipe("resnet_fcn/compact")
    about = ABOUT | {"labels": "971f5cbe"}
    begun(folder)  # by a version that did not record them
    with claim(folder, recipe, about, {}):
        pass
    said = (
        r"run: labels were 971f5cbe, are 00000000: choose another --out, and add --from .*run to go"
    )
    with claim(tmp_path / "later" / "run", recipe, about, {}):
        pass
    with (
        pytest.raises(UserError, match=said),
        claim(tmp_path / "later" / "run", recipe, about | {"labels": "00000000"}, {}),
    ):
        pass


def test_a_refusal_says_where_long_texts_differ(tmp_path: Path) -> None:
    recipe, long = find_recipe("resnet_fcn/compact"), "labelled joints only; for research use " * 3
    with claim(tmp_path, recipe, {"provenance": f"{long}boxes of a.json (12f)"}, {}):
        pass
    said = r"provenance was '...a.json \(12f\)', is '...b.json \(0\)'\)"
    with (
        pytest.raises(UserError, match=said),
        claim(tmp_path, recipe, {"provenance": f"{long}boxes of b.json (0)"}, {}),
    ):
        pass
