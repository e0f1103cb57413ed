"""Raw files: what is put in comes out, and figures are counted from it as the metrics would."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import BASE, DRAWN, measured, raw

from vitruvian.claims.figures import counts
from vitruvian.claims.model import COARSE, FINE, Figure, Measure, Training
from vitruvian.claims.raw import (
    BACKGROUNDS,
    HEIGHTS,
    NONE,
    Measured,
    Persons,
    Store,
    levels,
    packed,
    read_raw,
    unpacked,
)
from vitruvian.measure import metrics
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError

TRAINING = Training(DRAWN, BASE, 0)


def test_planes_come_back() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (5, 3)).astype(np.uint8)
    values = json.loads(json.dumps(packed(plane)))
    assert np.array_equal(unpacked(values), plane)
    with pytest.raises(ValueError, match="uint8"):
        packed(plane.astype(int))


def test_levels_count_thresholds_that_are_exceeded() -> None:
    errors = np.array([0.0, 0.05, 0.0500001, 0.2, 0.21, 9, np.inf, np.nan])
    assert levels(errors, COARSE).tolist() == [0, 0, 1, 2, 3, 4, 4, NONE]


def a_raw(errors: np.ndarray, thresholds: tuple[float, ...] = FINE, **planes: np.ndarray):
    """A file of one measure."""
    n = len(errors)
    state = np.full((n, len(LSP)), State.VISIBLE, np.uint8)
    state[1, LSP.index("right_elbow")] = State.OCCLUDED
    state[2, LSP.index("right_wrist", "right_elbow")] = State.OCCLUDED
    persons = Persons("lsp", "abc", state, np.array([0, 2, NONE], np.uint8))
    level = {"level": levels(errors, thresholds)}
    found = Measured("figures", persons, "PCK", thresholds, level | planes)
    return raw(TRAINING, None).with_measured({Measure(thresholds=FINE).key: found})


@pytest.fixture
def errors() -> np.ndarray:
    values = np.random.default_rng(3).uniform(0.001, 0.4, (3, len(LSP)))
    values[0, 4] = np.nan
    return values


def share(file, figure: Figure) -> float:
    found = counts([file], figure)
    return float(found.part.sum() / found.whole.sum())


def test_pck_and_area_are_the_metrics_own(errors: np.ndarray) -> None:
    file, fine = a_raw(errors), Measure(thresholds=FINE)
    scored = ~np.isnan(errors)
    for at in (0.01, 0.1, 0.2, 0.3, 0.5):
        assert share(file, Figure(fine, at=at)) == pytest.approx(metrics.pck(errors, scored, at))
    assert share(file, Figure(fine, "auc")) == pytest.approx(metrics.auc(errors, scored))


def test_parts_of_persons_and_joints(errors: np.ndarray) -> None:
    file, fine = a_raw(errors), Measure(thresholds=FINE)

    def asked(**cut) -> int:
        return int(counts([file], Figure(fine, **cut)).whole.sum())

    assert asked() == 3 * 14 - 1
    assert asked(joints=("wrist", "neck")) == 3 * 3
    assert asked(angle=("0-45",)) == 13
    assert asked(angle=("45-90", "90-180")) == 14
    assert asked(state="occluded") == 3
    # the elbow of person 1 has a visible shoulder and wrist; person 2's wrist has a hidden elbow beside it
    assert asked(state="inferable") == 1
    assert asked(state="others") == 3 * 14 - 1 - 1
    assert asked(state="visible") == 3 * 14 - 1 - 3


def test_other_planes(errors: np.ndarray) -> None:
    ones = np.zeros((3, 14), np.uint8)
    ones[0, :7], ones[1] = 1, NONE
    grey = np.full((3, 14), HEIGHTS // 2, np.uint8)
    file = a_raw(
        errors, **{"swapped": ones, "peaks stacks": ones, "height": grey, "background": grey}
    )
    fine = Measure(thresholds=FINE)
    assert share(file, Figure(fine, "swapped")) == pytest.approx(7 / 28)
    assert share(file, Figure(fine, "second_peaks", maps="stacks")) == pytest.approx(7 / 28)
    assert share(file, Figure(fine, "height")) == pytest.approx(0.5)
    assert share(file, Figure(fine, "background")) == pytest.approx(HEIGHTS // 2 / BACKGROUNDS)


def test_what_was_not_counted_is_said(errors: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"not counted at 0\.3, only at"):
        counts([a_raw(errors, (0.1, 0.2))], Figure(Measure(thresholds=FINE), at=0.3))
    with pytest.raises(UserError, match=r"no steps of 0\.01"):
        counts([a_raw(errors, COARSE)], Figure(Measure(thresholds=FINE), "auc"))


def test_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path / "raw")
    assert store.get(TRAINING.id) is None
    store.put(raw(TRAINING, [1, 2, 3]))
    other = Store(tmp_path / "raw").get(TRAINING.id)
    assert other is not None
    assert other.keys == {"own"}
    assert np.array_equal(
        other.measured("own").planes["level"], measured([1, 2, 3]).planes["level"]
    )
    assert [one.id for one in Store(tmp_path / "raw").all()] == [TRAINING.id]


def test_another_process_may_write_a_file(tmp_path: Path) -> None:
    mine, other = Store(tmp_path), Store(tmp_path)
    assert mine.get(TRAINING.id) is None
    other.put(raw(TRAINING, [1]))
    assert mine.get(TRAINING.id) is not None


DAMAGE = "is no raw file of this version: take it from its source again, or delete it and run its"
Values = dict[str, Any]


def written(folder: Path, values: Values) -> Path:
    path = folder / f"{values['id']}.json"
    path.write_text(json.dumps(values))
    return path


def trained() -> Values:
    """A training's file with every kind of plane."""
    measure = Measure(swaps=True, maps=("stacks",), heights="stacks", baseline=True)
    own = measured([1, 2, 3])
    level = own.planes["level"]
    names = ("baseline", "peaks stacks", "height", "background")
    planes = {**own.planes, **dict.fromkeys(names, level)}
    found = Measured(own.name, own.persons, own.protocol, own.thresholds, planes)
    return raw(TRAINING, None).with_measured({"own": own, measure.key: found}).values


