"""What is drawn where, and in which colour."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.draw import SIDE_COLOURS, draw_poses, side, write_image
from vitruvian.skeleton import LSP, SKELETONS, Skeleton
from vitruvian.types import Poses, UserError

ARM = Skeleton(
    "arm",
    ("right_elbow", "right_wrist", "left_wrist", "neck"),
    limbs=(("right_elbow", "right_wrist"), ("neck", "left_wrist")),
)
PLACES = np.array([[40, 60], [260, 60], [260, 220], [40, 220]], np.float32)


def poses(xy: np.ndarray = PLACES, score: object = 1.0) -> Poses:
    scores = np.broadcast_to(np.asarray(score, np.float32), len(xy))
    return Poses(xy[None].astype(np.float32), scores[None], np.zeros((1, 4), np.float32))


def drawn(of: Poses, threshold: float = 0.3) -> np.ndarray:
    return draw_poses(np.full((280, 300, 3), 120, np.uint8), of, ARM, threshold)


def test_joints_and_limbs_have_the_colour_of_their_side() -> None:
    picture = drawn(poses())
    for (x, y), name in zip(PLACES.astype(int), ARM.joint_names, strict=True):
        assert tuple(picture[y, x]) == SIDE_COLOURS[side(name)]
    assert tuple(picture[60, 150]) == SIDE_COLOURS["right"]
    assert tuple(picture[220, 150]) == SIDE_COLOURS["left"]
    assert (picture[140] == 120).all()


def test_below_the_threshold_joints_are_rings_and_limbs_dashed() -> None:
    picture = drawn(poses(PLACES[[0, 1, 2, 3]], [0.29, 0.9, 0.9, 0.3]))
    sure, unsure = picture[212:229, 32:49], picture[52:69, 32:49]
    assert tuple(sure[8, 8]) == SIDE_COLOURS["middle"]
    ring = (unsure == SIDE_COLOURS["right"]).all(-1)
    assert ring.any()
    assert ring.sum() < 0.8 * (sure == SIDE_COLOURS["middle"]).all(-1).sum()
    line = np.abs(picture[60, 60:240].astype(int) - SIDE_COLOURS["right"]).max(-1) < 40
    assert np.abs(np.diff(line.astype(int))).sum() > 2  # interrupted
    assert (picture[220, 60:240] == SIDE_COLOURS["left"]).all()


def test_the_photograph_is_not_touched() -> None:
    photo = np.zeros((150, 160, 3), np.uint8)
    photo.flags.writeable = False
    assert draw_poses(photo[:, ::-1], poses(), ARM).any()
    assert not photo.any()


def test_lines_are_in_proportion_to_the_person() -> None:
    def width(extent: float) -> int:
        xy = np.array([[300, 500], [300 + extent, 500], [300, 500], [300, 500]])
        blank = np.zeros((1000, 1000, 3), np.uint8)
        column = draw_poses(blank, poses(xy), ARM)[:, int(300 + extent / 2)]
        return int((column == SIDE_COLOURS["right"]).all(-1).sum())

    assert width(60) < width(300) < width(600)


@pytest.mark.parametrize("size", [(1, 1), (2, 400), (64, 48)])
def test_joints_anywhere(size: tuple[int, int]) -> None:
    xy = np.array([[np.nan, 3], [1e9, -1e9], [-5000, 20], [np.inf, 0]])
    photo = np.zeros((*size, 3), np.uint8)
    assert draw_poses(photo, poses(xy), ARM).shape == photo.shape
    assert not draw_poses(photo, poses(np.full((4, 2), np.nan)), ARM).any()


def test_nobody() -> None:
    nobody = Poses(np.zeros((0, 4, 2)), np.zeros((0, 4)), np.zeros((0, 4)))
    assert (drawn(nobody) == 120).all()


def test_another_skeleton_is_refused() -> None:
    with pytest.raises(ValueError, match="4 joints"):
        draw_poses(np.zeros((9, 9, 3), np.uint8), poses(), LSP)


def test_sides() -> None:
    assert [side(name) for name in ("right_hip", "Left Ear", "neck", "upright")] == [
        "right", "left", "middle", "middle",
    ]  # fmt: skip
    for skeleton in SKELETONS.values():
        assert all(side(a) == "right" and side(b) == "left" for a, b in skeleton.flip_pairs)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_written_pictures_are_rgb(name: str, tmp_path: Path) -> None:
    photo = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    write_image(tmp_path / name, photo)
    read = cv2.imread(str(tmp_path / name))[..., ::-1]
    assert np.abs(read.astype(int) - photo).max() <= 3
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_pictures_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.zeros((4, 4, 3), np.uint8)
    for path in (tmp_path / "a.bmp", tmp_path / "no" / "a.png"):
        with pytest.raises(UserError, match="cannot be written"):
            write_image(path, photo)
    with pytest.raises(UserError, match="no size"):
        write_image(tmp_path / "wide.jpg", np.zeros((1, 70_000, 3), np.uint8))
    write_image(tmp_path / "a.png", photo)
    before = (tmp_path / "a.png").read_bytes()

    def interrupted(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_image(tmp_path / "a.png", photo + 9)
    assert (tmp_path / "a.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_labels_stand_above_their_persons() -> None:
    photo = np.full((280, 300, 3), 120, np.uint8)
    plain = draw_poses(photo, poses(), ARM)
    labelled = draw_poses(photo, poses(), ARM, labels=["12"])
    rows, columns = (plain != labelled).any(-1).nonzero()
    assert rows.max() < 60
    assert 20 < columns.min() < 40 < columns.max() < 60
    high = draw_poses(photo, poses(PLACES - [60, 75]), ARM, labels=["12"])
    seen = (high != draw_poses(photo, poses(PLACES - [60, 75]), ARM)).any(-1)
    assert seen.any()
    with pytest.raises(ValueError, match="zip"):
        draw_poses(photo, poses(), ARM, labels=["1", "2"])
