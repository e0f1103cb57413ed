"""FLIC: rows checked by hand in every form, and a file in the format of `examples.mat`."""

import dataclasses
import shutil
import sys

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from vitruvian.data.flic import read_flic
from vitruvian.skeleton import FLIC
from vitruvian.types import State, UserError

NOSE, NECK, RSHO, RELB, RWRI, RHIP, LSHO, LELB, LWRI, LHIP = range(10)
COLUMNS = {LSHO: 0, LELB: 1, LWRI: 2, RSHO: 3, RELB: 4, RWRI: 5, LHIP: 6, RHIP: 9, NOSE: 16}
LEYE, REYE = 12, 13
FACING = {
    LSHO: (60, 50), LELB: (70, 80), LWRI: (72, 99), RSHO: (30, 52), RELB: (25, 81), RWRI: (20, 97),
    LHIP: (55, 120), RHIP: (37, 121), NOSE: (45, 33),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "data" / "flic"


@pytest.fixture(scope="module")
def person(folder):
    return read_flic(folder)


@pytest.fixture(scope="module")
def observer(folder):
    return read_flic(folder, "OC")


def coords(turned=False, eyes=((50, 30), (41, 31))):
    """(2, 29), 1-based; turned: whose back is seen."""
    values = np.full((2, 29), np.nan)
    for joint, column in COLUMNS.items():
        x, y = FACING[FLIC.swap[joint] if turned else joint]
        values[:, column] = x, y
    values[:, LEYE], values[:, REYE] = eyes
    return values


def examples(people):
    """The struct array (1, N) of people, each a dictionary of the fields that matter."""
    defaults = {
        "poselet_hit_idx": np.zeros((0, 0)), "moviename": "hitch", "coords": coords(),
        "filepath": "hitch-00000123.jpg", "imgdims": np.array([[480, 720, 3]]), "currframe": 123,
        "torsobox": np.array([[21.0, 43, 71, 103]]), "istrain": 1, "istest": 0,
    }  # fmt: skip
    array = np.empty((1, len(people)), [(name, object) for name in defaults])
    for i, person in enumerate(people):
        array[0, i] = tuple((defaults | person).values())
    return array


def write(folder, people, variable="examples", name="examples.mat"):
    folder.mkdir(exist_ok=True)
    savemat(folder / name, {variable: examples(people)})
    return folder


# the real files


def test_rows_by_hand(person):
    assert person.skeleton is FLIC
    assert person.joints.shape == (5003, 10, 2)
    assert person.joints.dtype == np.float32
    assert (person.state == State.VISIBLE).all()
    # row 0, the first of 12-oclock-high, faces the camera; 1-based in the file
    assert person.label(0) == "12-oclock-high-special-edition-00006361.jpg"
    np.testing.assert_allclose(person.joints[0, LSHO], [326.877563, 212.3125], atol=1e-4)
    np.testing.assert_allclose(person.joints[0, RWRI], [164.551025, 337.328125], atol=1e-4)
    np.testing.assert_allclose(person.joints[0, RHIP], [194.244904, 355.1875], atol=1e-4)
    np.testing.assert_allclose(person.joints[0, NOSE], [297.183674, 160.718735], atol=1e-4)
    middle = (person.joints[0, LSHO] + person.joints[0, RSHO]) / 2
    np.testing.assert_allclose(person.joints[0, NECK], middle, atol=1e-4)
    # row 140 is the first to test on
    assert person.label(140) == "12-oclock-high-special-edition-00171221.jpg"
    np.testing.assert_allclose(person.joints[140, RELB], [254.20816, 306.421875], atol=1e-4)
    # the last row
    assert person.label(5002) == "the-departed-00207091.jpg"
    assert (person.key == np.arange(5003)).all()


def test_people_of_one_photograph_share_its_number(folder, person):
    names = np.array([person.label(row) for row in range(5003)])
    assert len(np.unique(names)) == 4552
    assert len(np.unique(person.images)) == 4552
    assert len(set(zip(names.tolist(), person.images.tolist(), strict=True))) == 4552
    assert len(np.unique(person.subset("test").images)) == 926
    # the row of its first person, counted from 1
    assert (person.images <= person.key + 1).all()
    np.testing.assert_array_equal(names[person.images - 1], names)
    assert (person.images == person.key + 1).sum() == 4552
    trained = read_flic(folder / "train.h5")  # a part of the rows: the same numbers
    np.testing.assert_array_equal(trained.images, person.subset("train_full").images)


def test_somebody_seen_from_behind_by_hand(person, observer):
    row = int((person.joints[:, LSHO, 0] < person.joints[:, RSHO, 0]).argmax())
    left = {"PC": [163.9, 212.3], "OC": [250.8, 221.6]}
    right = {"PC": left["OC"], "OC": left["PC"]}
    for people in (person, observer):
        np.testing.assert_allclose(people.joints[row, LSHO], left[people.convention], atol=0.06)
        np.testing.assert_allclose(people.joints[row, RSHO], right[people.convention], atol=0.06)


def test_counts_and_conventions(folder, person, observer):
    assert (person.convention, observer.convention) == ("PC", "OC")
    counts = {"train": 3654, "tune": 333, "train_full": 3987, "test": 1016}
    for people in (person, observer):
        assert {name: len(rows) for name, rows in people.subsets.items()} == counts
        assert people.scored == "test"
        turned = people.joints[:, LSHO, 0] < people.joints[:, RSHO, 0]
        turned = [turned[people.subsets[name]].sum() for name in ("train_full", "test")]
        assert turned == ([199, 48] if people is person else [0, 0])
    assert "person-centric (left shoulder left of the right one: 4.9%)" in person.provenance
    assert "train_personcentric.h5" in person.provenance
    assert "flic-joints-oc.mat, observer-centric" in observer.provenance
    for name, convention, subset in (
        ("train.h5", "OC", "train_full"),
        ("valid.h5", "OC", "test"),
        ("train_personcentric.h5", "PC", "train_full"),
        ("valid_personcentric.h5", "PC", "test"),
    ):
        people, whole = read_flic(folder / name), person if convention == "PC" else observer
        assert people.convention == convention
        assert len(people) == len(people.subsets[subset]) == counts[subset]
        np.testing.assert_array_equal(people.key, whole.subset(subset).key)
        np.testing.assert_allclose(people.joints, whole.subset(subset).joints, atol=1e-4)


def test_no_film_is_both_trained_and_tuned_on(person):
    films = {
        name: {person.label(int(row)).rpartition("-")[0] for row in person.subsets[name]}
        for name in ("train", "tune", "test")
    }
    assert films["tune"] == {"ten-commandments-disc1", "the-departed"}
    assert max(films["train"]) < min(films["tune"])
    assert films["test"] == films["train"] | films["tune"]  # FLIC tests on the films it trains on


def test_the_published_normaliser(folder, person):
    """pose-hg normalises by the person-centric |right shoulder - left hip|, in both its files."""
    for name in ("train.h5", "train_personcentric.h5"):
        with h5py.File(folder / name) as file:
            published = file["normalize"][()]
        xy = person.subset("train_full").joints.astype(float)
        length = np.linalg.norm(xy[:, RSHO] - xy[:, LHIP], axis=1)
        np.testing.assert_allclose(length, published, rtol=1e-6)


def test_boxes(folder, person, observer):
    x1, y1, x2, y2 = 218.7541, 216.80336, 314.80557, 360.88055  # torsobox of row 0
    for people in (person, observer):
        box = [x1 - 1.5, y1 - 1.5, x2 - x1 + 1, y2 - y1 + 1]
        np.testing.assert_allclose(people.boxes["torso"][0], box, atol=1e-3)
        box = [(x1 + x2) / 2 - 1 - 220, 239 - 220, 440, 440]
        np.testing.assert_allclose(people.box[0], box, atol=1e-3)
        # eyes 13.8571 px apart, the mean of eyes and nose at x 297.5238, y 155.1042
        box = [297.523784 - 1 - 20.7857, 155.104233 - 1 - 20.7857, 41.5714, 41.5714]
        np.testing.assert_allclose(people.boxes["face"][0], box, atol=1e-3)
        assert people.box_words == "440 px about the torso box's x and y = 240, square"
        assert (people.boxes["face"][:, 2] >= 20).all()
    with h5py.File(folder / "valid.h5") as file:
        centre = file["center"][()] - 1
    box = person.subset("test").box
    np.testing.assert_allclose(box[:, :2] + box[:, 2:] / 2, centre, atol=1e-4)


def test_files_count_from_one(folder):
    """The rows of the pictures that were clicked in follow from the torso boxes, in MATLAB's count."""
    structs = loadmat(folder / "flic-joints-oc.mat")["flic_anno"].ravel()
    y = np.array([struct["coords"][1, list(COLUMNS.values())] for struct in structs])
    low, high = np.array([struct["torsobox"].ravel()[[1, 3]] for struct in structs], float).T
    height = high - low + 1
    top, bottom = np.round(low - 1.5 * height), np.round(low + 2 * height)
    clicked = (y - top[:, None]) / (bottom - top)[:, None] * 256
    explained = (np.abs(clicked - np.round(clicked)) < 0.02).all(1)
    assert explained.sum() == 5001
    assert np.round(clicked[explained]).min() == 15
    assert np.round(clicked[explained]).max() == 255
    from_zero = (y - top[:, None]) / (np.round(low + 2 * (height - 1)) - top)[:, None] * 256
    assert (np.abs(from_zero - np.round(from_zero)) < 0.02).all(1).mean() < 0.05


# small files


def test_examples_by_hand(tmp_path):
    gone = coords()
    gone[:, 2] = np.nan  # no left wrist
    people = read_flic(
        write(
            tmp_path / "flic",
            [
                {"filepath": "hitch-00000001.jpg"},
                {"coords": coords(turned=True), "filepath": "the-departed-00000009.jpg"},
                {"coords": gone, "istrain": 0, "istest": 1},
            ],
        )
    )
    assert people.convention == "PC"
    assert people.provenance.startswith("FLIC, 3 rows of examples.mat, person-centric")
    for joint in COLUMNS:
        assert people.joints[0, joint].tolist() == [c - 1 for c in FACING[joint]]
        assert people.joints[1, joint].tolist() == [c - 1 for c in FACING[FLIC.swap[joint]]]
    assert people.joints[0, NECK].tolist() == [44, 50]
    assert (people.state[2] == State.MISSING).nonzero()[0].tolist() == [LWRI]
    assert people.joints[2, LWRI].tolist() == [0, 0]
    assert {n: rows.tolist() for n, rows in people.subsets.items()} == {
        "train": [0],
        "tune": [1],
        "train_full": [0, 1],
        "test": [2],
    }
    # torso box 21..71 x 43..103: 51 x 61 pixels, from pixel 20, 42 counted from 0
    assert people.boxes["torso"][0].tolist() == [19.5, 41.5, 51, 61]
    assert people.box[0].tolist() == [46 - 1 - 220, 19, 440, 440]
    side = 3 * np.hypot(9, 1)
    x, y = 136 / 3 - 1 - side / 2, 94 / 3 - 1 - side / 2
    np.testing.assert_allclose(people.boxes["face"][0], [x, y, side, side], atol=1e-4)
    assert people.label(1) == "the-departed-00000009.jpg"


def test_near_eyes_and_no_eyes(tmp_path):
    near = {"coords": coords(eyes=((46, 30), (44, 30)))}
    none = {"coords": coords(eyes=((np.nan, np.nan), (44, 30)))}
    people = read_flic(write(tmp_path / "flic", [near, none]))
    assert people.boxes["face"][0, 2:].tolist() == [20, 20]
    assert np.isnan(people.boxes["face"][1]).all()
    assert (people.state == State.VISIBLE).all()  # eyes are no joints here


@pytest.mark.parametrize(
    ("variable", "count", "convention"),
    [("examples", 3, "PC"), ("flic_anno", 3, "OC"), ("examples", 200, "OC")],
)
def test_convention_of_people_who_all_face_the_camera(tmp_path, variable, count, convention):
    """200 person-centric people without a turned one are not met; of 3 only the name can tell."""
    people = read_flic(write(tmp_path / "flic", [{}] * count, variable, "some.mat") / "some.mat")
    assert people.convention == convention
    turned = read_flic(
        write(tmp_path / "t", [{"coords": coords(turned=True)}, {}], variable, "some.mat")
        / "some.mat"
    )
    assert turned.convention == "PC"


def test_torso_boxes_of_another_release_are_not_used(tmp_path, folder):
    shutil.copy(folder / "valid.h5", tmp_path)
    write(tmp_path, [{}] * 5003)
    people = read_flic(tmp_path / "valid.h5")
    assert sorted(people.boxes) == ["face", "labelled"]
    assert "torso" not in people.provenance
    assert len(people.subset("train")) == 0  # nobody to train on, rather than those to test on


def test_photographs(tmp_path):
    folder = write(tmp_path / "flic", [{}, {"filepath": "hitch-00000124.jpg"}])
    (folder / "images").mkdir()
    people = read_flic(folder)
    with pytest.raises(
        UserError,
        match=r"images/hitch-00000123\.jpg does not exist: unpack FLIC\.zip .* need 2 of them",
    ) as caught:
        people.photo(0, 1)
    assert isinstance(caught.value.__context__, FileNotFoundError)
    Image.new("RGB", (72, 48)).save(folder / "images" / "hitch-00000124.jpg")
    assert people.size(1) == (48, 72)
    assert people.rows(np.array([1])).photo(0, 1)[0].shape == (48, 72, 3)
    assert people.encoded(1)[:2] == b"\xff\xd8"


def test_files_that_are_something_else(tmp_path, shared):
    with pytest.raises(UserError, match=r"no FLIC at .*: it needs examples\.mat"):
        read_flic(tmp_path)
    with pytest.raises(UserError, match="no struct array `examples`"):
        read_flic(shared / "data" / "lsp" / "joints.mat")
    with pytest.raises(UserError, match=r"not FLIC's: it lacks|has shape \(2958, 16, 2\)"):
        read_flic(shared / "data" / "mpii" / "valid.h5")
    write(tmp_path, [{"coords": np.ones((2, 11))}])
    with pytest.raises(UserError, match=r"`coords` is \(2, 29\)"):
        read_flic(tmp_path)
    (tmp_path / "train.h5").write_bytes(b"not HDF5")
    with pytest.raises(UserError, match="not a readable HDF5 file"):
        read_flic(tmp_path / "train.h5")
    (tmp_path / "cut.mat").write_bytes((tmp_path / "examples.mat").read_bytes()[:700])
    with pytest.raises(UserError, match="not a readable MATLAB file"):
        read_flic(tmp_path / "cut.mat")


def h5(path, **changes):
    """Three people in the form of train.h5, with some of its arrays replaced."""
    arrays = {
        "part": np.full((3, 11, 2), 9.0), "index": np.array([5, 2, 3]), "center": np.full((3, 2), 7.0),
        "scale": np.full(3, 2.2), "imgname": np.array([b"b.jpg", b"a.jpg", b"a.jpg"]),
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        for name, array in (arrays | changes).items():
            file[name] = array
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"part": 3.0}, r"`part` has shape \(\)"),
        ({"center": np.ones((2, 2))}, r"`center` has shape \(2, 2\)"),
        ({"scale": np.ones(1)}, r"`scale` has shape \(1,\)"),
        ({"scale": np.array([2.2, -2.2, 2.2])}, "scale of row 2 is -2.2, not above 0"),
        ({"imgname": np.array([b"a", b"\xff", b"b"])}, "`imgname` holds names that are not UTF-8"),
        ({"imgname": np.arange(3)}, "`imgname` is not a file's name for each of 3 rows"),
        ({"index": np.array([5, np.nan, 3])}, "`index` of row 2 is nan, not a whole number"),
        ({"index": np.array([5, 2, -3])}, "`index` of row 3 is -3, not a whole number"),
        ({"index": np.array([5, 3, 3])}, "row of `examples` 3 stands twice"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_h5(tmp_path, changes, words):
    people = read_flic(h5(tmp_path / "train.h5"))
    assert people.key.tolist() == [2, 3, 5]
    assert people.images.tolist() == [3, 3, 6]
    path = h5(tmp_path / "train.h5", **changes)
    with pytest.raises(UserError, match=words) as caught:
        read_flic(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hdf5_is_an_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match=r"valid\.h5 needs h5py: install vitruvian with its extra"):
        read_flic(folder / "valid.h5")
    assert len(read_flic(folder / "flic-joints-oc.mat")) == 5003


def test_whole_rows_can_be_chosen(person):
    some = person.rows(np.array([4000, 7]))
    assert some.boxes["torso"].shape == (2, 4)
    assert [
        field.name for field in dataclasses.fields(some) if getattr(some, field.name) is None
    ] == ["weight"]
