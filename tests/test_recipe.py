"""Recipes: YAML both ways, settings from a command line, and messages that name the key."""

import pytest
import yaml
from pydantic import ValidationError

from vitruvian.data.augment import Augment
from vitruvian.learn.recipes import RECIPES, find_recipe
from vitruvian.learn.runner import name_stages, system_and_config
from vitruvian.recipe import (
    Fit,
    Optim,
    Recipe,
    Schedule,
    only,
    override,
    read_recipe,
    recipe_from_dict,
)
from vitruvian.skeleton import find_skeleton
from vitruvian.types import UserError


def small(**changes):
    values = {
        "name": "small",
        "system": "resnet_fcn",
        "config": {"crop": [64, 96], "head": "fcn_up", "sigma": 1.5, "nested": {"deep": [1, 2]}},
        "augment": Augment(fill=(0.5, 0.9), rotation=30, flip=0.5),
        "fits": (
            Fit(stage="a", epochs=0.5, optim=Optim(name="rmsprop", options={"eps": 1e-8})),
            Fit(stage="b", steps=7, schedule=Schedule(law="drops", drops=(0.5, 0.75)), clip=5.0),
        ),
    }
    return Recipe(**(values | changes))


# YAML


def test_yaml_and_back(tmp_path):
    recipe = small(balance="pose_types")
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert read_recipe(path) == recipe
    assert recipe != small()
    assert find_recipe(str(path)) == recipe
    assert read_recipe(path).to_yaml() == recipe.to_yaml()
    assert list(yaml.safe_load(recipe.to_yaml()))[:3] == ["name", "system", "config"]
    assert recipe.crop == (64, 96)


def test_yaml_says_how_long_a_fit_is_once(tmp_path):
    recipe = small(fits=(Fit(stage="a", epochs=9, steps=7), Fit(stage="b", epochs=9)))
    steps, epochs = yaml.safe_load(recipe.to_yaml())["fits"]
    assert (steps["steps"], "epochs" in steps) == (7, False)
    assert (epochs["steps"], epochs["epochs"]) == (None, 9)
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    again = read_recipe(path)
    assert [fit.planned_steps(320) for fit in again.fits] == [7, 90]
    assert again.to_yaml() == recipe.to_yaml()


@pytest.mark.parametrize("name", RECIPES)
def test_published_recipes(name):
    recipe = find_recipe(name)
    assert recipe.name == name
    again = recipe_from_dict(yaml.safe_load(recipe.to_yaml()), name)
    assert again.model_dump(mode="json") == recipe.model_dump(mode="json")
    assert again.to_yaml() == recipe.to_yaml()
    system, config = system_and_config(recipe.system, recipe.config, name)
    _, config_again = system_and_config(again.system, again.config, name)
    assert config_again == config
    assert set(recipe.config) == set(config.__dataclass_fields__)  # every field is written down
    assert (config.crop[0], config.crop[1]) == recipe.crop == again.crop
    stages = {stage.name for stage in system.stages(config)}
    assert {fit.stage for fit in name_stages(recipe).fits} <= stages
    skeleton = find_skeleton(recipe.skeleton)
    assert all(skeleton.has(fact) for fact in system.needs)


def test_a_folder_is_told_apart_from_its_recipe(tmp_path):
    folder = tmp_path / "arm"
    folder.mkdir()
    with pytest.raises(UserError, match=r"no recipe .*arm'; nearest"):
        find_recipe(str(folder))
    (folder / "recipe.yaml").write_text(find_recipe("resnet_fcn/compact").to_yaml())
    with pytest.raises(UserError, match=r"is a folder: give the recipe in it, \S*arm/recipe.yaml$"):
        find_recipe(str(folder))
    (folder / "skeleton.yaml").touch()  # as a project has it
    with pytest.raises(UserError, match=rf"/recipe.yaml --data coco={folder}$"):
        find_recipe(f"{folder}/")


def test_find_recipe_names_the_nearest():
    with pytest.raises(UserError, match="nearest: 'resnet_fcn/paper'"):
        find_recipe("resnet_fcn/papr")


