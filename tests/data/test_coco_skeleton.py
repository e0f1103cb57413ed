"""Skeletons of COCO keypoint files: known joints, own ones, sides by name, several categories."""

import numpy as np
import pytest

from birds import NAMES, person, values, write
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_skeleton import flip_pairs, lonely_sides
from vitruvian.skeleton import LSP, SKELETONS, Skeleton
from vitruvian.types import State, UserError


def test_known_joints_in_any_order(tmp_path):
    order = np.random.default_rng(0).permutation(14).tolist()
    names = [LSP.joint_names[joint] for joint in order]
    flat = [n for joint in order for n in (joint, 100 + joint, 1 + joint % 2)]
    categories = [{"id": 3, "name": "person", "keypoints": names}]
    persons = [person(5, flat=flat, category_id=3)]
    people = read_coco(write(tmp_path / "a.json", values(persons, categories=categories)))
    assert people.skeleton is LSP
    assert people.joints[0].tolist() == [[joint, 100 + joint] for joint in range(14)]
    assert people.state[0].tolist() == [State.OCCLUDED + joint % 2 for joint in range(14)]


def test_own_joints(tmp_path):
    people = read_coco(write(tmp_path / "a.json", values()))
    assert people.skeleton.joint_names == tuple(NAMES)
    assert people.skeleton.swap == [0, 2, 1, 4, 3]
    assert people.skeleton.limbs == (("tip", "l_wing"), ("tip", "r_wing"))
    assert people.skeleton.reference is None
    assert people.joints[1].tolist() == [[10 * j + 8, 20 * j + 8] for j in range(5)]
    assert "flip pairs by name: r_wing/l_wing, tail_R/tail_L" in people.provenance
    assert people.convention == "PC"


def test_joints_without_sides(tmp_path):
    categories = [{"id": 1, "name": "lsp", "keypoints": list("abcde")}]
    people = read_coco(write(tmp_path / "a.json", values(categories=categories)))
    assert people.skeleton.limbs == ()
    assert people.convention == ""
    assert people.skeleton.name == "own lsp"
    assert "flip pairs by name: none found" in people.provenance


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["left_eye", "right_eye", "eye"], [("right_eye", "left_eye")]),
        (["L-eye", "R-eye"], [("R-eye", "L-eye")]),
        (["ear right", "ear left"], [("ear right", "ear left")]),
        (["paw.l", "paw.r"], [("paw.r", "paw.l")]),
        (["right_eye"], []),
        (["lamp", "ramp", "leftover", "rightover"], []),
        (["L_eye", "r_eye"], []),
        (
            ["l_left", "l_right", "r_left", "r_right"],
            [("l_right", "l_left"), ("r_right", "r_left")],
        ),
    ],
)
def test_flip_pairs_by_name(names, pairs):
    assert flip_pairs(names) == tuple(pairs)


def test_a_misspelt_side_is_said() -> None:
    names = ("left_tip", "rigth_tip", "base", "tail_L", "ear_l", "ear_r")
    skeleton = Skeleton("own", names, flip_pairs(list(names)))
    assert lonely_sides(skeleton) == [
        "left_tip has no right_tip; nearest: rigth_tip",
        "tail_L has no tail_R",
    ]
    for known in SKELETONS.values():
        assert lonely_sides(known) == []


def test_skeleton_file_wins(tmp_path):
    (tmp_path / "skeleton.yaml").write_text(
        "name: bird\njoints: [tail_R, tail_L, r_wing, l_wing, tip]\n"
        "flip_pairs: [[r_wing, l_wing]]\nreferences: {length: [tip, tail_L]}\nreference: length\n"
    )
    people = read_coco(write(tmp_path / "a.json", values([person(7)])))
    assert people.skeleton.reference == "length"
    assert people.skeleton.swap == [0, 1, 3, 2, 4]
    assert people.joints[0].tolist() == [[10 * j + 7, 20 * j + 7] for j in (4, 3, 2, 1, 0)]
    # it also names joints that the JSON does not
    people = read_coco(write(tmp_path / "a.json", values(categories=[{"id": 1, "name": "bird"}])))
    assert people.joints[0].tolist() == [[10 * j + 7, 20 * j + 7] for j in range(5)]
    categories = [{"id": 1, "name": "bird", "keypoints": ["beak", *NAMES[1:]]}]
    with pytest.raises(UserError, match=r"no keypoint 'tip', which .*skeleton\.yaml names"):
        read_coco(write(tmp_path / "a.json", values(categories=categories)))


def test_several_categories(tmp_path):
    bird = values()["categories"][0]
    fish = {"id": 2, "name": "fish", "keypoints": ["fin", "eye"]}
    persons = [person(7), person(8, flat=[1, 2, 2, 3, 4, 2], category_id=2)]
    file = write(tmp_path / "a.json", values(persons, categories=[bird, fish]))
    with pytest.raises(UserError, match=r"2 categories with keypoints: 'bird', 'fish'.*'person'"):
        read_coco(file)
    fish["name"] = "person"
    people = read_coco(write(file, values(persons, categories=[bird, fish])))
    assert people.key.tolist() == [8]
    assert people.skeleton.joint_names == ("fin", "eye")
