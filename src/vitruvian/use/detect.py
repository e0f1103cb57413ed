"""Where persons are, by a detector that somebody brings: an ONNX file, or torchvision's with its weights.

An ONNX file is known by its outputs (N images, M boxes, C classes, of which one is "person"):

    one (N, M, 5 + C)               YOLOX: centre, size, objectness, classes; raw from the grid, or decoded
    dets (N, M, 5), labels (N, M)   YOLOX with its own suppression: corners and score
    labels, boxes, scores           RT-DETR: corners in px of a photograph, whose size is a second input
    logits, pred_boxes              RT-DETR before its last step: centres and sizes in photographs

YOLOX sees BGR, 0 to 255, shrunk into the top left of its input, the rest 114; RT-DETR sees RGB, 0 to 1,
stretched.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from vitruvian.types import UserError
from vitruvian.use.boxes import overlaps

Found = tuple[np.ndarray, np.ndarray]  # boxes (N, 4) of `types`, scores (N,) from 0 to 1

LEAST_SCORE = 0.5
MOST_PERSONS = 100  # of a photograph
_OVERLAP = 0.65  # of two boxes of one person, as YOLOX's evaluation
_GREY = 114
_SIDE = 640  # px, where a file leaves its input's size open
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
FACE, NOBODY = "face", "none"  # finders by these names are no detectors


class Detector(Protocol):
    """What finds persons in photographs, RGB uint8 (H, W, 3), those it is most sure of first."""

    @property
    def name(self) -> str:
        """What `box_source` calls it."""
        ...

    def __call__(self, images: Sequence[np.ndarray]) -> list[Found]: ...


def open_finder(
    name: str | None, least: float = LEAST_SCORE, device: str = "auto"
) -> tuple[Detector | None, bool]:
    """What finds people by a name, and whether to start from faces.

    Args:
        name: as of `open_detector`; "face"; "none" or None, nothing. "auto" without a detector starts from
            faces where the library for that is installed.

    Raises:
        UserError: as `open_detector`.
    """
    if name in (None, NOBODY, FACE):
        return None, name == FACE
    detector = open_detector(str(name), least, device)
    return detector, detector is None and find_spec("skimage") is not None


def open_detector(name: str, least: float = LEAST_SCORE, device: str = "auto") -> Detector | None:
    """A detector by its name.

    Args:
        name: an ONNX file; a detector of torchvision whose weights lie in its cache;
            "torchvision", the best of these; or "auto": that, or None, where there is none, which
            leaves it to faces and the whole photograph.
        least: boxes with a lower score are left out.
        device: of torchvision's.

    Raises:
        UserError: there is no such detector, or the file is no detector of a known form.
    """
    if name.lower().endswith(".onnx") or Path(name).is_file():
        return onnx_detector(Path(name), least)
    if name == FACE:
        raise UserError("faces are no detector: `open_finder` knows them")
    if (learn := _torchs()) is None:
        if name == "auto":
            return None
        raise UserError(
            f"detector {name} is torchvision's, so torch is needed: pip install 'vitruvian[train]', "
            "or give an ONNX file"
        )
    detector: Detector | None = learn.torch_detector(name, least, device)
    return detector


def taken_by_auto() -> str:
    """What `open_finder` takes here for "auto": torchvision's by its name, `FACE` or `NOBODY`."""
    learn = _torchs()
    cached: str | None = None if learn is None else learn.best_cached()
    return cached or (FACE if find_spec("skimage") is not None else NOBODY)


def _torchs() -> Any:
    """What opens torchvision's detectors; None without torch."""
    try:
        # by name: this room must neither know the one above nor import torch for anything else
        return importlib.import_module("vitruvian.learn.detector")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("vitruvian"):
            raise
        return None


# ---- ONNX ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnnxDetector:
    """An ONNX file as a `Detector`; see `onnx_detector`."""

    name: str
    look: Callable[[np.ndarray], Found]  # one photograph -> corners (M, 4), edges from 0; scores
    least: float
    suppress: bool

    def __call__(self, images: Sequence[np.ndarray]) -> list[Found]:
        return [self._one(image) for image in images]

    def _one(self, image: np.ndarray) -> Found:
        corners, score = self.look(image)
        return kept(corners, score, image.shape[:2], self.least, _OVERLAP if self.suppress else 1.0)


