"""Real trainings of two steps: what is counted of their models is what `evaluate` scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.claims import resolve, sets
from vitruvian.claims.doing import Order, do
from vitruvian.claims.figures import counts
from vitruvian.claims.measuring import heights
from vitruvian.claims.model import FINE, Arm, Claim, Figure, Measure, Tier, Training, above
from vitruvian.claims.raw import BACKGROUNDS, HEIGHTS, NONE, Raw, Store
from vitruvian.claims.resolve import recipe_of
from vitruvian.claims.work import Shop
from vitruvian.data.synthetic import figures
from vitruvian.types import Crops, State, UserError
from vitruvian.use.evaluate import evaluate
from vitruvian.use.occluders import Occluders
from vitruvian.use.predict import load

TINY = Tier("rendered", None, seeds=1, steps=2)
SMALL = ("config.crop=[32,32]", "precision=fp32")
THIN = (*SMALL, "config.channels=[8,8,8,8]")
HEAD = (*THIN, "config.width=8", "config.inner=8")
BASE = Arm("base", "resnet_fcn/compact", (("heatmaps", 1.0),), HEAD)
CHILD = Arm("child", "resnet_fcn/compact", (("heatmaps", 0.5),), HEAD, BASE)
PARTS = (*THIN, "config.levels=2", "config.width=8", "config.radius=3", "skeleton=mpii")
LABELLED = Arm(
    "labelled",
    "part_heatmaps/compact",
    (("detect", 0.5), ("regress", 0.5), ("joint", 0.5)),
    PARTS,
    data="figures with 14 of 16 joints",
)
FLIP, COVERED = Measure(flip=True, thresholds=FINE, baseline=True), Measure(occluders=3, swaps=True)
MAPS = Measure(maps=("detection", "regression"), heights="detection")
SHARP = Measure(settings=("config.offset=none",))


def claim(id: str, *pairs: tuple[Arm, Figure]) -> Claim:
    one, other = pairs
    return Claim(id, "", "", (above("", one, other),), tiers=(TINY,))


CLAIMS = (
    claim("T1", (CHILD, Figure(FLIP)), (BASE, Figure(COVERED))),
    claim("T2", (CHILD, Figure(SHARP)), (BASE, Figure(COVERED))),
    claim("T3", (LABELLED, Figure(MAPS)), (LABELLED, Figure(at=0.5))),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory):
    """Everything trained and measured, weights kept."""
    folder = tmp_path_factory.mktemp("claims")
    with pytest.MonkeyPatch.context() as patch:
        few = lambda **more: figures(96, side=64, **more)  # noqa: E731
        patch.setattr(sets, "figures", few)
        patch.setattr("vitruvian.learn.sources.figures", few)
        patch.setattr("vitruvian.claims.training.BATCH", 8)
        patch.setattr("vitruvian.claims.resolve.BATCH", 8)
        patch.setattr("vitruvian.claims.ledger.TIERS", (TINY,))
        made = Shop(
            Store(folder / "raw"), folder / "runs", keep=True, device="cpu", workers=0, quiet=True,
            everything=CLAIMS,
        )  # fmt: skip
        done = do(Order(("all",)), made, lambda line: None)
        assert (done.trained, done.failed, done.stopped) == (3, (), False)
        yield made


def raw_of(shop: Shop, arm: Arm) -> Raw:
    found = shop.store.get(Training(TINY, arm, 0).id)
    assert found is not None
    return found


def share(shop: Shop, arm: Arm, figure: Figure) -> float:
    found = counts([raw_of(shop, arm)], figure)
    return float(found.part.sum() / found.whole.sum())


def scored(shop: Shop, arm: Arm, **how):
    model = load(shop.runs / Training(TINY, arm, 0).id, "cpu")
    people = sets.plain()
    train = people.subset("train")
    return evaluate(model.runner, people.subset("val"), model.info.crop, trained_on=train, **how)


def test_counts_are_those_of_evaluate(shop: Shop) -> None:
    flipped = scored(shop, CHILD, flip=True)
    assert raw_of(shop, CHILD).measured(FLIP.key).persons.state.shape == (24, 14)
    assert share(shop, CHILD, Figure(FLIP)) == pytest.approx(flipped.total.value)
    assert flipped.auc is not None
    assert share(shop, CHILD, Figure(FLIP, "auc")) == pytest.approx(flipped.auc.value)
    mean = flipped.baselines["mean_pose"].total.value
    assert mean > 0
    assert share(shop, CHILD, Figure(FLIP, "baseline")) == pytest.approx(mean)
    for name, inside in flipped.cuts["torso angle, degrees"].items():
        assert share(shop, CHILD, Figure(FLIP, angle=(name,))) == pytest.approx(inside.value)


def test_covered_joints_are_those_of_evaluate(shop: Shop) -> None:
    covered = scored(shop, BASE, occluders=Occluders(3)).cuts
    for state, name in (
        ("visible", "visible"),
        ("occluded", "occluded"),
        ("inferable", "occluded, inferable"),
        ("others", "all others"),
    ):
        expected = covered["occlusion"][name]
        found = counts([raw_of(shop, BASE)], Figure(COVERED, state=state))
        assert found.whole.sum() == expected.n > 0
        assert found.part.sum() / found.whole.sum() == pytest.approx(expected.value)
    swapped = covered["swapped"]["all pairs"].value
    assert share(shop, BASE, Figure(COVERED, "swapped")) == pytest.approx(swapped)


def test_a_child_starts_from_its_parent_and_says_what_it_was_made_of(shop: Shop) -> None:
    values = raw_of(shop, CHILD).values
    assert values["content"]["parent"] == Training(TINY, BASE, 0).id
    assert values["recipe"]["fits"][0]["steps"] == 1
    assert values["made"]["images"] == 8
    assert values["made"]["cpu_seconds"] > 0
    assert values["made"]["parameters"] > 0
    assert values["command"] == "vitruvian claims run T1 --tier rendered --seeds 1"
    assert str(shop.runs) not in str(values)


def test_heatmaps_are_looked_into(shop: Shop) -> None:
    found = raw_of(shop, LABELLED).measured(MAPS.key)
    lacking = (found.persons.state == State.UNDEFINED).all(0)
    assert lacking.sum() == 2  # pelvis and thorax
    for name in ("peaks detection", "peaks regression"):
        assert set(np.unique(found.planes[name][:, ~lacking])) <= {0, 1, NONE}
    for name, scale in (("height", HEIGHTS), ("background", BACKGROUNDS)):
        known = found.planes[name][found.planes[name] != NONE]
        assert len(known) > 100
        assert known.max() <= scale
        assert (found.planes[name][:, lacking] == NONE).all()


def test_decoding_can_be_changed(shop: Shop) -> None:
    plain = raw_of(shop, CHILD).measured(SHARP.key).planes["level"]
    assert plain.shape == (24, 14)
    bad = replace(CHILD, settings=(*HEAD, "config.heads=3"))
    with pytest.raises(UserError, match="no key 'heads'; nearest: 'head'"):
        recipe_of(Training(TINY, bad, 0))
    with pytest.raises(UserError, match="no recipe 'nobody/knows'"):
        recipe_of(Training(TINY, replace(BASE, recipe="nobody/knows"), 0))


def test_stages_that_a_recipe_lacks_take_the_fit_in_their_place() -> None:
    arm = Arm("a", "part_heatmaps/compact", (("joint", 1.0), ("other", 0.5), ("third", 0.5)))
    fits = recipe_of(Training(TINY, arm, 7)).fits
    assert [(fit.stage, fit.steps, fit.batch) for fit in fits] == [
        ("joint", 2, resolve.BATCH),
        ("other", 1, resolve.BATCH),
        ("third", 1, resolve.BATCH),
    ]
    assert [fit.optim.lr for fit in fits] == [2e-3, 3e-3, 2e-3]
    assert recipe_of(Training(TINY, arm, 7)).seed == 7


def test_heights_by_hand() -> None:
    """One joint on a cell of 0.5, another outside of the crop; away from both the maps are 0.1 and 0.2."""
    people = figures(1)
    J, h, w = len(people.skeleton), 6, 8
    maps = np.zeros((1, J, h, w), np.float32)
    maps[0, 0], maps[0, 1] = 0.1, 0.2
    maps[0, 0, 2, 3] = 0.5  # cell (3, 2) has its middle at px (13.5, 9.5)
    ends = people.skeleton.length("torso")
    joints = np.zeros((1, J, 2), np.float32)
    state = np.full((1, J), State.MISSING, np.uint8)
    joints[0, 0], joints[0, 1] = (13.5, 9.5), (-9, 9.5)
    joints[0, ends[0]], joints[0, ends[1]] = (13.5, 9.5), (13.5, 13.5)  # 4 px, a cell, apart
    state[0, [0, 1, *ends]] = State.VISIBLE
    image = np.zeros((1, 4 * h, 4 * w, 3), np.uint8)
    crops = Crops(image, joints, state, np.zeros((1, 2, 3), np.float32), np.zeros(1, np.int64))
    height, background = heights(maps, crops, people)
    assert height[0, 0] == pytest.approx(0.5)
    assert np.isnan(height[0, 1])
    assert np.isnan(height[0, 4])
    assert background[0, :2] == pytest.approx([0.1, 0.2])
