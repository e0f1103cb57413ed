"""Whose each box of a file is, by hand-computed boxes; what is said of it, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.data.box_files import read_boxes
from vitruvian.data.boxes import as_learnt, start_from
from vitruvian.data.coco_facts import RENUMBERED
from vitruvian.data.detections import Detections, Fit, detected
from vitruvian.data.people import OWN_BOX, People
from vitruvian.data.union import union
from vitruvian.skeleton import Skeleton
from vitruvian.types import State, UserError

CROSS = Skeleton("cross", ("head", "foot", "left_hand", "right_hand"))
FACES = Skeleton("faces", ("left_eye", "right_eye", "nose", "foot"))
OWN = "labelled joints x1.25, square"


def crowd(name: str = "crowd", **more: object) -> People:
    """Persons whose joints span 21 x 41 px from (10, 10) and (40, 10) in 12.jpg, (10, 10) in 7.jpg."""
    joints = np.zeros((3, 4, 2), np.float32)
    joints[:] = [(20, 10), (20, 50), (10, 30), (30, 30)]
    joints[1, :, 0] += 30
    values: dict[str, Any] = dict(
        name=name, skeleton=CROSS, joints=joints, state=np.full((3, 4), State.VISIBLE, np.uint8),
        box=np.tile(np.float32([[1, 2, 60, 70]]), (3, 1)), key=np.arange(3),
        photo=lambda row, factor: (np.zeros((80, 90, 3), np.uint8), 1),
        label=lambda row: ("in/0012.jpg", "in/0012.jpg", "in/0007.jpg")[row],
        size=lambda row: (80, 90), subsets={"train": np.arange(2), "val": np.array([2])},
        provenance="by hand", image=np.array([4, 4, 9]),
    )  # fmt: skip
    return People(**(values | more))


def heads(**more: object) -> People:
    """As `crowd`, each person's eyes 10 px apart at the top, about (20, 12), (50, 12) and (20, 12)."""
    joints = np.zeros((3, 4, 2), np.float32)
    joints[:] = [(25, 10), (15, 10), (20, 16), (20, 50)]
    joints[1, :, 0] += 30
    return crowd(skeleton=FACES, joints=joints, **more)


def row(photo: int | str, x: float, y: float, w: float, h: float, **more: object) -> dict[str, Any]:
    """A detection of a number or a name; `x`, `y` as in COCO, half a pixel more than in `types`."""
    of = {"image_id": photo} if isinstance(photo, int) else {"file_name": photo}
    return {**of, "category_id": 1, "bbox": [x, y, w, h], "score": 0.9, **more}


@pytest.fixture
def given(tmp_path: Path) -> Any:
    """The boxes of a file with these rows."""

    def written(*rows: dict[str, Any], name: str = "dets.json") -> Any:
        (tmp_path / name).write_text(json.dumps(rows))
        return read_boxes(tmp_path / name)

    return written


def looked(people: People, file: Any, start: str = "data", subset: str = "all") -> People:
    (found,), _ = detected([people], file, start, subset)
    return found


def x1_25(x: float, y: float, w: float, h: float) -> list[float]:
    """A box as in COCO, in the convention of `types` and a quarter longer and wider."""
    return [x - 0.5 - w / 8, y - 0.5 - h / 8, 1.25 * w, 1.25 * h]


# ---- persons -------------------------------------------------------------------------------------


def test_detections_that_cross_are_each_the_nearer_persons(given: Any) -> None:
    """The file names the right person's first."""
    left, right = (12, 11, 22, 40), (37, 9, 22, 44)
    found = looked(crowd(), given(row(12, *right), row(12, *left)))
    np.testing.assert_allclose(found.box[:2], [x1_25(*left), x1_25(*right)])
    np.testing.assert_array_equal(found.box[2], crowd().box[2])
    np.testing.assert_array_equal(found.boxes[OWN_BOX], crowd().box)


def near() -> People:
    """As `crowd`, but the first two persons are 10 px apart: from x = 10 and 20 on, 21 px each."""
    joints = crowd().joints.copy()
    joints[1, :, 0] -= 20
    return crowd(joints=joints)


