"""The check finds each fault that was put in, and those known of LSPET."""

import dataclasses

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from vitruvian import geometry
from vitruvian.data.check import check
from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.people import People
from vitruvian.data.photos import photo_size, read_photo
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import State

NAMES = LSP.joint_names
UPRIGHT = np.array(
    [
        *([40, 110], [40, 90], [42, 70], [58, 70], [60, 90], [60, 110]),  # legs
        *([30, 70], [32, 55], [38, 40], [62, 40], [68, 55], [70, 70]),  # arms
        *([50, 36], [50, 20]),
    ],
    np.float32,
)  # seen from the front, 100 x 120 px


def persons(folder, joints, state):
    for row in range(len(joints)):
        cv2.imwrite(str(folder / f"{row}.jpg"), np.full((120, 100, 3), 200, np.uint8))
    located = state >= State.OCCLUDED
    joints = np.where(located[..., None], joints, 0).astype(np.float32)
    return People(
        name="upright",
        skeleton=LSP,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, located),
        key=np.arange(len(joints)),
        photo=lambda row, factor: read_photo(folder / f"{row}.jpg", factor),
        label=lambda row: f"{row}.jpg",
        size=lambda row: photo_size(folder / f"{row}.jpg"),
        subsets={"val": np.arange(2)},
        provenance="drawn here",
    )


@pytest.fixture
def people(tmp_path):
    """Five sound persons, each a little elsewhere."""
    joints = UPRIGHT + np.arange(5)[:, None, None].astype(np.float32)
    return persons(tmp_path, joints, np.full((5, 14), State.VISIBLE, np.uint8))


def test_sound(people):
    report = check(people)
    assert report.ok
    assert (report.rows, report.opened, report.with_reference) == (5, 5, 5)
    assert report.subsets == {"val": 2}
    np.testing.assert_array_equal(report.states, [[0, 0, 0, 5]] * 14)
    faults = ("missing", "unreadable", "outside", "nobody", "tiny", "duplicated")
    assert [getattr(report, fault) for fault in faults] == [()] * 6
    assert report.front == 1
    assert report.lines()[-1] == "duplicated rows: 0"  # no cure where nothing is missing


def test_counts_by_joint_and_state(people):
    people.state[0, 3], people.state[1, 3], people.state[2, 9] = (
        State.OCCLUDED,
        State.MISSING,
        State.UNDEFINED,
    )
    report = check(people)
    assert report.states[3].tolist() == [0, 1, 1, 3]
    assert report.states[9].tolist() == [1, 0, 0, 4]
    assert report.with_reference == 4  # left shoulder to right hip


@pytest.mark.parametrize("decode", [True, False])
def test_missing_and_unreadable(people, tmp_path, decode):
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "3.jpg").write_bytes(b"no photograph")
    report = check(people, decode)
    assert not report.ok
    assert report.missing == ("1.jpg",)
    assert (
        report.cure == report.lines()[-1] == f"{tmp_path / '1.jpg'} does not exist: check the name"
    )
    assert len(report.unreadable) == 1
    assert report.unreadable[0].startswith("3.jpg: ")
    assert "not a photograph" in report.unreadable[0]


def test_cut_short_is_found_by_decoding(people, tmp_path):
    data = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(data[:-40])
    assert check(people, decode=False).ok
    report = check(people)
    assert len(report.unreadable) == 1
    assert "cut short" in report.unreadable[0]


def test_outside(people):
    people.joints[1, 6] = (-10, 60)  # a tenth of the width
    people.joints[2, 6] = (-12, 60)
    people.joints[3, 13] = (50, 200)
    people.joints[4, 0] = (np.nan, 3)
    report = check(people)
    assert report.ok
    assert [line.split(" at ")[0] for line in report.outside] == [
        "2.jpg: right_wrist",
        "3.jpg: head_top",
        "4.jpg: right_ankle",
    ]
    assert "(50, 200), the photograph is 100 x 120 px" in report.outside[1]
    assert report.far == 1  # the one that is nowhere
    people.joints[2, 0] = (3, 1e6)
    assert "ok, but labels far outside of their photographs: 2, see" in check(people).lines()[0]
    people.state[2:, [6, 13, 0]] = State.MISSING
    assert check(people).outside == ()


def test_labels_of_other_photographs(people, tmp_path):
    people.joints[:2] += 200
    people.joints[2, :7] += 200  # 35 of 70
    assert check(people).ok
    people.joints[2, 7] += 200
    report = check(people)
    assert not report.ok
    assert "NOT OK, 36 of 70 labels lie outside" in report.lines()[0]
    people.state[0] = State.MISSING  # 22 of 56: what is not labelled is nowhere
    assert check(people).ok
    people.state[0] = State.VISIBLE
    (tmp_path / "0.jpg").write_bytes(b"no photograph")  # of whose labels nothing is known
    assert check(people).labels == 56


def test_nobody_tiny_duplicated(people):
    people.state[0] = State.MISSING
    people.joints[1, NAMES.index("left_shoulder")] = people.joints[1, NAMES.index("right_hip")] + 3
    people.joints[4] = people.joints[2]
    report = check(people)
    assert report.ok
    assert report.nobody == ("0.jpg",)
    assert report.tiny == ("1.jpg: 4.2 px",)
    assert report.duplicated == ("4.jpg (row 4) like 2.jpg (row 2)",)


def test_nobody_at_all(people):
    people.state[:] = State.MISSING
    report = check(people)
    assert not report.ok
    assert len(report.nobody) == 5
    assert report.front is None
    assert not check(people.rows(np.arange(0))).ok


