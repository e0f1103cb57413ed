"""Any `People` as a COCO keypoint file: what stands in it, and that it is read back as it was."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vitruvian import geometry
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_files import to_coco, write_coco
from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.people import People
from vitruvian.skeleton import MPII, Skeleton
from vitruvian.types import State, UserError

WING = Skeleton(
    "wing",
    ("root", "mid", "tip_l", "tip_r", "feather"),
    flip_pairs=(("tip_l", "tip_r"),),
    limbs=(("root", "mid"), ("mid", "tip_l")),
    references={"arm": ("root", "mid")},
    reference="arm",
)


def no_photo(*_):
    raise UserError("there are no photographs")


def people(joints=None, state=None, **more):
    """Four persons of `WING` on three photographs, that are known without their files."""
    rng = np.random.default_rng(3)
    joints = (rng.random((4, 5, 2)) * [300, 200]).astype(np.float32) if joints is None else joints
    state = rng.integers(1, 4, joints.shape[:2]) if state is None else state
    state[:, 0] = State.VISIBLE
    joints = np.where((state >= State.OCCLUDED)[..., None], joints, 0).astype(np.float32)
    image = np.array([40, 30, 40, 50])[: len(joints)]
    return People(
        **{
            **dict(name="wings", skeleton=WING, joints=joints, state=state.astype(np.uint8)),
            "box": geometry.box_of_joints(joints, state >= State.OCCLUDED),
            **dict(key=np.array([5, 900, 7, 2**40])[: len(joints)], image=image),
            **dict(photo=no_photo, label=lambda row: f"bird {image[row]}.jpg", size=no_photo),
            "subsets": {"train": np.array([0, 2]), "tune": np.array([], int), "val": np.array([1])},
            "provenance": "wings, 4 rows; drawn",
            **more,
        }
    )


def back(given, tmp_path):
    write_coco(given, tmp_path / "out.json")
    return read_coco(tmp_path / "out.json")


def assert_same(again, given):
    np.testing.assert_array_equal(again.joints, given.joints)
    assert again.joints.dtype == np.float32
    np.testing.assert_array_equal(again.state, given.state)
    np.testing.assert_array_equal(again.key, given.key)
    np.testing.assert_array_equal(again.images, given.images)
    np.testing.assert_allclose(again.box, given.box, atol=1e-4)
    assert again.skeleton == given.skeleton
    assert list(again.subsets) == list(given.subsets)
    for name, rows in given.subsets.items():
        np.testing.assert_array_equal(again.subsets[name], rows)
    for name in ("name", "convention", "scored"):
        assert getattr(again, name) == getattr(given, name)
    assert given.provenance in again.provenance
    assert [again.label(row) for row in range(len(again))] == [
        given.label(row) for row in range(len(given))
    ]


# what stands in it


def test_by_hand():
    state = np.array([[3, 2, 1, 0, 3]])
    joints = np.array([[[10.25, 20], [0.1, -7], [9, 9], [9, 9], [50.25, 40]]], np.float32)
    box = np.array([[9.5, 19.5, 40, 30]], np.float32)
    given = people(
        joints, state, box=box, subsets={"val": np.array([0])}, size=lambda row: (90, 60)
    )
    written = to_coco(given)
    (annotation,) = written["annotations"]
    (category,) = written["categories"]
    assert annotation["keypoints"] == [10.25, 20, 2, 0.1, -7, 1, 0, 0, 0, 0, 0, 0, 50.25, 40, 2]
    assert annotation["num_keypoints"] == 3
    assert annotation["bbox"] == [10, 20, 40, 30]
    assert annotation["area"] == 1200
    assert (annotation["id"], annotation["image_id"], annotation["iscrowd"]) == (5, 40, 0)
    assert annotation["vitruvian"] == {"undefined": ["tip_r"]}
    assert category["keypoints"] == ["root", "mid", "tip_l", "tip_r", "feather"]
    assert category["skeleton"] == [[1, 2], [2, 3]]
    assert category["vitruvian"]["flip_pairs"] == [["tip_l", "tip_r"]]
    assert written["images"] == [
        {"id": 40, "file_name": "bird 40.jpg", "width": 60, "height": 90, "split": "val"}
    ]
    scale = {"object_scale": np.array([12.0])}
    assert to_coco(replace(given, lengths=scale))["annotations"][0]["area"] == 144


def test_the_real_file_is_written_as_it_was(shared):
    raw = json.loads((shared / "data" / "coco" / "test_coco.json").read_text())
    written = to_coco(read_coco(shared / "data" / "coco"))
    kept = [person for person in raw["annotations"] if person["num_keypoints"]]
    assert len(written["annotations"]) == len(kept) == 12
    for ours, theirs in zip(written["annotations"], kept, strict=True):
        for key in ("id", "image_id", "category_id", "keypoints", "num_keypoints", "iscrowd"):
            assert ours[key] == theirs[key]
        assert ours["area"] == pytest.approx(theirs["area"], rel=1e-9)
        assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=1e-4)
    assert written["categories"][0]["keypoints"] == raw["categories"][0]["keypoints"]
    for ours, theirs in zip(written["images"], raw["images"], strict=True):
        for key in ("id", "file_name", "width", "height"):
            assert ours[key] == theirs[key]


def test_evaluators_can_read_it(shared):
    """An annotation whose id is 0 counts as not matched."""
    given = read_lspet(shared / "data" / "lspet").rows(np.arange(20))
    assert given.key[0] == 0
    written = to_coco(given)
    assert [person["id"] for person in written["annotations"]] == list(range(1, 21))


# back


def test_back(tmp_path):
    given = people()
    assert_same(back(given, tmp_path), given)
    assert back(given, tmp_path).subset("train").key.tolist() == [5, 7]


def test_back_with_everything(tmp_path):
    given = people(
        **dict(convention="OC", scored="val", weight=np.array([1.0, 2.5, 0.25, 1.0])),
        lengths={"head_box": np.array([3.5, np.nan, 0.1, 9]), "object_scale": np.arange(1.0, 5)},
        boxes={"face": np.array([[1, 2, 3, 4], [np.nan] * 4, [0.1, 0, 5, 5], [9, 9, 9, 9]])},
    )
    given.state[[0, 3], 4] = State.UNDEFINED
    given.joints[[0, 3], 4] = 0
    again = back(given, tmp_path)
    assert_same(again, given)
    for name, length in given.lengths.items():
        np.testing.assert_allclose(again.lengths[name], length, rtol=1e-9)
    np.testing.assert_array_equal(again.boxes["face"], given.boxes["face"].astype(np.float32))
    np.testing.assert_array_equal(again.weight, given.weight)


def test_subsets_that_cut_photographs_or_overlap(tmp_path):
    subsets = {"train": np.array([0, 1]), "trainval": np.array([0, 1, 2]), "val": np.array([2])}
    given = people(subsets=subsets)
    written = to_coco(given)
    assert "split" not in written["images"][0]
    assert written["annotations"][0]["vitruvian"]["subsets"] == ["train", "trainval"]
    assert_same(back(given, tmp_path), given)


def test_subsets_of_any_name_and_rows_in_none(tmp_path):
    """Photographs 40 and 30; the third, 50, is in none and has no split."""
    subsets = {"dev": np.array([0, 2]), "train_full": np.array([1]), "my films": np.array([], int)}
    given = people(subsets=subsets)
    splits = [image.get("split") for image in to_coco(given)["images"]]
    assert splits == ["dev", "train_full", None]
    assert_same(back(given, tmp_path), given)


def test_lsp_and_lspet(tmp_path, shared):
    given = read_lsp(shared / "data" / "lsp")
    assert_same(back(given, tmp_path), given)
    given = read_lspet(shared / "data" / "lspet").rows(np.arange(50, 90))
    given = replace(given, subsets={"train": np.arange(30), "val": np.arange(30, 40)})
    again = back(given, tmp_path)
    assert_same(again, given)
    assert again.skeleton is given.skeleton
    with pytest.raises(UserError, match=r"im00051\.jpg is in none of"):
        again.photo(0, 1)


def test_undefined_joints_of_a_larger_skeleton(tmp_path):
    joints = np.arange(64, dtype=np.float32).reshape(2, 16, 2)
    state = np.full((2, 16), State.VISIBLE)
    state[:, 6:8] = State.UNDEFINED
    given = people(joints, state, skeleton=MPII, subsets={"val": np.array([0, 1])})
    again = back(given, tmp_path)
    assert_same(again, given)
    assert again.skeleton is MPII
    assert (again.state[:, 6:8] == State.UNDEFINED).all()


def test_what_does_not_come_back(tmp_path):
    given = people(subsets={})
    given.state[1] = State.MISSING
    given.joints[1] = 0
    given.box[1] = np.nan
    written = to_coco(given)["annotations"][1]
    assert (written["bbox"], written["area"], written["num_keypoints"]) == ([0, 0, 0, 0], 0, 0)
    again = back(given, tmp_path)
    assert again.key.tolist() == [5, 7, 2**40]
    assert "1 without a labelled joint" in again.provenance
    assert list(again.subsets) == ["train", "tune", "val"]


@settings(max_examples=25, deadline=None)
@given(
    joints=arrays(
        np.float32,
        (3, 5, 2),
        elements=st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False),
    ),
    state=arrays(np.int64, (3, 5), elements=st.integers(0, 3)),
    keys=st.lists(st.integers(-(2**50), 2**50), min_size=3, max_size=3, unique=True),
    images=st.lists(st.integers(-5, 5), min_size=3, max_size=3),
)
def test_back_whatever_it_is(tmp_path_factory, joints, state, keys, images):
    given = people(joints, state, key=np.array(keys), image=np.array(images))
    given = replace(
        given,
        subsets={"train": np.array([0, 2]), "val": np.array([1])},
        label=lambda row: f"{images[row]}.jpg",
    )
    again = back(given, tmp_path_factory.mktemp("coco"))
    for name in ("joints", "state", "key", "images"):
        np.testing.assert_array_equal(getattr(again, name), getattr(given, name))
    assert {name: rows.tolist() for name, rows in again.subsets.items()} == {
        "train": [0, 2],
        "val": [1],
    }


def test_the_margin_is_not_added_twice(tmp_path):
    """A box of this package is where to look; `bbox` of another's file ends where the person does."""
    given = people()
    written = to_coco(given)
    np.testing.assert_allclose(written["annotations"][0]["bbox"][2:], given.box[0, 2:], rtol=1e-9)
    again = back(given, tmp_path)
    np.testing.assert_allclose(again.box, given.box, atol=1e-4)
    assert "bbox" not in again.boxes
    del written["vitruvian"]  # somebody else's, then
    for annotation in written["annotations"]:
        annotation.pop("vitruvian", None)
    for image in written["images"]:
        image.setdefault("split", "val")
    del written["annotations"][2]["bbox"]
    (tmp_path / "other.json").write_text(json.dumps(written))
    other = read_coco(tmp_path / "other.json")
    np.testing.assert_allclose(other.box[:2, 2:], 1.25 * given.box[:2, 2:], rtol=1e-6)
    np.testing.assert_allclose(other.boxes["bbox"][:2], given.box[:2], atol=1e-4)
    # and there and back it stays
    for _ in range(2):
        written = to_coco(other)
        np.testing.assert_allclose(written["annotations"][0]["bbox"][2:], given.box[0, 2:])
        assert [a.get("vitruvian", {}).get("margin") for a in written["annotations"]] == [
            1.25,
            1.25,
            None,
            1.25,
        ]
        same = back(other, tmp_path)
        np.testing.assert_array_equal(same.box, other.box)
        np.testing.assert_array_equal(same.boxes["bbox"], other.boxes["bbox"])
        assert same.box_words == other.box_words == "bbox x1.25 or labelled joints x1.25, square"
        other = same


