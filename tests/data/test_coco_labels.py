"""COCO keypoint files that are wrong: every message names the file and the annotation."""

import pytest

from birds import NAMES, person, values, write
from vitruvian.data.coco import read_coco
from vitruvian.types import UserError


def spoilt(key, value):
    """A file in which one thing of annotation 8 is wrong."""
    return values([person(7), {**person(8, 2), key: value}, person(9)])


def keypoints(index, value):
    flat = person(8)["keypoints"]
    return [*flat[:index], value, *flat[index + 1 :]]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("keypoints", keypoints(3, "18"), r"keypoints has '18', which is no number"),
        ("keypoints", keypoints(3, None), r"keypoints has None, which is no number"),
        ("keypoints", keypoints(3, True), r"keypoints has True, which is no number"),
        ("keypoints", keypoints(4, float("nan")), r"keypoints has nan, which is no number"),
        ("keypoints", keypoints(4, float("inf")), r"keypoints has inf, which is no number"),
        ("keypoints", keypoints(4, 10**400), r"keypoints has 1000.*, which is no number"),
        ("keypoints", keypoints(5, 0.93), r"v of l_wing is 0.93, not 0, 1 or 2.*predictions"),
        ("keypoints", keypoints(5, 3), r"v of l_wing is 3, not 0, 1 or 2"),
        ("keypoints", [1, 2, 2], r"3 numbers as keypoints, not 15 = 3 x 5 joints"),
        ("keypoints", {"tip": [1, 2]}, r"no numbers as keypoints"),
        ("keypoints", None, r"no numbers as keypoints"),
        ("bbox", [1, 2, "3", 4], r"bbox has '3', which is no number"),
        ("bbox", [1, 2, 3], r"bbox \[1, 2, 3\] is not x, y, width, height"),
        ("bbox", [1, 2, -3, 4], r"bbox .* is not x, y, width, height"),
        ("bbox", 5, r"bbox has 5, which is no number"),
        ("area", "900", r"area has '900', which is no number"),
        ("area", -1, r"area -1 is below 0"),
        ("iscrowd", "0", r"iscrowd '0' is neither 0 nor 1"),
        ("num_keypoints", "5", r"num_keypoints '5' is no whole number"),
        ("image_id", 99, r"image_id 99 is in no image"),
        ("image_id", "2", r"image_id '2' is in no image"),
        ("image_id", [2], r"image_id \[2\] is in no image"),
        ("category_id", 5, r"category_id 5 is no category: write 1"),
        ("category_id", "1", r"category_id '1' is no category"),
    ],
)
def test_bad_annotations(tmp_path, key, value, words):
    file = write(tmp_path / "a.json", spoilt(key, value))
    with pytest.raises(UserError, match=words) as caught:
        read_coco(file)
    message = str(caught.value)
    assert message.startswith(f"{file}, annotation 8: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "is a list, as predictions are"),
        ([{"id": 1, "annotations": []}], 'is Label Studio.s own JSON: .*"COCO with keypoints"'),
        ({}, "has no list 'images'"),
        (5, "has no list 'images'"),
        (values(annotations={}), "has no list 'annotations'"),
        (values(annotations=[5]), "annotation number 1 is no object"),
        (values([person(7), person(7)]), "annotation 7: the id stands twice"),
        (values([person(7, id="7")]), "annotation 7: its id is no whole number"),
        (values([person(7, id=2**63)]), "its id is no whole number"),
        (values(images=(1, 2, 1)), "image id 1 stands twice"),
        (values(images=("1", 2)), "image number 1 has no whole number as its id"),
        (values(categories=[]), "no category with keypoints: name the joints"),
        (values(categories=[{"id": 1, "name": "bird"}]), "no category with keypoints"),
        (values(categories=[{"name": "bird"}]), "a category has no whole number as its id"),
        (values(categories=[{"id": 1, "keypoints": [1, 2]}]), "is not a list of names"),
        (values(categories=[{"id": 1, "keypoints": ["a", "a"]}]), "has 'a' twice"),
        (
            values(categories=[{"id": 1, "keypoints": NAMES, "skeleton": [[0, 1]]}]),
            r"skeleton has \[0, 1\], not two joints from 1 to 5",
        ),
        (values(images=[]), "annotation 7: image_id 1 is in no image"),
    ],
)
def test_bad_files(tmp_path, content, words):
    file = write(tmp_path / "a.json", content)
    with pytest.raises(UserError, match=words) as caught:
        read_coco(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"images": [', "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
    ],
)
def test_no_json(tmp_path, content, words):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_coco(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("split", "near"), [("trian", "train"), ("tets", "test"), ("", ""), ("all", "val"), (5, "")]
)
def test_bad_split(tmp_path, split, near):
    content = values()
    content["images"][1]["split"] = split
    said = rf"image 2 \(2\.png\): split {split!r} is no name .* nearest: '{near}.*, val or test$"
    with pytest.raises(UserError, match=said):
        read_coco(write(tmp_path / "a.json", content))


def test_annotations_without_ids(tmp_path):
    persons = [{key: value for key, value in person(7).items() if key != "id"}, person(8)]
    people = read_coco(write(tmp_path / "a.json", values(persons)))
    assert people.key.tolist() == [0, 1]
    persons[0]["keypoints"] = [1]
    with pytest.raises(UserError, match="annotation number 1: 1 numbers as keypoints"):
        read_coco(write(tmp_path / "a.json", values(persons)))
