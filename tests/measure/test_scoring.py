"""From arrays to figures: who is scored, averages, photographs with several persons, pooling, errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scored import ARM, ARM_PCK, PCK, PCP, J, N, people, run
from vitruvian.measure import metrics, scoring
from vitruvian.measure.intervals import differences
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.result import Result
from vitruvian.measure.scoring import Truth, check_truth, score, tally_of, unit_names
from vitruvian.skeleton import COCO, FLIC, LSP, Skeleton
from vitruvian.types import State, UserError


def shifted(truth: Truth, px: float) -> np.ndarray:
    """Predictions off by `px` at the first seven joints."""
    return truth.xy + px * (np.arange(J) < 7)[:, None] * np.array([0.6, 0.8])


def test_hand_computed_result() -> None:
    truth = people()
    got = run(PCK, truth, shifted(truth, 10.01))  # a little beyond the threshold of 10 px
    assert (got.n, got.left_out) == (9, 2)
    # 9 persons, of whom one lacks the wrist, which is among the shifted joints.
    assert got.total.n == 9 * 14 - 1
    assert got.total.value == pytest.approx(63 / 125)
    assert got.auc is not None
    assert got.auc.value == pytest.approx(63 / 125)
    assert (got.joints["right_wrist"].n, got.joints["right_wrist"].value) == (8, 0)
    assert got.joints["head_top"].value == got.joints["head_top"].low == 1
    assert got.groups["wrist"].value == 1 / 2  # the mean of left and right, not of 9 and 8 persons
    assert got.groups["wrist"].n == 17
    assert got.total.low <= got.total.value <= got.total.high
    assert run(PCK, truth, shifted(truth, 9.99)).total.value == 1


def test_micro_and_macro() -> None:
    truth = people()
    pred = truth.xy.copy()
    pred[:, LSP.index("right_wrist")] = np.nan
    pred[0, LSP.index("neck")] += 90
    micro, macro = (run(replace(PCK, averaging=a), truth, pred) for a in ("micro", "macro"))
    assert micro.total.value == pytest.approx(1 - 9 / 125)  # 8 wrists and a neck of 125 joints
    assert macro.total.value == pytest.approx(1 - (1 + 1 / 9) / 14)
    assert micro.joints == macro.joints
    for area, share in ((micro.auc, 1 - 9 / 125), (macro.auc, 1 - (1 + 1 / 9) / 14)):
        assert area is not None
        assert area.value == pytest.approx(share)
    assert macro.quoted["PCK@0.1"].value == pytest.approx(1 - (1 + 1 / 9) / 14)


def test_the_comparator_decides_at_the_limit() -> None:
    """A torso of 50 px and an error of 10; a head of 40 px and an error of 20."""
    truth = people()
    truth.xy[:, LSP.index("neck", "head_top")] = (0, 0), (0, 40)
    pred = truth.xy.copy()
    pred[:, LSP.index("right_wrist"), 0] += 10
    pred[:, LSP.index("head_top"), 1] += 20
    for comparator, share in (("<=", 1), ("<", 0)):
        joints, sticks = (
            run(replace(protocol, comparator=comparator), truth, pred).joints  # type: ignore[arg-type]
            for protocol in (PCK, PCP)
        )
        assert joints["right_wrist"].value == sticks["head"].value == share


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["micro", "macro"]))
def test_figures_are_those_of_the_metrics(seed: int, averaging: Any) -> None:
    """Random states, NaN predictions and lengths that are unknown or zero."""
    rng = np.random.default_rng(seed)
    xy, state = rng.uniform(0, 200, (9, J, 2)), rng.choice([*State], (9, J), p=[0.1, 0.1, 0.2, 0.6])
    state[0] = State.VISIBLE
    length = rng.choice([40.0, 80.0, np.nan, 0.0], 9, p=[0.4, 0.4, 0.1, 0.1])
    length[0] = 80
    truth = Truth(LSP, xy, state, "PC", {"own": length})
    pred = np.where(rng.random((9, J, 1)) < 0.1, np.nan, xy + rng.normal(0, 10, xy.shape))
    protocol = replace(PCK, reference="own", averaging=averaging)
    got = run(protocol, truth, pred, cuts=False)
    errors = metrics.normalized_errors(pred, xy, length)
    own = metrics.pck_per_joint(errors, truth.located, 0.2)
    np.testing.assert_allclose([got.joints[name].value for name in LSP.joint_names], own)
    assert got.auc is not None
    if averaging == "micro":
        assert got.total.value == pytest.approx(metrics.pck(errors, truth.located, 0.2))
        assert got.auc.value == pytest.approx(metrics.auc(errors, truth.located))
        assert got.quoted["PCK@0.1"].value == pytest.approx(metrics.pck(errors, truth.located, 0.1))
    else:
        assert got.total.value == pytest.approx(np.nanmean(own))
    for group, members in PCK.groups:
        assert got.groups[group].value == pytest.approx(np.nanmean(own[LSP.index(*members)]))
    persons = (truth.located & ~np.isnan(errors)).any(1)
    assert (got.n, got.left_out) == (persons.sum(), 9 - persons.sum())
    sticks: list[metrics.Stick] = [(LSP.index(*a), LSP.index(*b)) for _, a, b in PCP.parts]
    limbs = run(replace(PCP, averaging=averaging, quoted=(("@0.2", 0.2),)), truth, pred)
    right, counts = metrics.stick_hits(pred, xy, sticks, truth.located)
    own = right.sum(0) / counts.sum(0)
    np.testing.assert_allclose([limbs.joints[name].value for name in unit_names(PCP)], own)
    expected = right.sum() / counts.sum() if averaging == "micro" else np.mean(own)
    assert limbs.total.value == pytest.approx(expected)
    if averaging == "micro":
        at = metrics.pcp(pred, xy, sticks, truth.located, threshold=0.2)
        assert limbs.quoted["@0.2"].value == pytest.approx(at)


def test_persons_left_out_do_not_widen_intervals() -> None:
    truth = replace(people(), group=np.arange(N) // 2)
    kept = np.delete(np.arange(N), [2, 5])
    pred = truth.xy + np.random.default_rng(2).normal(0, 9, truth.xy.shape)
    rows = run(PCK, truth, pred)
    alone = Truth(LSP, truth.xy[kept], truth.state[kept], "PC", group=kept // 2)
    assert run(PCK, alone, pred[kept]).rows() == rows.rows()
    assert (rows.n, rows.left_out) == (9, 2)


def test_persons_of_one_photograph_are_drawn_together() -> None:
    """The same persons twice say no more, if each stands beside its double."""
    truth = people()
    pred = truth.xy + np.random.default_rng(2).normal(0, 9, truth.xy.shape)
    twice = Truth(LSP, np.tile(truth.xy, (2, 1, 1)), np.tile(truth.state, (2, 1)), "PC")
    beside = replace(twice, group=np.tile(np.arange(N)[::-1] * 7 - 30, 2))
    alone = run(PCK, replace(truth, group=-np.arange(N)), pred)
    doubled = np.tile(pred, (2, 1, 1))
    grouped = run(PCK, beside, doubled)
    assert (grouped.n, grouped.total.n) == (2 * alone.n, 2 * alone.total.n)
    for name, estimate in alone.rows().items():
        assert replace(grouped.rows()[name], n=estimate.n) == estimate
    by_itself = run(PCK, twice, doubled).total
    width = grouped.total.high - grouped.total.low
    assert by_itself.high - by_itself.low < 0.85 * width  # 1 / sqrt(2), give or take
    tally, persons = tally_of(PCK, beside, doubled)
    assert (tally.part.shape[0], persons) == (N, 18)
    assert tally.whole[:, :J].sum(1).tolist() == [28, 28, 28, 26, 28, 0, 28, 28, 0, 28, 28]


def test_persons_are_taken_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = replace(people(), group=np.arange(N) % 4, lengths={"own": np.linspace(20, 90, N)})
    pred = truth.xy + np.random.default_rng(2).normal(0, 9, truth.xy.shape)
    protocols = PCK, PCP, replace(PCK, reference="own")
    whole = [run(protocol, truth, pred) for protocol in protocols]
    monkeypatch.setattr(scoring, "_CHUNK", 3)
    assert [run(protocol, truth, pred).rows() for protocol in protocols] == [
        r.rows() for r in whole
    ]
    assert [run(protocol, truth, pred).cuts for protocol in protocols] == [r.cuts for r in whole]


def many(G: int, share: float = 0.8) -> tuple[Truth, np.ndarray]:
    """Two persons on each of G photographs, all four hands of which are right or all wrong."""
    rng = np.random.default_rng(G)
    xy = np.tile(np.array([[0, 0], [40, 0], [20, 30], [20, 40]], float), (2 * G, 1, 1))
    group = np.tile(rng.permutation(G), 2)
    right = rng.permutation(np.arange(G) < share * G)[group]
    return Truth(ARM, xy, np.full((2 * G, 4), State.VISIBLE), group=group), np.where(
        right[:, None, None], xy, np.nan
    )


@pytest.mark.parametrize(("G", "rows"), [(20_000, 20_000), (20_001, 10_000), (31_000, 10_000)])
def test_many_photographs_are_pooled(G: int, rows: int) -> None:
    truth, pred = many(G)
    tally, persons = tally_of(ARM_PCK, truth, pred, cuts=False)
    assert (tally.part.shape[0], persons) == (rows, 2 * G)
    counts = np.unique(tally.whole[:, 0])
    assert set(counts) <= {2 * (G // rows), 2 * (G // rows + 1)}  # both persons of each photograph
    assert tally.whole.sum(0)[0] == 2 * G
    again = tally_of(ARM_PCK, truth, pred, cuts=False)[0]
    np.testing.assert_array_equal(again.part, tally.part)


def test_pooling_keeps_the_width() -> None:
    G, share = 24_000, 0.8
    truth, pred = many(G, share)
    found = run(ARM_PCK, truth, pred, cuts=False)
    half = 1.96 * np.sqrt(share * (1 - share) / G)
    assert found.total.value == pytest.approx(share)
    assert found.total.n == 6 * G
    assert run(ARM_PCK, truth, pred, cuts=False).total == found.total
    np.testing.assert_allclose([share - found.total.low, found.total.high - share], half, rtol=0.1)
    better = pred.copy()
    wrong = np.isnan(pred[:, 0, 0]) & (truth.group < G // 50)  # type: ignore[operator]
    better[wrong] = truth.xy[wrong]
    one, other = (tally_of(ARM_PCK, truth, xy, cuts=False)[0] for xy in (pred, better))
    gap = differences(one, other, np.random.default_rng(0))["total"]
    gain = wrong.sum() / (2 * G)
    assert gap.value == pytest.approx(gain)
    half = 1.96 * np.sqrt(gain * (1 - gain) / G)
    np.testing.assert_allclose([gain - gap.low, gap.high - gain], half, rtol=0.12)
    same = differences(one, one, np.random.default_rng(0))["total"]
    assert (same.value, same.p) == (0, 1)


def test_nobody_to_score() -> None:
    truth = people()
    nobody = replace(truth, state=np.full((N, J), State.MISSING))
    got = run(PCK, nobody, truth.xy)
    assert (got.n, got.left_out, got.cuts) == (0, N, {})
    assert np.isnan([estimate.value for estimate in got.rows().values()]).all()
    empty = Truth(LSP, np.zeros((0, J, 2)), np.zeros((0, J), int), "PC")
    for protocol in (PCK, PCP):
        none = run(protocol, empty, empty.xy)
        assert (none.n, none.left_out, none.total.n) == (0, 0, 0)


def test_undefined_joints_are_not_scored() -> None:
    truth = people()
    state = truth.state.copy()
    state[:, :2] = State.UNDEFINED
    got = run(PCK, replace(truth, state=state), np.full((N, J, 2), np.nan))
    assert got.joints["right_ankle"].n == got.joints["right_knee"].n == 0
    assert got.total.n == 9 * 12 - 1
    assert got.groups["knee"].n == 9  # of the left one alone


def test_baselines_do_not_change_the_figures() -> None:
    truth = people()
    pred = shifted(truth, 11)
    poses = {"one": truth.xy, "other": np.full_like(pred, np.nan)}
    got = run(PCK, truth, pred, baselines=poses, failed=("a.jpg",))
    assert got.rows() == run(PCK, truth, pred).rows()
    assert {name: r.total.value for name, r in got.baselines.items()} == {"one": 1, "other": 0}
    assert got.failed == ("a.jpg",)


def test_reference_lengths() -> None:
    truth = replace(people(), lengths={"own": np.arange(11.0), "torso": np.full(N, 7.0)})
    assert truth.reference("own").tolist() == [*range(11)]
    assert (truth.reference("torso") == 7).all()  # the file's comes before the skeleton's
    torso = people().reference("torso")
    assert np.isnan(torso).tolist() == [row == 2 for row in range(N)]
    assert (torso[5], torso[0]) == (0, 50)
    with pytest.raises(
        UserError, match=r"no length 'box', only own, torso, torso, torso_other, head"
    ):
        truth.reference("box")
    with pytest.raises(UserError, match="no length 'torso', only none;"):
        Truth(Skeleton("dot", ("dot",)), np.zeros((1, 1, 2)), np.ones((1, 1))).reference("torso")
    with pytest.raises(UserError, match="no length 'head_box'"):
        run(replace(PCK, reference="head_box"), people(), people().xy)


def test_truths_that_cannot_be_scored() -> None:
    check_truth(PCK, people())
    check_truth(PCK, replace(people(), convention=""))
    check_truth(replace(PCK, convention=""), people())
    with pytest.raises(UserError, match="scores PC labels, but the truth is OC: choose"):
        check_truth(PCK, replace(people(), convention="OC"))
    with pytest.raises(UserError, match="'lsp-pck-pc' scores 'right_ankle', which skeleton 'flic'"):
        check_truth(PCK, Truth(FLIC, np.zeros((1, 10, 2)), np.ones((1, 10))))
    with pytest.raises(UserError, match="scores 'neck', which skeleton 'coco' does not have"):
        check_truth(PCP, Truth(COCO, np.zeros((1, 17, 2)), np.ones((1, 17))))
    with pytest.raises(UserError, match="needs whole COCO files"):
        check_truth(PROTOCOLS["coco-oks"], Truth(COCO, np.zeros((1, 17, 2)), np.ones((1, 17))))
    with pytest.raises(ValueError, match=r"pred has shape \(11, 2, 14\), expected \(11, 14, 2\)"):
        run(PCK, people(), people().xy.transpose(0, 2, 1))


def test_another_skeletons_joints_are_found_by_name() -> None:
    """The protocol of LSP on joints in another order, with one more."""
    names = ("nose", *LSP.joint_names[::-1])
    other = Skeleton("other", names, LSP.flip_pairs, LSP.limbs, LSP.references)
    truth = people()
    pred = shifted(truth, 12)

    def reordered(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[:, :1], values[:, ::-1]], 1)

    moved = Truth(other, reordered(truth.xy), reordered(truth.state), "PC")
    got, expected = run(PCK, moved, reordered(pred)), run(PCK, truth, pred)
    assert got.rows() == expected.rows()
    assert got.cuts == expected.cuts


def named_groups(names: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> Result:
    """6 persons whose first joint is always missed, under a protocol of a user's own joints."""
    skeleton = Skeleton("mine", names, pairs, references={"own": names[:2]}, reference="own")
    protocol = replace(
        PROTOCOLS["lsp-pck-pc"], skeleton="mine", convention="", reference="own", joints=names,
        groups=tuple((one, (one, other)) for one, other in pairs),
    )  # fmt: skip
    xy = np.random.default_rng(0).uniform(0, 9, (6, len(names), 2))
    pred = xy.copy()
    pred[:, 0] += 900
    truth = Truth(skeleton, xy, np.full(xy.shape[:2], State.VISIBLE))
    return score(protocol, truth, pred, np.random.default_rng(0))


