"""Rendered figures in files, poses in files, and models that know the answer: what scoring is tried on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from vitruvian import geometry
from vitruvian.data import open_data
from vitruvian.data.coco_files import write_coco
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.models import ModelInfo, Predict, Preprocessing
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import Convention, Runner
from vitruvian.use.predict import Model

CROP = (96, 64)  # H, W px


def write_figures(folder: Path, count: int = 24, seed: int = 3, pictures: bool = True) -> str:
    """A data set of rendered figures on disk; "coco=FILE", its name for commands."""
    drawn = figures(count, seed=seed, side=64)
    if pictures:
        (folder / "images").mkdir(parents=True)
        for row in range(count):
            rgb, _ = drawn.photo(row, 1)
            cv2.imwrite(str(folder / "images" / f"f{row}.png"), rgb[..., ::-1])
    folder.mkdir(parents=True, exist_ok=True)
    write_coco(replace(drawn, label=lambda row: f"f{row}.png"), folder / "labels.json")
    return f"coco={folder / 'labels.json'}"


def write_detections(people: People, path: Path, count: int) -> np.ndarray:
    """COCO-style boxes about the joints of the first persons, a bit off, by file name.

    Returns:
        (N, 4) where models look then: these, a quarter longer and wider; the data set's own box for others.
    """
    low, high = people.joints.min(1), people.joints.max(1)
    boxes = np.concatenate([low, high - low + 2], 1)[:count]
    rows = [
        {"file_name": people.label(row), "bbox": box.tolist(), "score": 0.4}
        for row, box in enumerate(boxes)
    ]
    path.write_text(json.dumps(rows))
    looked = people.box.copy()
    looked[:count] = geometry.grow(geometry.boxes_of_pixels(boxes), 1.25)
    return looked


def off_by(people: People, torsos: float, rows: slice = slice(None)) -> np.ndarray:
    """The true poses (N, J, 2) of a data set, those of some rows moved by reference lengths."""
    right, left = people.skeleton.length("torso")
    torso = np.linalg.norm(people.joints[:, right] - people.joints[:, left], axis=-1)
    xy = people.joints.astype(np.float64)
    xy[rows, :, 0] += torsos * torso[rows, None]
    return xy


def write_poses(path: Path, xy: np.ndarray, **more: object) -> Path:
    """Poses (N, J, 2) as .npz, in the data set's order."""
    np.savez(path, xy=xy, base=0, **more)  # type: ignore[arg-type]
    return path


def answering(
    people: People, xy: np.ndarray, box: np.ndarray | None = None, crop: tuple[int, int] = CROP
) -> Runner:
    """A runner that gives rows of poses (N, J, 2) xy_image in turn, over and over.

    Args:
        box: (N, 4) where persons are looked for; None: the labelled box.
    """
    box = people.box if box is None else box
    from_image = geometry.invert(
        geometry.crop_to_image(geometry.fit_aspect(box.astype(float), *crop), *crop)
    )
    place = {"row": 0}

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(place["row"], place["row"] + len(image)) % len(xy)
        place["row"] += len(image)
        xy_crop = geometry.apply(from_image[rows], xy[rows].astype(np.float64))
        return xy_crop.astype(np.float32), np.ones(xy_crop.shape[:2], np.float32)

    return run


def model_of(
    runner: Runner,
    skeleton: Skeleton = LSP,
    convention: Convention = "PC",
    name: str = "tiny",
    predict: Predict = Predict(passes=1),  # noqa: B008
) -> Model:
    """A model around a runner, as `load` gives it."""
    info = ModelInfo(
        name=name, system="none", config={}, skeleton=skeleton, convention=convention,
        preprocessing=Preprocessing(crop=CROP), predict=predict, parameters=7, gmacs=0.5,
    )  # fmt: skip
    return Model(info, runner, Path("nowhere"))


def loader(**models: Model) -> Callable[[str, str], Model]:
    """In place of `load`: these models by their names."""
    return lambda name, device="auto": models[name]


def opened(truth: str) -> People:
    """The data set that `write_figures` has written."""
    return open_data(truth)
