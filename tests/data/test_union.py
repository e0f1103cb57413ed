"""Unions: every row, joint and photograph stays its own, and what a part lacks is never made up."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian import geometry
from vitruvian.data.augment import Augment
from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.loader import Skipped, plain_crops, training_crops
from vitruvian.data.pack import read_pack, write_pack
from vitruvian.data.people import People
from vitruvian.data.union import SPACE, choose_skeleton, in_skeleton, union
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.types import State, UserError

UND, MISS, OCC, VIS = State.UNDEFINED, State.MISSING, State.OCCLUDED, State.VISIBLE
CHANNEL = {"nose": 0, "hand": 1, "foot": 2}  # the colour of a joint's pixel
FACE = Skeleton("face", ("nose", "hand"))
WALK = Skeleton("walk", ("foot", "hand", "nose"))


def crowd(name, skeleton, count, size=(48, 60), seed=0, **columns):
    """Persons whose joints are one pixel each, of the colour that belongs to the name."""
    height, width = size
    rng = np.random.default_rng(seed)
    joints = rng.integers((12, 10), (width - 12, height - 10), (count, len(skeleton), 2))
    joints = joints.astype(np.float32)
    state = np.full(joints.shape[:2], VIS, np.uint8)

    def photo(row, factor):
        picture = np.zeros((height, width, 3), np.uint8)
        for joint, (x, y) in zip(skeleton.joint_names, joints[row].astype(int), strict=True):
            picture[y, x, CHANNEL.get(joint, 0)] = 255
        return picture, 1

    people = People(
        name=name,
        skeleton=skeleton,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, state >= OCC),
        key=7 * np.arange(count),
        photo=photo,
        label=lambda row: f"{name}{row}.png",
        size=lambda row: (height + row, width),
        subsets={},
        provenance=f"{count} painted {name}",
        encoded=lambda row: f"{name}{row}".encode(),
    )
    return dataclasses.replace(people, **columns)


# ---- one skeleton to another --------------------------------------------------------------------
@settings(deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True), st.permutations("cdefghij"))
def test_joints_are_found_by_name(own, wanted):
    people = crowd("p", Skeleton("own", tuple(own)), 3)
    people.state[:] = np.random.default_rng(len(own)).integers(1, 4, people.state.shape)
    if not set(own) & set(wanted):
        with pytest.raises(UserError, match="shares no joint"):
            in_skeleton(people, Skeleton("wanted", tuple(wanted)))
        return
    made = in_skeleton(people, Skeleton("wanted", tuple(wanted)))
    assert made.joints.shape == (3, 8, 2)
    assert (made.joints.dtype, made.state.dtype) == (np.float32, np.uint8)
    for j, name in enumerate(wanted):
        if name in own:
            np.testing.assert_array_equal(made.joints[:, j], people.joints[:, own.index(name)])
            np.testing.assert_array_equal(made.state[:, j], people.state[:, own.index(name)])
        else:
            assert (made.state[:, j] == UND).all()
            assert (made.joints[:, j] == 0).all()
    np.testing.assert_array_equal(made.box, people.box)  # made with all joints
    assert made.provenance == people.provenance


def test_mpii_and_lsp(shared):
    """mpii[0:6] = lsp[0:6], mpii[10:16] = lsp[6:12], mpii[8:10] = lsp[12:14]; 6 and 7 are absent."""
    lsp = read_lsp(shared / "data" / "lsp")
    mpii = in_skeleton(lsp, MPII)
    for there, here in (
        (slice(6), slice(6)),
        (slice(10, 16), slice(6, 12)),
        (slice(8, 10), slice(12, 14)),
    ):
        np.testing.assert_array_equal(mpii.joints[:, there], lsp.joints[:, here])
        np.testing.assert_array_equal(mpii.state[:, there], lsp.state[:, here])
    assert (mpii.state[:, 6:8] == UND).all()
    assert (mpii.joints[:, 6:8] == 0).all()
    back = in_skeleton(mpii, LSP)
    np.testing.assert_array_equal(back.joints, lsp.joints)
    np.testing.assert_array_equal(back.state, lsp.state)


SHOULDERS = Skeleton("shoulders", ("left_shoulder", "right_shoulder"))
BUST = Skeleton("bust", ("neck", "left_shoulder", "right_shoulder"))
NECK = {"neck": ("left_shoulder", "right_shoulder")}


def test_derived_joints():
    states = [
        (VIS, VIS),
        (VIS, OCC),
        (OCC, VIS),
        (OCC, OCC),
        (MISS, VIS),
        (VIS, MISS),
        (MISS, MISS),
        (UND, VIS),
        (UND, MISS),
        (UND, UND),
    ]
    people = crowd("p", SHOULDERS, len(states))
    people.state[:] = states
    people.joints[0] = [(10, 20), (13, 40)]
    made = in_skeleton(people, BUST, NECK)
    assert made.state[:, 0].tolist() == [VIS, OCC, OCC, OCC, MISS, MISS, MISS, UND, UND, UND]
    assert made.joints[0, 0].tolist() == [11.5, 30]
    assert (made.joints[4:, 0] == 0).all()
    assert made.provenance.endswith("neck made as the mean of left_shoulder and right_shoulder")
    assert (in_skeleton(people, BUST).state[:, 0] == UND).all()  # on request only


def test_a_label_wins_over_what_is_derived():
    both = union([crowd("busts", BUST, 2), crowd("shoulders", SHOULDERS, 3)])
    own = both.joints[:2, 0].copy()
    both.state[1, 0] = MISS
    made = in_skeleton(both, BUST, NECK)
    assert made.state[:, 0].tolist() == [VIS, MISS, VIS, VIS, VIS]
    np.testing.assert_array_equal(made.joints[:2, 0], own)
    np.testing.assert_array_equal(made.joints[2:, 0], both.joints[2:, 1:].mean(1))
    same = in_skeleton(crowd("busts", BUST, 2), BUST, NECK)
    assert "mean" not in same.provenance


def test_what_cannot_be_derived():
    people = crowd("p", SHOULDERS, 2)
    with pytest.raises(UserError, match="'tail' cannot be derived: skeleton 'bust' has no such"):
        in_skeleton(people, BUST, {"tail": ("left_shoulder", "right_shoulder")})
    with pytest.raises(UserError, match="'neck' cannot be derived: data set 'p' has no 'nose'"):
        in_skeleton(people, BUST, {"neck": ("left_shoulder", "nose")})


# ---- rows ---------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any),
    st.lists(st.integers(0, 1000), min_size=1, max_size=9),
)
def test_every_row_is_that_of_its_part(counts, drawn):
    """Also through `rows`, as subsets take them."""
    parts = [crowd(f"part{i}-", FACE, count, (40 + i, 60), i) for i, count in enumerate(counts)]
    whole = union(parts)
    origin = [(i, row) for i, count in enumerate(counts) for row in range(count)]
    assert len(whole) == len(origin)
    assert len(set(whole.key.tolist())) == len(set(whole.images.tolist())) == len(origin)
    chosen = np.array(drawn) % len(origin)
    for people, rows in ((whole, np.arange(len(origin))), (whole.rows(chosen), chosen)):
        for place, row in enumerate(rows.tolist()):
            part, own = parts[origin[row][0]], origin[row][1]
            assert people.label(place) == part.label(own)
            assert people.size(place) == part.size(own)
            np.testing.assert_array_equal(people.photo(place, 1)[0], part.photo(own, 1)[0])
            assert people.encoded is not None
            assert people.encoded(place) == part.encoded(own)
            np.testing.assert_array_equal(people.joints[place], part.joints[own])
            np.testing.assert_array_equal(people.box[place], part.box[own])
            assert people.key[place] == part.key[own] + origin[row][0] * SPACE


def test_pixels_stay_below_their_joints():
    """Two skeletons, two sizes of photographs; a joint that a part lacks has no pixel to be on."""
    people = union([crowd("faces", FACE, 4), crowd("walkers", WALK, 5, (70, 64), 3)], WALK)
    crops = list(plain_crops(people, people.box, 96, 96, 4, Skipped()))
    augment = Augment(rotation=60, scale=(0.8, 1.2))
    augmented = training_crops(people, augment, 96, 96, 9, 0, Skipped())
    crops.append(next(augmented))
    augmented.close()
    seen = 0
    for batch in crops:
        for b, j in np.argwhere(batch.state >= OCC):
            x, y = batch.joints[b, j]
            reach = 1 + 1 / np.linalg.norm(batch.to_image[b, :, 0])  # of a pixel, in the crop
            if min(x, y) < reach or max(x, y) > 95 - reach:
                continue
            light = batch.image[b, :, :, CHANNEL[WALK.joint_names[j]]].astype(float)
            v, u = np.indices(light.shape)
            found = np.array([(u * light).sum(), (v * light).sum()]) / light.sum()
            assert np.abs(found - [x, y]).max() < 0.3
            seen += 1
    assert seen > 30
    faces = np.concatenate([c.state[c.key < SPACE] for c in crops])
    assert faces.tolist() == [[UND, VIS, VIS]] * 8


def test_subsets_are_put_together():
    a = crowd("a", FACE, 4, subsets={"train": np.array([2, 0]), "val": np.array([3])})
    b = crowd("b", FACE, 3)  # none: all of it is `train`
    c = crowd("c", FACE, 2, subsets={"val": np.array([1]), "test": np.array([0])})
    made = union([a, b, c]).subsets
    assert {name: rows.tolist() for name, rows in made.items()} == {
        "train": [2, 0, 4, 5, 6],
        "val": [3, 8],
        "test": [7],
    }
    assert [union([a, b, c]).subset("val").label(i) for i in range(2)] == ["a3.png", "c1.png"]


def test_columns_that_a_part_lacks_are_unknown():
    a = crowd("a", FACE, 2, lengths={"head_box": np.array([3.0, 4])}, whole=False, scored="test")
    b = crowd("b", FACE, 3, boxes={"face": np.ones((3, 4), np.float32)}, image=np.array([5, 5, 9]))
    b = dataclasses.replace(b, encoded=None)
    made = union([a, b])
    assert made.name == "a+b"
    assert made.provenance == "2 painted a + 3 painted b"
    assert not made.whole
    assert made.scored == "test"
    assert made.encoded is None
    assert made.weight is None
    np.testing.assert_array_equal(made.lengths["head_box"], [3, 4, np.nan, np.nan, np.nan])
    assert np.isnan(made.boxes["face"][:2]).all()
    assert (made.boxes["face"][2:] == 1).all()
    assert made.images.tolist() == [0, 7, SPACE + 5, SPACE + 5, SPACE + 9]
    assert union([b, b]).whole
    assert made.box_words == "labelled joints x1.25, square"
    placed = dataclasses.replace(b, box_words="objpos")
    assert union([placed, a, placed]).box_words == "objpos or labelled joints x1.25, square"


def test_one_part_is_itself():
    a = crowd("a", FACE, 3, subsets={"val": np.array([1])})
    made = union([a])
    assert (made.name, made.provenance, made.weight) == ("a", a.provenance, None)
    assert made.subsets is a.subsets
    assert made.key is a.key
    with pytest.raises(UserError, match="one data set at least"):
        union([])


def test_unions_of_unions_have_their_own_keys():
    a, b = crowd("a", FACE, 3), crowd("b", FACE, 2)
    both = union([a, b])
    four = union([both, both])
    assert len(set(four.key.tolist())) == 10
    assert four.key[:5].tolist() == both.key.tolist()
    with pytest.raises(UserError, match="too large to put 2 data sets together"):
        union([a, crowd("c", FACE, 2, key=np.array([1, 2**62]))])
    with pytest.raises(UserError, match="'d' has keys or image numbers below 0"):
        union([a, crowd("d", FACE, 2, image=np.array([-1, 2]))])


# ---- convention ---------------------------------------------------------------------------------
def test_conventions_are_not_mixed():
    pc, oc, none = (crowd(c or "none", FACE, 2, convention=c) for c in ("PC", "OC", ""))
    with pytest.raises(UserError, match=r"'PC' is PC .*'OC' is OC .*: .*--convention OC") as caught:
        union([none, pc, oc])
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"'OC' is observer-centric .*--convention OC"):
        union([pc, oc], convention="PC")
    with pytest.raises(UserError, match="no convention 'XX'; choose OC or PC"):
        union([pc], convention="XX")
    assert [union(p).convention for p in ([none, oc], [pc, none], [none, none])] == ["OC", "PC", ""]
    assert union([oc, none], convention="OC").convention == "OC"
    assert union([pc, none], convention="PC").convention == "PC"


def test_lsp_and_lspet_as_the_observer_sees_them(shared):
    """In OC, the right hip is left of the left one, the torso turned upright; in PC, in two of three."""
    parts = [read_lspet(shared / "data" / "lspet"), read_lsp(shared / "data" / "lsp")]
    shares = []
    for convention in ("PC", "OC"):
        people = union(parts, convention=convention)
        assert people.convention == convention
        hips = people.skeleton.index("right_hip", "left_hip")
        top = people.skeleton.index("neck")[0]
        known = (people.state[:, [*hips, top]] >= OCC).all(1) & (people.state[:, 8:10] >= OCC).all(
            1
        )
        xy = people.joints[known].astype(float)
        up = xy[:, top] - xy[:, hips].mean(1)
        across = xy[:, hips[1]] - xy[:, hips[0]]
        shares.append((across[:, 1] * up[:, 0] > across[:, 0] * up[:, 1]).mean())
    assert 0.6 < shares[0] < 0.75
    assert shares[1] > 0.99


# ---- weights ------------------------------------------------------------------------------------
def test_weights_are_of_what_is_trained_on():
    """Each part's rows of `train` with a box together weigh what it was given."""
    a = crowd("a", FACE, 6, subsets={"train": np.arange(4), "val": np.arange(4, 6)})
    a.box[1] = np.nan
    b = crowd("b", FACE, 5)
    whole = union([a, b], weights=[1, 2])
    train = whole.subset("train")
    boxed = np.isfinite(train.box).all(1)
    assert train.weight is not None
    assert train.weight[:4][boxed[:4]].sum() == pytest.approx(1)
    assert train.weight[4:].sum() == pytest.approx(2)
    assert whole.weight is not None
    np.testing.assert_allclose(whole.weight, [1 / 3] * 6 + [2 / 5] * 5)


