"""Heatmaps are those of the very crops that poses were read from; their files say what they are."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import mapped
import tiny
from vitruvian import geometry
from vitruvian.learn.runner import net_maps, new_net
from vitruvian.models import ModelInfo, Preprocessing
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Answer, Ask, System
from vitruvian.types import UserError
from vitruvian.use.heatmaps import (
    Truth,
    channels,
    heatmaps,
    look,
    open_maps,
    peak,
    write_maps,
)
from vitruvian.use.predict import Model, load

DOTS = Skeleton("dots", ("red", "green", "blue"))
INFO = ModelInfo(
    name="dots", system="none", config={}, skeleton=DOTS,
    preprocessing=Preprocessing(crop=(40, 24)), parameters=0, gmacs=0,
)  # fmt: skip


def colours(crops: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Channel by channel the mean of 4 x 4 px, and in the second set what is left of it."""
    B, H, W, _ = crops.shape
    blocks = crops.astype(np.float32).reshape(B, H // 4, 4, W // 4, 4, 3).mean((2, 4)) / 255
    maps = blocks.transpose(0, 3, 1, 2)
    places = [[peak(values, (H, W))[0] for values in of] for of in maps]
    return (
        np.array(places, np.float32),
        maps.max((2, 3)),
        {"light": maps, "dark": np.concatenate([1 - maps, maps[:, :1]], 1)},
    )


MODEL = Model(INFO, lambda crops, flip: colours(crops, flip)[:2], Path())


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mapped.write_parts(tmp_path_factory.mktemp("parts") / "model")


def photo(size: tuple[int, int] = (70, 90)) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (*size, 3), np.uint8)


def test_a_cell_lies_where_its_pixels_are() -> None:
    """A red square in the photograph is where the highest cell of its map is said to be.

    The box with its margin is 120 x 200 px from (8, 80) on, a pixel of the crop 5 px, a cell 20 px.
    """
    picture = np.zeros((300, 200, 3), np.uint8)
    picture[180:200, 68:88, 0] = 255  # one cell, its middle is (77.5, 189.5)
    found = MODEL.find(picture, [[20, 100, 96, 160]], flip=False)
    (seen,) = look(MODEL, colours, picture, found.poses, given=True)
    assert list(seen.maps) == ["light", "dark"]
    assert seen.maps["light"].shape == (3, 10, 6)
    assert seen.maps["dark"].shape == (4, 10, 6)
    xy_crop, height = peak(seen.maps["light"][0], seen.crop.shape[:2])
    np.testing.assert_allclose(geometry.apply(seen.to_image, xy_crop[None]), [[77.5, 189.5]])
    assert height > 0.7
    np.testing.assert_array_equal(found.to_image[0], seen.to_image)
    np.testing.assert_array_equal(seen.xy_crop[0], xy_crop)


def test_the_middle_of_the_highest_cell() -> None:
    """A map of 2 x 3 cells on a crop of 8 px height and 30 px width: cells of 4 x 10 px."""
    xy_crop, value = peak(np.array([[0, 1, 2], [0, 7, 3]]), (8, 30))
    assert xy_crop.tolist() == [14.5, 5.5]
    assert value == 7


@pytest.mark.parametrize("given", [False, True])
def test_maps_belong_to_the_answer(parts: Path, given: bool, tmp_path: Path) -> None:
    """Through the net: same score and place as `predict`; more persons than a batch."""
    path = tmp_path / "a.png"
    Image.fromarray(photo()).save(path)
    (tmp_path / "bad.png").write_bytes(b"none")
    rows = [[5, 5, 30, 40], [40, 10, 30, 20], [0, 0, 90, 70], [10, 30, 25, 25], [50, 20, 9, 40]]
    boxes = {"a.png": rows, "bad.png": rows} if given else None
    model = load(parts, "cpu")
    poses = model.predict(path, boxes and boxes["a.png"])
    results = list(heatmaps(model, [path, str(tmp_path / "bad.png")], boxes, device="cpu"))
    assert [where for where, _ in results] == [path] * len(poses) + [tmp_path / "bad.png"]
    assert isinstance(results[-1][1], UserError)
    for i, (_, seen) in enumerate(results[:-1]):
        assert not isinstance(seen, UserError)
        assert {name: maps.shape for name, maps in seen.maps.items()} == {
            "detection": (14, 8, 16),
            "regression": (14, 8, 16),
        }
        assert seen.crop.shape == (32, 64, 3)
        np.testing.assert_allclose(seen.score, poses.score[i], atol=1e-5)
        xy_image = geometry.apply(seen.to_image, seen.xy_crop)
        np.testing.assert_allclose(xy_image, poses.xy[i], atol=1e-2)


def test_a_stage_has_the_maps_up_to_it(parts: Path) -> None:
    model = load(f"{parts}@detect", "cpu")
    (seen,) = look(model, open_maps(model, "cpu"), photo(), model.predict(photo()))
    assert list(seen.maps) == ["detection"]


