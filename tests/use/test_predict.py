"""From photographs to poses with a net that finds the brightest pixel, so that truth is known."""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from dots import INFO, MODEL, brightest, dots, save
from vitruvian import geometry
from vitruvian.data import photos as photo_files
from vitruvian.data.box_files import read_boxes
from vitruvian.models import FLIP_GRAPH, GRAPH, write_model
from vitruvian.types import Poses, UserError
from vitruvian.use import ahead, reading
from vitruvian.use import predict as module
from vitruvian.use.files import CocoWriter, list_photos
from vitruvian.use.look import Sighting
from vitruvian.use.predict import Model, find_in_photos, load, predict_photos
from vitruvian.use.runners import onnx_runner, open_runner

# ---- one photograph ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(120, 90), (90, 400), (33, 31), (500, 70)])
def test_the_whole_photograph(size: tuple[int, int]) -> None:
    H, W = size
    places = np.array([[0.2 * W, 0.3 * H], [0.8 * W, 0.5 * H], [0.5 * W, 0.9 * H]]).round()
    photo = dots(size, *places)
    poses = MODEL.predict(photo, passes=1)
    assert poses.xy.shape == (1, 3, 2)
    assert poses.box.tolist() == [[-0.5, -0.5, W, H]]
    assert np.abs(poses.xy[0] - places).max() < max(size) / 48


def test_the_second_pass_looks_closer() -> None:
    places = np.array([[200, 300], [240, 320], [180, 380]])
    photo = dots((900, 800), *places, side=15)
    first, second = MODEL.predict(photo, passes=1), MODEL.predict(photo)
    assert np.abs(second.xy[0] - places).max() < 0.3
    assert second.box[0, 2] < first.box[0, 2] / 5
    assert second.box[0, 2] == pytest.approx(1.25 * 80, abs=15)


def test_two_sure_joints_are_too_few_to_look_again() -> None:
    photo = dots((200, 200), (50, 50), (60, 70))
    poses = MODEL.predict(photo, passes=2)
    assert poses.box.tolist() == [[-0.5, -0.5, 200, 200]]
    assert poses.score[0, 2] == 0


def test_boxes_at_odd_places() -> None:
    photo = dots((200, 300), (20, 30), (22, 34), (26, 31))
    boxes = [
        [10, 20, 30, 20],  # tight
        [-40, -50, 120, 130],  # over the edge
        [0, 0, 300, 200],
        [5, 1, 41.5, 63.25],
        [250, 150, 40, 40],  # nothing there
    ]
    poses = MODEL.predict(photo, boxes)
    for i in range(4):
        step = 1.25 * max(boxes[i][2] / 48, boxes[i][3] / 64)  # a pixel of the crop
        assert np.abs(poses.xy[i] - [[20, 30], [22, 34], [26, 31]]).max() < 0.4 + step / 4
    assert (poses.score[4:] == 0).all()
    np.testing.assert_allclose(poses.box, np.array(boxes) - [0.5, 0.5, 0, 0])