def test_a_detection_goes_to_one_person(given: Any) -> None:
    """The one from x = 14 on fits both, 17/25 and 15/27."""
    (found,), fit = detected([near()], given(row(12, 14, 10, 21, 41)), "data")
    assert fit.fitted == 1
    np.testing.assert_allclose(found.box[0], x1_25(14, 10, 21, 41))
    np.testing.assert_array_equal(found.box[1:], near().box[1:])


def test_the_sum_of_likenesses_decides(given: Any) -> None:
    """IoU of A, x from 12 to 33: 19/23 and 13/29; of B, from 4 to 22: 12/27 and 2/37, too little.

    A is the first person's by itself, but 13/29 + 12/27 are more than 19/23.
    """
    a, b = (12, 10, 21, 41), (4, 10, 18, 41)
    found = looked(near(), given(row(12, *a), row(12, *b)))
    np.testing.assert_allclose(found.box[:2], [x1_25(*b), x1_25(*a)])


@pytest.mark.parametrize(("height", "fits"), [(13, True), (12, False)])
def test_who_overlaps_too_little_is_not_meant(given: Any, height: int, fits: bool) -> None:
    """IoU 13/41 = 0.317 and 12/41 = 0.293."""
    file = given(row(7, 10, 10, 21, height), row(12, 10, 10, 21, 41))
    found, fit = detected([crowd()], file, "data")
    assert fit.fitted == 1 + fits
    assert (found[0].box[2] != crowd().box[2]).any() == fits


def test_a_detection_of_nobody_and_a_person_without_one(given: Any) -> None:
    file = given(row(12, 70, 60, 15, 15), row(12, 10, 10, 21, 41), row(500, 10, 10, 21, 41))
    found, fit = detected([crowd()], file, "data")
    assert fit == Fit("dets.json", 3, 1)
    assert fit.line() == (
        "1 of 3 persons have a box in dets.json; looked for in the data set's own: 2"
    )
    assert found[0].box_words.startswith(
        f"boxes of dets.json x1.25 (1 of 3 persons, {OWN} for the rest; "
    )
    assert found[0].provenance == f"by hand; {found[0].box_words}"


def test_other_things_than_persons_are_no_boxes(given: Any) -> None:
    file = given(row(12, 10, 10, 21, 41, category_id=18), row(7, 10, 10, 21, 41))
    found = looked(crowd(), file)
    assert (found.box != crowd().box).any(1).tolist() == [False, False, True]


def test_a_box_of_the_labels_says_better_where_a_person_ends(given: Any) -> None:
    """Of joints at a head alone: the detection of the whole person is hers by the `bbox`."""
    head = crowd(joints=np.full((3, 4, 2), 20, np.float32))
    file = given(row(7, 10, 10, 21, 41), row(12, 20, 20, 2, 1))
    assert (looked(head, file).box != head.box).any(1).tolist() == [True, False, False]
    told = replace(head, boxes={"bbox": np.float32([[np.nan] * 4] * 2 + [[9.5, 9.5, 21, 41]])})
    np.testing.assert_allclose(looked(told, file).box[2], x1_25(10, 10, 21, 41))


def test_who_has_no_label_has_no_detection(given: Any) -> None:
    state = crowd().state.copy()
    state[0] = State.MISSING
    found, fit = detected(
        [crowd(state=state)], given(row(12, 10, 10, 21, 41), row(7, 10, 10, 21, 41)), "data"
    )
    assert fit.fitted == 1
    assert np.isfinite(found[0].box).all()


@pytest.mark.parametrize("name", ["0007.jpg", "in/0007.jpg", "set/in/0007.jpg", "in\\0007.jpg", 7])
def test_photographs_by_name_or_number(given: Any, name: int | str) -> None:
    found = looked(crowd(), given(row(name, 10, 10, 21, 41)))
    np.testing.assert_allclose(found.box[2], x1_25(10, 10, 21, 41))


def test_coco_counts_photographs_itself(given: Any) -> None:
    found = looked(crowd("coco"), given(row(9, 10, 10, 21, 41), row(7, 40, 10, 21, 41)))
    np.testing.assert_allclose(found.box[2], x1_25(10, 10, 21, 41))