def test_weights_of_unions_of_unions():
    inner = union([crowd("a", FACE, 3), crowd("b", FACE, 1)], weights=[1, 1])
    plain = union([inner, crowd("c", FACE, 2)])  # in proportion to the rows: 4 and 2
    assert plain.weight is not None
    np.testing.assert_allclose(plain.weight, [2 / 3] * 3 + [2] + [1] * 2)
    given_ = union([inner, crowd("c", FACE, 2)], weights=[1, 3])
    assert given_.weight is not None
    np.testing.assert_allclose(given_.weight, [1 / 6] * 3 + [1 / 2] + [3 / 2] * 2)


def test_weights_that_do_not_fit():
    a, b = crowd("a", FACE, 3), crowd("b", FACE, 2, subsets={"test": np.arange(2)})
    with pytest.raises(UserError, match="1 weights for 2 data sets: give one for each"):
        union([a, b], weights=[1])
    for bad in ([1, -1], [0, 0], [np.nan, 1], [np.inf, 1]):
        with pytest.raises(UserError, match="give numbers from 0 up, one of them above 0"):
            union([a, b], weights=bad)
    with pytest.raises(UserError, match=r"'b' has nobody to train on .*test.*give it the weight 0"):
        union([a, b], weights=[1, 1])
    made = union([a, b], weights=[1, 0]).weight
    assert made is not None
    np.testing.assert_allclose(made, [1 / 3] * 3 + [0] * 2)