def facts() -> Values:
    fact = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9}
    return {"format": 1, "id": "labels-X", "command": "", "facts": {"head": fact}, "about": {}}


def without(*keys: str) -> Callable[[Values], None]:
    def damage(values: Values) -> None:
        for key in keys[:-1]:
            values = values[key]
        del values[keys[-1]]

    return damage


def put(value: object, *keys: str) -> Callable[[Values], None]:
    def damage(values: Values) -> None:
        for key in keys[:-1]:
            values = values[key]
        values[keys[-1]] = value

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        *(without(key) for key in ("command", "arm", "content", "made", "persons", "measures")),
        *(without("measures", "own", key) for key in ("persons", "protocol", "thresholds")),
        *(without("persons", "figures", key) for key in ("skeleton", "rows", "state", "angle")),
        without("measures", "own", "planes", "level", "b85"),
        put("five", "content", "seed"),
        put(5, "content", "seed"),
        put({}, "content"),
        put("many", "made", "parameters"),
        put(None, "made", "cpu_seconds"),
        put(["a"], "measures", "own", "thresholds"),
        put([float("nan")], "measures", "own", "thresholds"),
        put("others", "measures", "own", "persons"),
        put({}, "facts"),
        put(2, "format"),
    ],
)
def test_what_is_absent_or_altered_is_seen_at_once(
    tmp_path: Path, damage: Callable[[Values], None]
) -> None:
    values = json.loads(json.dumps(trained()))
    assert read_raw(written(tmp_path, values)).keys == values["measures"].keys()
    damage(values)
    with pytest.raises(UserError, match=rf"{TRAINING.id}\.json {DAMAGE}"):
        read_raw(written(tmp_path, values))


@pytest.mark.parametrize(
    "plane",
    ["level", "swapped", "peaks stacks", "height", "background", "baseline"],
)
def test_the_planes_that_a_key_speaks_of_are_there(tmp_path: Path, plane: str) -> None:
    values = trained()
    (key,) = values["measures"].keys() - {"own"}
    del values["measures"][key]["planes"][plane]
    with pytest.raises(UserError, match=DAMAGE):
        read_raw(written(tmp_path, values))


@pytest.mark.parametrize(
    "change",
    [
        without("command"),
        *(without("facts", "head", key) for key in ("value", "low", "high", "n")),
        put(float("nan"), "facts", "head", "low"),
        put("0.1", "facts", "head", "low"),
        put([], "about"),
        put({"tier": "rendered"}, "content"),
    ],
)
def test_facts_that_are_not_whole(tmp_path: Path, change: Callable[[Values], None]) -> None:
    values = facts()
    assert read_raw(written(tmp_path, values)).facts == values["facts"]
    change(values)
    with pytest.raises(UserError, match=rf"labels-X\.json {DAMAGE}"):
        read_raw(written(tmp_path, values))


PLANE = ("measures", "own", "planes", "level")
STATE, ANGLE = ("persons", "figures", "state"), ("persons", "figures", "angle")


@pytest.mark.parametrize("place", [PLANE, STATE, ANGLE], ids="/".join)
@pytest.mark.parametrize(
    "change",
    [
        lambda plane: plane | {"b85": plane["b85"][:-7]},
        lambda plane: plane | {"b85": plane["b85"][:30] + plane["b85"][30:].swapcase()},
        lambda plane: plane | {"b85": "\u2026"},
        lambda plane: plane | {"b85": ""},
        lambda plane: plane | {"shape": [*plane["shape"], 2]},
        lambda plane: plane | {"shape": [*plane["shape"][::-1], 1]},
        lambda plane: plane | {"shape": [10**30]},
    ],
    ids=["shortened", "altered", "no base 85", "empty", "longer", "turned", "endless"],
)
def test_damaged_planes_are_seen_when_they_are_asked_for(
    tmp_path: Path, place: tuple[str, ...], change: Callable[[Values], Values]
) -> None:
    values = trained()
    plane = values
    for key in place:
        plane = plane[key]
    put(change(plane), *place)(values)
    file = read_raw(written(tmp_path, values))
    with pytest.raises(UserError, match=rf"{TRAINING.id}\.json {DAMAGE}"):
        file.measured("own")


@pytest.mark.parametrize("skeleton", ["mpii", "nobody's"])
def test_states_are_of_the_skeleton(tmp_path: Path, skeleton: str) -> None:
    values = trained()
    put(skeleton, "persons", "figures", "skeleton")(values)
    with pytest.raises(UserError, match=DAMAGE):
        read_raw(written(tmp_path, values)).measured("own")


def test_planes_of_other_persons(tmp_path: Path) -> None:
    values, other = trained(), measured([1, 2])
    put(packed(other.planes["level"]), *PLANE)(values)
    with pytest.raises(UserError, match=DAMAGE):
        read_raw(written(tmp_path, values)).measured("own")


def test_a_measure_that_was_not_made(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        read_raw(written(tmp_path, trained())).measured("flip")


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "id": "b"}', '{"format": 9, "id": "a"}'])
def test_damaged_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.json is no raw file of this version"):
        read_raw(path)
