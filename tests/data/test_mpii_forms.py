"""MPII's official file in small, and files of every form that are damaged."""

import json

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from vitruvian.data.mpii import read_mpii
from vitruvian.types import State, UserError

# the official file, in small


def structs(rows, names=None):
    """A struct array (1, N); a field that a row lacks is empty."""
    names = names or sorted({name for row in rows for name in row})
    array = np.empty((1, len(rows)), [(name, object) for name in names])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row.get(name, np.zeros((0, 0))) for name in names)
    return array


def person(points, head=(100, 50, 160, 130), place=(300.0, 200.0), scale=1.5):
    """An annorect: `points` as (id, x, y, is_visible...)."""
    fields = ("id", "x", "y", "is_visible")
    listed = [dict(zip(fields, point, strict=False)) for point in points]
    rect = dict(zip(("x1", "y1", "x2", "y2"), head, strict=True))
    rect |= {"objpos": {"x": place[0], "y": place[1]}, "scale": scale}
    return rect | ({"annopoints": {"point": structs(listed)}} if listed else {})


@pytest.fixture
def official(tmp_path):
    """Images: 1 two persons, 2 nobody, 3 to test on, 4 one joint, 5 annotated without points, 6 flags."""
    two = [
        person([(9, 50, 20, 1), (0, 255, 300, "0"), (15, -3.5, 7, np.zeros((0, 0)))]),
        person([(6, 310, 210, "1"), (7, 0, 0, 0)], head=(10, 10, 13, 14)),
    ]
    test = [{"scale": 2.0, "objpos": {"x": 40, "y": 60}}, {"scale": np.zeros((0, 0))}]
    images = [
        {"annorect": structs(two)},
        {"annorect": np.zeros((0, 0))},
        {"annorect": structs(test)},
        {"annorect": structs([person([(12, 30, 40)])])},  # no is_visible at all
        {"annorect": structs([person([])])},
        {"annorect": structs([person([(3, 1, 1, 0.0), (4, 2, 3, 1.0)])])},
    ]
    annolist = [{"image": {"name": f"{i:09d}.jpg"}, **image} for i, image in enumerate(images, 1)]
    release = {
        "annolist": structs(annolist),
        "img_train": np.array([[1, 1, 0, 1, 1, 1]]),
        "version": "12",
    }
    savemat(tmp_path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
    return tmp_path


def test_official_file_by_hand(official):
    people = read_mpii(official)
    assert people.key.tolist() == [101, 102, 301, 401, 601]
    assert people.image.tolist() == [1, 1, 3, 4, 6]
    assert [people.label(row) for row in (1, 2)] == ["000000001.jpg", "000000003.jpg"]
    assert {name: rows.tolist() for name, rows in people.subsets.items()} == {
        "train": [0, 1, 3, 4],
        "train_full": [0, 1, 3, 4],
        "test": [2],
    }
    # points in any order, empty is_visible means visible, '0' hidden, negative kept, 0-based
    assert people.state[0, [9, 0, 15]].tolist() == [State.VISIBLE, State.OCCLUDED, State.VISIBLE]
    assert people.joints[0, [9, 0, 15]].tolist() == [[49, 19], [254, 299], [-4.5, 6]]
    assert (people.state[0] == State.MISSING).sum() == 13
    # a point at (0, 0) is a point
    assert people.state[1, [6, 7]].tolist() == [State.VISIBLE, State.OCCLUDED]
    assert people.joints[1, [6, 7]].tolist() == [[309, 209], [-1, -1]]
    assert people.state[3, 12] == State.VISIBLE
    assert people.state[4, [3, 4]].tolist() == [State.OCCLUDED, State.VISIBLE]
    assert (people.state[2] == State.MISSING).all()
    # a place alone is enough to be looked for: (40, 60) down by 30, side 500
    assert people.box[2].tolist() == [39 - 250, 59 + 30 - 250, 500, 500]
    assert people.box[0].tolist() == [299 - 187.5, 199 + 22.5 - 187.5, 375, 375]
    assert np.isnan(people.boxes["labelled"][2]).all()
    np.testing.assert_allclose(people.lengths["head_box"], [60, 3, np.nan, 60, 60])
    assert "with head boxes" in people.provenance
    with pytest.raises(
        UserError, match=r"000000001\.jpg does not exist: unpack mpii_human_pose_v1"
    ):
        people.photo(0, 1)


def test_official_file_with_tompsons_split(official):
    names = np.array([b"000000001.jpg"])
    with h5py.File(official / "valid.h5", "w") as file:
        file["index"], file["person"], file["imgname"] = [0.0], [1.0], names
        file["part"], file["visible"] = np.zeros((1, 16, 2)), np.zeros((1, 16))
        file["center"], file["scale"], file["normalize"] = [[1.0, 2.0]], [3.0], [4.0]
    people = read_mpii(official)
    # the other person of the validated image is in neither
    assert {name: rows.tolist() for name, rows in people.subsets.items()} == {
        "train": [3, 4],
        "train_full": [3, 4],
        "val": [1],
        "test": [2],
    }
    assert "val of valid.h5" in people.provenance
    assert people.lengths["head_box"][1] == 3  # its own


def test_labels_of_one_form_and_head_boxes_of_the_official_file(official):
    labels = {
        "isValidation": 1.0, "img_paths": "000000001.jpg", "objpos": [300.0, 200.0],
        "joint_self": [[0, 0, 0]] * 15 + [[-2.5, 6, 1]], "scale_provided": 1.5,
        "annolist_index": 1.0, "people_index": 2.0,
    }  # fmt: skip
    (official / "mpii_annotations.json").write_text(json.dumps([labels]))
    people = read_mpii(official)
    assert people.lengths["head_box"].tolist() == [3]
    assert people.joints[0, 15].tolist() == [-3.5, 5]
    assert (people.state[0, :15] == State.MISSING).all()


def test_files_that_are_something_else(tmp_path, shared):
    with pytest.raises(UserError, match=r"no MPII at .*: it needs mpii_human_pose_v1_u12_1\.mat"):
        read_mpii(tmp_path)
    with pytest.raises(UserError, match="neither RELEASE nor pos_gt_src"):
        read_mpii(shared / "data" / "lsp" / "joints.mat")
    with pytest.raises(UserError, match="it has no 16 joints"):
        read_mpii(shared / "data" / "flic" / "train.h5")
    path = tmp_path / "valid.json"
    for text in ("[{", "{}", "[]", '[{"a": 1}]', "[3]"):
        path.write_text(text)
        with pytest.raises(
            UserError, match=r"not a readable JSON file|not a list of MPII's persons"
        ):
            read_mpii(path)
    path.write_text('[{"joint_self": [[1, 2, 1]]}]')
    with pytest.raises(UserError, match="is not MPII's: ValueError"):
        read_mpii(path)
    path.write_text('[{"image": "a.jpg"}]')
    with pytest.raises(UserError, match="is not MPII's: KeyError 'center'"):
        read_mpii(path)
    (tmp_path / "valid.json.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match="not a readable JSON file"):
        read_mpii(tmp_path / "valid.json.gz")


# damaged files


def h5(path, **changes):
    """Three persons in the form of pose-hg, with some of its arrays replaced."""
    arrays = {
        "index": np.array([4.0, 4, 6]), "person": np.array([0.0, 1, 0]),
        "imgname": np.array([b"a.jpg", b"a.jpg", b"b.jpg"]), "part": np.full((3, 16, 2), 9.0),
        "visible": np.ones((3, 16)), "center": np.full((3, 2), 50.0), "scale": np.full(3, 2.0),
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, array in (arrays | changes).items():
            file[name] = array
    return path


def test_small_h5_by_hand(tmp_path):
    people = read_mpii(h5(tmp_path / "valid.h5", imgname=["a.jpg", "ä.jpg", "b.jpg"]))
    assert people.key.tolist() == [501, 502, 701]
    assert people.label(1) == "ä.jpg"
    assert people.box[0].tolist() == [49 - 200, 49 - 200, 400, 400]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"visible": np.ones(16)}, r"`visible` has shape \(16,\)"),
        ({"visible": np.ones((2, 16))}, r"`visible` has shape \(2, 16\)"),
        ({"center": np.ones((2, 2))}, r"`center` has shape \(2, 2\)"),
        ({"scale": np.ones(4)}, r"`scale` has shape \(4,\)"),
        ({"scale": 3.0}, r"`scale` has shape \(\)"),
        ({"scale": np.array([b"1", b"2", b"3"])}, r"`scale` .* not numbers"),
        ({"scale": np.array([1.0, 0, 1])}, "scale of row 2 is 0, not above 0"),
        ({"imgname": np.ones(3)}, "`imgname` is not a file's name for each of 3 rows"),
        ({"imgname": np.array([b"a", b"b"])}, "`imgname` is not a file's name for each of 3"),
        ({"imgname": np.array([b"a", b"\xff", b"b"])}, "`imgname` holds names that are not UTF-8"),
        ({"index": np.array([4, np.nan, 6])}, "`index` of row 2 is nan, not a whole number"),
        ({"person": np.array([0, 1, -1])}, "`person` of row 3 is -1, not a whole number"),
        ({"index": np.full(3, 4.0)}, r"the person with the number .* 501 stands twice"),
        ({"normalize": np.ones(2)}, r"the persons' head has shape \(2,\)"),
        ({"normalize": np.array([b"x"] * 3)}, "is not MPII's: ValueError"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_h5(tmp_path, changes, words):
    assert_refused(h5(tmp_path / "valid.h5", **changes), words)


def assert_refused(path, words):
    with pytest.raises(UserError, match=words) as caught:
        read_mpii(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"jnt_missing": np.zeros((16, 2))}, r"jnt_missing \(16, 2\) are not"),
        ({"headboxes_src": np.ones((2, 2))}, r"headboxes_src \(2, 2, 1\) .* are not \(2, 2, 3\)"),
        ({"headboxes_src": np.ones((4, 3))}, r"headboxes_src .* are not"),
        ({"jnt_missing": "none"}, r"jnt_missing .* are not"),
        ({"pos_gt_src": np.zeros((16, 3, 3))}, "is not MPII's"),
        ({"pos_gt_src": "none"}, "is not MPII's"),
    ],
)
def test_damaged_truth(tmp_path, changes, words):
    arrays = {
        "pos_gt_src": np.full((16, 2, 3), 5.0), "jnt_missing": np.zeros((16, 3)),
        "headboxes_src": np.ones((2, 2, 3)),
    }  # fmt: skip
    savemat(tmp_path / "gt_valid.mat", arrays)
    assert len(read_mpii(tmp_path / "gt_valid.mat")) == 3
    savemat(tmp_path / "gt_valid.mat", arrays | changes)
    assert_refused(tmp_path / "gt_valid.mat", words)


