"""LSP and LSPET: rows checked by hand, and files that are not what they should be."""

import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from faults import fault
from leeds_files import lsp_values, lspet_values, write
from vitruvian.data import open_data
from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError

RANKLE, LHIP, RWRIST, RSHOULDER, NECK, HEAD = 0, 3, 6, 8, 12, 13


# the real files


@pytest.fixture(scope="module")
def lspet(shared):
    return read_lspet(shared / "data" / "lspet")


@pytest.fixture(scope="module")
def lsp(shared):
    return read_lsp(shared / "data" / "lsp")


def test_lspet_rows_by_hand(lspet):
    assert lspet.joints.shape == (9000, 14, 2)
    assert lspet.joints.dtype == np.float32
    assert lspet.state.dtype == np.uint8
    assert lspet.skeleton is LSP
    # im00001: the right ankle is not labelled and its coordinates are junk
    assert lspet.state[0, RANKLE] == State.MISSING
    assert lspet.joints[0, RANKLE].tolist() == [0, 0]
    assert (lspet.state[0, 1:] == State.VISIBLE).all()
    np.testing.assert_allclose(lspet.joints[0, 1], [26.030944, 86.410225], atol=1e-4)
    np.testing.assert_allclose(lspet.joints[0, HEAD], [116.568598, 53.422062], atol=1e-4)
    # im00024: all 14, the head a little above the photograph
    assert (lspet.state[23] == State.VISIBLE).all()
    np.testing.assert_allclose(lspet.joints[23, HEAD], [245.206365, -1.174440], atol=1e-4)
    np.testing.assert_allclose(lspet.joints[23, RWRIST], [262.795008, 57.827205], atol=1e-4)
    # im09000: all but the left hip
    assert (lspet.state[8999] == State.MISSING).nonzero()[0].tolist() == [LHIP]
    np.testing.assert_allclose(lspet.joints[8999, RANKLE], [240.410103, 193.177633], atol=1e-4)


def test_lspet_is_the_file(lspet, shared):
    values = loadmat(shared / "data" / "lspet" / "joints.mat")["joints"]
    assert values.shape == (14, 3, 9000)
    labelled = values[:, 2].T == 1
    np.testing.assert_array_equal(lspet.state == State.VISIBLE, labelled)
    np.testing.assert_array_equal(lspet.state == State.MISSING, ~labelled)
    for row in (0, 4321, 8999):
        for joint in range(14):
            x, y, flag = values[joint, :, row]
            expected = [x, y] if flag else [0, 0]
            np.testing.assert_allclose(lspet.joints[row, joint], expected, atol=1e-4)
    assert (lspet.state == State.MISSING).mean() == pytest.approx(0.1205, abs=5e-5)


def test_lspet_subsets(lspet):
    lengths = {name: len(lspet.subset(name)) for name in ("train", "tune", "val", "all")}
    assert lengths == {"train": 7500, "tune": 500, "val": 1000, "all": 9000}
    assert lspet.subset("tune").label(0) == "im07501.jpg"
    assert lspet.subset("val").label(999) == "im09000.jpg"
    rows = np.concatenate([lspet.subsets[name] for name in ("train", "tune", "val")])
    np.testing.assert_array_equal(rows, np.arange(9000))
    np.testing.assert_array_equal(lspet.subset("val").key, np.arange(8000, 9000))
    with pytest.raises(UserError, match="no subset 'test', only: all, train, tune, val"):
        lspet.subset("test")
    assert "9000 rows" in lspet.provenance


def test_lspet_boxes_and_photographs(lspet):
    located = lspet.state[23] == State.VISIBLE
    low, high = lspet.joints[23, located].min(0), lspet.joints[23, located].max(0)
    side = 1.25 * (high - low).max()
    np.testing.assert_allclose(lspet.box[23, 2:], side, rtol=1e-5)
    np.testing.assert_allclose(lspet.box[23, :2] + side / 2, (low + high) / 2, rtol=1e-5)
    assert np.isfinite(lspet.box).all()
    photo, factor = lspet.photo(23, 1)
    assert photo.shape == (*lspet.size(23), 3)
    assert factor == 1
    assert lspet.label(23) == "im00024.jpg"