def onnx_detector(path: Path, least: float = LEAST_SCORE, person: int = 0) -> OnnxDetector:
    """A detector from a file, run on the CPU.

    Args:
        path: of the file; its form is told by the names and shapes of its outputs.
        least: boxes with a lower score are left out.
        person: the class of persons; 0 in the 80 classes of COCO and where there is one class.

    Raises:
        UserError: no such file, damaged, or of no known form.
    """
    session = _session(path)
    names = [output.name for output in session.get_outputs()]
    shape = [side for first in session.get_inputs()[:1] for side in first.shape]
    if len(shape) != 4 or (shape[1] not in (3, None) and isinstance(shape[1], int)):
        raise UserError(f"{path} is no detector: its input has shape {shape}, not (N, 3, H, W)")
    height, width = (v if isinstance(v, int) and v > 0 else _SIDE for v in shape[2:4])
    run = _runner(session, path)
    if {"labels", "boxes", "scores"} <= set(names) or {"logits", "pred_boxes"} <= set(names):

        def look(image: np.ndarray) -> Found:
            found = dict(
                zip(names, run(_stretched(image, height, width), image.shape), strict=True)
            )
            return detr_boxes(found, image.shape[:2], (height, width), _asks_size(session), person)

    elif len(names) in (1, 2):

        def look(image: np.ndarray) -> Found:
            crop, scale = letterbox(image, height, width)
            corners, score = yolox_boxes(run(crop, image.shape), (height, width), person, str(path))
            return corners / scale, score

    else:
        raise UserError(
            f"{path} is no detector of a known form: its outputs are {', '.join(names)}"
        )
    return OnnxDetector(path.name, look, least, suppress="logits" not in names)