def test_a_subset_alone_is_fitted_and_counted(given: Any) -> None:
    file = given(row(7, 10, 10, 21, 41), row(12, 10, 10, 21, 41))
    found, fit = detected([crowd()], file, "labelled", "val")
    assert fit == Fit("dets.json", 1, 1)
    assert fit.line() == "all 1 persons have a box in dets.json"
    np.testing.assert_array_equal(found[0].box[:2], crowd().box[:2])
    assert found[0].box_words.startswith("boxes of dets.json x1.25 (")
    assert " of " not in found[0].box_words.removeprefix("boxes of ")


def test_files_of_one_name_are_told_apart(given: Any) -> None:
    words = [
        looked(crowd(), given(row(7, x, 10, 21, 41), row(12, 10, 10, 21, 41))).box_words
        for x in (10, 11, 10)
    ]
    assert words[0] == words[2] != words[1]


def test_a_union_is_looked_up_part_by_part(given: Any) -> None:
    """Numbers of photographs are each part's own."""
    other = crowd("coco", box_words="bbox x1.25")
    parts, fit = detected([crowd(), other], given(row(9, 10, 10, 21, 41)), "data")
    assert fit == Fit("dets.json", 6, 1)
    both = union(parts)
    assert (both.box != union([crowd(), other]).box).any(1).tolist() == [False] * 5 + [True]
    assert both.box_words.startswith(f"{OWN} or boxes of dets.json x1.25 (1 of 3 persons, bbox")
    np.testing.assert_array_equal(both.boxes[OWN_BOX], np.concatenate([crowd().box, other.box]))


def test_a_file_that_means_two_data_sets(given: Any) -> None:
    """7 is 0007.jpg of both; beside COCO numbers are COCO's, and where it renumbered, nobody's."""
    rows = row(7, 10, 10, 21, 41)
    with pytest.raises(UserError, match="7 fits photographs of crowd and of other: give one of"):
        detected([crowd(), crowd("other")], given(rows), "data")
    coco = crowd("coco", image=np.array([3, 3, 7]))
    parts, fit = detected([crowd(), coco], given(rows), "data")
    assert fit.fitted == 1
    assert OWN_BOX in parts[1].boxes
    np.testing.assert_array_equal(parts[0].box, crowd().box)
    with pytest.raises(UserError, match="name photographs by file_name"):
        detected([replace(coco, provenance=f"x; {RENUMBERED}")], given(rows), "data")


# ---- faces ---------------------------------------------------------------------------------------


def test_faces_take_the_place_of_those_about_eyes(given: Any) -> None:
    """Both faces lie in both persons' boxes; whose they are, the eyes say. 16 x 20 px become 20 x 20."""
    file = given(row(12, 40, 4, 20, 20), row(12, 12, 4, 16, 20), name="f.json")
    found, fit = detected([heads()], file, "face")
    assert fit == Fit("f.json", 3, 2, faces=True)
    people = found[0]
    np.testing.assert_allclose(people.boxes["face"][:2], [[9.5, 3.5, 20, 20], [39.5, 3.5, 20, 20]])
    np.testing.assert_allclose(people.boxes["face"][2], [5, -3, 30, 30])  # its own, about (20, 12)
    np.testing.assert_array_equal(people.box, heads().box)
    words = people.face_words
    assert words.startswith("faces of f.json (2 of 3 persons, the data set's own for the rest; ")
    assert people.provenance == f"by hand; {words}"
    started = start_from(people, "face", 2)
    np.testing.assert_allclose(started.box[0], [-0.5, -6.5, 40, 40])
    assert started.box_words == f"{words} x2, square"


def test_a_face_lies_in_the_persons_box(given: Any) -> None:
    """Of 10 px wide, 5 and 4 within a box from 10 to 40; the set labels no faces."""
    plain = crowd(box=np.tile(np.float32([[10, 10, 30, 50]]), (3, 1)))
    file = given(row(7, 5.5, 20, 10, 10), row(12, 4.5, 20, 10, 10))
    found, fit = detected([plain], file, "face")
    assert fit.fitted == 1
    face = found[0].boxes["face"]
    np.testing.assert_allclose(face[2], [5, 19.5, 10, 10])
    assert np.isnan(face[:2]).all()
    learnt = as_learnt(found[0], "face", 4)
    np.testing.assert_array_equal(learnt.box[0], [-0.5, -0.5, 90, 80])
    assert learnt.box_words.endswith(" x4, square; whole image where there is none")


