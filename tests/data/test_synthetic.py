"""Figures: the same whoever asks, and labels that agree with the pixels."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vitruvian.data.synthetic import JOINTS, NAMES, PARTS, covered, figures, hulls, paint, scenes
from vitruvian.skeleton import COCO, LSP, SKELETONS, Skeleton
from vitruvian.types import State

COUNT = 60
SIDES = [
    JOINTS.index(f"{side}_{part}") for side in ("right", "left") for part in ("wrist", "ankle")
]


@pytest.fixture(scope="module")
def made():
    return scenes(COUNT, seed=3, side=160)


def pixel(picture, xy):
    """The colour (3,) at a joint, or None where it lies outside the picture."""
    x, y = np.rint(xy).astype(int)
    inside = 0 <= x < picture.shape[1] and 0 <= y < picture.shape[0]
    return picture[y, x].astype(int) if inside else None


def clear_of_edges(outlines, xy, distance=2.0):
    """Whether all points around one (2,) lie on the same side of every outline (K, V, 2)."""
    angle = np.arange(12) * np.pi / 6
    around = xy + distance * np.stack([np.cos(angle), np.sin(angle)], -1)
    inside = covered(outlines, np.broadcast_to(around, (len(outlines), 12, 2)))
    return (inside == inside[:, :1]).all()


def own_part(index, joint):
    return JOINTS[joint] in PARTS[index].shows


def test_same_pixels_in_any_order_and_thread():
    people, again = figures(12, seed=5), figures(8, seed=5)
    np.testing.assert_array_equal(people.joints[:8], again.joints)
    np.testing.assert_array_equal(people.state[:8], again.state)
    first = [people.photo(row, 8) for row in range(8)]
    with ThreadPoolExecutor(4) as pool:
        later = list(pool.map(lambda row: again.photo(row, 1), reversed(range(8))))[::-1]
    for (one, factor), (other, _) in zip(first, later, strict=True):
        assert factor == 1
        assert one.shape == (192, 192, 3)
        np.testing.assert_array_equal(one, other)


def test_rows_and_seeds_differ():
    people, other = figures(4, seed=0), figures(4, seed=1)
    assert len(np.unique(people.joints[:, 0], axis=0)) == 4
    assert (np.abs(people.joints - other.joints).max((1, 2)) > 1).all()
    assert (people.photo(0, 1)[0] != people.photo(1, 1)[0]).any()
    assert (people.photo(0, 1)[0] != other.photo(0, 1)[0]).any()


def test_labels_do_not_depend_on_the_side():
    small, large = figures(6, side=96), figures(6, side=192)
    np.testing.assert_allclose((large.joints + 0.5) / 2 - 0.5, small.joints, atol=1e-3)
    assert large.size(0) == large.photo(0, 1)[0].shape[:2] == (192, 192)


def test_visible_ends_of_limbs_have_the_colour_of_the_limb(made):
    seen = 0
    for row in range(COUNT):
        picture, colours = (
            paint(made, row),
            dict(zip(NAMES, made.colour[row].astype(int), strict=True)),
        )
        outlines = hulls(np.concatenate([made.parts[row], made.occluders[row]]))
        for joint in SIDES:
            xy, state = made.joints[row, joint], made.state[row, joint]
            colour = pixel(picture, xy)
            own = [colours[part.name] for part in PARTS if JOINTS[joint] in part.shows]
            others = [i for i in range(len(outlines)) if i >= len(PARTS) or not own_part(i, joint)]
            clear = clear_of_edges(outlines[others], xy)
            if colour is None or state != State.VISIBLE or not clear:
                continue
            seen += 1
            # Grain moves a colour by up to a tenth; outlines darken it by 0.7.
            off = min(np.abs(colour - tint * limb).max() for limb in own for tint in (1, 0.85, 0.7))
            assert off <= 30, (row, JOINTS[joint])
    assert seen > COUNT


def test_occluders_change_the_pixels_of_occluded_joints_only(made):
    changed = 0
    for row in range(COUNT):
        with_them, without = paint(made, row), paint(made, row, occluders=False)
        outlines = hulls(made.occluders[row])
        for xy, state in zip(made.joints[row], made.state[row], strict=True):
            one, other = pixel(with_them, xy), pixel(without, xy)
            if one is None or not clear_of_edges(outlines, xy):
                continue
            if covered(outlines, np.broadcast_to(xy, (2, 1, 2))).any():
                assert state == State.OCCLUDED
                changed += (one != other).any()
            else:
                assert (one == other).all()
    assert changed > 20


def test_body_is_painted_where_visible_joints_are(made):
    differs = []
    for row in range(COUNT):
        body, empty = paint(made, row), paint(made, row, body=False)
        for xy, state in zip(made.joints[row], made.state[row], strict=True):
            one, other = pixel(body, xy), pixel(empty, xy)
            if one is not None and state == State.VISIBLE:
                differs.append((one != other).any())
    assert np.mean(differs) > 0.99


def test_front_and_back_of_the_clothes_tell_which_way_a_person_faces():
    made = scenes(400, seed=0, side=192)
    right, left, top, pelvis = (
        made.joints[:, JOINTS.index(name)]
        for name in ("right_shoulder", "left_shoulder", "head_top", "pelvis")
    )
    across = np.where(top[:, 1] < pelvis[:, 1] - 40, left[:, 0] - right[:, 0], 0)
    torso, collar, pack = (
        made.order.argsort(1)[:, NAMES.index(n)] for n in ("torso", "collar", "pack")
    )
    assert ((collar > torso) == (pack < torso)).all()
    assert (collar > torso)[across > 25].mean() > 0.97
    assert (pack > torso)[across < -25].mean() > 0.97


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_every_skeleton_is_labelled_in_its_order(skeleton):
    people, lsp = figures(9, skeleton=skeleton), figures(9, skeleton=LSP)
    assert people.joints.dtype == np.float32
    assert people.state.dtype == np.uint8
    assert np.isin(people.state, [State.OCCLUDED, State.VISIBLE]).all()
    wrist, same = skeleton.index("left_wrist"), LSP.index("left_wrist")
    np.testing.assert_array_equal(people.joints[:, wrist], lsp.joints[:, same])
    low, size = people.box[:, None, :2], people.box[:, None, 2:]
    assert ((people.joints > low) & (people.joints < low + size)).all()


def test_unknown_joint_is_undefined():
    people = figures(5, skeleton=Skeleton("mine", ("tail", "nose")))
    assert (people.state[:, 0] == State.UNDEFINED).all()
    assert (people.joints[:, 0] == 0).all()
    assert (people.state[:, 1] >= State.OCCLUDED).all()


def test_missing_labels_have_no_coordinates():
    people = figures(200, missing=0.25)
    withheld = people.state == State.MISSING
    assert 0.2 < withheld.mean() < 0.3
    assert (people.joints[withheld] == 0).all()
    np.testing.assert_array_equal(people.joints[~withheld], figures(200).joints[~withheld])


def test_people_face_either_way_and_show_it():
    people = figures(600, skeleton=COCO)
    right, left, nose = COCO.index("right_shoulder", "left_shoulder", "nose")
    hips = people.joints[:, COCO.index("right_hip", "left_hip")].mean(1)
    upright = people.joints[:, nose, 1] < hips[:, 1] - 30
    across = people.joints[:, left, 0] - people.joints[:, right, 0]
    towards, away = across[upright] > 15, across[upright] < -15
    assert towards.mean() > 0.25
    assert away.mean() > 0.2
    nose_seen = people.state[upright, nose] == State.VISIBLE
    assert nose_seen[towards].mean() > 0.7
    assert nose_seen[away].mean() < 0.1
    assert 0.05 < (people.joints[:, nose, 1] > hips[:, 1]).mean() < 0.3  # upside down


def test_subsets_cover_all_rows_once():
    people = figures(41)
    rows = np.concatenate([people.subsets[name] for name in ("train", "tune", "val")])
    np.testing.assert_array_equal(rows, np.arange(41))
    assert [len(people.subsets[name]) for name in ("tune", "val")] == [5, 10]
    val = people.subset("val")
    assert val.label(0) == "figure 31"
    np.testing.assert_array_equal(val.photo(0, 1)[0], people.photo(31, 1)[0])
