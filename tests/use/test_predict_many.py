"""Many photographs, files or arrays: each as if it were alone, and few of them held at once."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dots import MODEL, dots, save
from vitruvian.data import photos as photo_files
from vitruvian.types import Poses, UserError
from vitruvian.use import ahead, reading
from vitruvian.use import predict as module
from vitruvian.use.files import list_photos
from vitruvian.use.predict import predict_photos


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


# ---- lists of files -------------------------------------------------------------------------------


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
