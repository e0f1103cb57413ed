"""Packs: the same persons in one file, and nothing but a pack is taken for one."""

import dataclasses
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from vitruvian import geometry
from vitruvian.data.leeds import read_lspet
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.pack import MARGIN, read_pack, to_photographs, write_pack
from vitruvian.data.people import People
from vitruvian.data.photos import read_photo
from vitruvian.skeleton import Skeleton
from vitruvian.types import State, UserError

STICK = Skeleton("stick", ("right_hand", "head", "left_hand"), (("right_hand", "left_hand"),))
HEIGHT, WIDTH = 240, 320


def dotted(xy):
    """A grey picture with a white square of 7 px around each point (whole numbers)."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for x, y in np.asarray(xy, int):
        picture[y - 3 : y + 4, x - 3 : x + 4] = 255
    return picture


@pytest.fixture
def people(tmp_path):
    """Eight persons of 40 to 180 px, of which the fourth has no joint
    and the sixth lies in the corner."""
    corner = np.random.default_rng(0).integers(10, 60, (8, 1, 2))
    triangle = np.array([[0, 0], [1, 0.3], [0.4, 0.9]])
    joints = corner + np.linspace(40, 180, 8)[:, None, None] * triangle
    joints = np.rint(joints).astype(np.float32)
    joints[5] = [[4, 4], [40, 30], [90, 6]]
    state = np.full((8, 3), State.VISIBLE, np.uint8)
    state[1, 0], state[2, 1], state[3] = State.OCCLUDED, State.MISSING, State.MISSING
    located = state >= State.OCCLUDED
    for row in range(8):
        name = str(tmp_path / f"{row}.png")
        cv2.imwrite(name, dotted(joints[row][located[row]]))
    joints = np.where(located[..., None], joints, 0).astype(np.float32)
    return People(
        name="sticks",
        skeleton=STICK,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, located),
        key=np.arange(8) * 11 + 3,
        photo=lambda row, factor: read_photo(tmp_path / f"{row}.png", factor),
        label=lambda row: f"{row}.png",
        size=lambda row: (HEIGHT, WIDTH),
        subsets={"train": np.array([6, 0, 1, 2]), "val": np.array([3, 4, 5])},
        provenance="eight sticks",
    )


def light(picture, xy, reach):
    """The centre of what is light within `reach` px of a point."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    weight = np.clip(picture.mean(-1) - 90, 0, None)
    weight[np.hypot(x - xy[0], y - xy[1]) > reach] = 0
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("side", [64, 100, 400])
def test_pixels_stay_below_their_joints(people, tmp_path, side):
    path = tmp_path / "sticks.pack"
    report = write_pack(people, path, side)
    pack, to_photo = read_pack(path), to_photographs(path).astype(float)
    assert report.rows == len(pack) == 8
    assert report.size == path.stat().st_size
    for row, joint in np.argwhere(pack.state >= State.OCCLUDED):
        picture, factor = pack.photo(row, 1)
        assert factor == 1
        assert picture.shape == (*pack.size(row), 3)
        shrink = to_photo[row, 0, 0]
        found = light(picture, pack.joints[row, joint], 1 + 6 / shrink)
        assert np.abs(found - pack.joints[row, joint]).max() < 0.5
        back = geometry.apply(to_photo[row], pack.joints[row, joint, None].astype(float))
        np.testing.assert_allclose(back[0], people.joints[row, joint], atol=1e-3)


def test_labels_are_kept(people, tmp_path):
    write_pack(people, tmp_path / "p", 80)
    pack = read_pack(tmp_path / "p")
    assert (pack.name, pack.skeleton) == (people.name, STICK)
    assert "pack" in pack.provenance
    assert "eight sticks" in pack.provenance
    np.testing.assert_array_equal(pack.key, people.key)
    np.testing.assert_array_equal(pack.state, people.state)
    assert pack.joints.dtype == pack.box.dtype == np.float32
    assert (pack.joints[pack.state < State.OCCLUDED] == 0).all()
    assert {name: rows.tolist() for name, rows in pack.subsets.items()} == {
        "train": [6, 0, 1, 2],
        "val": [3, 4, 5],
    }
    assert [pack.label(row) for row in range(8)] == [people.label(row) for row in range(8)]
    expected = geometry.box_of_joints(pack.joints, pack.state >= State.OCCLUDED)
    wide = people.box[:, 2] > 10
    np.testing.assert_allclose(pack.box[wide], expected[wide], atol=1e-3)
    assert np.isnan(pack.box[3]).all()