def test_numbers_with_an_exponent_in_a_file(tmp_path):
    values = small().model_dump(mode="json")
    values["fits"][0]["optim"]["options"] = {"eps": "EPS", "alpha": 0.99, "label": "1e", "n": 3}
    text = yaml.safe_dump(values).replace("EPS", "1e-8")
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    options = read_recipe(path).fits[0].optim.options
    assert options == {"eps": 1e-8, "alpha": 0.99, "label": "1e", "n": 3}
    assert isinstance(options["eps"], float)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a:\n  [", r"is not a readable YAML file: .*line 2, column 4"),
        (b"\xff\xfe\x00", "is not a readable YAML file: "),
        (b"day: 2024-13-45", "is not a readable YAML file: month must be"),
        (None, "cannot be read: No such file"),
    ],
)
def test_unreadable_files(tmp_path, content, said):
    path = tmp_path / "recipe.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "- a", "words", "3"])
def test_files_that_hold_no_recipe(tmp_path, content):
    path = tmp_path / "recipe.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="a recipe: input should be") as caught:
        read_recipe(path)
    assert str(caught.value).startswith(str(path))


# faults


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sytem": "x"}, "no key 'sytem'; nearest: 'system'"),
        ({"augment": {"rotatoin": 3}}, "no key 'augment.rotatoin'; nearest: 'rotation'"),
        ({"fits": [{"stage": "a", "epoch": 3}]}, "no key 'fits.0.epoch'; nearest: 'epochs'"),
        ({"fits": [{"stage": "a", "optim": {"l": 3}}]}, "no key 'fits.0.optim.l'; nearest: 'lr'"),
        (
            {"fits": [{"stage": "a"}, {"stage": "b", "schedule": {"warm": 0.1}}]},
            "no key 'fits.1.schedule.warm'; nearest: 'warmup'",
        ),
        ({"fits": [{"epochs": 3}]}, "fits.0.stage: field required$"),
        (
            {"fits": [{"stage": "a", "batch": 0}]},
            "fits.0.batch: .*greater than or equal to 1, got 0",
        ),
        ({"fits": [{"stage": "a", "ema": 1}]}, "fits.0.ema: .*less than 1, got 1"),
        ({"seed": "soon"}, "seed: .*integer.*, got 'soon'"),
        ({"precision": "fp16"}, "precision: .*'fp32' or 'bf16', got 'fp16'"),
        ({"augment": {"flip": 2}}, "augment.flip: .*got 2"),
    ],
)
def test_faults_are_one_line_that_names_the_key(change, message):
    values = small().model_dump(mode="json") | change
    with pytest.raises(UserError, match=message) as caught:
        recipe_from_dict(values, "here")
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)


def test_a_crop_is_needed():
    with pytest.raises(UserError, match=r"recipe 'small': config\.crop: field required"):
        _ = small(config={"sigma": 1}).crop


def test_recipes_are_frozen():
    recipe = small()
    with pytest.raises(ValidationError):
        recipe.seed = 3
    with pytest.raises(ValidationError):
        recipe.fits[0].optim.lr = 1.0


# settings


@pytest.mark.parametrize(
    ("setting", "read", "expected"),
    [
        ("fits.0.optim.lr=1e-3", lambda r: r.fits[0].optim.lr, 0.001),
        ("fits.0.optim.lr=2.5e-4", lambda r: r.fits[0].optim.lr, 0.00025),
        ("fits.0.optim.options.eps=1e-6", lambda r: r.fits[0].optim.options["eps"], 1e-6),
        (
            "fits.1.optim.options={momentum: 9e-1}",
            lambda r: r.fits[1].optim.options,
            {"momentum": 0.9},
        ),
        ("config.sigma=1e-3", lambda r: r.config["sigma"], 0.001),
        ("config.head=deconv", lambda r: r.config["head"], "deconv"),
        ("config.crop=[128, 64]", lambda r: r.crop, (128, 64)),
        ("config.crop.1=32", lambda r: r.crop, (64, 32)),
        ("config.nested.deep.0=5", lambda r: r.config["nested"], {"deep": [5, 2]}),
        ("augment.flip=0", lambda r: r.augment.flip, 0.0),
        ("augment.fill=", lambda r: r.augment.fill, None),
        ("fits.1.schedule.drops.1=0.9", lambda r: r.fits[1].schedule.drops, (0.5, 0.9)),
        ("fits.1.ema=0.99", lambda r: r.fits[1].ema, 0.99),
        ("name=a=b", lambda r: r.name, "a=b"),
        ("seed=11", lambda r: r.seed, 11),
        ("balance=pose_types", lambda r: r.balance, "pose_types"),
    ],
)
def test_settings(setting, read, expected):
    recipe = small()
    changed = override(recipe, [setting])
    assert read(changed) == expected
    assert type(read(changed)) is type(expected)
    assert recipe == small()  # left as it was