def test_what_boxes_are_comes_back(tmp_path):
    assert back(people(), tmp_path).box_words == "labelled joints x1.25, square"
    other = people(box_words="objpos", box=np.ones((4, 4), np.float32))
    assert back(other, tmp_path).box_words == "objpos"
    for wings, words in (
        (people(), "labelled joints x1.25, square"),
        (other, "the data set's own"),
    ):
        written = to_coco(wings)
        del written["vitruvian"]["box"]  # files of before
        (tmp_path / "older.json").write_text(json.dumps(written))
        older = read_coco(tmp_path / "older.json")
        assert older.box_words == words
        np.testing.assert_allclose(older.box, wings.box, atol=1e-4)


# no


def test_a_pack_is_no_source():
    with pytest.raises(UserError, match="'wings' is a pack of crops"):
        to_coco(people(whole=False))


def test_one_number_for_two_photographs():
    with pytest.raises(UserError, match=r"has number 40 for a0\.jpg and a2\.jpg"):
        to_coco(people(label=lambda row: f"a{row}.jpg"))


def test_keys_that_repeat_are_replaced():
    written = to_coco(people(key=np.array([4, 4, 5, 6])))
    assert [person["id"] for person in written["annotations"]] == [1, 2, 3, 4]


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"out\.json cannot be written"):
        write_coco(people(), tmp_path / "absent" / "out.json")
    write_coco(people(), tmp_path / "out.json")
    assert [file.name for file in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("file", 5, "the key 'vitruvian' is not as it was written"),
        ("file", {"format": 2}, "format 2, this version reads 1"),
        ("file", {"convention": "left"}, "is not as it was written"),
        ("file", {"name": 5}, "is not as it was written"),
        ("file", {"subsets": 5}, "is not as it was written"),
        ("category", {"name": "wing"}, "a skeleton needs at least `name` and `joints`"),
        ("category", {"name": "wing", "joints": ["root"]}, "has a keypoint 'mid'"),
        ("annotation", 5, r"annotation 5: key 'vitruvian' is not as it was written"),
        ("annotation", {"undefined": ["nose"]}, r"annotation 5: .*KeyError"),
        ("annotation", {"lengths": {"head_box": "9"}}, r"annotation 5: .*TypeError"),
        ("annotation", {"boxes": {"face": [1, 2]}}, r"annotation 5: .*ValueError"),
        ("annotation", {"weight": None}, r"annotation 5: .*TypeError"),
        ("annotation", {"margin": 0}, r"annotation 5: .*margin 0 is not above 0"),
        ("file", {"box": 5}, "is not as it was written"),
    ],
)
def test_facts_that_were_changed(tmp_path, place, value, words):
    written = to_coco(people())
    holder = {
        "file": written,
        "category": written["categories"][0],
        "annotation": written["annotations"][0],
    }[place]
    holder["vitruvian"] = value
    file = tmp_path / "out.json"
    file.write_text(json.dumps(written))
    with pytest.raises(UserError, match=words) as caught:
        read_coco(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