def test_truth_of_one_person(tmp_path):
    """MATLAB writes no last axis of length 1."""
    xy = np.arange(32.0).reshape(16, 2)
    boxes = np.array([[10, 40], [16, 48.0]])
    arrays = {"pos_gt_src": xy, "jnt_missing": np.zeros((16, 1)), "headboxes_src": boxes}
    savemat(tmp_path / "gt_valid.mat", arrays)
    people = read_mpii(tmp_path / "gt_valid.mat")
    assert people.joints[0, 3].tolist() == [5, 6]
    assert people.lengths["head_box"].tolist() == pytest.approx([6])


def release(path, image, trained=(1, 1)):
    annolist = [{"image": {"name": "1.jpg"}, "annorect": structs([person([(9, 5, 6, 1)])])}, image]
    values = {"annolist": structs(annolist), "img_train": np.array([trained])}
    savemat(path, {"RELEASE": values})
    return path


@pytest.mark.parametrize(
    ("image", "trained", "words"),
    [
        ({"annorect": structs([person([(33, 5, 6, 1)])])}, (1, 1), "point 33 is none of 0 to 15"),
        ({"annorect": structs([person([(-1, 5, 6, 1)])])}, (1, 1), "point -1 is none of 0 to 15"),
        ({"annorect": structs([{"annopoints": {"point": structs([{"x": 5, "y": 6}])}}])}, (1, 1),
         "AttributeError"),
        ({"annorect": structs([person([(3, "left", 6, 1)])])}, (1, 1), "ValueError"),
        ({"annorect": structs([person([(3, 5, 6, 1)])]), "image": {"path": "x"}}, (1, 1),
         "AttributeError"),
        ({"image": {"name": "2.jpg"}}, (1, 1, 0), "annolist has 2 images and img_train 3"),
    ],
)  # fmt: skip
def test_damaged_release(tmp_path, image, trained, words):
    path = release(tmp_path / "r.mat", {"image": {"name": "2.jpg"}, **image}, trained)
    assert_refused(path, words)
    assert len(read_mpii(release(tmp_path / "r.mat", {"image": {"name": "2.jpg"}}))) == 1