def test_settings_follow_one_another():
    changed = override(small(), ["seed=1", "fits.0.batch=8", "seed=2"])
    assert (changed.seed, changed.fits[0].batch) == (2, 8)
    assert override(small(), []) == small()


def test_epochs_take_the_place_of_steps():
    a, b = override(small(), ["fits.1.epochs=3"]).fits
    assert (a, b.epochs, b.steps) == (small().fits[0], 3, None)
    assert b.planned_steps(320) == 30
    for both in (["fits.1.steps=5", "fits.1.epochs=3"], ["fits.1.epochs=3", "fits.1.steps=5"]):
        assert override(small(), both).fits[1].planned_steps(320) == 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("seed", "write it as key.sub=value"),
        ("sed=3", "no key 'sed'; nearest: 'seed'"),
        ("fits.0.optm.lr=3", "no key 'optm'; nearest: 'optim'"),
        ("config.heads=deconv", "no key 'heads'; nearest: 'head'"),
        ("fits.2.batch=3", "'2' is not one of 0 to 1"),
        ("fits.-1.batch=3", "'-1' is not one of 0 to 1"),
        ("fits.²=3", "'²' is not one of 0 to 1"),
        ("fits.first.batch=3", "'first' is not one of 0 to 1"),
        ("fits.0.schedule.drops.0=0.5", "the list is empty"),
        ("fits.1.optim.options.momentum=0.9", "set it whole, as {momentum: ...}"),
        ("seed.x=3", "'x' stands below a value"),
        ("fits.0.clip.0=3", "'0' stands below a value"),
        ("fits.0.batch=many", "fits.0.batch: .*integer.*, got 'many'"),
        ("fits.0.batch=2.5", "fits.0.batch: .*integer.*, got 2.5"),
        ("fits.0.optim.lr=0", "fits.0.optim.lr: .*greater than 0, got 0"),
        ("fits.0.optim.name=adamax", "fits.0.optim.name: .*got 'adamax'"),
        ("config.head=[", r"config.head=\[: '\[' is not readable as YAML"),
        ("fits=3", "fits: .*tuple.*, got 3"),
        ("balance=types", "balance: .*'none' or 'pose_types', got 'types'"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(UserError, match=message) as caught:
        override(small(), [setting])
    assert str(caught.value).startswith("--set")
    assert "\n" not in str(caught.value)


# config of a system


def test_config_faults_name_the_size():
    with pytest.raises(UserError, match="no system 'resnet', only resnet_fcn"):
        system_and_config("resnet", {}, "here")
    with pytest.raises(UserError, match="no size 'wide'"):
        system_and_config("resnet_fcn", {"wide": 3}, "here")
    with pytest.raises(UserError, match=r"here: config\.head: "):
        system_and_config("resnet_fcn", {"head": "fcn"}, "here")
    _, config = system_and_config("resnet_fcn", {"crop": [64, 96], "sigma": 2}, "here")
    assert config.crop == (64, 96)


# length


@pytest.mark.parametrize(
    ("fit", "persons", "steps"),
    [
        (Fit(stage="a", epochs=1, batch=32), 100, 4),
        (Fit(stage="a", epochs=2.5, batch=10), 100, 25),
        (Fit(stage="a", epochs=60, batch=32), 22_246, 41_712),
        (Fit(stage="a", epochs=0.001, batch=32), 100, 1),
        (Fit(stage="a", epochs=9, steps=7), 100, 7),
    ],
)
def test_planned_steps(fit, persons, steps):
    assert fit.planned_steps(persons) == steps


def test_fits_of_some_stages_alone():
    recipe = small()
    assert only(recipe, []) == recipe
    assert [fit.stage for fit in only(recipe, ["b"]).fits] == ["b"]
    assert only(recipe, ["b", "a"]).fits == recipe.fits  # in the recipe's order
    with pytest.raises(UserError, match="'small' has no fit of stage 'c', only of a, b"):
        only(recipe, ["a", "c"])


def test_the_last_stage_is_what_the_config_makes_it():
    recipe = find_recipe("multiscale/compact")
    assert [fit.stage for fit in recipe.fits] == ["last"]
    assert [fit.stage for fit in name_stages(recipe).fits] == ["regression"]
    alone = override(recipe, ["config.regressor=none"])
    assert [fit.stage for fit in name_stages(alone).fits] == ["stacks"]
    named = find_recipe("part_heatmaps/compact")
    assert name_stages(named) is named
