"""COCO keypoint files: the real one by hand, what the numbers mean, what annotation tools write."""

import json

import numpy as np
import pytest

from birds import NAMES, paint, person, values, write
from vitruvian.data.coco import read_coco
from vitruvian.skeleton import COCO
from vitruvian.types import State, UserError

# the real file


@pytest.fixture(scope="module")
def real(shared):
    return read_coco(shared / "data" / "coco" / "test_coco.json")


def test_rows_by_hand(real):
    assert real.joints.shape == (12, 17, 2)
    assert real.skeleton is COCO
    # annotation 442619, photograph 785: everything visible
    assert real.key[0] == 442619
    assert real.image[0] == 785
    assert (real.state[0] == State.VISIBLE).all()
    assert real.joints[0, 0].tolist() == [367, 81]  # nose
    assert real.joints[0, 16].tolist() == [396, 341]  # right ankle
    np.testing.assert_allclose(real.boxes["bbox"][0], [280.29, 44.23, 218.70, 346.68], atol=1e-4)
    # a quarter longer and wider: 218.70 + 54.675, 346.68 + 86.67, half of it on either side
    np.testing.assert_allclose(real.box[0], [252.9525, 0.895, 273.375, 433.35], atol=1e-4)
    assert real.box_words == "bbox x1.25"
    assert real.lengths["object_scale"][0] ** 2 == pytest.approx(27789.11055)
    # 198196: three joints not labelled, left hip, right hip and right ankle hidden
    assert real.key[1] == 198196
    assert np.flatnonzero(real.state[1] == State.MISSING).tolist() == [3, 7, 10]
    assert np.flatnonzero(real.state[1] == State.OCCLUDED).tolist() == [11, 12, 16]
    assert real.joints[1, 3].tolist() == [0, 0]
    assert real.joints[1, 16].tolist() == [158, 296]
    # 543117, the last
    assert (real.key[11], real.image[11], real.label(11)) == (543117, 197388, "000000197388.jpg")
    assert real.joints[11, 5].tolist() == [45, 77]  # left shoulder
    assert np.flatnonzero(real.state[11] == State.MISSING).tolist() == [3, 8, 10, 16]


def test_it_is_the_file(real, shared):
    raw = json.loads((shared / "data" / "coco" / "test_coco.json").read_text())
    kept = [person for person in raw["annotations"] if person["num_keypoints"]]
    assert (len(raw["annotations"]), len(kept)) == (14, 12)
    flat = np.array([person["keypoints"] for person in kept]).reshape(12, 17, 3)
    np.testing.assert_array_equal(real.joints, flat[:, :, :2])
    np.testing.assert_array_equal(real.state, flat[:, :, 2] + 1)
    assert (real.state >= State.OCCLUDED).sum() == 181
    assert np.bincount(np.unique(real.images, return_inverse=True)[1]).tolist() == [1, 2, 4, 5]
    assert "12 persons; left is the person's; test_coco.json" in real.provenance
    assert "2 without a labelled joint" in real.provenance
    assert (real.scored, real.convention) == ("all", "PC")


def test_its_photographs(real):
    for row, size in ((0, (425, 640)), (1, (333, 500)), (11, (392, 640))):
        assert real.size(row) == size
        photo, factor = real.photo(row, 1)
        assert photo.shape == (*size, 3)
        assert factor == 1
    assert real.encoded(0)[:3] == b"\xff\xd8\xff"


# what the numbers mean


def test_v_decides_and_not_the_coordinates(tmp_path):
    flat = [0, 0, 0, 5, 6, 0, 0, 0, 2, -3, 4.25, 1, 70, 100, 2]
    people = read_coco(write(tmp_path / "a.json", values([person(7, flat=flat)])))
    missing, occluded, visible = State.MISSING, State.OCCLUDED, State.VISIBLE
    assert people.state[0].tolist() == [missing, missing, visible, occluded, visible]
    assert people.joints[0].tolist() == [[0, 0], [0, 0], [0, 0], [-3, 4.25], [70, 100]]
    assert people.joints.dtype == np.float32


def test_box_and_scale(tmp_path):
    persons = [
        person(7, bbox=[10, 20, 30, 40], area=400),
        person(8, bbox=[0, 0, 0, 0], area=0),
        {key: value for key, value in person(9).items() if key not in ("bbox", "area")},
    ]
    people = read_coco(write(tmp_path / "a.json", values(persons)))
    assert people.boxes["bbox"][0].tolist() == [9.5, 19.5, 30, 40]  # the corner of pixel (10, 20)
    assert np.isnan(people.boxes["bbox"][1:]).all()
    assert people.box[0].tolist() == [9.5 - 3.75, 19.5 - 5, 37.5, 50]
    assert people.box_words == "bbox x1.25 or labelled joints x1.25, square"
    # 8 spans (8, 8) to (48, 88): centre (28, 48), side 1.25 x 80
    assert people.box[1].tolist() == [-22, -2, 100, 100]
    np.testing.assert_array_equal(people.box[1:], people.boxes["labelled"][1:])
    np.testing.assert_array_equal(people.lengths["object_scale"], [20, np.nan, np.nan])


