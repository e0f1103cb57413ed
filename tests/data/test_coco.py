"""COCO keypoint files: the real one by hand, own skeletons, what annotation tools write, bad input."""

import json

import numpy as np
import pytest
from PIL import Image

from vitruvian.data.coco import read_coco
from vitruvian.data.coco_layout import cut_by_number
from vitruvian.data.coco_skeleton import flip_pairs
from vitruvian.skeleton import COCO, LSP
from vitruvian.types import State, UserError

NAMES = ["tip", "l_wing", "r_wing", "tail_L", "tail_R"]  # of a bird


def person(number, image=1, flat=None, **more):
    """An annotation of a bird: joint j at (10 j + number, 20 j + number), all visible."""
    if flat is None:
        flat = [n for j in range(5) for n in (10 * j + number, 20 * j + number, 2)]
    box = [number, number + 0.5, 40, 80]
    return {
        **{"id": number, "image_id": image, "category_id": 1, "keypoints": flat, "bbox": box},
        **{"area": 900.0, "iscrowd": 0, "num_keypoints": 5},
        **more,
    }


def values(persons=None, images=(1, 2, 3), **more):
    return {
        "images": [
            {"id": number, "file_name": f"{number}.png", "width": 60, "height": 90}
            for number in images
        ],
        "annotations": [person(7), person(8, 2), person(9, 2)] if persons is None else persons,
        "categories": [{"id": 1, "name": "bird", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]}],
        **more,
    }


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def paint(path, value, width=60, height=90, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(path, **more)


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


# skeletons


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
    content = values([person(7, 2), person(8, 1), person(9, 2), person(10, 3)])
    content["images"][0]["split"] = "train"
    content["images"][1]["split"] = "held_out"
    people = read_coco(write(tmp_path / "val.json", content))
    assert rows(people) == {"held_out": [7, 9], "train": [8]}


@pytest.mark.parametrize(
    ("name", "subset"),
    [("val", "val"), ("valid", "val"), ("test", "test"), ("person_keypoints_train2017", "train")],
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


# bad input


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


def test_bad_split(tmp_path):
    content = values()
    content["images"][1]["split"] = "all"
    with pytest.raises(UserError, match="image 2: split 'all' is no name of a subset"):
        read_coco(write(tmp_path / "a.json", content))


def test_annotations_without_ids(tmp_path):
    persons = [{key: value for key, value in person(7).items() if key != "id"}, person(8)]
    people = read_coco(write(tmp_path / "a.json", values(persons)))
    assert people.key.tolist() == [0, 1]
    persons[0]["keypoints"] = [1]
    with pytest.raises(UserError, match="annotation number 1: 1 numbers as keypoints"):
        read_coco(write(tmp_path / "a.json", values(persons)))