def test_a_crop_shows_its_box() -> None:
    """One white pixel in the corner of a box with its margin is in the corner of its crop."""
    seen: list[np.ndarray] = []

    def record(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        seen.append(crops)
        return brightest(crops, flip)

    photo = np.zeros((300, 300, 3), np.uint8)
    photo[50, 40] = photo[50 + 63, 40 + 47] = 255
    poses = Model(INFO, record, Path()).predict(photo, [44.8, 56.4, 48 / 1.25, 64 / 1.25])
    assert seen[0].shape == (1, 64, 48, 3)
    assert (seen[0][0] > 0).all(-1).nonzero()[0].tolist() == [0, 63]
    assert (seen[0][0] == 255).all(-1).nonzero()[1].tolist() == [0, 47]
    np.testing.assert_allclose(poses.xy[0, 0], [63.5, 81.5], atol=1e-4)


@pytest.mark.parametrize("boxes", [None, [[300, 250, 200, 250], [0, 0, 900, 700]]])
@pytest.mark.parametrize("passes", [1, 3])
def test_the_crops_that_the_net_saw_last(
    boxes: list[list[float]] | None, passes: int, tmp_path: Path
) -> None:
    """To the pixel, though a JPEG was decoded smaller at first."""
    seen: list[np.ndarray] = []

    def record(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        seen.extend(crops)
        return brightest(crops, flip)

    model = Model(INFO, record, Path())
    photo = dots((1400, 1600), (400, 300), (440, 320), (380, 380), side=15)
    path = save(photo, tmp_path / "a.jpg")
    given = boxes and {"a.jpg": boxes}
    ((_, picture, many),) = find_in_photos(model, [path], given, passes, pictures=False)
    assert picture is None
    assert isinstance(many, Sighting)
    for found in (model.find(path, boxes, passes), many):
        persons = len(found.poses)
        assert persons == (1 if boxes is None else 2)
        for i in range(persons):
            np.testing.assert_array_equal(found.crop(i), seen[i - persons])
            xy = geometry.apply(found.to_image[i], brightest(found.crop(i)[None], False)[0][0])
            np.testing.assert_allclose(found.poses.xy[i], xy, rtol=1e-5)


def test_kinds_of_photographs(tmp_path: Path) -> None:
    photo = dots((80, 60), (20, 30), (22, 44), (36, 31))
    path = save(photo, tmp_path / "a.png")
    expected = MODEL.predict(photo)
    for same in (path, str(path), np.asfortranarray(photo), photo[::-1][::-1]):
        np.testing.assert_array_equal(MODEL.predict(same).xy, expected.xy)
    assert (MODEL.predict(photo[..., 0]).score == 1).all()
    assert MODEL.predict(photo[..., 0]).xy.shape == (1, 3, 2)


def test_a_large_jpeg_gives_what_its_pixels_give(tmp_path: Path) -> None:
    """Decoded smaller or not, first look or second, turned or not."""
    places = np.array([[1200, 1400], [1400, 1700], [1000, 1650]])
    photo = dots((2000, 3000), *places, side=41)
    whole = MODEL.predict(photo)
    path = save(photo, tmp_path / "a.jpg", quality=95, subsampling=0)
    assert np.abs(MODEL.predict(path).xy - whole.xy).max() < 3  # 0.3 px of the crop
    boxes = [[900, 1300, 600, 500], [0, 0, 3000, 2000]]
    difference = MODEL.predict(path, boxes).xy - MODEL.predict(photo, boxes).xy
    assert np.abs(difference[0]).max() < 4
    half = 1.25 * 3000 / 48 / 2  # half a pixel of the crop, of which the squares are a part
    assert np.abs(difference[1]).max() < half
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = save(np.rot90(photo), tmp_path / "b.jpg", quality=95, subsampling=0, exif=exif)
    assert np.abs(MODEL.predict(turned).xy - whole.xy).max() < 3  # 0.3 px of the crop


@pytest.mark.parametrize(
    "photo",
    [np.zeros((4, 5)), np.zeros((0, 5, 3), np.uint8), np.zeros((4, 5, 4), np.uint8),
     np.zeros(5, np.uint8), np.zeros((4, 5, 3), np.float32)],
)  # fmt: skip
def test_arrays_that_are_no_photographs(photo: np.ndarray) -> None:
    with pytest.raises(UserError, match="a photograph is"):
        MODEL.predict(photo)


@pytest.mark.parametrize(
    ("boxes", "words"),
    [([[1, 2, 3]], "rows of four"), ("abc", "rows of four"), (5, "rows of four"),
     ([[1, 2], [3, 4]], "rows of four"), ([[1, 2, 3, 4], [5, 6]], "rows of four"),
     ([[1, 2, 3, 4], [1, 2, 0, 4]], "box 2"), ([[1, 2, float("nan"), 4]], "box 1"),
     ([[1, 2, 3, -4]], "box 1"), ([[1, 2, 3, 4, 5, 6]], "rows of four"),
     ([[1, 2, 3, 4, 1], [1, 2, 3, 4, 1.5]], "box 2 has score 1.5")],
)  # fmt: skip
def test_boxes_that_are_none(boxes: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        MODEL.predict(np.zeros((9, 9, 3), np.uint8), boxes)


def test_boxes_with_scores(tmp_path: Path) -> None:
    path = save(dots((90, 80), (20, 30), (42, 34), (26, 61)), tmp_path / "a.png")
    boxes = np.array([[10, 20, 50, 60, 0.25], [15, 25, 40, 50, np.nan]])
    poses = MODEL.predict(path, boxes)
    plain = MODEL.predict(path, boxes[:, :4])
    np.testing.assert_array_equal(poses.xy, plain.xy)
    np.testing.assert_array_equal(poses.box, plain.box)
    ours, theirs = poses.to_coco(), plain.to_coco()
    assert ours[0]["score"] == pytest.approx(theirs[0]["score"] / 4, abs=1e-3) != 0
    assert ours[1] == theirs[1]
    other = save(dots((90, 80), (20, 30), (42, 34), (26, 61)), tmp_path / "b.png")
    mixed = list(MODEL.predict([path, other], [boxes, boxes[:, :4]]))
    assert [row["score"] for one in mixed for row in one.to_coco()] == [
        row["score"] for row in ours + theirs
    ]


def test_no_boxes_no_poses() -> None:
    for boxes in ([], np.zeros((0, 4))):
        poses = MODEL.predict(np.zeros((9, 9, 3), np.uint8), boxes)
        assert len(poses) == 0
        assert poses.xy.shape == (0, 3, 2)


def test_passes_are_one_to_five() -> None:
    with pytest.raises(UserError, match="give 1 to 5"):
        MODEL.predict(np.zeros((9, 9, 3), np.uint8), passes=6)


# ---- many photographs ----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty photographs of many sizes; number 7 is damaged and 12 is empty."""
    rng = np.random.default_rng(3)
    for i in range(20):
        H, W = rng.integers(30, 300, 2)
        photo = dots((H, W), *rng.uniform(5, [W - 5, H - 5], (3, 2)))
        suffix = ".jpg" if i % 3 else ".png"
        save(photo, tmp_path / f"{i:02}{suffix}")
    (tmp_path / "07.jpg").write_bytes((tmp_path / "07.jpg").read_bytes()[:-40])
    (tmp_path / "12.png").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("pictures", [False, True])
@pytest.mark.parametrize("batch", [1, 3, 16, 100])
def test_many_are_as_one_at_a_time(folder: Path, batch: int, pictures: bool) -> None:
    paths = list(list_photos([folder]))
    results = list(predict_photos(MODEL, paths, batch=batch, pictures=pictures))
    assert [path for path, *_ in results] == paths
    assert sum(isinstance(poses, UserError) for *_, poses in results) == 2
    for path, photo, poses in results:
        if isinstance(poses, UserError):
            assert photo is None
            assert path.stem in ("07", "12")
            assert path.name in str(poses)
            continue
        assert (photo is not None) == pictures
        if photo is not None:
            np.testing.assert_array_equal(photo, photo_files.read_photo(path)[0])
        expected = MODEL.predict(path)
        np.testing.assert_array_equal(poses.xy, expected.xy)
        np.testing.assert_array_equal(poses.box, expected.box)


def test_large_photographs_among_many(tmp_path: Path) -> None:
    large = dots((3000, 2500), (1200, 1400), (1260, 1500), (1150, 1480), side=41)
    wide = dots((20, 20_000), (19_000, 10), (19_003, 8), (19_010, 12), side=3)
    paths = [
        save(large, tmp_path / "a.jpg", quality=95),
        save(wide, tmp_path / "b.png"),
        save(large, tmp_path / "c.png"),
    ] * 4
    for (path, photo, poses), expected in zip(predict_photos(MODEL, paths), paths, strict=True):
        assert path == expected
        assert photo is not None
        assert photo.shape[0] in (3000, 20)
        assert isinstance(poses, Poses)
        assert path.name == "b.png" or np.abs(poses.xy[0, 0] - [1200, 1400]).max() < 2


def test_boxes_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    photo = dots((100, 100), (20, 30), (22, 34), (26, 31))
    names = ["a.png", "sub/a.png", "none.png", "nobody.png", "bad.png"]
    paths = [save(photo, tmp_path / name) for name in names]
    boxes = {
        "a.png": np.array([[0, 0, 50, 50]]),
        "sub/a.png": [[0, 0, 50, 50], [10, 20, 30, 20]],
        "nobody.png": np.zeros((0, 4)),
        "bad.png": [[0, 0, 0, 0]],
    }
    poses = [found for *_, found in predict_photos(MODEL, paths, boxes, batch=2)]
    assert [len(found) for found in poses if isinstance(found, Poses)] == [1, 2, 0]
    assert "none.png is not among the boxes" in str(poses[2])
    assert "bad.png: box 1" in str(poses[4])


def test_photographs_are_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number, few are alive at once."""
    alive: set[int] = set()
    most = 0
    read = reading.read_photo

    def counted(*arguments: object) -> tuple[np.ndarray, int]:
        nonlocal most
        photo, factor = read(*arguments)  # type: ignore[arg-type]
        number = len(alive) + 1_000_000 * id(photo)
        alive.add(number)
        most = max(most, len(alive))
        weakref.finalize(photo, alive.discard, number)
        return photo, factor

    monkeypatch.setattr(reading, "read_photo", counted)
    good = [folder / "03.png", folder / "04.jpg"]
    endless = itertools.islice(itertools.cycle(good), 400)
    for _ in predict_photos(MODEL, endless, batch=8):
        pass
    gc.collect()
    assert most <= 45
    assert len(alive) <= 1


def test_paths_are_taken_as_they_are_needed(folder: Path) -> None:
    taken = 0

    def paths() -> Iterator[Path]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield folder / "03.png"

    results = predict_photos(MODEL, paths(), batch=4)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert taken < 40


def test_huge_photographs_are_held_one_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[int] = []
    monkeypatch.setattr(ahead, "AHEAD", 10)
    monkeypatch.setattr(ahead, "TOGETHER", 10)

    def counted(*arguments: object) -> Iterator[object]:
        for group in ahead.grouped(*arguments):  # type: ignore[arg-type]
            waiting.append(len(group))
            yield group

    monkeypatch.setattr(module, "grouped", counted)
    assert len(list(predict_photos(MODEL, [folder / "03.png"] * 5))) == 5
    assert waiting == [1] * 5


# ---- runners -------------------------------------------------------------------------------------


def tiny_graph(flipped: bool = False) -> bytes:
    """xy = (mean of red, mean of green), score = mean of blue / 255, in three joints."""
    constants = {
        "axes": np.array([1, 2]),
        "scale": np.array(255, np.float32),
        "from": np.array([0]), "two": np.array([2]), "three": np.array([3]), "last": np.array([1]),
        "sign": np.array(-1 if flipped else 1, np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "axes"], ["mean"], keepdims=0),
        helper.make_node("Slice", ["mean", "from", "two", "last"], ["first"]),
        helper.make_node("Mul", ["first", "sign"], ["signed"]),
        helper.make_node("Unsqueeze", ["signed", "last"], ["one"]),
        helper.make_node("Concat", ["one", "one", "one"], ["xy"], axis=1),
        helper.make_node("Slice", ["mean", "two", "three", "last"], ["blue"]),
        helper.make_node("Div", ["blue", "scale"], ["share"]),
        helper.make_node("Concat", ["share", "share", "share"], ["score"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["B", "H", "W", 3])],
        [
            helper.make_tensor_value_info("xy", TensorProto.FLOAT, ["B", 3, 2]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["B", 3]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    graphs = {GRAPH: tiny_graph(), FLIP_GRAPH: tiny_graph(flipped=True)}
    write_model(tmp_path / "model", INFO, {"w": np.zeros(1, np.float32)}, graphs, "")
    return tmp_path / "model"


@pytest.mark.parametrize("count", [1, 5])
def test_onnx_runner(model_folder: Path, count: int) -> None:
    crops = np.zeros((count, 64, 48, 3), np.uint8)
    crops[..., 0], crops[..., 1], crops[..., 2] = 20, 10, 51
    run = onnx_runner(model_folder, threads=1)
    for flip in (False, True, np.bool_(True)):
        xy, score = run(crops, bool(flip))
        np.testing.assert_allclose(xy, np.broadcast_to([20, 10], (count, 3, 2)) * (1 - 2 * flip))
        np.testing.assert_allclose(score, np.full((count, 3), 0.2))
        assert xy.dtype == score.dtype == np.float32


def test_load_and_predict(model_folder: Path) -> None:
    model = load(model_folder)
    photo = np.zeros((64, 48, 3), np.uint8)
    photo[..., 0], photo[..., 1] = 20, 10
    np.testing.assert_allclose(model.predict(photo).xy, np.broadcast_to([20, 10], (1, 3, 2)))
    assert model.folder == model_folder
    assert load(model_folder.parent).folder == model_folder


def test_other_settings_of_predicting_keep_the_graph(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert load(f"{model_folder}@predict.passes=3").info.predict.passes == 3
    for setting, words in {
        "predict.passes=9": r"predict\.passes: input should be less",
        "predict.pases=1": "nearest: 'passes'",
        "recipe.seed=1": "no key 'recipe'; nearest: 'predict'",
    }.items():
        with pytest.raises(UserError, match=words):
            load(f"{model_folder}@{setting}")


def test_other_settings_of_the_config_are_those_of_the_net() -> None:
    """Without an offset within a cell, all answers lie on one lattice of 4 px."""
    crops = np.random.default_rng(3).integers(0, 256, (2, 96, 64, 3), np.uint8)
    places = []
    for settings in ("@config.crop=[96,64]", "@config.crop=[96,64]@config.offset=none"):
        model = load(f"resnet_fcn/compact{settings}", "cpu")
        assert model.info.crop == (96, 64)
        places.append(np.unique(np.mod(model.runner(crops, False)[0], 4)))
    assert len(places[1]) == 1 < len(places[0])
    with pytest.raises(UserError, match=r"config\.offset: input should be 'none'"):
        load("resnet_fcn/compact@config.offset=half", "cpu")


def test_graphs_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.onnx does not exist"):
        onnx_runner(tmp_path)
    (tmp_path / GRAPH).write_bytes(b"none")
    with pytest.raises(UserError, match=r"model\.onnx is damaged"):
        onnx_runner(tmp_path)


def test_torch_is_asked_for_only_when_needed(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vitruvian.learn.runner", raising=False)
    load(model_folder, "cpu")
    with pytest.raises(UserError, match=r"pip install 'vitruvian\[train\]'"):
        load(model_folder, "cuda")
    with pytest.raises(UserError, match=r"has no model\.onnx, so torch"):
        open_runner(model_folder, INFO, "auto")


def test_predicting_imports_no_torch(model_folder: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from vitruvian.use.predict import load\n"
        "from vitruvian.use import page, files\n"
        "load(sys.argv[1]).predict(np.zeros((9, 9, 3), np.uint8))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(model_folder)], check=True)


# ---- names, boxes, results -----------------------------------------------------------------------


def test_list_photos(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a/x/9.webp", "b/.hidden.jpg", "b/note.txt", "z.jpeg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [path.relative_to(tmp_path).as_posix() for path in list_photos([str(tmp_path)])]
    assert names == ["a/x/9.webp", "b/1.png", "b/2.JPG", "z.jpeg"]
    given = [tmp_path / "b" / "note.txt", tmp_path / "a"]
    assert [path.name for path in list_photos(given)] == ["note.txt", "9.webp"]
    assert list(list_photos([])) == []


@pytest.mark.parametrize("address", ["https://x.org/a.jpg?size=9", "s3://bucket/a.jpg"])
def test_an_address_is_no_file(address: str) -> None:
    said = r"read from disk alone: download it first; .*`vitruvian predict MODEL stream:ADDRESS`$"
    for ask in (lambda: list_photos([address]), lambda: MODEL.predict(address)):
        with pytest.raises(UserError, match=said) as caught:
            ask()
        assert str(caught.value).startswith(f"{address}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=said):
        list(MODEL.predict([address]))


def test_a_folder_of_heic_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.HEIC").touch()
    with pytest.raises(UserError, match=r"no photographs \(.*\), but 1 of HEIC, .*: convert"):
        list_photos([tmp_path])


def test_lists_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        list_photos([tmp_path / "nowhere"])
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    with pytest.raises(UserError, match="empty has no photographs"):
        list_photos([tmp_path / "empty"])


def found(persons: int) -> Poses:
    xy = np.arange(persons * 6, dtype=np.float32).reshape(persons, 3, 2) + 0.1234567
    score = np.full((persons, 3), 0.5, np.float32)
    box = np.tile(np.array([[9.5, 19.5, 30, 40]], np.float32), (persons, 1))
    return Poses(xy, score, box)


def test_coco_results(tmp_path: Path) -> None:
    path = tmp_path / "poses.json"
    with CocoWriter(path) as writer:
        writer.write("a.jpg", found(2))
        assert not path.exists()
        writer.write("nobody.jpg", found(0))
        writer.write('ö "b".jpg', found(1), image_id=785)
    writer.close()
    results = json.loads(path.read_text(encoding="utf-8"))
    assert [row["image_id"] for row in results] == [1, 1, 785]
    assert results[0] == {
        "image_id": 1,
        "file_name": "a.jpg",
        "category_id": 1,
        "keypoints": [0.123, 1.123, 0.5, 2.123, 3.123, 0.5, 4.123, 5.123, 0.5],
        "score": 0.5,
        "bbox": [10, 20, 30, 40],
    }
    assert {name: len(of) for name, of in read_boxes(path).items()} == {"a.jpg": 2, 'ö "b".jpg': 1}
    assert [file.name for file in tmp_path.iterdir()] == ["poses.json"]


@pytest.mark.parametrize("written", [0, 1, 3])
def test_interrupted_results_are_valid(tmp_path: Path, written: int) -> None:
    def run() -> None:
        with CocoWriter(tmp_path / "poses.json") as writer:
            for _ in range(written):
                writer.write("a.jpg", found(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(json.loads((tmp_path / "poses.json").read_text())) == written


def test_results_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        CocoWriter(tmp_path / "no" / "poses.json")
    (tmp_path / "poses.json").write_text("old")
    writer = CocoWriter(tmp_path / "poses.json")

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(UserError, match="No space left"):
        writer.close()
    assert (tmp_path / "poses.json").read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["poses.json"]


# ---- iterators -----------------------------------------------------------------------------------


def test_many_in_many_out(folder: Path) -> None:
    """Files and arrays among each other, each as if it were alone."""
    paths = [folder / "03.png", str(folder / "04.jpg"), folder / "05.jpg"]
    photos = [
        *paths,
        photo_files.read_photo(paths[0])[0],
        photo_files.read_photo(paths[1])[0][..., 0],
    ]
    found = list(MODEL.predict(photos, batch_size=2))
    assert [poses.name for poses in found[:3]] == [str(path) for path in paths]
    for one, poses in zip(photos, found, strict=True):
        expected = MODEL.predict(one)
        np.testing.assert_array_equal(poses.xy, expected.xy)
        np.testing.assert_array_equal(poses.draw(), expected.draw())
        assert poses.source == expected.source


def test_an_array_of_photographs() -> None:
    photos = np.stack([dots((90, 80), (20 + x, 30), (42, 34), (26, 61)) for x in range(3)])
    found = list(MODEL.predict(photos, passes=1))
    assert [round(float(poses.xy[0, 0, 0])) for poses in found] == [20, 21, 22]
    assert {poses.source for poses in found} == {("image",)}


def test_photographs_are_taken_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal taken
        while True:
            taken += 1
            yield dots((90, 80), (20, 30), (42, 34), (26, 61))

    assert len(list(itertools.islice(MODEL.predict(endless(), batch_size=2), 10))) == 10
    assert taken < 30


def test_boxes_that_go_along(folder: Path) -> None:
    photo = dots((90, 80), (20, 30), (42, 34), (26, 61))
    boxes = [None, [[0, 0, 60, 80], [10, 10, 50, 70]], []]
    found = list(MODEL.predict([photo, folder / "03.png", photo], boxes))
    assert [poses.source for poses in found] == [("image+pass2",), ("user", "user"), ()]
    (named,) = MODEL.predict([folder / "03.png"], {"03.png": [[0, 0, 60, 80]]})
    assert named.box.tolist() == [[-0.5, -0.5, 60, 80]]
    with pytest.raises(UserError, match="boxes of 1 photographs alone"):
        list(MODEL.predict([photo, photo], [None]))
    with pytest.raises(UserError, match="boxes of more photographs"):
        list(MODEL.predict([photo], [None, None]))
    one = MODEL.predict(folder / "03.png", {"03.png": [[0, 0, 60, 80]]})
    assert one.box.tolist() == named.box.tolist()
    with pytest.raises(UserError, match="an array's as rows"):
        MODEL.predict(photo, {"03.png": [[0, 0, 60, 80]]})


@pytest.mark.parametrize("photo", [3, None, b"\xff\xd8\xff", Image.new("RGB", (8, 8))])
def test_what_is_no_photograph_is_said_at_once(photo: object) -> None:
    with pytest.raises(UserError, match=f"^{type(photo).__name__} is no photograph: give"):
        MODEL.predict(photo)  # type: ignore[call-overload]


def test_a_box_beside_the_photograph(folder: Path) -> None:
    """The photograph is 80 px wide and 90 high; a box may leave it, and not lie outside of it."""
    photo, path = dots((90, 80), (20, 30), (42, 34), (26, 61)), folder / "03.png"
    height, width = photo_files.photo_size(path)
    for x, y in ((80, 0), (-9, 0), (0, 90), (0, -9)):
        words = "box 2 lies outside of the photograph of 80 x 90 px"
        boxes = [[0, 0, 9, 9], [x, y, 9, 9]]
        for ask in (photo, [photo]):
            with pytest.raises(UserError, match=words):
                list(MODEL.predict(ask, boxes if ask is photo else [boxes]))
    with pytest.raises(UserError, match=f"03.png: box 1 lies outside .* {width} x {height} px"):
        list(MODEL.predict([path], [[[width, 0, 9, 9]]]))
    assert len(MODEL.predict(photo, [[79, 89, 9, 9]]).xy) == 1


def test_a_photograph_that_cannot_be_read_ends_it(folder: Path) -> None:
    for bad, words in ((folder / "07.jpg", "07.jpg"), (np.zeros((2, 2)), "array 1: a photograph")):
        answers = MODEL.predict([folder / "03.png", bad])
        next(answers)
        with pytest.raises(UserError, match=words):
            next(answers)
    for size in (0, "2"):
        with pytest.raises(UserError, match=f"batch_size is {size!r}"):
            MODEL.predict([], batch_size=size)  # type: ignore[call-overload]


class Corner:
    """A detector that finds one person in the top left corner of each photograph."""

    name = "corner"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        self.shapes += [image.shape for image in images]
        return [(np.array([[-0.5, -0.5, 60, 80]], np.float32), np.array([0.25]))] * len(images)


def test_a_detector_sees_every_pixel(tmp_path: Path) -> None:
    """Of a large JPEG too, which would be decoded smaller for one crop; and asks for no second look."""
    photo = dots((1400, 1600), (20, 30), (42, 34), (26, 61))
    path, corner = save(photo, tmp_path / "a.jpg", quality=95, subsampling=0), Corner()
    one = MODEL.predict(path, detector=corner)
    (many,) = MODEL.predict([path], detector=corner)
    ((_, _, listed),) = predict_photos(MODEL, [path], detector=corner)
    assert isinstance(listed, Poses)
    assert corner.shapes == [(1400, 1600, 3)] * 3
    for poses in (one, many, listed):
        assert poses.source == ("detector:corner",)  # type: ignore[attr-defined]
        assert poses.box.tolist() == [[-0.5, -0.5, 60, 80]]
        assert np.abs(poses.xy[0] - [[20, 30], [42, 34], [26, 61]]).max() < 0.6
        assert poses.to_coco()[0]["score"] == pytest.approx(poses.score.mean() / 4, rel=1e-3)  # type: ignore[attr-defined]
    given = MODEL.predict(path, [[0, 0, 60, 80]], detector=corner)
    assert given.source == ("user",)
    assert len(corner.shapes) == 3


def test_a_model_is_told_in_a_line() -> None:
    said = repr(load("resnet_fcn/compact"))
    assert said.startswith("Model('resnet_fcn/compact', 14 joints, crops of 160x160 px, 2,1")
    assert len(said) < 300
