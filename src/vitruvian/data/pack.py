"""A pack: one file with the persons of a data set, cut out of their photographs.

The file is an uncompressed .npz, readable without pickle. For N persons with J joints:

    header     (bytes,) uint8: JSON; see `_header` and `_digest`
    joints     (N, J, 2) float32 xy in px of the person's crop; `box` (N, 4) float32 likewise
    state      (N, J) uint8; key, image (N,) int64, all as in the data set
    weight     (N,) float64, where the data set has one
    length_*   (N,) float64 px of the crop, one for each length; box_* (N, 4) float32 likewise
    to_photo   (N, 2, 3) float32: px of the crop -> px of the photograph
    size       (N, 2) int32: height, width of the crop in px
    photos     (bytes,) uint8: one JPEG after the other; `ends` (N,) int64, where each ends
    subset_*   (rows,) int64, one for each subset

Format 1 had no image, weight, lengths and boxes, and only persons whose left is their own.

A crop shows about `MARGIN` boxes (1.6 times the labelled extent where the box is 1.25 times), as
far as the photograph reaches. Its edges are moved a little at random: an edge at a fixed distance
would tell a model how large the person is. Of LSPET's crops under wide augmentation (the person
fills 45 to 100 % of the crop, sigma 45 degrees) three in five see such an edge, and 18 % of their
pixels are black instead of 11 %.

Measured on LSPET (9,000 persons, 145 MB of photographs) with crops of 128 px and a half-trained
model, trained on the files, where it scores a PCK of 42.9 %:

    side             128     160     192     240
    file             28.1    36.3    43.4    48.7 MB
    PCK              40.4    41.9    42.4    42.5 %
    persons reduced  92      75      47      8 %

Bytes are better spent on pixels than on `QUALITY`: at side 160 a quality of 75 takes 48 MB for
42.3 %, 95 takes 98 MB for 42.5 %. Chroma has half resolution; in full it costs 16 %.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data.people import People, words_of_boxes
from vitruvian.data.photos import decode_photo, reduction_for
from vitruvian.skeleton import skeleton_from_dict
from vitruvian.types import State, UserError

FORMAT = 2
READ = (1, 2)  # formats
MARGIN = 1.28  # sides of the person's box that a crop shows
JITTER = 0.125  # each edge of a crop is moved by up to this share of its distance
QUALITY = 56  # of the JPEGs

Progress = Callable[[int, int], None]  # persons done, persons in all


@dataclass(frozen=True)
class PackReport:
    """What was written."""

    path: Path
    rows: int  # persons in the pack
    dropped: tuple[str, ...]  # one line for each person whose photograph could not be read
    size: int  # bytes of the file
    reduced: float  # share of the persons that are smaller than in their photographs

    def line(self) -> str:
        """One line in words."""
        size = f"{self.size / 1e6:.1f} MB, {self.reduced:.0%} reduced"
        text = f"{self.path}: {self.rows} persons, {size}"
        if self.dropped:
            text += f"; left out {len(self.dropped)} without a photograph; first: {self.dropped[0]}"
        return text


@dataclass(frozen=True)
class _Crop:
    jpeg: bytes
    size: tuple[int, int]  # height, width in px
    to_photo: np.ndarray  # (2, 3)


def write_pack(
    people: People, path: Path, side: int, progress: Progress | None = None
) -> PackReport:
    """Writes the persons of a data set as a pack; the file is whole or absent at any time.

    A person whose photograph cannot be read is left out, and counted.

    Args:
        side: px that `MARGIN` boxes get in a crop. Persons that are smaller keep their own pixels.
        progress: called after each person.

    Raises:
        UserError: `side` is below 16, no photograph can be read or the file cannot be written.
    """
    if side < 16:
        raise UserError(f"a pack of {side} px shows nobody: the side is 16 px at least")
    crops: list[_Crop] = []
    kept: list[int] = []
    dropped: list[str] = []
    for row, made in enumerate(_crops(people, side)):
        if isinstance(made, _Crop):
            crops.append(made)
            kept.append(row)
        else:
            dropped.append(made)
        if progress is not None:
            progress(row + 1, len(people))
    if not crops:
        reason = dropped[0] if dropped else f"data set {people.name!r} has no person"
        raise UserError(f"there is nothing to pack: {reason}")
    arrays = _arrays(people, np.array(kept), crops)
    header = _header(people, np.array(kept), side, len(dropped))
    header["sha256"] = _digest(header, arrays)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    _write_whole(path, arrays)
    reduced = float(np.mean(arrays["to_photo"][:, 0, 0] > 1))
    return PackReport(path, len(kept), tuple(dropped), path.stat().st_size, reduced)


def read_pack(path: Path) -> People:
    """A pack as a data set that bears the name of the one it was made of; held in memory.

    Raises:
        UserError: the file cannot be read, is no pack, is damaged or of a newer format.
    """
    header, arrays = _read(path)
    photos, ends, size = arrays["photos"], arrays["ends"], arrays["size"]
    starts = np.concatenate([[0], ends[:-1]])
    labels: list[str] = header["labels"]
    names: list[str] = header["subsets"]
    older = "test" if "test" in names and "val" not in names else "val"

    def encoded(row: int) -> bytes:
        return photos[starts[row] : ends[row]].tobytes()

    def photo(row: int, factor: int) -> tuple[np.ndarray, int]:
        return decode_photo(encoded(row), labels[row], factor)

    return People(
        name=header["name"],
        skeleton=skeleton_from_dict(header["skeleton"]),
        joints=arrays["joints"],
        state=arrays["state"],
        box=arrays["box"],
        key=arrays["key"],
        photo=photo,
        label=lambda row: labels[row],
        size=lambda row: (int(size[row, 0]), int(size[row, 1])),
        subsets={name: arrays[f"subset_{name}"] for name in names},
        provenance=header["provenance"],
        whole=False,
        convention=header.get("convention", "PC"),
        scored=header.get("scored", older),
        image=arrays.get("image"),
        lengths={name: arrays[f"length_{name}"] for name in header.get("lengths", [])},
        boxes={name: arrays[f"box_{name}"] for name in header.get("boxes", [])},
        weight=arrays.get("weight"),
        encoded=encoded,
        box_words=header.get("box")
        or words_of_boxes(arrays["box"], arrays["joints"], arrays["state"]),
    )


def to_photographs(path: Path) -> np.ndarray:
    """The matrices (N, 2, 3) float32 from a pack's pixels to those of the photographs, row by row.

    Raises:
        UserError: as `read_pack`.
    """
    return _read(path)[1]["to_photo"]


def _crops(people: People, side: int) -> Iterator[_Crop | str]:
    """For each row its crop, or the line that says why there is none; a few threads work ahead."""

    def make(row: int) -> _Crop | str:
        try:
            return _crop(people, row, side)
        except UserError as error:
            return str(error)

    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="pack")
    try:
        yield from pool.map(make, range(len(people)))
    finally:
        pool.shutdown(cancel_futures=True)


def _crop(people: People, row: int, side: int) -> _Crop:
    """Cuts on whole pixels, then shrinks; a person without a box (NaN) is the whole photograph."""
    box, whole = people.box[row].astype(np.float64), False
    if not np.isfinite(box).all():
        box, whole = geometry.whole_image(*people.size(row)).astype(np.float64), True
    longest = box[2:].max() * (1 if whole else MARGIN)
    shrink = max(longest / side, 1.0)  # px of the photograph in a px of the crop
    photo, factor = people.photo(row, reduction_for(shrink * np.eye(2, 3)))
    reach = np.full(4, longest / 2)
    if not whole:
        reach *= np.random.default_rng(int(people.key[row])).uniform(1 - JITTER, 1 + JITTER, 4)
    left, top, right, bottom = _window(box, reach / factor, photo.shape, factor)
    part = photo[top:bottom, left:right]
    scale = min(1.0, max(factor / shrink, 1 / min(part.shape[:2])))  # one px remains at least
    part = _shrunk(part, scale)
    step = factor / scale
    corner = np.array([left, top]) * factor + step / 2 - 0.5
    to_photo = np.concatenate([step * np.eye(2), corner[:, None]], 1)
    return _Crop(_encode(part), part.shape[:2], to_photo)


def _shrunk(image: np.ndarray, scale: float) -> np.ndarray:
    """An image `scale` times as large; averages to at most twice that, then interpolates.

    Averages alone would blur: they cost a model 1 to 2 points of PCK.
    """
    whole = max(int(1 / scale + 1e-9), 1)
    if whole > 1:  # dsize None: the scale stays exact
        image = cv2.resize(image, None, fx=1 / whole, fy=1 / whole, interpolation=cv2.INTER_AREA)
        scale *= whole
    if scale > 1 - 1e-9:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _window(
    box: np.ndarray, reach: np.ndarray, shape: tuple[int, ...], factor: int
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom (ends excluded) of what is cut out of a photograph, one px at least.

    Args:
        box: (4,) px of the photograph; its centre is that of the window.
        reach: (4,) px of the reduced photograph from the centre to left, top, right and bottom.
        shape: of the photograph, `factor` times reduced.
    """
    size = np.array([shape[1], shape[0]])
    centre = (box[:2] + box[2:] / 2 + 0.5) / factor  # from the top left corner
    low = np.clip(np.floor(centre - reach[:2]), 0, size - 1).astype(int)
    high = np.clip(np.ceil(centre + reach[2:]), low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _encode(image: np.ndarray) -> bytes:
    options = (
        *(cv2.IMWRITE_JPEG_QUALITY, QUALITY),
        *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    )
    _, coded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return coded.tobytes()


def _arrays(people: People, kept: np.ndarray, crops: list[_Crop]) -> dict[str, np.ndarray]:
    """Everything in a pack but its header; `kept` (N,) rows of the data set have the `crops`."""
    to_photo = np.stack([crop.to_photo for crop in crops])
    to_crop = geometry.invert(to_photo)
    joints = geometry.apply(to_crop, people.joints[kept].astype(np.float64))
    state = people.state[kept]
    located = state >= State.OCCLUDED
    place = np.full(len(people), -1)
    place[kept] = np.arange(len(kept))
    subsets = {f"subset_{name}": place[rows] for name, rows in people.subsets.items()}
    return {
        "joints": np.where(located[..., None], joints, 0).astype(np.float32),
        "state": state.astype(np.uint8),
        "box": _box_in_crop(people.box[kept], to_crop),
        "key": people.key[kept].astype(np.int64),
        "image": people.images[kept].astype(np.int64),
        "to_photo": to_photo.astype(np.float32),
        "size": np.array([crop.size for crop in crops], np.int32),
        "ends": np.cumsum([len(crop.jpeg) for crop in crops], dtype=np.int64),
        "photos": np.frombuffer(b"".join(crop.jpeg for crop in crops), np.uint8),
        **{name: rows[rows >= 0].astype(np.int64) for name, rows in subsets.items()},
        **{f"length_{n}": px[kept] * to_crop[:, 0, 0] for n, px in people.lengths.items()},
        **{f"box_{n}": _box_in_crop(box[kept], to_crop) for n, box in people.boxes.items()},
        **({} if people.weight is None else {"weight": people.weight[kept].astype(np.float64)}),
    }


def _box_in_crop(box: np.ndarray, to_crop: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) float32 through matrices (N, 2, 3) that shift and shrink; NaN stays."""
    box = box.astype(np.float64)
    corner = geometry.apply(to_crop, box[:, None, :2])[:, 0]
    return np.concatenate([corner, box[:, 2:] * to_crop[:, :1, 0]], 1).astype(np.float32)


def _header(people: People, kept: np.ndarray, side: int, dropped: int) -> dict[str, Any]:
    what = f"pack of {len(kept)} crops, side {side} px, JPEG quality {QUALITY}"
    if dropped:
        what += f", {dropped} unreadable left out"
    return {
        "kind": "vitruvian pack",
        "format": FORMAT,
        "name": people.name,
        "provenance": f"{what}; of: {people.provenance}",
        "skeleton": people.skeleton.to_dict(),
        "convention": people.convention,
        "scored": people.scored,
        "subsets": list(people.subsets),
        "lengths": list(people.lengths),
        "boxes": list(people.boxes),
        "box": people.box_words,
        "labels": [people.label(int(row)) for row in kept],
        "side": side,
        "margin": MARGIN,
        "quality": QUALITY,
    }


def _digest(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 in hex over the header without its digest and over all arrays with their names."""
    plain = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays.pop("header").tobytes())
        kind, number, sha256 = header["kind"], header["format"], header["sha256"]
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: check the name") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): check it") from None
    except Exception:  # zipfile, NumPy and json raise many kinds for what is no pack
        raise UserError(f"{path} is not a pack or is cut short: copy it again") from None
    if kind != "vitruvian pack":
        raise UserError(f"{path} is not a pack: it holds a {str(kind)[:40]!r}")
    if number not in READ:
        known = " and ".join(map(str, READ))
        raise UserError(
            f"{path} has pack format {number}, but this version reads {known}: write it anew"
        )
    if sha256 != _digest(header, arrays):
        raise UserError(f"{path} is damaged (its SHA-256 differs): copy it again")
    return header, arrays


def _write_whole(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Beside its place, flushed to the disk, then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(beside, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): check the folder") from None