def test_the_flip_test_is_that_of_the_answer(parts: Path) -> None:
    model = load(parts, "cpu")
    run = open_maps(model, "cpu")
    crops = photo((32, 64))[None]
    _, score, maps = run(crops, True)
    _, mirrored, swapped = run(np.ascontiguousarray(crops[:, :, ::-1]), True)
    swap = model.info.skeleton.swap
    np.testing.assert_allclose(mirrored, score[:, swap], atol=1e-5)
    for name, values in maps.items():
        np.testing.assert_allclose(swapped[name], values[:, swap, :, ::-1], atol=1e-5)
    assert np.abs(run(crops, False)[2]["detection"] - maps["detection"]).max() > 1e-4


def test_only_maps_of_the_joints_count() -> None:
    """Those of a background come along; poses, features and maps of some joints do not."""

    def answers(net: tiny.HeatmapNet, image: torch.Tensor, ask: Ask) -> Answer:
        answer = tiny.heatmaps_predict(net, image, ask)
        (maps,) = answer.maps.values()
        others = {
            "poses": answer.xy,
            "with_background": torch.cat([maps, 1 - maps[:, :1]], 1),
            "features": maps.repeat(1, 3, 1, 1),
            "some": maps[:, 1:],
            "last": maps,
        }
        return replace(answer, maps=others)

    system: System = replace(tiny.HEATMAPS, predict=answers)
    net = new_net(system, tiny.HeatmapsConfig(), tiny.FIGURE, 0).eval()
    run = net_maps(system, net, torch.device("cpu"))
    xy, score, maps = run(photo((64, 48))[None], False)
    assert (xy.shape, score.shape) == ((1, 4, 2), (1, 4))
    assert {name: of.shape for name, of in maps.items()} == {
        "with_background": (1, 5, 16, 12),
        "last": (1, 4, 16, 12),
    }
    assert all(of.dtype == np.float32 for of in maps.values())


def test_a_model_without_heatmaps(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(parts, "cpu")
    monkeypatch.setattr("vitruvian.learn.runner.torch_maps", lambda *_: lambda *_: (0, 0, {}))
    with pytest.raises(UserError, match="parts has no heatmaps: system 'part_heatmaps'"):
        open_maps(model)


def test_heatmaps_need_torch(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(parts, "cpu")
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vitruvian.learn.runner", raising=False)
    with pytest.raises(UserError, match=r"need torch.*pip install 'vitruvian\[train\]'"):
        open_maps(model)


# ---- files ---------------------------------------------------------------------------------------


def test_arrays_say_what_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = rng.random((3, 5, 7)).astype(np.float32)
    second = rng.normal(size=(4, 10, 14)).astype(np.float32)
    second[1, 2, 3], second[3, 0, 0] = 1e9, -np.inf
    to_image = np.array([[2, 0, 10], [0, 3, 20.5]])
    seen = mapped.seen_by_hand({"detection": first, "end": second}, (20, 28), to_image)
    seen.xy_crop[:] = [[0, 0], [1, 2], [27, 19]]
    write_maps(tmp_path / "a.npz", seen, DOTS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        read = dict(file)
    assert read["sets"].tolist() == ["detection", "end"]
    assert read["joints"].tolist() == ["red", "green", "blue"]
    assert read["maps_detection"].dtype == read["maps_end"].dtype == np.float16
    np.testing.assert_allclose(read["maps_detection"], first, atol=5e-4)
    assert read["maps_end"].shape == (4, 10, 14)
    assert read["maps_end"][1, 2, 3] == 65504
    assert read["maps_end"][3, 0, 0] == -65504
    np.testing.assert_array_equal(read["to_image"], to_image)
    assert read["crop_size"].tolist() == [20, 28]
    assert read["xy_image"].tolist() == [[10, 20.5], [12, 26.5], [64, 77.5]]
    assert read["score"].tolist() == [0.25, 0.5, 0.75]
    assert not {"true_xy_image", "state"} & set(read)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_labels_go_with_the_arrays(tmp_path: Path) -> None:
    seen = mapped.seen_by_hand({"maps": np.zeros((2, 3, 4))}, (6, 8), np.eye(2, 3) * 2)
    write_maps(tmp_path / "a.npz", seen, DOTS, Truth(np.array([[1, 2], [0, 0]]), np.array([3, 1])))
    with np.load(tmp_path / "a.npz") as file:
        assert file["true_xy_image"].tolist() == [[2, 4], [0, 0]]
        assert file["state"].tolist() == [3, 1]


def test_arrays_that_cannot_be_written(tmp_path: Path) -> None:
    seen = mapped.seen_by_hand({"maps": np.zeros((2, 3, 4))}, (6, 8))
    with pytest.raises(UserError, match=r"a\.npz cannot be written"):
        write_maps(tmp_path / "none" / "a.npz", seen, DOTS)


def test_the_background_stands_last() -> None:
    assert channels(DOTS, 3) == ("red", "green", "blue")
    assert channels(DOTS, 4) == ("red", "green", "blue", "background")
