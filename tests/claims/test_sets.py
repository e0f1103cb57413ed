"""The persons that claims are measured on."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.claims import sets
from vitruvian.claims.labels import _drawn_direction, _drawn_rms
from vitruvian.data.synthetic import figures
from vitruvian.measure.angles import angle_bins, torso_angle
from vitruvian.measure.spread import circular_variance, rms_distance
from vitruvian.types import State, UserError


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "figures", lambda **more: figures(400, **more))


@pytest.mark.usefixtures("few")
def test_turned_figures_lie_as_often_as_chance_has_it() -> None:
    people = sets.turned()
    located = people.state >= State.OCCLUDED
    angle = torso_angle(people.joints.astype(np.float64), located, people.skeleton)
    shares = {name: inside.mean() for name, inside in angle_bins(angle).items()}
    assert shares["0-45"] == pytest.approx(0.25, abs=0.08)
    assert shares["90-180"] == pytest.approx(0.5, abs=0.08)


@pytest.mark.usefixtures("few")
def test_turned_pictures_and_joints_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A white pixel at a joint of the upright picture is found at the turned joint."""
    upright = sets.plain()
    neck = upright.skeleton.index("neck")[0]

    def marked(row: int, factor: int) -> tuple[np.ndarray, int]:
        picture = np.zeros((192, 192, 3), np.uint8)
        x, y = np.rint(upright.joints[row, neck]).astype(int)
        picture[y - 1 : y + 2, x - 1 : x + 2] = 255
        return picture, 1

    from dataclasses import replace

    monkeypatch.setattr(sets, "figures", lambda **more: replace(upright, photo=marked))
    people = sets.turned()
    for row in range(5):
        picture, _ = people.photo(row, 1)
        weight = picture[..., 0].astype(float)
        at = np.array(
            [(weight * grid).sum() for grid in np.meshgrid(np.arange(192), np.arange(192))]
        )
        assert at / weight.sum() == pytest.approx(people.joints[row, neck], abs=0.8)


@pytest.mark.usefixtures("few")
def test_sixteen_joints_of_which_fourteen_are_labelled() -> None:
    whole, part = sets.sixteen(), sets.fourteen_of_sixteen()
    assert whole.skeleton == part.skeleton
    lacking = part.skeleton.index("pelvis", "thorax")
    assert (part.state[:, lacking] == State.UNDEFINED).all()
    others = np.setdiff1d(np.arange(16), lacking)
    assert np.array_equal(part.joints[:, others], whole.joints[:, others])
    assert sets.must_be_packed("figures with 14 of 16 joints")
    assert not sets.must_be_packed("figures of 16 joints")


def test_data_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITRUVIAN_DATA", raising=False)
    data = sets.parse_data(["lspet=a", "lsp=b=c"])
    assert data == {"lspet": "a", "lsp": "b=c"}
    assert sets.given("lspet", data) == "lspet=a"
    assert sets.is_given("figures turned", {})
    assert not sets.is_given("mpii", data)
    with pytest.raises(UserError, match="write name=FOLDER"):
        sets.parse_data(["lspet"])
    with pytest.raises(UserError, match="this needs mpii: give --data mpii=FOLDER"):
        sets.open_set("mpii", data)
    monkeypatch.setenv("VITRUVIAN_DATA", "root")
    assert sets.given("mpii", data) == "mpii"


def test_spreads_of_resamples_begin_with_that_of_all() -> None:
    points = np.random.default_rng(0).normal((1, 2), (1, 3), (300, 2))
    drawn = _drawn_rms({"raw": points}, "raw")
    assert drawn[0] == pytest.approx(rms_distance(points), rel=1e-5)
    assert drawn[1:].mean() == pytest.approx(drawn[0], rel=0.01)
    directions = _drawn_direction({"raw": points}, "raw")
    assert directions[0] == pytest.approx(circular_variance(points), rel=1e-5)
