"""Sides: the torso rule by hand, and against the published observer-centric files."""

import dataclasses

import numpy as np
import pytest

from vitruvian.data.convention import change_sides, in_convention, observer_centric
from vitruvian.data.flic import read_flic
from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.mpii import read_mpii
from vitruvian.data.people import People
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.types import State, UserError

LEGS = LSP.index(*(f"{side}_{j}" for side in ("right", "left") for j in ("hip", "knee", "ankle")))
ARMS = LSP.index(*(f"{s}_{j}" for s in ("right", "left") for j in ("shoulder", "elbow", "wrist")))

# facing the camera: the person's right is on the left of the image
FRONT = {
    "right_hip": (10, 60), "left_hip": (20, 61), "right_shoulder": (8, 30), "left_shoulder": (23, 31),
    "neck": (15, 25), "right_knee": (9, 80), "left_knee": (22, 81),
}  # fmt: skip


def pose(skeleton, **places):
    """Joints (1, J, 2); what has no place is at (1, 2)."""
    places = FRONT | places
    return np.array([[places.get(name, (1.0, 2.0)) for name in skeleton.joint_names]], float)


def exchanged(*parts):
    """The places of `FRONT` with left and right of some parts exchanged."""
    return {
        f"{side}_{part}": FRONT[f"{other}_{part}"]
        for part in parts
        for side, other in (("left", "right"), ("right", "left"))
    }


def decided(skeleton, xy):
    legs, arms = observer_centric(xy, np.ones(xy.shape[:2], bool), skeleton)
    return bool(legs[0]), bool(arms[0])


@pytest.mark.parametrize("skeleton", [LSP, MPII, COCO])
def test_torso_rule_by_hand(skeleton):
    assert decided(skeleton, pose(skeleton)) == (False, False)
    assert decided(skeleton, pose(skeleton, **exchanged("hip", "knee"))) == (True, False)
    assert decided(skeleton, pose(skeleton, **exchanged("shoulder"))) == (False, True)
    both = pose(skeleton, **exchanged("hip", "knee", "shoulder"))
    assert decided(skeleton, both) == (True, True)
    upside_down = pose(skeleton) * [1, -1]  # a mirrored picture: everybody's sides are exchanged
    assert decided(skeleton, upside_down) == (True, True)
    turned = pose(skeleton) @ np.array([[0.0, 1], [-1, 0]])  # a quarter turn changes nothing
    assert decided(skeleton, turned) == (False, False)


def test_shoulder_rule_by_hand():
    assert decided(FLIC, pose(FLIC)) == (False, False)
    assert decided(FLIC, pose(FLIC, **exchanged("hip"))) == (False, False)
    assert decided(FLIC, pose(FLIC, **exchanged("shoulder"))) == (True, True)
    level = pose(FLIC, right_shoulder=(8, 30), left_shoulder=(8, 31))
    assert decided(FLIC, level) == (False, False)


def test_who_cannot_be_told_keeps_their_sides():
    xy = pose(LSP, **exchanged("hip", "shoulder"))
    located = np.ones((1, 14), bool)
    located[0, LSP.index("neck")] = False
    assert not np.concatenate(observer_centric(xy, located, LSP)).any()
    assert not np.concatenate(observer_centric(np.full_like(xy, np.nan), located, LSP)).any()
    with pytest.raises(UserError, match="has no joint 'right_hip'"):
        observer_centric(np.zeros((1, 1, 2)), np.ones((1, 1), bool), Skeleton("x", ("right_knee",)))


def test_change_sides_by_hand():
    values = np.arange(3 * 14).reshape(3, 14)
    legs, arms = np.array([True, False, True]), np.array([False, False, True])
    found = change_sides(values, LSP, legs, arms)
    assert found[0].tolist() == [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 10, 11, 12, 13]
    assert found[1].tolist() == values[1].tolist()
    assert (found[2] - 28).tolist() == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]
    again = change_sides(found, LSP, legs, arms)
    np.testing.assert_array_equal(again, values)
    eyes = change_sides(np.arange(17)[None], COCO, np.array([False]), np.array([True]))
    assert eyes[0].tolist() == [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 11, 12, 13, 14, 15, 16]