def letterbox(image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float]:
    """RGB (H, W, 3) -> BGR (1, 3, height, width) float32, 0 to 255, and how much larger it is."""
    H, W = image.shape[:2]
    scale = min(height / H, width / W)
    h, w = max(1, int(H * scale)), max(1, int(W * scale))
    padded = np.full((height, width, 3), _GREY, np.uint8)
    padded[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return padded[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32), scale


def yolox_boxes(
    outputs: list[np.ndarray], size: tuple[int, int], person: int = 0, name: str = "the file"
) -> Found:
    """The outputs of YOLOX for one image -> corners (M, 4) in px of its input, and scores (M,).

    Args:
        outputs: (1, M, 5 + C) raw or decoded; or (1, M, 5) and labels (1, M).
        size: height and width of the input; with strides 8, 16 and 32 (and 64) it has M cells.
        person: the class of persons.
        name: what an error calls it.

    Raises:
        UserError: of another form.
    """
    values = np.asarray(outputs[0], np.float32)
    if values.ndim == 3:
        values = values[0]
    if len(outputs) == 2 and values.ndim == 2 and values.shape[1] == 5:
        right = np.asarray(outputs[1]).reshape(-1) == person
        return values[right, :4], values[right, 4]
    if len(outputs) != 1 or values.ndim != 2 or values.shape[1] < 6 + person:
        shapes = ", ".join(str(np.shape(output)) for output in outputs)
        raise UserError(f"{name} is no detector of a known form: its outputs have shapes {shapes}")
    grid = _grid(size, len(values))
    if grid is None:  # in the rows of other families these columns mean other things
        raise UserError(
            f"{name} is no detector of a known form: its output has shape {np.shape(outputs[0])}, and "
            f"YOLOX gives a row for each cell of its input of {size[0]} x {size[1]} px"
        )
    centre, extent = values[:, :2], values[:, 2:4]
    cell, stride = grid[:, :2], grid[:, 2:]
    beside = np.abs(centre - (cell + 0.5) * stride)
    if np.median(beside) > np.median(np.abs(centre)):  # offsets within a cell, not places
        centre, extent = (centre + cell) * stride, np.exp(np.clip(extent, -20, 20)) * stride
    score = values[:, 4] * values[:, 5 + person]
    return np.concatenate([centre - extent / 2, centre + extent / 2], 1), score


def detr_boxes(
    found: dict[str, np.ndarray],
    photo: tuple[int, ...],
    size: tuple[int, int],
    asked: bool,
    person: int = 0,
) -> Found:
    """The outputs of RT-DETR for one image -> corners (M, 4) in px of the photograph, and scores (M,).

    Args:
        found: "labels", "boxes", "scores", or "logits", "pred_boxes"; the first axis is of images.
        photo: height and width of the photograph.
        size: height and width of the input.
        asked: the net was told the photograph's size; otherwise its boxes are in px of the input.
        person: the class of persons.
    """
    scale = np.array([photo[1], photo[0]] * 2, np.float32)
    if "logits" in found:
        logits = found["logits"][0].astype(np.float64)
        best = logits.argmax(-1) == person
        score = 1 / (1 + np.exp(-logits[best, person]))
        centre, extent = np.split(found["pred_boxes"][0][best], 2, 1)
        corners = np.concatenate([centre - extent / 2, centre + extent / 2], 1) * scale
        return corners, score.astype(np.float32)
    right = found["labels"][0].reshape(-1) == person
    corners = found["boxes"][0][right].astype(np.float32)
    if not asked:
        corners = corners * scale / np.array([size[1], size[0]] * 2, np.float32)
    return corners, found["scores"][0].reshape(-1)[right].astype(np.float32)


def kept(
    corners: np.ndarray, score: np.ndarray, photo: tuple[int, ...], least: float, overlap: float
) -> Found:
    """Corners (M, 4), left and top edge 0 -> boxes of `types` within the photograph, the best first.

    Of boxes that overlap by more than `overlap` (intersection over union) the best is kept.
    """
    low, high = np.clip(corners[:, :2], 0, None), np.minimum(corners[:, 2:], [photo[1], photo[0]])
    good = (score >= least) & ((high - low) >= 1).all(1) & np.isfinite(corners).all(1)
    boxes = np.concatenate([low - 0.5, high - low], 1)[good].astype(np.float32)
    score = score[good]
    order = np.argsort(-score, kind="stable")
    chosen: list[int] = []
    for i in order.tolist():
        if len(chosen) == MOST_PERSONS:
            break
        if not chosen or overlaps(boxes[[i]], boxes[chosen]).max() <= overlap:
            chosen.append(i)
    return boxes[chosen].reshape(-1, 4), score[chosen].astype(np.float32)


def _grid(size: tuple[int, int], count: int) -> np.ndarray | None:
    """x, y and stride (M, 3) of each cell, row by row, fine ones first; None: it has not so many."""
    for strides in _STRIDES:
        parts = []
        for stride in strides:
            y, x = np.indices((size[0] // stride, size[1] // stride)).reshape(2, -1)
            parts.append(np.stack([x, y, np.full_like(x, stride)], 1))
        grid = np.concatenate(parts).astype(np.float32)
        if len(grid) == count:
            return grid
    return None


def _stretched(image: np.ndarray, height: int, width: int) -> np.ndarray:
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return small.transpose(2, 0, 1)[None].astype(np.float32) / 255


def _asks_size(session: Any) -> bool:
    return len(session.get_inputs()) > 1


def _runner(session: Any, path: Path) -> Callable[[np.ndarray, tuple[int, ...]], list[np.ndarray]]:
    first, *others = session.get_inputs()

    def run(image: np.ndarray, photo: tuple[int, ...]) -> list[np.ndarray]:
        given = {first.name: image.astype(np.float16) if "float16" in first.type else image}
        for other in others:  # RT-DETR's `orig_target_sizes`: width, height
            kind = np.float32 if "float" in other.type else np.int64
            given[other.name] = np.array([[photo[1], photo[0]]], kind)
        try:
            answers: list[np.ndarray] = session.run(None, given)
        except Exception as error:  # ONNX Runtime has no common class for them
            why = str(error).splitlines()[0]
            raise UserError(f"{path} cannot be run on a photograph: {why}") from None
        return answers

    return run


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        why = "does not exist" if not path.exists() else f"is damaged ({type(error).__name__})"
        raise UserError(f"{path} {why}: give the ONNX file of a detector") from None
