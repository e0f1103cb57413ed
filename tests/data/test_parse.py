"""Image Parse, which is not shared: a file in its format, read by hand."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from vitruvian.data.parse import read_parse
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError

NAMES = (
    "lank", "lkne", "lhip", "rhip", "rkne", "rank", "lwr", "lelb", "lsho", "rsho", "relb", "rwr",
    "hbot", "htop",
)  # fmt: skip


def points(count, seed=0):
    """ptsAll (14, 2, count), 1-based: x up to 400, y up to 350."""
    return 1 + np.random.default_rng(seed).random((14, 2, count)) * [[400], [350]]


def write(folder, values, name="labels.mat", variable="ptsAll", order=NAMES):
    folder.mkdir(exist_ok=True)
    types = np.empty((1, len(order)), object)
    types[0] = order
    savemat(folder / name, {variable: values, "segmentTypes": types})
    return folder


def test_rows_by_hand(tmp_path):
    values = points(305)
    values[0, :, 0] = 79.98, 194.42  # the ankle on the image's left, in im0001
    values[5, :, 0] = 98.16, 187.65
    values[12, :, 100] = 61.25, 40.5
    values[6, :, 304] = 0.72, 1.31
    people = read_parse(write(tmp_path / "parse", values))
    assert people.joints.shape == (305, 14, 2)
    assert people.skeleton is LSP
    right, left, neck, wrist = LSP.index("right_ankle", "left_ankle", "neck", "right_wrist")
    np.testing.assert_allclose(people.joints[0, right], [78.98, 193.42], atol=1e-4)
    np.testing.assert_allclose(people.joints[0, left], [97.16, 186.65], atol=1e-4)
    np.testing.assert_allclose(people.joints[100, neck], [60.25, 39.5], atol=1e-4)
    np.testing.assert_allclose(people.joints[304, wrist], [-0.28, 0.31], atol=1e-4)
    assert (people.state == State.VISIBLE).all()
    assert people.convention == "OC"
    assert people.scored == "test"
    assert "305 rows of labels.mat, observer-centric" in people.provenance
    assert {name: len(rows) for name, rows in people.subsets.items()} == {"train": 100, "test": 205}
    assert people.subset("test").label(0) == "im0101.jpg"
    assert people.subset("test").images[[0, 204]].tolist() == [101, 305]


@pytest.mark.parametrize("count", [2, 5, 14])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_axes_in_any_order(tmp_path, count, axes):
    values = points(count)
    if count in (2, 14) and axes[0] == 2:
        return  # two orders fit: the images are last, as in both files in circulation
    folder = write(tmp_path / "parse", values.transpose(axes), "parse-joints.mat", "joints")
    for path in (folder, folder / "parse-joints.mat"):
        people = read_parse(path)
        np.testing.assert_allclose(people.joints, values.transpose(2, 0, 1) - 1, atol=1e-4)


def test_photographs(tmp_path):
    folder = write(tmp_path / "parse", points(3))
    Image.new("RGB", (40, 30)).save(folder / "im0002.jpg")
    (folder / "images").mkdir()
    Image.new("RGB", (50, 20)).save(folder / "images" / "im0003.jpg")
    people = read_parse(folder)
    assert [people.size(1), people.size(2)] == [(30, 40), (20, 50)]
    with pytest.raises(
        UserError, match=r"im0001\.jpg does not exist: unpack people\.zip .* the 3 pho"
    ):
        people.photo(0, 1)


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(UserError, match=r"no Image Parse at .*: it needs labels\.mat"):
        read_parse(tmp_path)
    with pytest.raises(UserError, match=r"\(3, 14, 6\), not \(14, 2, N\)\. This is LSP's"):
        read_parse(write(tmp_path / "lsp", np.ones((3, 14, 6)), "joints.mat", "joints"))
    with pytest.raises(UserError, match=r"\(13, 2, 6\), not \(14, 2, N\)\.$"):
        read_parse(write(tmp_path / "other", np.ones((13, 2, 6))))
    with pytest.raises(UserError, match="no array `ptsAll`"):
        read_parse(write(tmp_path / "flat", np.ones((14, 2))))
    with pytest.raises(UserError, match="in the order rank, lkne"):
        read_parse(
            write(tmp_path / "order", points(4), order=("rank", *NAMES[1:5], "lank", *NAMES[6:]))
        )
    spoilt = points(4)
    spoilt[3, 1, 2] = np.nan
    with pytest.raises(UserError, match="not numbers"):
        read_parse(write(tmp_path / "spoilt", spoilt))