def people_of(xy, state, **changes):
    def absent(*_):
        raise AssertionError

    N = len(xy)
    made = People(
        name="hand", skeleton=LSP, joints=xy.astype(np.float32), state=state.astype(np.uint8),
        box=np.zeros((N, 4), np.float32), key=np.arange(N) + 70, photo=absent,
        label=lambda row: f"im{row}", size=absent, subsets={}, provenance="made by hand",
        image=np.arange(N) * 3, lengths={"head_box": np.arange(N) * 1.5},
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def test_dropped_rows_move_the_subsets():
    back = pose(LSP, **exchanged("hip", "knee"))
    xy = np.concatenate([back, pose(LSP), back, back, pose(LSP)])
    state = np.full((5, 14), State.VISIBLE)
    state[1, LSP.index("neck")] = State.MISSING
    state[2, LSP.index("right_hip")] = State.OCCLUDED
    state[4, LSP.index("left_knee")] = State.MISSING  # which does not decide
    subsets = {"train": np.array([0, 1, 2]), "val": np.array([4, 3]), "none": np.array([1])}
    found = in_convention(people_of(xy, state, subsets=subsets), "OC")
    assert found.convention == "OC"
    assert found.provenance == "made by hand; observer-centric by the torso rule, 4 of 5 kept"
    assert {name: rows.tolist() for name, rows in found.subsets.items()} == {
        "train": [0, 1],
        "val": [3, 2],
        "none": [],
    }
    assert found.key.tolist() == [70, 72, 73, 74]
    assert found.image.tolist() == [0, 6, 9, 12]
    assert found.lengths["head_box"].tolist() == [0, 3, 4.5, 6]
    assert [found.label(row) for row in range(4)] == ["im0", "im2", "im3", "im4"]
    np.testing.assert_array_equal(found.joints[0], pose(LSP)[0])
    # the flag of the hip goes with the hip
    hips = LSP.index("right_hip", "left_hip")
    assert found.state[1, hips].tolist() == [State.VISIBLE, State.OCCLUDED]


def test_what_is_so_already_and_what_cannot_be():
    labels = pose(LSP), np.full((1, 14), State.VISIBLE)
    for convention, asked in (("PC", "PC"), ("OC", "OC"), ("", "OC"), ("", "PC")):
        people = people_of(*labels, convention=convention)
        assert in_convention(people, asked) is people
    with pytest.raises(UserError, match=r"'hand' is observer-centric .* person-centric file"):
        in_convention(people_of(*labels, convention="OC"), "PC")


# against the published files


def test_lsp_agrees_with_the_published_file(shared):
    folder = shared / "oracles" / "lsp"
    person, truth = read_lsp(folder), read_lsp(folder, "OC")
    made = in_convention(person, "OC")
    assert "by the torso rule, 2000 of 2000 kept" in made.provenance
    assert {name: len(rows) for name, rows in made.subsets.items()} == {"train": 1000, "test": 1000}
    same = (made.joints == truth.joints).all(-1)  # (N, J)
    assert same[:, LEGS].all(1).sum() == 1989
    assert same[:, ARMS].all(1).sum() == 1983
    assert same.all(1).sum() == 1974
    np.testing.assert_array_equal(made.state[same.all(1)], truth.state[same.all(1)])
    legs, arms = ((person.joints != truth.joints).any(-1)[:, g].any(1) for g in (LEGS, ARMS))
    shares = [(legs & arms).mean(), (legs & ~arms).mean(), (arms & ~legs).mean()]
    np.testing.assert_allclose(shares, [0.288, 0.0455, 0.0445], atol=1e-9)


def test_flic_agrees_with_the_published_files(shared):
    folder = shared / "data" / "flic"
    person = read_flic(folder)
    made = in_convention(person, "OC")
    assert "by the shoulder rule, 5003 of 5003 kept" in made.provenance
    for name, subset, turned in (("train", "train_full", 199), ("valid", "test", 48)):
        truth = read_flic(folder / f"{name}.h5")
        np.testing.assert_array_equal(made.subset(subset).joints, truth.joints)
        assert (person.subset(subset).joints != truth.joints).any((1, 2)).sum() == turned
    np.testing.assert_array_equal(made.joints, read_flic(folder, "OC").joints)


def test_lspet_loses_whom_it_cannot_tell(shared):
    made = in_convention(read_lspet(shared / "data" / "lspet"), "OC")
    assert {n: len(rows) for n, rows in made.subsets.items()} == {
        "train": 3955,
        "tune": 269,
        "val": 535,
        "train_full": 4759,
    }
    assert made.provenance.endswith("observer-centric by the torso rule, 4759 of 9000 kept")
    assert made.label(made.subsets["val"][0]) == "im08001.jpg"
    assert not np.concatenate(observer_centric(made.joints, made.state > 1, LSP)).any()


def test_mpii_by_its_own_neck(shared):
    made = in_convention(read_mpii(shared / "data" / "mpii" / "valid.h5"), "OC")
    legs, arms = observer_centric(made.joints, made.state > 1, MPII)
    assert not legs.any()
    assert not arms.any()
    assert made.skeleton is MPII
    assert len(made.lengths["head_box"]) == len(made) == len(made.subsets["val"])
