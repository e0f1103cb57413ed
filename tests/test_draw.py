"""What is drawn where, and in which colour."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.draw import (
    SIDE_COLOURS,
    draw_poses,
    side,
    side_colour,
    words_size,
    write_beside,
    write_image,
    write_words,
)
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


@pytest.mark.parametrize(
    ("right", "left"),
    [
        ("R_hip", "L_hip"), ("hip.r", "hip.l"), ("RHip", "LHip"), ("hipRight", "hipLeft"),
        ("rightear", "leftear"), ("R1A", "L1A"), ("RIGHT EAR", "LEFT EAR"), ("ear-R", "ear-L"),
    ],
)  # fmt: skip
def test_sides_as_other_tools_write_them(right: str, left: str) -> None:
    assert (side(right), side(left)) == ("right", "left")
    assert side_colour(right, "neck") == SIDE_COLOURS["right"]
    assert side_colour(right, left) == SIDE_COLOURS["middle"]


@pytest.mark.parametrize("name", ["upright", "Lip", "LED", "rib", "ball", "R", "tail_lr"])
def test_what_only_looks_like_a_side(name: str) -> None:
    assert side(name) == ("right" if name == "R" else "middle")


def test_words_stand_where_they_are_put() -> None:
    picture = np.full((60, 200, 3), 90, np.uint8)
    write_words(picture, (30, 40), "neck", 15)
    wide, high = words_size("neck", 15)
    rows, columns = (picture != 90).any(-1).nonzero()
    assert abs((rows.min() + rows.max()) / 2 - 40) < 3
    assert 40 - high / 2 <= rows.min()
    assert 30 <= columns.min() < 34 < columns.max() <= 30 + wide
    assert picture.max() == 240  # whole letters


@pytest.mark.parametrize("xy", [(-10, 5), (190, 5), (50, -3), (50, 61), (-500, 5), (400, 400)])
def test_words_at_the_edge_are_cut_off(xy: tuple[float, float]) -> None:
    whole = np.full((1200, 1200, 3), 90, np.uint8)
    write_words(whole, (xy[0] + 500, xy[1] + 500), "left_ankle")
    part = np.full((60, 200, 3), 90, np.uint8)
    write_words(part, xy, "left_ankle")
    assert (part == whole[500:560, 500:700]).all()


def test_words_beside_points_hide_neither_points_nor_each_other() -> None:
    xy = np.array([[4.0, 30], [40, 30], [52, 30], [46, 38], [196, 56]])
    picture = np.full((60, 200, 3), 90, np.uint8)
    write_beside(picture, xy, ["1", "2", "3", "4", "5"], 4)
    for x, y in xy.astype(int):
        assert (picture[y - 1 : y + 2, x - 1 : x + 2] == 90).all()
    inked = (picture != 90).any(-1).sum()
    each = 0
    for text in "12345":
        alone = np.full((60, 200, 3), 90, np.uint8)
        write_words(alone, (100, 30), text)
        each += (alone != 90).any(-1).sum()
    assert 0.95 * each < inked <= each + 10


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