def test_front_turns_with_the_torso(people):
    people.joints[0] = people.joints[0] @ np.array([[0, 1], [-1, 0]]) + [120, 0]  # lying
    people.joints[1] = 120 - people.joints[1]  # on the hands
    people.joints[2, :, 0] = 100 - people.joints[2, :, 0]  # from behind
    assert check(people).front == pytest.approx(4 / 5)


def test_skeleton_without_torso_or_reference(people):
    hands = Skeleton("hands", ("a", "b"))
    few = dataclasses.replace(
        people, skeleton=hands, joints=people.joints[:, :2], state=people.state[:, :2]
    )
    report = check(few)
    assert report.ok
    assert (report.reference, report.with_reference, report.front) == (None, 0, None)
    assert "reference length none: 0 persons" in report.lines()


def test_limit_spreads_over_the_rows(people, tmp_path):
    (tmp_path / "1.jpg").unlink()
    (tmp_path / "4.jpg").unlink()
    report = check(people, limit=3)  # rows 0, 2, 4
    assert report.opened == 3
    assert report.missing == ("4.jpg",)
    assert report.rows == 5
    assert check(people, limit=0).opened == 0


def test_lines(people, tmp_path):
    people.joints[:, 5] = 1000
    (tmp_path / "0.jpg").unlink()
    text = "\n".join(check(people).lines())
    assert text.startswith("upright: NOT OK; drawn here")
    assert "missing photographs: 1\n    0.jpg" in text
    assert "joints more than 10% outside: 4" in text
    for name in NAMES:
        assert name in text
    people = people.rows(np.repeat(np.arange(5), 3))
    assert "and 5 more" in "\n".join(check(people).lines())  # 10 duplicated rows


def turned(people, away):
    """Forty persons of whom the first `away` are seen from behind, a little elsewhere each."""
    many = people.rows(np.arange(40) % 5)
    many.joints[:away, :, 0] = 100 - many.joints[:away, :, 0]
    many.joints[..., 1] += np.arange(40)[:, None] / 8
    return many


@pytest.mark.parametrize(
    ("away", "looks", "doubts"),
    [
        (0, "OC", {"PC": "declared PC, but the labels look OC"}),
        (1, "PC", {"OC": "declared OC, but the labels look PC"}),
        (20, "PC", {"OC": "declared OC, but the labels look PC"}),
        (38, "exchanged", {"PC": "look exchanged", "OC": "look exchanged"}),
    ],
)
def test_what_the_labels_look_like(people, away, looks, doubts):
    many = turned(people, away)
    for convention in ("PC", "OC", ""):
        report = check(dataclasses.replace(many, convention=convention), decode=False)
        assert (report.convention, report.looks) == (convention, looks)
        assert report.front == pytest.approx(1 - away / 40)
        warnings = [line for line in report.lines() if line.startswith("warning: ")]
        assert len(warnings) == (convention in doubts)
        assert all(doubts[convention] in line for line in warnings)
        assert report.ok
        named = [line for line in report.lines() if line.startswith("convention: ")]
        assert len(named) == 1
        assert convention in named[0]


def test_one_pair_is_enough_to_look_person_centric(people):
    """Hips as the observer names them, shoulders not."""
    many = turned(people, 0)
    shoulders = [NAMES.index("right_shoulder"), NAMES.index("left_shoulder")]
    many.joints[:4, shoulders] = many.joints[:4, shoulders[::-1]]
    assert check(many, decode=False).looks == "PC"


def test_few_persons_look_like_nothing(people):
    report = check(turned(people, 0).rows(np.arange(29)), decode=False)
    assert (report.front, report.looks) == (1, "")
    assert "warning" not in "\n".join(report.lines())


def test_photographs_persons_and_joints_that_are_not_defined(people):
    people.state[:, [2, 13]] = State.UNDEFINED
    people.state[:4, 5] = State.UNDEFINED  # in a part of the rows: defined
    shared_by_two = dataclasses.replace(people, image=np.array([4, 4, 7, 8, 8]))
    report = check(shared_by_two)
    assert (report.rows, report.photographs) == (5, 3)
    assert report.undefined == ("right_hip", "head_top")
    text = "\n".join(report.lines())
    assert "persons 5 in 3 photographs;" in text
    assert "joints not defined: right_hip, head_top" in text
    assert check(people.rows(np.arange(0))).undefined == ()
    assert check(people).photographs == 5


def test_conventions_of_published_labels(shared):
    lsp = read_lsp(shared / "data" / "lsp")
    assert check(lsp, limit=0).looks == "PC"
    assert check(read_lspet(shared / "data" / "lspet"), limit=0).looks == "PC"
    values = loadmat(shared / "oracles" / "lsp" / "lsp-joints-OC.mat")["joints"]
    observed = values[:2].transpose(2, 1, 0).astype(np.float32)
    labels = dataclasses.replace(lsp, joints=observed)
    report = check(labels, limit=0)
    assert (report.looks, report.convention) == ("OC", "PC")
    assert report.front == pytest.approx(0.996)


def test_known_faults_of_lspet(shared):
    people = read_lspet(shared / "data" / "lspet")
    report = check(people.rows(np.arange(8070, 8080)))
    assert report.ok
    assert len(report.outside) == 1
    assert report.outside[0].startswith("im08075.jpg: right_knee at (386, ")
    assert "241 x" in report.outside[0]
    whole = check(people, limit=0)
    assert "im00620.jpg: 0.7 px" in whole.tiny
    assert whole.with_reference == 6442
    assert whole.states.sum(1).tolist() == [9000] * 14
    assert 0.6 < whole.front < 0.8