@pytest.mark.parametrize("side", [48, 400])
def test_columns_move_with_the_crop(people, tmp_path, side):
    """Boxes show the same pixels, lengths span the same; what is unknown stays so."""
    dot = np.concatenate([people.joints[:, 2] - 3.5, np.full((8, 2), 7)], 1).astype(np.float32)
    dot[6] = np.nan
    length = np.linalg.norm(people.joints[:, 0] - people.joints[:, 2], axis=1)
    length[2] = np.nan
    people = dataclasses.replace(
        people,
        lengths={"span": length, "other": np.arange(8.0)},
        boxes={"dot": dot},
        image=np.arange(8) // 2,
        weight=np.linspace(1, 2, 8),
        convention="OC",
        scored="test",
        box_words="objpos",
    )
    (tmp_path / "4.png").unlink()
    write_pack(people, tmp_path / "p", side)
    pack, rows = read_pack(tmp_path / "p"), np.array([0, 1, 2, 3, 5, 6, 7])
    assert (pack.convention, pack.scored, pack.box_words) == ("OC", "test", "objpos")
    np.testing.assert_array_equal(pack.image, [0, 0, 1, 1, 2, 3, 3])
    np.testing.assert_array_equal(pack.weight, people.weight[rows])
    assert set(pack.lengths) == {"span", "other"}
    assert np.isnan(pack.lengths["span"][2])
    assert np.isnan(pack.boxes["dot"][5]).all()
    shrink = to_photographs(tmp_path / "p")[:, 0, 0]
    np.testing.assert_allclose(pack.lengths["other"] * shrink, rows, rtol=1e-6)
    located = (pack.state[:, [0, 2]] >= State.OCCLUDED).all(1)
    spans = np.linalg.norm(pack.joints[:, 0] - pack.joints[:, 2], axis=1)
    for row in np.flatnonzero(located & (rows != 6)):
        if rows[row] != 2:
            assert pack.lengths["span"][row] == pytest.approx(spans[row], rel=1e-4)
        x, y, width, height = pack.boxes["dot"][row]
        assert width == height == pytest.approx(7 / shrink[row], rel=1e-5)
        centre = light(pack.photo(row, 1)[0], pack.joints[row, 2], 1 + 6 / shrink[row])
        assert np.abs(centre - [x + width / 2, y + height / 2]).max() < 0.5


@pytest.mark.parametrize(("subsets", "scored"), [(("train", "val"), "val"), (("test",), "test")])
def test_format_1_is_still_read(people, tmp_path, subsets, scored):
    """The arrays and the header that format 1 had, sealed as it was."""
    write_pack(people, tmp_path / "p", 64)
    with np.load(tmp_path / "p") as file:
        arrays = {name: file[name] for name in file.files if name not in ("image", "header")}
        header = json.loads(file["header"].tobytes())
    for name in ("convention", "scored", "lengths", "boxes", "box", "sha256"):
        del header[name]
    kept = {name: arrays.pop(f"subset_{name}") for name in ("train", "val")}
    arrays |= {f"subset_{name}": kept.get(name, np.array([4, 1])) for name in subsets}
    header |= {"format": 1, "subsets": list(subsets)}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(arrays[name].tobytes())
    header["sha256"] = digest.hexdigest()
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with open(tmp_path / "old", "wb") as file:
        np.savez(file, **arrays)
    old, new = read_pack(tmp_path / "old"), read_pack(tmp_path / "p")
    assert (old.convention, old.scored, old.weight, old.image) == ("PC", scored, None, None)
    assert old.lengths == old.boxes == {}
    assert old.box_words == new.box_words == "labelled joints x1.25, square"
    np.testing.assert_array_equal(old.images, people.key)
    np.testing.assert_array_equal(old.joints, new.joints)
    np.testing.assert_array_equal(old.photo(7, 1)[0], new.photo(7, 1)[0])
    assert list(old.subsets) == list(subsets)


@pytest.mark.parametrize("side", [32, 90, 500])
def test_never_upsampled_and_no_larger_than_asked(people, tmp_path, side):
    report = write_pack(people, tmp_path / "p", side)
    pack, scale = read_pack(tmp_path / "p"), to_photographs(tmp_path / "p")[:, 0, 0]
    assert (scale >= 1).all()
    known = np.isfinite(people.box[:, 2])
    asked = np.maximum(MARGIN * people.box[known, 2] / side, 1)
    np.testing.assert_allclose(scale[known], asked, rtol=1e-6)
    assert (np.array([pack.size(row) for row in range(8)]) <= 1.13 * side + 2).all()
    assert report.reduced == pytest.approx((scale > 1).mean())