def test_boxes_of_persons_are_no_faces(given: Any) -> None:
    """Also of persons whose faces are not labelled; of those who are, IoU 30 x 3 and 2 of 30 x 30."""
    persons = given(row(12, 10, 10, 21, 41), row(12, 40, 10, 21, 41), row(7, 10, 10, 21, 41))
    for people in (crowd(), heads()):
        assert "none of its boxes fits a face" in fault(persons, people, start="face")
    slits = given(row(12, 5.5, 0, 30, 3), row(7, 5.5, 0, 30, 2))
    found, fit = detected(
        [heads(box=np.tile(np.float32([[0, -9, 90, 90]]), (3, 1)))], slits, "face"
    )
    assert fit.fitted == 1
    np.testing.assert_allclose(found[0].boxes["face"][0], [5, -14, 30, 30])


def test_faces_of_a_part_without_detections_are_its_own(given: Any) -> None:
    parts, _ = detected([crowd("coco"), heads()], given(row(9, 12, 4, 16, 20)), "face")
    face = union(parts, FACES).boxes["face"]
    assert np.isfinite(face).all(1).tolist() == [False, False, True, True, True, True]


# ---- what is refused -----------------------------------------------------------------------------


def fault(file: Any, *parts: People, start: str = "data", subset: str = "all") -> str:
    with pytest.raises(UserError) as caught:
        detected(list(parts), file, start, subset)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(file.path), file.path.name)


def test_a_file_of_other_photographs(given: Any) -> None:
    file = given(row(5, 10, 10, 21, 41))
    assert fault(file, crowd()) == (
        "dets.json names no photograph of crowd, as in/0012.jpg (image_id 12), but 5: give the file of "
        "its boxes"
    )
    assert "as in/0012.jpg (image_id 4), but 5" in fault(file, crowd("coco"))
    assert "of crowd val, as in/0007.jpg" in fault(
        given(row(12, 10, 10, 21, 41)), crowd(), subset="val"
    )
    plain = crowd(label=lambda row: "a.jpg")
    assert fault(given(), plain).endswith("of crowd, as a.jpg: give the file of its boxes")


def test_boxes_that_fit_nobody(given: Any) -> None:
    file = given(row(7, 60, 60, 9, 9))
    assert "none of its boxes fits a person of crowd: give boxes of persons" in fault(file, crowd())
    assert "none of its boxes fits a face of crowd" in fault(
        given(row(7, 70, 75, 9, 9)), crowd(), start="face"
    )


def test_names_that_fit_several(given: Any) -> None:
    labels = ("a/x.jpg", "a/x.jpg", "b/x.jpg")
    twice = crowd(label=labels.__getitem__)
    assert "'x.jpg' fits 2 photographs: name folders too" in fault(
        given(row("x.jpg", 10, 10, 21, 41)), twice
    )
    file = given(row("a/0007.jpg", 10, 10, 21, 41), row("b/0007.jpg", 10, 10, 21, 41))
    assert "'b/0007.jpg' is the second name in it that fits 0007.jpg" in fault(
        file, crowd(label=("0012.jpg", "0012.jpg", "0007.jpg").__getitem__)
    )


@pytest.mark.parametrize("start", ["image", "centre"])
def test_who_looks_elsewhere(given: Any, start: str) -> None:
    words = (
        f"box={start} looks in no box of a file: leave --boxes out, or train with --set box=data"
    )
    assert words in fault(given(row(7, 10, 10, 21, 41)), crowd(), start=start)


def test_crops_have_no_boxes(given: Any) -> None:
    assert "holds crops" in fault(given(row(7, 10, 10, 21, 41)), crowd(whole=False))


def test_a_training(given: Any) -> None:
    file = given(row(7, 10, 10, 21, 41))
    assert Detections().put(iter([crowd()]))[0].box_words == OWN
    (found,) = Detections(file.path).put([crowd()])
    np.testing.assert_allclose(found.box[2], x1_25(10, 10, 21, 41))
    with pytest.raises(UserError, match="box=labelled looks in no box of a file"):
        Detections(file.path, "labelled").put([crowd()])