def test_lsp_rows_by_hand(lsp):
    assert lsp.joints.shape == (2000, 14, 2)
    assert "original-size" in lsp.provenance
    # im0001: everything visible; 1-based in the file
    assert (lsp.state[0] == State.VISIBLE).all()
    np.testing.assert_allclose(lsp.joints[0, RANKLE], [472.952830, 551.631521], atol=1e-3)
    np.testing.assert_allclose(lsp.joints[0, HEAD], [490.336848, 311.278579], atol=1e-3)
    # im1185: flag 1 on the right leg means occluded
    assert (lsp.state[1184] == State.OCCLUDED).nonzero()[0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(lsp.joints[1184, LHIP], [350.455605, 331.930633], atol=1e-3)
    # im2000: the right shoulder alone is occluded and still located
    assert (lsp.state[1999] == State.OCCLUDED).nonzero()[0].tolist() == [RSHOULDER]
    np.testing.assert_allclose(lsp.joints[1999, RSHOULDER], [472.148168, 524.001665], atol=1e-3)


def test_lsp_is_the_file(lsp, shared):
    values = loadmat(shared / "data" / "lsp" / "joints.mat")["joints"]
    assert values.shape == (3, 14, 2000)
    np.testing.assert_array_equal(lsp.state == State.OCCLUDED, values[2].T == 1)
    assert (lsp.state >= State.OCCLUDED).all()
    assert (lsp.state == State.OCCLUDED).mean() == pytest.approx(0.073, abs=5e-4)
    for row in (0, 777, 1999):
        for joint in range(14):
            expected = values[:2, joint, row] - 1
            np.testing.assert_allclose(lsp.joints[row, joint], expected, atol=1e-3)
    assert len(lsp.subset("train")) == len(lsp.subset("test")) == 1000
    assert lsp.subset("test").label(0) == "im1001.jpg"


def test_small_lsp_is_zero_based(tmp_path, shared):
    values = loadmat(shared / "oracles" / "lsp" / "lsp-joints-PC.mat")["joints"]
    people = read_lsp(write(tmp_path / "lsp", values))
    assert "small" in people.provenance
    np.testing.assert_allclose(people.joints, values[:2].transpose(2, 1, 0), atol=1e-4)


def test_lsp_flags_in_each_part(lsp):
    hidden = lsp.state == State.OCCLUDED
    assert hidden[:1000].mean() == pytest.approx(0.0707, abs=5e-5)
    assert hidden[1000:].mean() == pytest.approx(0.0753, abs=5e-5)
    share = dict(zip(LSP.joint_names, hidden.mean(0), strict=True))
    assert share["left_shoulder"] == pytest.approx(0.16, abs=0.005)
    assert share["right_wrist"] == pytest.approx(0.12, abs=0.005)
    assert share["left_wrist"] == pytest.approx(0.14, abs=0.005)
    assert max(share["neck"], share["head_top"]) < 0.01


def test_what_the_files_are_for(lsp, lspet):
    assert (lsp.scored, lspet.scored) == ("test", "val")
    for people in (lsp, lspet):
        assert people.convention == "PC"
        np.testing.assert_array_equal(people.images, np.arange(len(people)) + 1)
    assert "person-centric (right hip left of the left one: 66.2%)" in lsp.provenance


def test_conventions_of_the_evaluation_files(shared):
    folder = shared / "oracles" / "lsp"
    person, observer = read_lsp(folder), read_lsp(folder, "OC")
    assert (person.convention, observer.convention) == ("PC", "OC")
    assert "lsp-joints-PC.mat, small archive, person-centric" in person.provenance
    assert "observer-centric (right hip left of the left one: 99.1%)" in observer.provenance
    np.testing.assert_array_equal(read_lsp(folder / "lsp-joints-OC.mat").joints, observer.joints)
    assert read_lsp(folder / "lsp-joints-PC.mat").convention == "PC"
    values = loadmat(folder / "lsp-joints-OC.mat")["joints"]
    np.testing.assert_allclose(observer.joints, values[:2].transpose(2, 1, 0), atol=1e-5)
    np.testing.assert_array_equal(observer.state == State.OCCLUDED, values[2].T == 1)


def test_sides_of_one_file_in_the_frame_of_another(tmp_path, shared, lsp):
    """The photographs of the original-size archive need its coordinates, whoever names the sides."""
    shutil.copy(shared / "data" / "lsp" / "joints.mat", tmp_path)
    shutil.copy(shared / "oracles" / "lsp" / "lsp-joints-OC.mat", tmp_path)
    small = read_lsp(tmp_path / "lsp-joints-OC.mat")
    person, observer = read_lsp(tmp_path), read_lsp(tmp_path, "OC")
    np.testing.assert_array_equal(person.joints, lsp.joints)
    assert (person.convention, observer.convention) == ("PC", "OC")
    assert "joints.mat with the sides of lsp-joints-OC.mat, original-size" in observer.provenance
    np.testing.assert_array_equal(observer.state, small.state)

    def shape(people):  # free of where and how large the person is
        xy = people.joints.astype(float)
        xy = xy - xy.min(1, keepdims=True)
        return xy / xy.max((1, 2), keepdims=True)

    np.testing.assert_allclose(shape(observer), shape(small), atol=1e-4)
    other = loadmat(tmp_path / "lsp-joints-OC.mat")["joints"][..., ::-1]
    savemat(tmp_path / "lsp-joints-OC.mat", {"joints": other})
    with pytest.raises(UserError, match="label different people"):
        read_lsp(tmp_path, "OC")
    savemat(tmp_path / "lsp-joints-OC.mat", {"joints": other[..., :7]})
    with pytest.raises(UserError, match="label different people"):
        read_lsp(tmp_path, "OC")


# small files


@pytest.mark.parametrize(("name", "convention"), [("mine-OC", "OC"), ("joints", "PC")])
def test_few_people_are_what_their_file_is_called(tmp_path, name, convention):
    savemat(tmp_path / f"{name}.mat", {"joints": lsp_values(49)})
    assert read_lsp(tmp_path / f"{name}.mat").convention == convention


def test_enough_people_tell_themselves(tmp_path):
    values = lsp_values(50)
    values[0, LHIP], values[0, LHIP - 1] = 80, 60  # everybody faces the camera, upright
    values[1, LHIP - 1 : LHIP + 1], values[1, NECK] = 70, 20
    savemat(tmp_path / "my-PC.mat", {"joints": values})
    assert read_lsp(tmp_path / "my-PC.mat").convention == "OC"
    values[:2, [LHIP, LHIP - 1], :10] = values[:2, [LHIP - 1, LHIP], :10]
    savemat(tmp_path / "my-OC.mat", {"joints": values})
    assert read_lsp(tmp_path / "my-OC.mat").convention == "PC"


def test_a_file_stands_for_its_folder(tmp_path):
    folder = write(tmp_path / "lspet", lspet_values(3))
    assert read_lspet(folder / "joints.mat").label(2) == "im00003.jpg"
    with pytest.raises(UserError, match=r"lspet/images/im00003\.jpg does not exist"):
        read_lspet(folder / "joints.mat").size(2)


@pytest.mark.parametrize("count", [0, 1, 7, 1000, 1300, 1502])
def test_lspet_of_any_length(tmp_path, count):
    people = read_lspet(write(tmp_path / "lspet", lspet_values(count)))
    assert len(people) == count
    assert f"{count} rows" in people.provenance
    val = min(count, 1000)
    tune = min(count - val, 500)
    lengths = [len(people.subset(name)) for name in ("train", "tune", "val")]
    assert lengths == [count - val - tune, tune, val]


@pytest.mark.parametrize("count", [0, 1, 1001])
def test_lsp_of_any_length(tmp_path, count):
    people = read_lsp(write(tmp_path / "lsp", lsp_values(count)))
    lengths = [len(people.subset(name)) for name in ("train", "test", "all")]
    assert lengths == [min(count, 1000), max(count - 1000, 0), count]


@pytest.mark.parametrize(("largest", "base"), [(190.0, 0), (900.0, 1)])
def test_lsp_base_follows_the_archive(tmp_path, largest, base):
    values = lsp_values(20, largest)
    people = read_lsp(write(tmp_path / "lsp", values))
    np.testing.assert_allclose(people.joints, values[:2].transpose(2, 1, 0) - base, atol=1e-3)


def test_nobody_labelled(tmp_path):
    values = lspet_values(3)
    values[:, 2, 1] = 0
    values[:, :2, 1] = -7
    people = read_lspet(write(tmp_path / "lspet", values))
    assert (people.state[1] == State.MISSING).all()
    assert (people.joints[1] == 0).all()
    assert np.isnan(people.box[1]).all()
    assert np.isfinite(people.box[[0, 2]]).all()


def test_junk_may_be_no_number_but_a_label_may_not(tmp_path):
    values = lspet_values(3)
    values[4, :, 2] = np.nan, 3, 0
    people = read_lspet(write(tmp_path / "lspet", values))
    assert people.state[2, 4] == State.MISSING
    assert (people.joints[2, 4] == 0).all()
    values[4, 2, 2] = 1
    with pytest.raises(UserError, match=r"joints\.mat has labelled joints that are not numbers"):
        read_lspet(write(tmp_path / "lspet", values))
    spoilt = lsp_values(3)
    spoilt[0, 0, 0] = np.inf
    with pytest.raises(UserError, match="not numbers"):
        read_lsp(write(tmp_path / "lsp", spoilt))


@pytest.mark.parametrize("flag", [2, -1, 0.5, np.nan])
def test_flags_are_0_or_1(tmp_path, flag):
    """Neither visible nor occluded, neither labelled nor junk: the file is damaged."""
    values = lspet_values(3)
    values[5, 2, 1] = flag
    with pytest.raises(UserError, match=r"flag of left_ankle of row 2 is .*, not 0 or 1"):
        read_lspet(write(tmp_path / "lspet", values))
    values = lsp_values(3)
    values[2, 1, 2] = flag
    with pytest.raises(UserError, match=r"flag of right_knee of row 3 is .*, not 0 or 1") as caught:
        read_lsp(write(tmp_path / "lsp", values))
    assert str(tmp_path / "lsp" / "joints.mat") in str(caught.value)


def test_each_others_file(tmp_path):
    with pytest.raises(
        UserError, match=r"\(3, 14, 5\), not \(14, 3, N\). This is LSP's file: use lsp="
    ):
        read_lspet(write(tmp_path / "a", lsp_values(5)))
    with pytest.raises(UserError, match=r"\(14, 3, 5\).* This is LSPET's file: use lspet="):
        read_lsp(write(tmp_path / "b", lspet_values(5)))


@pytest.mark.parametrize("read", [read_lsp, read_lspet])
def test_files_that_are_something_else(tmp_path, read):
    with pytest.raises(UserError, match=r"needs joints\.mat and images/") as caught:
        read(tmp_path / "absent")
    assert str(tmp_path / "absent") in str(caught.value)
    with pytest.raises(UserError, match=r"needs joints\.mat"):
        read(tmp_path)
    for values in (np.ones((14, 5)), np.ones((16, 3, 4))):
        with pytest.raises(UserError, match="has shape") as caught:
            read(write(tmp_path / "shape", values))
        assert "This is" not in str(caught.value)
    for values, name in ((np.ones((14, 3, 2)), "poses"), ("text", "joints"), ({"a": 1}, "joints")):
        with pytest.raises(UserError, match="no array `joints`"):
            read(write(tmp_path / "other", values, name))
    path = write(tmp_path / "cut", lspet_values(30)) / "joints.mat"
    for content in (path.read_bytes()[:500], b"not a mat file", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a readable MATLAB file"):
            read(path.parent)


def test_photographs_are_asked_for_by_row(tmp_path):
    folder = write(tmp_path / "lspet", lspet_values(3))
    (folder / "images").mkdir()
    for row in range(2):
        Image.fromarray(np.full((20 + row, 30, 3), 50 * row, np.uint8)).save(
            folder / "images" / f"im{row + 1:05d}.jpg"
        )
    people = read_lspet(folder).rows(np.array([2, 1]))
    assert people.label(1) == "im00002.jpg"
    assert people.size(1) == (21, 30)
    photo, _ = people.photo(1, 1)
    assert photo.shape == (21, 30, 3)
    assert abs(int(photo[10, 10, 0]) - 50) < 3
    with pytest.raises(
        UserError,
        match=r"im00003\.jpg does not exist: unpack lspet_dataset\.zip so that .*images holds the 3 "
        r"photographs im00001\.jpg to im00003\.jpg",
    ) as caught:
        people.photo(0, 1)
    assert isinstance(
        caught.value.__context__, FileNotFoundError
    )  # `check` counts these as missing


# by name


def test_open_data(tmp_path, monkeypatch):
    folder = write(tmp_path / "lspet", lspet_values(2))
    assert len(open_data(f"lspet={folder}")) == 2
    monkeypatch.setenv("VITRUVIAN_DATA", str(tmp_path))
    assert len(open_data("lspet")) == 2
    with pytest.raises(UserError, match="no LSP at"):
        open_data("lsp")
    monkeypatch.delenv("VITRUVIAN_DATA")
    with pytest.raises(UserError, match="Write --data lspet=FOLDER or set VITRUVIAN_DATA"):
        open_data("lspet")
    with pytest.raises(UserError, match="no data set 'lspe'; nearest: 'lspet'"):
        open_data("lspe=x")
    with pytest.raises(
        UserError, match=r"no data set .mine.: write NAME=FOLDER, NAME one of .*lspet"
    ):
        open_data("mine")
    with pytest.raises(UserError, match=r"lacks the name of its layout: write coco="):
        open_data(str(tmp_path))
    (tmp_path / "data.yaml").write_text("")
    with pytest.raises(UserError, match=r"lacks the name of its layout: write yolo="):
        open_data(str(tmp_path))


@pytest.mark.parametrize("argument", ["buffy", "buffy=x"])
def test_what_is_not_read_says_why(argument):
    said = fault(lambda: open_data(argument))
    assert said.startswith("data set 'buffy' is not read: Buffy Stickmen has six line segments")
    assert "coco=DIR" in said
