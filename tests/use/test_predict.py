"""From a photograph to poses with a net that finds the brightest pixel, so that truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dots import INFO, MODEL, brightest, dots, save
from vitruvian import geometry
from vitruvian.types import Poses, UserError
from vitruvian.use.look import Sighting
from vitruvian.use.predict import Model, find_in_photos, predict_photos


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


def test_images_of_pillow_and_bytes_are_as_their_files(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = save(dots((48, 90), (20, 10), (40, 30), (70, 20)), tmp_path / "a.png", exif=exif)
    answer = MODEL.predict(path)
    for photo in (Image.open(path), path.read_bytes(), bytearray(path.read_bytes())):
        assert np.array_equal(MODEL.predict(photo).xy, answer.xy)
    for poses in MODEL.predict([Image.open(path), path.read_bytes()]):
        assert np.array_equal(poses.xy, answer.xy)
        assert poses.photo.shape == (90, 48, 3)
    grey = Image.fromarray(np.full((9, 7), 200, np.uint8))
    assert MODEL.predict(grey.convert("RGBA")).photo.shape == (9, 7, 3)
    assert MODEL.predict(grey).photo.max() == 200
    with pytest.raises(UserError, match="the photograph is cut short"):
        MODEL.predict(b"\xff\xd8\xff")


@pytest.mark.parametrize("photo", [3, None, 2.5])
def test_what_is_no_photograph_is_said_at_once(photo: object) -> None:
    with pytest.raises(UserError, match=f"^{type(photo).__name__} is no photograph: give"):
        MODEL.predict(photo)  # type: ignore[call-overload]


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
