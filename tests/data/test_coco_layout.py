"""What lies around a COCO keypoint file: photographs, subsets, several files in a folder."""

import numpy as np
import pytest
import yaml
from PIL import Image

from birds import paint, person, values, write
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_layout import cut_by_number
from vitruvian.types import UserError

# photographs


@pytest.mark.parametrize(
    "place",
    [
        "annotations/images",
        "images",
        "images/val2017",
        "val2017",
        "annotations/val2017",
        "annotations",
    ],
)
def test_places_of_photographs(tmp_path, place):
    file = tmp_path / "annotations" / "person_keypoints_val2017.json"
    people = read_coco(write(file, values()))
    assert people.size(1) == (90, 60)  # without any photograph
    with pytest.raises(
        UserError, match=r"2\.png is in none of .*put the 2 photographs of person_key"
    ):
        people.photo(1, 1)
    paint(tmp_path / place / "2.png", 55)
    assert people.photo(1, 1)[0].shape == (90, 60, 3)
    assert people.encoded(1)[1:4] == b"PNG"


def test_missing_photographs_say_where_from(tmp_path):
    content = values()
    content["images"][0]["coco_url"] = "http://images.cocodataset.org/val2017/1.png"
    people = read_coco(write(tmp_path / "a.json", content))
    with pytest.raises(
        UserError, match=r"from http://images\.cocodataset\.org/val2017, into .*images$"
    ) as caught:
        people.photo(0, 1)
    assert isinstance(caught.value.__context__, FileNotFoundError)


def test_a_place_is_named_once(tmp_path):
    people = read_coco(write(tmp_path / "own" / "own.json", values()))
    with pytest.raises(UserError) as caught:
        people.photo(0, 1)
    places = str(caught.value).partition(" none of ")[2].partition(": put")[0].split(", ")
    assert str(tmp_path / "own") in places
    assert len(places) == len(set(places))


def test_no_name_leaves_the_folder(tmp_path):
    paint(tmp_path / "secret.png", 1)
    for name in ("../secret.png", f"{tmp_path}/secret.png", "a/../../secret.png", "..\\secret.png"):
        content = values([person(7)])
        content["images"][0]["file_name"] = name
        people = read_coco(write(tmp_path / "sub" / "a.json", content))
        assert people.label(0) == "secret.png"
        with pytest.raises(UserError, match=r"secret\.png is in none of"):
            people.photo(0, 1)
    content = values()
    for image in content["images"]:
        image["file_name"] = f"../{image['id']}/x.png"
    with pytest.raises(UserError, match=r"images 1 and 2 would both be 'x\.png'"):
        read_coco(write(tmp_path / "a.json", content))
    for name in (None, "", "..", "/", 5, "a\0"):
        content["images"][0]["file_name"] = name
        with pytest.raises(UserError, match="image 1 has the file_name"):
            read_coco(write(tmp_path / "a.json", content))