def test_what_is_left_out_is_counted(tmp_path):
    persons = [
        person(1, iscrowd=1),
        person(2, num_keypoints=0),
        person(3, flat=[0] * 15),
        person(4, flat=[], num_keypoints=0),
        {"id": 5, "image_id": 1, "category_id": 4, "bbox": [1, 2, 3, 4]},
        person(6),
    ]
    categories = [*values()["categories"], {"id": 4, "name": "nest"}]
    people = read_coco(write(tmp_path / "a.json", values(persons, categories=categories)))
    assert people.key.tolist() == [6]
    for count in ("1 crowds", "3 without a labelled joint", "1 of other categories"):
        assert count in people.provenance
    with pytest.raises(UserError, match=r"no person with keypoints .*1 crowds"):
        read_coco(write(tmp_path / "b.json", values(persons[:3])))


# annotation tools


def test_cvat(tmp_path):
    """Another label without keypoints, a track without a box, outside points, sizes of 0, sub-folders."""
    flat = [20.5, 10.25, 2, 0, 0, 0, 33, 44, 0, 30.0, 40.0, 1, 50.0, 60.0, 2]
    content = {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "year": ""},
        "categories": [
            {"id": 1, "name": "person", "supercategory": "", "keypoints": [], "skeleton": []},
            {"id": 2, "name": "bird", "keypoints": NAMES, "skeleton": [[2, 1], [1, 3]]},
        ],
        "images": [
            {"id": 1, "width": 60, "height": 90, "file_name": "trip/a.png", "license": 0},
            {"id": 2, "width": 0, "height": 0, "file_name": "trip/b.png", "date_captured": 0},
        ],
        "annotations": [
            {**person(1, 1, flat, num_keypoints=3), "category_id": 2},
            {
                **person(2, 2, num_keypoints=0, bbox=[0, 0, 0, 0], area=0),
                **{"keypoints": [], "category_id": 2, "segmentation": []},
                "attributes": {"occluded": False, "track_id": 0, "keyframe": True},
            },
            {**person(3, 2), "category_id": 2, "attributes": {"occluded": True}},
        ],
    }
    write(tmp_path / "annotations" / "person_keypoints_default.json", content)
    paint(tmp_path / "images" / "default" / "trip" / "a.png", 90)
    paint(tmp_path / "images" / "default" / "trip" / "b.png", 120, width=50)
    people = read_coco(tmp_path)
    assert people.key.tolist() == [1, 3]
    assert people.state[0].tolist() == [3, 1, 1, 2, 3]
    assert people.joints[0, 2].tolist() == [0, 0]
    assert people.skeleton.limbs[0] == ("l_wing", "tip")
    assert [people.label(row) for row in (0, 1)] == ["trip/a.png", "trip/b.png"]
    assert people.size(1) == (90, 50)
    assert people.photo(1, 1)[0][3, 4].tolist() == [120, 120, 120]


@pytest.mark.parametrize(
    "prefix",
    [
        "images/",
        "images\\",
        "..\\..\\label-studio\\media\\upload\\4\\",
        "../../media/upload/4/",
        "/data/upload/4/",
        "/data/local-files/?d=",
        "C:\\media\\",
    ],
)
def test_label_studio(tmp_path, prefix):
    """Ids from 0, boxes among the persons, no area, names of its own server."""
    box = {"id": 0, "image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4], "ignore": 0, "area": 12}
    bird = {"id": 1, "image_id": 0, "category_id": 1, "keypoints": person(7)["keypoints"]}
    content = {
        "images": [{"width": 60, "height": 90, "id": 0, "file_name": f"{prefix}c1-x.png"}],
        "categories": [
            {"id": 0, "name": "person"},
            {"id": 1, "name": "default", "keypoints": NAMES, "skeleton": []},
        ],
        "annotations": [box, {**bird, "num_keypoints": 5, "bbox": [7, 7, 40, 80], "iscrowd": 0}],
    }
    paint(tmp_path / "images" / "c1-x.png", 200)
    people = read_coco(write(tmp_path / "result.json", content))
    assert (people.key.tolist(), people.image.tolist()) == ([1], [0])
    assert people.photo(0, 1)[0].max() == 200
    assert np.isnan(people.lengths["object_scale"]).all()
    shortened = "1 file names read as their last part" in people.provenance
    assert shortened == (not prefix.startswith("images"))