def test_a_group_does_not_hide_a_joint() -> None:
    found = named_groups(("ear_left", "ear_right", "chin"), (("ear_left", "ear_right"),))
    assert [estimate.value for estimate in found.rows().values()][:3] == [0, 1, 1]


def test_a_joint_may_be_called_total() -> None:
    found = named_groups(("chin", "total", "auc"), ())
    assert (found.joints["total"].n, found.joints["auc"].n, found.total.n) == (6, 6, 18)


@pytest.mark.parametrize(
    "change",
    [
        {"state": np.full((6, 14), 3)}, {"lengths": {"own": np.ones(9)}}, {"group": np.arange(9)},
        {"group": np.arange(3)}, {"xy": np.zeros((5, 16, 2))},
    ],
)  # fmt: skip
def test_truths_that_do_not_fit(change: dict[str, np.ndarray]) -> None:
    fits = {
        "xy": np.zeros((5, 14, 2)),
        "state": np.full((5, 14), 3),
        "lengths": {"own": np.ones(5)},
    }
    with pytest.raises(ValueError, match=rf"Truth\.{next(iter(change))}"):
        Truth(LSP, **(fits | change))  # type: ignore[arg-type]


def test_only_the_same_persons_are_paired() -> None:
    xy = np.random.default_rng(0).uniform(0, 90, (5, 14, 2))
    state = np.full((5, 14), State.VISIBLE)
    fewer = state.copy()
    fewer[2] = State.MISSING
    one, other = (
        tally_of(PROTOCOLS["lsp-pck-pc"], Truth(LSP, xy, s, "PC"), xy)[0] for s in (state, fewer)
    )
    with pytest.raises(ValueError, match="same persons"):
        differences(one, other, np.random.default_rng(0))


def test_groups_at_other_thresholds() -> None:
    """Wrists off by 0.15 of the torso, elbows by 0.05: found at 0.2, and at 0.1 only the elbows."""
    xy = np.random.default_rng(0).uniform(0, 90, (5, 14, 2))
    left_shoulder, right_hip = LSP.length("torso")
    xy[:, left_shoulder], xy[:, right_hip] = (0, 0), (60, 80)
    pred = xy.copy()
    pred[:, LSP.index("left_wrist", "right_wrist")] += (15, 0)
    pred[:, LSP.index("left_elbow")] += (0, 5)
    truth = Truth(LSP, xy, np.full((5, 14), State.VISIBLE), "PC")
    found = score(PCK, truth, pred, np.random.default_rng(0))
    assert found.groups["wrist"].value == 1
    at = found.quoted_groups["PCK@0.1"]
    assert (at["wrist"].value, at["elbow"].value, at["wrist"].n) == (0, 1, 10)
    assert found.quoted["PCK@0.1"].value == pytest.approx(12 / 14)
