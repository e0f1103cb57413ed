"""Statistics of labels: a data set counted by hand, and what is published of LSP and LSPET."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.mpii import read_mpii
from vitruvian.data.people import People
from vitruvian.data.stats import EDGES, UNITS, Stats, stats
from vitruvian.skeleton import COCO, LSP, Skeleton
from vitruvian.types import State

HAND = Skeleton("hand", ("palm", "thumb", "little_finger"))


def nothing(*_: object) -> None:
    raise AssertionError("no photograph is needed")


def people(skeleton: Skeleton, joints: np.ndarray, state: np.ndarray | None = None) -> People:
    """A data set without photographs, of joints (N, J, 2) px."""
    N, J = joints.shape[:2]
    return People(
        name="made",
        skeleton=skeleton,
        joints=joints.astype(np.float32),
        state=np.full((N, J), State.VISIBLE, np.uint8) if state is None else state,
        box=np.zeros((N, 4), np.float32),
        key=np.arange(N),
        photo=nothing,
        label=nothing,
        size=nothing,
        subsets={},
        provenance="made here",
    )


def standing(angles: list[float]) -> np.ndarray:
    """(N, 14, 2) px: upright persons with diagonals of 50 px, who need turning by `angles` degrees."""
    upright = np.zeros((len(LSP), 2))
    for names, x, y in (
        (("left_shoulder", "right_shoulder"), 15, -20),
        (("left_hip", "right_hip"), 15, 20),
        (("left_knee", "right_knee"), 15, 55),
        (("left_ankle", "right_ankle"), 15, 90),
        (("left_elbow", "right_elbow"), 20, 5),
        (("left_wrist", "right_wrist"), 20, 30),
    ):
        upright[LSP.index(*names)] = (x, y), (-x, y)
    upright[LSP.index("neck", "head_top")] = (0, -25), (0, -50)
    by = -np.deg2rad(angles)[:, None]
    x, y = upright.T[:, None]  # (1, J)
    return 300 + np.stack([np.cos(by) * x - np.sin(by) * y, np.sin(by) * x + np.cos(by) * y], -1)


@pytest.fixture
def six() -> People:
    """Six persons on four photographs; each state but VISIBLE once or twice."""
    state = np.full((6, len(LSP)), State.VISIBLE, np.uint8)
    neck, wrist, ankle = LSP.index("neck", "left_wrist", "left_ankle")
    state[5, neck] = State.MISSING
    state[:2, wrist] = State.OCCLUDED
    state[:, ankle] = State.UNDEFINED
    made = people(LSP, standing([10, -20, 50, -100, 170, 0]), state)
    lengths = {"head_box": np.array([7, 9, np.nan, 8, 20, 11])}
    return replace(made, image=np.array([3, 3, 5, 6, 6, 9]), lengths=lengths)


def test_labels(six: People) -> None:
    found = stats(six)
    assert (found.persons, found.photographs) == (6, 4)
    assert list(found.states) == list(LSP.joint_names)
    assert found.states["neck"] == {"undefined": 0, "missing": 1, "occluded": 0, "visible": 5}
    assert found.states["left_wrist"] == {"undefined": 0, "missing": 0, "occluded": 2, "visible": 4}
    assert found.states["left_ankle"] == {"undefined": 6, "missing": 0, "occluded": 0, "visible": 0}
    assert found.complete == pytest.approx(5 / 6)  # an undefined joint is not asked for
    assert found.fewest == 12


def test_sizes(six: People) -> None:
    sizes = stats(six).sizes
    torso = sizes["torso (left_shoulder to right_hip)"]
    assert torso.n == 6
    np.testing.assert_allclose(list(torso.quantiles.values()), 50, rtol=1e-5)
    head = sizes["head_box (from the files)"]
    assert head.n == 5
    assert [head.quantiles[name] for name in ("min", "25 %", "median", "max")] == [7, 8, 9, 20]
    assert sizes["head (neck to head_top)"].n == 5
    upright = stats(six.rows(np.array([5])))
    extent = upright.sizes["longer side of the located joints"].quantiles["median"]
    assert extent == pytest.approx(140)  # head top to the right ankle


def test_angles(six: People) -> None:
    angles = stats(six).angles
    assert angles.n == 5
    counts = dict(zip(EDGES, angles.counts, strict=False))
    assert {edge: count for edge, count in counts.items() if count} == {
        **{-120: 1, -30: 1, 0: 1, 30: 1, 150: 1},
    }
    assert angles.shares == {"below 30": 0.4, "above 45": 0.6, "above 90": 0.4}


def test_spread_vanishes_when_all_stand_alike(six: People) -> None:
    rows = {row.position: row.spread for row in stats(six).compactness[:5]}
    head = rows["head_top - torso centre"]
    assert head is not None
    assert head.n == 5
    assert head.rms["raw"] > 0.5
    assert head.rms["body"] < 1e-5
    wrist = rows["left_wrist - left_shoulder"]
    assert wrist is not None
    assert wrist.rms["raw"] > 0.5
    assert max(wrist.rms["body"], wrist.rms["limb"]) < 1e-5
    ankle = rows["left_ankle - left_hip"]
    assert ankle is not None
    assert ankle.n == 0


def plain(found: Stats) -> dict:
    """The figures after a way through a strict JSON file."""
    return json.loads(json.dumps(found.to_dict(), allow_nan=False))


def test_json(six: People) -> None:
    values = plain(stats(six))
    assert values["labels"]["neck"]["missing"] == 1
    assert values["all_labelled"] == pytest.approx(5 / 6)
    assert values["sizes_px"]["head_box (from the files)"]["max"] == 20
    assert sum(values["torso_angle"]["counts"]) == values["torso_angle"]["n"] == 5
    ankle = values["spread"][3]
    assert (ankle["position"], ankle["n"]) == ("left_ankle - left_hip", 0)
    assert ankle["rms"] == {"raw": None, "body": None, "limb": None}


def test_lines(six: People) -> None:
    lines = stats(replace(six, convention="OC")).lines()
    assert (
        lines[0]
        == "made: 6 persons in 4 photographs; sides as of people who face the observer (OC); made here"
    )
    cells = [line.split() for line in lines]
    assert ["left_wrist", "66.7", "33.3", "0.0", "0.0"] in cells
    assert ["left_ankle", "0.0", "0.0", "0.0", "100.0"] in cells
    assert "all joints labelled: 83.3 % of persons; fewest: 12 joints" in lines
    assert "|angle| below 30 40.0 %, above 45 60.0 %, above 90 40.0 %" in lines


def test_joints_that_a_skeleton_lacks() -> None:
    joints = np.random.default_rng(0).normal(50, 20, (4, len(COCO), 2))
    lines = stats(people(COCO, joints)).lines()
    assert "torso angle from upright, degrees: 4 persons, neck: middle of the shoulders" in lines
    assert sum(line.endswith(" the skeleton has no head_top") for line in lines) == len(UNITS)
    found = stats(people(HAND, np.zeros((4, 3, 2))))
    lacking = "left_shoulder, right_shoulder, left_hip, right_hip"
    assert f"torso angle: the skeleton has no {lacking}" in found.lines()
    assert plain(found)["torso_angle"]["lacking"] == lacking.split(", ")


def test_nobody(six: People) -> None:
    nobody = six.rows(np.arange(0))
    found = stats(nobody)
    assert (found.persons, found.photographs, found.fewest, found.angles.n) == (0, 0, 0, 0)
    assert plain(found)["all_labelled"] is None
    assert "all joints labelled: - % of persons; fewest: 0 joints" in found.lines()


# ---- published ----------------------------------------------------------------------------------
def test_lspet(shared: Path) -> None:
    found = stats(read_lspet(shared / "data" / "lspet"))
    assert (found.persons, found.photographs, found.fewest) == (9000, 9000, 4)
    assert round(100 * found.complete, 2) == 39.54
    assert {counts["occluded"] for counts in found.states.values()} == {0}
    torso = found.sizes["torso (left_shoulder to right_hip)"]
    assert round(100 * torso.n / 9000, 1) == 71.6
    assert round(torso.quantiles["median"], 2) == 48.56
    assert round(found.sizes["longer side of the located joints"].quantiles["median"]) == 118
    assert found.angles.n == sum(found.angles.counts) == 4759
    shares = [round(100 * share, 1) for share in found.angles.shares.values()]
    assert shares == [43.7, 47.8, 32.8]
    head, wrist = (row.spread for row in found.compactness[:2])  # in the torso
    assert head is not None
    assert wrist is not None
    assert [round(rms, 3) for rms in head.rms.values()] == [0.930, 0.414]
    assert [round(rms, 3) for rms in wrist.rms.values()] == [1.049, 1.073, 0.610]


def test_lsp(shared: Path) -> None:
    found = stats(read_lsp(shared / "data" / "lsp"))
    assert (found.persons, found.complete, found.fewest) == (2000, 1, 14)
    occluded = sum(counts["occluded"] for counts in found.states.values())
    assert round(100 * occluded / (2000 * 14), 1) == 7.3
    assert round(found.sizes["torso (left_shoulder to right_hip)"].quantiles["median"]) == 140
    assert round(found.sizes["longer side of the located joints"].quantiles["median"]) == 385
    assert round(100 * found.angles.shares["below 30"], 1) == 80.9


def test_mpii_is_not_as_compact_as_normalized_lsp(shared: Path) -> None:
    """Sun et al. say it is (Section 4.1); units that do not depend on the photographs' size."""
    sets = (
        read_lsp(shared / "oracles" / "lsp"),
        read_mpii(shared / "data" / "mpii" / "valid.h5"),
    )
    lsp, mpii = (
        {row.position: row.spread for row in stats(people).compactness[5:]} for people in sets
    )
    for position, normalized, of_lsp, of_mpii in (
        ("head_top - torso centre", "body", [0.519, 0.193], [0.517, 0.289]),
        ("left_wrist - left_shoulder", "limb", [0.664, 0.692, 0.412], [0.573, 0.631, 0.418]),
        ("left_ankle - left_hip", "limb", [0.782, 0.784, 0.551], [0.734, 0.845, 0.633]),
    ):
        theirs, ours = lsp[position], mpii[position]
        assert theirs is not None
        assert ours is not None
        assert [round(rms, 3) for rms in theirs.rms.values()] == of_lsp
        assert [round(rms, 3) for rms in ours.rms.values()] == of_mpii
        assert ours.rms["raw"] > 1.3 * theirs.rms[normalized]