def test_photographs_of_another_size_or_turned(tmp_path):
    people = read_coco(write(tmp_path / "a.json", values()))
    paint(tmp_path / "1.png", 9, width=61)
    with pytest.raises(UserError, match=r"is 61 x 90 px, but its labels are for 60 x 90"):
        people.photo(0, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    paint(tmp_path / "1.png", 9, exif=exif)  # stored 60 x 90, shown 90 x 60
    assert people.photo(0, 1)[0].shape == (90, 60, 3)  # labelled as stored
    paint(tmp_path / "2.png", 9, width=90, height=60, exif=exif)
    assert people.photo(1, 1)[0].shape == (90, 60, 3)  # labelled as shown


# subsets


def rows(people):
    return {name: people.key[rows].tolist() for name, rows in people.subsets.items()}


def test_subsets_by_split(tmp_path):
    content = values([person(7, 2), person(8, 1), person(9, 2)])
    content["images"][0]["split"] = "train"
    content["images"][1]["split"] = "tune"
    people = read_coco(write(tmp_path / "val.json", content))
    assert rows(people) == {"tune": [7, 9], "train": [8]}


@pytest.mark.parametrize(
    ("word", "subset"),
    [
        ("training", "train"),
        ("Validation", "val"),
        ("valid", "val"),
        ("dev", "val"),
        ("testing", "test"),
        ("train2017", "train"),
        ("train_full", "train_full"),
    ],
)
def test_a_split_in_other_words(tmp_path, word, subset):
    content = values([person(7, 1), person(8, 2)], (1, 2))
    content["images"][0]["split"], content["images"][1]["split"] = word, "tune"
    assert rows(read_coco(write(tmp_path / "a.json", content))) == {subset: [7], "tune": [8]}


def test_photographs_without_a_split(tmp_path):
    """Persons on them would drop out in silence; the third photograph has none."""
    content = values([person(7, 1), person(8, 2), person(9, 2)])
    content["images"][0]["split"] = "train"
    said = r"a\.json: 1 of 2 photographs have no split .* e\.g\. 2\.png: write train, tune, val or test$"
    with pytest.raises(UserError, match=said):
        read_coco(write(tmp_path / "a.json", content))
    content["images"][1]["split"] = "val"
    assert rows(read_coco(write(tmp_path / "a.json", content))) == {"train": [7], "val": [8, 9]}


@pytest.mark.parametrize(
    ("name", "subset"),
    [
        ("val", "val"),
        ("valid", "val"),
        ("training", "train"),
        ("test", "test"),
        ("person_keypoints_train2017", "train"),
    ],
)
def test_subset_by_the_files_name(tmp_path, name, subset):
    people = read_coco(write(tmp_path / f"{name}.json", values()))
    assert rows(people) == {subset: [7, 8, 9]}


def test_a_file_for_each_subset(tmp_path):
    write(tmp_path / "annotations" / "train.json", values([person(7, 2), person(8, 4)], (2, 4)))
    write(tmp_path / "annotations" / "val.json", values([person(1, 5)], (5,)))
    people = read_coco(tmp_path)
    assert rows(people) == {"train": [7, 8], "val": [1]}
    assert people.image.tolist() == [2, 4, 5]
    # the same ids in both: another photograph, another person
    write(tmp_path / "annotations" / "val.json", values([person(7, 2), person(9, 2)], (2,)))
    people = read_coco(tmp_path)
    assert people.image.tolist() == [1, 2, 3, 3]
    assert rows(people) == {"train": [0, 1], "val": [2, 3]}
    assert "photographs are numbered from 1" in people.provenance
    paint(tmp_path / "images" / "train" / "2.png", 10)
    paint(tmp_path / "images" / "val" / "2.png", 20)
    assert [people.photo(row, 1)[0].max() for row in (0, 2)] == [10, 20]
    fish = [{"id": 1, "name": "fish", "keypoints": ["a", "b", "c", "d", "e"]}]
    write(tmp_path / "annotations" / "val.json", values(categories=fish))
    with pytest.raises(UserError, match=r"val\.json has another skeleton .* than train\.json"):
        read_coco(tmp_path)


def test_a_folder_for_each_subset(tmp_path):
    """As Roboflow exports: ids from 0 in each, a category that only stands above the joints' own."""
    categories = [{"id": 0, "name": "birds", "supercategory": "none"}, *values()["categories"]]
    for number, name in enumerate(("train", "valid")):
        content = values([person(0, 0), person(1, 0)], (0,), categories=categories)
        write(tmp_path / name / "_annotations.coco.json", content)
        paint(tmp_path / name / "0.png", 10 + number)
    people = read_coco(tmp_path)
    assert rows(people) == {"train": [0, 1], "val": [2, 3]}
    assert [people.photo(row, 1)[0].max() for row in (0, 2)] == [10, 11]
    assert [people.label(row) for row in (0, 2)] == ["train/0.png", "valid/0.png"]
    one = read_coco(tmp_path / "valid" / "_annotations.coco.json")
    assert rows(one) == {"val": [0, 1]}
    assert one.photo(0, 1)[0].max() == 11
    own = {"name": "own", "joints": list(people.skeleton.joint_names)}
    (tmp_path / "skeleton.yaml").write_text(yaml.safe_dump(own))
    assert read_coco(tmp_path).skeleton.name == "own"
    write(tmp_path / "val" / "_annotations.coco.json", values())
    with pytest.raises(UserError, match=r"two folders of one subset: .*, val/_ann.*; keep one"):
        read_coco(tmp_path)


def test_files_in_a_folder(tmp_path):
    with pytest.raises(UserError, match="has no JSON file"):
        read_coco(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_coco(tmp_path / "absent")
    write(tmp_path / "birds.json", values())
    assert len(read_coco(tmp_path)) == 3
    write(tmp_path / "train.json", values())
    with pytest.raises(UserError, match=r"2 JSON files: birds\.json, train\.json; give one"):
        read_coco(tmp_path)
    write(tmp_path / "person_keypoints_val2017.json", values())  # beside COCO's other files
    assert rows(read_coco(tmp_path)) == {"val": [7, 8, 9]}


def test_cut_by_number():
    images = np.repeat(np.arange(1000), 3)
    cut = cut_by_number(images)
    assert list(cut) == ["train", "tune", "val"]
    np.testing.assert_array_equal(np.sort(np.concatenate(list(cut.values()))), np.arange(3000))
    numbers = {name: set(images[rows].tolist()) for name, rows in cut.items()}
    for name, expected in (("train", 800), ("tune", 100), ("val", 100)):
        assert len(cut[name]) == 3 * len(numbers[name])  # persons of a photograph stay together
        assert len(numbers[name]) == pytest.approx(expected, abs=40)  # 3 standard deviations
    more = cut_by_number(np.arange(2000))
    for name in cut:
        assert numbers[name] <= set(more[name].tolist())  # others do not move them
    for count in range(3, 12):
        assert all(len(rows) for rows in cut_by_number(np.arange(count)).values())
