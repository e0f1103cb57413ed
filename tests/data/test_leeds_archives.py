"""LSP's two archives: labels beside the other's photographs, and the base that a file states."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from faults import fault
from leeds_files import lsp_values, lspet_values, write
from vitruvian.data.leeds import read_lsp, read_lspet


def photographs(folder, rows, width, height):
    (folder / "images").mkdir(exist_ok=True)
    for row in rows:
        Image.new("L", (width, height)).save(folder / "images" / f"im{row + 1:04d}.jpg")


@pytest.mark.parametrize(
    ("largest", "size", "there", "said"),
    [
        (900, (110, 150), range(20), "fits lsp_dataset_original.zip"),
        (
            900,
            (110, 150),
            range(17, 18),
            "im0018.jpg is 110 x 150 px, most of its joints lie outside",
        ),
        (900, (910, 730), range(20), ""),
        (900, (2000, 2000), range(8), ""),  # an original, whose people may stand anywhere
        (150, (151, 121), range(20), ""),
        (
            150,
            (310, 250),
            range(20),
            "fits lsp_dataset.zip, images/ does not (im0001.jpg is 310 x 250",
        ),
        (150, (310, 250), range(3), ""),  # too few to be sure
        (150, (240, 248), range(20), ""),
    ],
)
def test_photographs_of_the_other_archive(tmp_path, largest, size, there, said):
    folder = write(tmp_path / "lsp", lsp_values(20, largest))
    photographs(folder, there, *size)
    if not said:
        assert len(read_lsp(folder)) == 20
        return
    found = fault(lambda: read_lsp(folder))
    assert found.startswith(f"{folder}: joints.mat fits lsp_dataset")
    assert said in found
    assert "take both from that archive, or both from lsp_dataset" in found


def test_a_few_photographs_that_are_odd_do_not_matter(tmp_path):
    folder = write(tmp_path / "lsp", lsp_values(8, 900))
    photographs(folder, range(8), 910, 730)
    photographs(folder, range(3), 110, 150)
    for row in (3, 4):
        (folder / "images" / f"im000{row + 1}.jpg").write_bytes(b"no photograph")
    assert len(read_lsp(folder)) == 8
    photographs(folder, (5,), 110, 150)  # four of the six that can be read
    assert "im0001.jpg is 110 x 150 px" in fault(lambda: read_lsp(folder))


def test_archives_of_the_published_labels(tmp_path, shared):
    """Photographs as large as the original labels reach, which is the least they can be."""
    published = loadmat(shared / "data" / "lsp" / "joints.mat")["joints"]
    small = loadmat(shared / "oracles" / "lsp" / "lsp-joints-PC.mat")["joints"]
    for row in range(0, 2000, 250):
        photographs(tmp_path, (row,), *np.ceil(published[:2, :, row].max(1)).astype(int))
    assert len(read_lsp(write(tmp_path, published))) == 2000
    assert "joints.mat fits lsp_dataset.zip" in fault(lambda: read_lsp(write(tmp_path, small)))


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("largest", [150.0, 900.0])
def test_a_file_may_state_its_base(tmp_path, base, largest):
    values = lsp_values(3, largest)
    savemat(tmp_path / "joints.mat", {"joints": values, "base": base})
    people = read_lsp(tmp_path)
    np.testing.assert_allclose(people.joints, values[:2].transpose(2, 1, 0) - base, atol=1e-3)
    assert f"archive with base {base} as it states" in people.provenance
    values = lspet_values(3)
    savemat(tmp_path / "joints.mat", {"joints": values, "base": base})
    people = read_lspet(tmp_path)
    np.testing.assert_allclose(people.joints, values[:, :2].transpose(2, 0, 1) - base, atol=1e-3)
    assert f"3 rows with base {base}" in people.provenance


@pytest.mark.parametrize("base", [2, 0.5, "1", [0, 1]])
def test_a_base_is_0_or_1(tmp_path, base):
    savemat(tmp_path / "joints.mat", {"joints": lsp_values(3), "base": base})
    assert "joints.mat: base is " in fault(lambda: read_lsp(tmp_path))