# ---- which skeleton -----------------------------------------------------------------------------
def test_the_skeleton_of_a_union():
    def of(*skeletons):
        return [crowd(s.name, s, 1) for s in skeletons]

    assert choose_skeleton(of(LSP, LSP), "mpii") is LSP  # what all share
    assert choose_skeleton(of(MPII, LSP), "lsp") is LSP
    assert choose_skeleton(of(LSP, MPII), "mpii") is MPII  # LSP has 14 of 16
    assert choose_skeleton(of(MPII, LSP, COCO, FLIC), "lsp") is LSP  # 14, 14, 12 and 9 of 14
    assert choose_skeleton(of(COCO, FLIC), "lsp") is LSP
    assert choose_skeleton(of(LSP, BUST), "mpii") is LSP  # 3 of 16
    assert choose_skeleton(of(BUST, SHOULDERS, LSP), "coco") is BUST
    assert choose_skeleton(of(FACE, WALK), "walk") is WALK  # a data set's own
    with pytest.raises(UserError, match="no skeleton 'lps'; nearest: 'lsp'"):
        choose_skeleton(of(LSP, MPII), "lps")


# ---- real data, and a pack ----------------------------------------------------------------------
def test_lsp_and_lspet(shared):
    lspet, lsp = read_lspet(shared / "data" / "lspet"), read_lsp(shared / "data" / "lsp")
    people = union([lspet, lsp], weights=[3, 1])
    assert (len(people), people.name, people.skeleton) == (11000, "lspet+lsp", LSP)
    assert {name: len(rows) for name, rows in people.subsets.items()} == {
        "train": 8500, "tune": 500, "val": 1000, "test": 1000, "train_full": 9000,
    }  # fmt: skip
    assert len(np.unique(people.key)) == len(np.unique(people.images)) == 11000
    train = people.subset("train")
    assert train.weight is not None
    assert train.weight[:7500].sum() == pytest.approx(3)
    assert train.weight[7500:].sum() == pytest.approx(1)
    assert train.label(7500) == lsp.label(0) == "im0001.jpg"
    np.testing.assert_array_equal(people.photo(8999, 1)[0], lspet.photo(8999, 1)[0])
    with pytest.raises(UserError, match=r"im0001\.jpg"):  # LSP's photographs are not there
        people.photo(9000, 1)


def test_a_pack_of_a_union(tmp_path):
    parts = [
        crowd("a", FACE, 3, (200, 220), lengths={"head_box": np.array([40.0, 20, 10])}),
        crowd("b", WALK, 2, (90, 300), 1, subsets={"val": np.array([1]), "train": np.array([0])}),
    ]
    people = union(parts, WALK, weights=[1, 3])
    write_pack(people, tmp_path / "p", 64)
    pack = read_pack(tmp_path / "p")
    for name in ("key", "state", "images", "weight"):
        np.testing.assert_array_equal(getattr(pack, name), getattr(people, name))
    assert {name: rows.tolist() for name, rows in pack.subsets.items()} == {
        "train": [0, 1, 2, 3], "val": [4],
    }  # fmt: skip
    assert [pack.label(row) for row in range(5)] == [people.label(row) for row in range(5)]
    again = union([pack, parts[1]], WALK)
    assert len(np.unique(again.key)) == 7
    assert np.isnan(again.lengths["head_box"][3:]).all()