def test_a_scale_of_the_official_file_that_is_none(tmp_path):
    """Nobody can correct that file: who has no size is looked for about the joints."""
    image = {"image": {"name": "2.jpg"}, "annorect": structs([person([(3, 5, 6, 1)], scale=0.0)])}
    people = read_mpii(release(tmp_path / "r.mat", image))
    np.testing.assert_array_equal(people.box[1], people.boxes["labelled"][1])
    assert people.box[0, 2:].tolist() == [375, 375]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objpos": []}, r"the persons' centre has shape \(1, 0\)"),
        ({"objpos": 5}, r"the persons' centre has shape \(1,\)"),
        ({"scale_provided": 0}, "scale of row 1 is 0, not above 0"),
        ({"scale_provided": -1.5}, "scale of row 1 is -1.5, not above 0"),
        ({"annolist_index": float("nan")}, "`annolist_index` of row 1 is nan"),
        ({"people_index": 1.5}, "`people_index` of row 1 is 1.5"),
        ({"dataset": "LEEDS"}, "labels LSP, not MPII: use lsp= or lspet="),
        ({"img_paths": None, "objpos": None}, "is not MPII's: |the persons' centre has shape"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_json(tmp_path, changes, words):
    labels = {
        "isValidation": 1.0, "img_paths": "1.jpg", "objpos": [300.0, 200.0], "dataset": "MPI",
        "joint_self": [[5, 6, 1]] * 16, "scale_provided": 1.5, "annolist_index": 1.0,
        "people_index": 2.0,
    }  # fmt: skip
    path = tmp_path / "mpii_annotations.json"
    path.write_text(json.dumps([labels]))
    assert read_mpii(path).key.tolist() == [102]
    path.write_text(json.dumps([labels | changes]))
    assert_refused(path, words)
    path.write_text(json.dumps([labels, labels]))
    assert_refused(path, r"the person with the number .* 102 stands twice")