def test_whole_photograph_where_nothing_is_labelled(people, tmp_path):
    write_pack(people, tmp_path / "p", 160)
    assert read_pack(tmp_path / "p").size(3) == (HEIGHT // 2, WIDTH // 2)


def test_crops_are_nearly_those_of_the_files(people, tmp_path):
    write_pack(people, tmp_path / "p", 300)
    rows = np.array([0, 1, 2, 4, 5, 6, 7])
    both = [source.rows(rows) for source in (people, read_pack(tmp_path / "p"))]
    files, pack = (next(plain_crops(p, p.box, 64, 64, 7, Skipped())) for p in both)
    np.testing.assert_allclose(pack.joints, files.joints, atol=1e-2)
    assert np.abs(pack.image.astype(int) - files.image).mean() < 3


def test_photographs_from_many_threads_and_smaller(people, tmp_path):
    write_pack(people, tmp_path / "p", 200)
    pack = read_pack(tmp_path / "p")
    once = [pack.photo(row, 2) for row in range(8)]
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda row: pack.photo(row, 2), list(range(8)) * 5))
    for row, (picture, factor) in enumerate(again):
        assert factor == 2
        assert picture.shape[:2] == tuple(-(-px // 2) for px in pack.size(row % 8))
        np.testing.assert_array_equal(picture, once[row % 8][0])


def test_box_outside_its_photograph(people, tmp_path):
    people.box[0] = [900, 900, 50, 50]
    people.box[1] = [-700, 10, 5000, 5]
    write_pack(people, tmp_path / "p", 16)
    pack = read_pack(tmp_path / "p")
    assert pack.photo(0, 1)[0].shape == (1, 1, 3)
    assert (pack.joints[0] < -100).all()  # as far outside as before
    assert min(pack.size(1)) >= 1


def test_unreadable_photographs_are_dropped_and_counted(people, tmp_path):
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "4.png").unlink()
    done = []
    report = write_pack(people, tmp_path / "p", 64, lambda *counts: done.append(counts))
    pack = read_pack(tmp_path / "p")
    assert report.rows == len(pack) == 6
    assert [line.split("/")[-1].split()[0] for line in report.dropped] == ["1.png", "4.png"]
    assert "left out 2" in report.line()
    assert "2 unreadable left out" in pack.provenance
    assert pack.key.tolist() == people.key[[0, 2, 3, 5, 6, 7]].tolist()
    assert [pack.label(row) for row in pack.subsets["train"]] == ["6.png", "0.png", "2.png"]
    assert [pack.label(row) for row in pack.subsets["val"]] == ["3.png", "5.png"]
    assert done[-1] == (8, 8)


def test_nothing_to_pack(people, tmp_path):
    for row in range(8):
        (tmp_path / f"{row}.png").unlink()
    with pytest.raises(UserError, match=r"nothing to pack: .*0\.png does not exist"):
        write_pack(people, tmp_path / "p", 64)
    with pytest.raises(UserError, match="16 px at least"):
        write_pack(people, tmp_path / "p", 8)
    assert not (tmp_path / "p").exists()


def test_written_whole_or_not_at_all(people, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    write_pack(people, folder / "p", 64)
    before = (folder / "p").read_bytes()
    write_pack(people, folder / "p", 64)
    assert (folder / "p").read_bytes() == before
    assert [file.name for file in folder.iterdir()] == ["p"]
    with pytest.raises(UserError, match="cannot be written"):
        write_pack(people, tmp_path / "no such folder" / "p", 64)


def altered(data, change):
    if change == "empty":
        return b""
    if change == "cut short":
        return data[: len(data) * 2 // 3]
    at = {"a photograph": len(data) // 2, "the first array": 300}[change]
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("change", ["empty", "cut short", "a photograph", "the first array"])
def test_damaged_files_are_refused(people, tmp_path, change):
    path = tmp_path / "p"
    write_pack(people, path, 64)
    path.write_bytes(altered(path.read_bytes(), change))
    with pytest.raises(UserError, match=r"not a pack or is cut short|is damaged") as caught:
        read_pack(path)
    assert "\n" not in str(caught.value)


def test_tampered_arrays_and_headers_are_refused(people, tmp_path):
    path = tmp_path / "p"
    write_pack(people, path, 64)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(arrays["header"].tobytes())

    def save(**changes):
        text = json.dumps(header | changes).encode()
        with open(path, "wb") as file:
            np.savez(file, **(arrays | {"header": np.frombuffer(text, np.uint8)}))

    save()
    assert len(read_pack(path)) == 8
    save(name="lspet")
    with pytest.raises(UserError, match=r"is damaged \(its SHA-256 differs\)"):
        read_pack(path)
    save(format=3)
    with pytest.raises(UserError, match="pack format 3, but this version reads 1 and 2: write"):
        read_pack(path)
    save(kind="cake")
    with pytest.raises(UserError, match="not a pack: it holds a 'cake'"):
        read_pack(path)
    arrays["joints"] = arrays["joints"] + 1
    save()
    with pytest.raises(UserError, match="SHA-256"):
        read_pack(path)


@pytest.mark.parametrize("kind", ["text", "npy", "npz", "pickle", "folder", "absent"])
def test_foreign_files_are_refused(tmp_path, kind):
    path = tmp_path / "foreign"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("persons")
    elif kind != "absent":
        with open(path, "wb") as file:
            if kind == "npy":
                np.save(file, np.ones(3))
            elif kind == "npz":
                np.savez(file, joints=np.ones(3))
            else:
                np.savez(file, header=np.array([{}], object))
    known = r"is not a pack|does not exist|cannot be read"
    with pytest.raises(UserError, match=known) as caught:
        read_pack(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("side", "megabytes"), [(160, 50), (128, 30)])
def test_size_of_lspet(shared, tmp_path, side, megabytes):
    people = read_lspet(shared / "data" / "lspet")
    sample = people.rows(np.arange(0, len(people), len(people) // 300)[:300])
    report = write_pack(sample, tmp_path / "p", side)
    assert report.size / report.rows * 9000 < megabytes * 1e6
    assert not report.dropped
