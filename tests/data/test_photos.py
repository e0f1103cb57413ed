"""Every kind of file that users have, and one white pixel followed through every cut."""

from __future__ import annotations

import io
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from vitruvian import geometry
from vitruvian.data.photos import cut, decode_photo, photo_size, read_photo, reduction_for
from vitruvian.types import UserError


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """RGB that survives JPEG: a few soft colours."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def coded(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(photo: np.ndarray, orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return coded(Image.fromarray(photo), "JPEG", quality=98, subsampling=0, exif=exif)


def close(a: np.ndarray, b: np.ndarray, most: float = 6) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(int) - b).mean()) < most


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    chunk = (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4)
    body = b"IDAT" + zlib.compress(b"")
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk
        + (len(body) - 4).to_bytes(4)
        + body
        + zlib.crc32(body).to_bytes(4)
    )


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_formats(form: str, tmp_path: Path) -> None:
    photo = smooth(40, 60)
    path = tmp_path / "photo"
    path.write_bytes(coded(Image.fromarray(photo), form))
    read, factor = read_photo(path)
    assert factor == 1
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    assert close(read, photo, 20 if form == "GIF" else 8)
    assert photo_size(path) == (40, 60)


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "JPEG"), ("L", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"),
     ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGBA", "WEBP"), ("P", "GIF")],
)  # fmt: skip
def test_colour_modes(mode: str, form: str) -> None:
    image = Image.fromarray(smooth(32, 48)).convert("RGB").convert(mode)
    expected = np.asarray(image.convert("RGB"))
    read, _ = decode_photo(coded(image, form), "photo")
    assert close(read, expected)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("colour", [False, True])
def test_sixteen_bits(suffix: str, colour: bool) -> None:
    photo = smooth(20, 30).astype(np.uint16) * 257
    photo = photo if colour else photo[..., 0]
    data = cv2.imencode(suffix, photo[..., ::-1] if colour else photo)[1].tobytes()
    expected = (photo // 257).astype(np.uint8)
    read, _ = decode_photo(data, "photo")
    assert close(read, expected if colour else np.repeat(expected[..., None], 3, -1), 1)


def test_float_tiff() -> None:
    data = coded(Image.fromarray(np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)), "TIFF")
    read, _ = decode_photo(data, "photo")
    assert read.shape == (4, 6, 3)
    assert read.max() == 255


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(form: str, orientation: int, tmp_path: Path) -> None:
    stored = smooth(32, 48)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo"
    path.write_bytes(coded(Image.fromarray(stored), form, exif=exif))
    turned = np.rot90(stored, {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}[orientation])
    expected = turned[:, ::-1] if orientation in (2, 4, 5, 7) else turned
    assert close(read_photo(path)[0], expected)
    assert photo_size(path) == expected.shape[:2]
    assert close(read_photo(path, oriented=False)[0], stored)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("size", [(64, 96), (61, 93), (60, 92)])
def test_reduced_jpegs_lie_where_they_should(
    factor: int, orientation: int, size: tuple[int, int]
) -> None:
    """A bright patch has its middle at the same place of the photograph, however it is decoded."""
    photo = np.zeros((*size, 3), np.uint8)
    photo[16:32, 40:64] = 255
    data = jpeg(photo, orientation)
    whole, _ = decode_photo(data, "photo")
    reduced, used = decode_photo(data, "photo", factor)
    assert used <= factor
    assert used == factor or orientation != 1

    def middle(image: np.ndarray) -> np.ndarray:
        y, x = np.nonzero(image[..., 0] > 100)
        return np.array([x.mean(), y.mean()])

    seen = geometry.cell_to_px(middle(reduced), used)
    assert np.abs(seen - middle(whole)).max() < 0.3


def test_only_jpegs_are_decoded_smaller() -> None:
    photo, factor = decode_photo(coded(Image.fromarray(smooth(64, 64)), "PNG"), "photo", 4)
    assert photo.shape == (64, 64, 3)
    assert factor == 1


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_extreme_sizes(form: str, tmp_path: Path) -> None:
    path = tmp_path / "photo"
    for size in ((1, 1), (3, 20_000), (20_000, 1)):
        path.write_bytes(coded(Image.fromarray(np.full((*size, 3), 200, np.uint8)), form))
        assert read_photo(path)[0].shape == (*size, 3)
        assert photo_size(path) == size


# ---- bad files -----------------------------------------------------------------------------------


def refused(data: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that a file's reader is told; nothing else may be printed."""
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_photo(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert ": " in message
    assert capfd.readouterr() == ("", "")
    return message


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_truncated(
    form: str, kept: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = coded(Image.fromarray(smooth(200, 300)), form)
    refused(data[: int(len(data) * kept)], tmp_path, capfd)


@pytest.mark.parametrize("lost", [1, 2, 3, 50])
def test_jpeg_that_lost_its_end(
    lost: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "cut short" in refused(jpeg(smooth(200, 300))[:-lost], tmp_path, capfd)


def test_truncated_jpeg_with_a_whole_thumbnail(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The thumbnail's end-of-image marker is not the photograph's."""
    thumbnail = jpeg(smooth(16, 16))
    data = jpeg(smooth(200, 300))
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2) + thumbnail
    data = data[:2] + segment + data[2:]
    assert decode_photo(data, "whole")[0].shape == (200, 300, 3)
    assert "cut short" in refused(data[: len(data) // 2 + len(segment)], tmp_path, capfd)


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 5000, b"trailing bytes", b"\xff"])
@pytest.mark.parametrize("progressive", [False, True])
def test_bytes_after_the_end_are_harmless(tail: bytes, progressive: bool) -> None:
    photo = smooth(64, 80)
    data = coded(Image.fromarray(photo), "JPEG", quality=95, progressive=progressive)
    assert close(decode_photo(data + tail, "photo")[0], photo)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 400, b"%PDF-1.7 something", b"GIF89a", b"\xff\xd8\xff", b"<svg/>" * 90]
)
def test_no_photographs(data: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refused(data, tmp_path, capfd)
    assert ("empty" in message) == (not data)
    with pytest.raises(UserError, match=r"broken\.jpg"):
        photo_size(tmp_path / "broken.jpg")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for read in (read_photo, photo_size):
        with pytest.raises(UserError, match=r"none\.jpg does not exist"):
            read(tmp_path / "none.jpg")
        with pytest.raises(UserError, match="cannot be read"):
            read(tmp_path)


def test_bombs_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    assert "900 megapixels" in refused(png_claiming(30_000, 30_000), tmp_path, capfd)
    data = bytearray(jpeg(smooth(16, 16)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (65_000).to_bytes(2) * 2
    assert "megapixels" in refused(bytes(data), tmp_path, capfd)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_large_photographs_give_no_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_claiming(20_000, 15_000))
    assert photo_size(path) == (15_000, 20_000)
    assert not recwarn.list


# ---- cuts ----------------------------------------------------------------------------------------


def white_pixel(size: tuple[int, int], x: int, y: int, side: int = 1) -> np.ndarray:
    photo = np.zeros((*size, 3), np.uint8)
    photo[y : y + side, x : x + side] = 255
    return photo


def centre_of_light(crop: np.ndarray) -> np.ndarray:
    light = crop[..., 0].astype(np.float64)
    rows, columns = np.indices(light.shape)
    return np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()


@pytest.mark.parametrize("rotation", [0, 33, 180, -110])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("crop", [(256, 256), (256, 192), (96, 200)])
def test_a_white_pixel_is_where_geometry_says(
    rotation: float, flip: bool, crop: tuple[int, int]
) -> None:
    x, y = 61, 47
    box = geometry.fit_aspect(np.array([30.2, 20.7, 50, 60]), *crop)
    to_image = geometry.crop_to_image(box, *crop, rotation, flip)
    seen = centre_of_light(cut(white_pixel((100, 120), x, y), to_image, *crop))
    assert np.abs(geometry.apply(to_image, seen[None]) - [x, y]).max() < 0.06  # 1/32 px steps


@pytest.mark.parametrize("side", [2.5, 3, 4.7, 8, 17])
@pytest.mark.parametrize("rotation", [0, 25])
@pytest.mark.parametrize("flip", [False, True])
def test_a_white_patch_in_a_photograph_much_too_large(
    side: float, rotation: float, flip: bool
) -> None:
    """Reduction first, from the part that is seen: the light stays, and so does its place."""
    height, width, patch = 64, 48, 80
    photo = white_pixel((1501, 1403), 600, 700, patch)
    middle = np.array([600, 700]) + (patch - 1) / 2
    size = side * np.array([width, height])
    to_image = geometry.crop_to_image(
        np.concatenate([middle + 13.3 - size / 2, size]), height, width, rotation, flip
    )
    crop = cut(photo, to_image, height, width)
    found = geometry.apply(to_image, centre_of_light(crop)[None])
    assert np.abs(found - middle).max() < 0.1 * side
    assert crop.astype(float).sum() / 255 / 3 == pytest.approx((patch / side) ** 2, rel=0.06)


@pytest.mark.parametrize("size", [(40, 33_000), (33_000, 40), (10, 100_000), (1, 40_000)])
def test_photographs_too_wide_for_one_warp(size: tuple[int, int]) -> None:
    height, width = size
    photo = np.zeros((*size, 3), np.uint8)
    far = (width - 30, 0) if width > height else (0, height - 30)
    photo[far[1] : far[1] + 30, far[0] : far[0] + 30] = 255
    box = geometry.boxes_of_pixels(np.array([far[0] - 20, far[1] - 20, 64, 64]))
    crop = cut(photo, geometry.crop_to_image(box, 64, 64), 64, 64)
    assert np.argwhere(crop[..., 0] > 128).min(0).tolist() == [20, 20]
    whole = geometry.fit_aspect(geometry.whole_image(height, width), 64, 64)
    crop = cut(photo, geometry.crop_to_image(whole, 64, 64), 64, 64)
    assert crop.shape == (64, 64, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
@pytest.mark.parametrize("side", [0.5, 3, 1e3, 1e7])
def test_cuts_that_are_all_but_empty(size: tuple[int, int], side: float) -> None:
    photo = np.full((*size, 3), 255, np.uint8)
    for x, y in ((0, 0), (-1e6, 5), (size[1] / 2, size[0])):
        to_image = geometry.crop_to_image(np.array([x, y, side, side]), 32, 24)
        assert cut(photo, to_image, 32, 24).shape == (32, 24, 3)


def test_cut_leaves_its_photograph_alone_and_is_black_outside() -> None:
    photo = np.full((50, 50, 3), 255, np.uint8)
    photo.flags.writeable = False
    crop = cut(photo, geometry.crop_to_image(np.array([40, 40, 20, 20]), 20, 20), 20, 20)
    assert crop[:9, :9].min() == 255
    assert crop[11:].max() == 0


def test_decoding_smaller_gives_the_same_crop() -> None:
    photo = smooth(640, 800)
    data = jpeg(photo)
    to_image = geometry.crop_to_image(np.array([100, 60, 420, 420]), 96, 96, 20, True)
    factor = reduction_for(to_image)
    assert factor == 4
    reduced, used = decode_photo(data, "photo", factor)
    there = cut(reduced, geometry.after_reduction(to_image, used), 96, 96)
    assert close(there, cut(photo, to_image, 96, 96), 2)


@pytest.mark.parametrize(
    ("side", "factor"), [(50, 1), (100, 1), (199, 1), (200, 2), (399, 2), (401, 4), (9999, 8)]
)
def test_reduction_for(side: float, factor: int) -> None:
    box = np.array([3, 5, side, side])
    for rotation in (0, 30):
        assert reduction_for(geometry.crop_to_image(box, 100, 100, rotation)) == factor


def test_reading_and_cutting_costs_little_more_than_bare_opencv(shared: Path) -> None:
    paths = sorted((shared / "data" / "lspet" / "images").iterdir())[:120]
    matrix = geometry.crop_to_image(np.array([10, 10, 150, 150]), 256, 256)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def bare() -> None:
        for path in paths:
            photo = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
            cv2.warpAffine(photo, matrix, (256, 256), flags=flags)

    def ours() -> None:
        for path in paths:
            cut(read_photo(path)[0], matrix, 256, 256)

    def seconds(work: object) -> float:
        start = time.perf_counter()
        work()  # type: ignore[operator]
        return time.perf_counter() - start

    rounds = [(seconds(ours), seconds(bare)) for _ in range(7)]  # in turns: the machine is shared
    assert min(a for a, _ in rounds) < 1.25 * min(b for _, b in rounds)
