"""Boxes of a detector in place of a data set's own: whose each of them is.

Within a photograph each person gets one detection at most and each detection goes to one person, so that
the sum of their likeness is largest.

Persons   the likeness is the intersection over union with the `bbox` that labels give, or else with the
          rectangle about the labelled joints; `LEAST` at least. The box is made `MARGIN` times longer and
          wider, as a `bbox` of labels is.
Faces     the likeness is the share of the detection that lies in the person's box, `INSIDE` at least, plus
          the intersection over union with the face that the labels give, `FACE` at least, or else with
          that box: of two persons whose boxes hold a face it is the one's whose face it is. A detection
          that is more than `BODY` like a person is no face. The face is made square.

All detections of the file take part, whatever their scores.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from vitruvian import geometry
from vitruvian.data.box_files import BoxFile, read_boxes
from vitruvian.data.boxes import face_boxes
from vitruvian.data.coco_facts import MARGIN, RENUMBERED
from vitruvian.data.names import name_finder, number_of
from vitruvian.data.people import OWN_BOX, People
from vitruvian.types import State, UserError

LEAST, BODY, FACE = 0.3, 0.5, 0.1  # of intersection over union
INSIDE = 0.5  # of a face's area

# rows (R,), boxes (M, 4) -> (R, M), 0 where they do not fit
Likeness = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Fit:
    """How many persons have a box of a file."""

    file: str
    persons: int
    fitted: int
    faces: bool = False

    def line(self) -> str:
        """In words."""
        what = "face" if self.faces else "box"
        if self.fitted == self.persons:
            return f"all {self.persons} persons have a {what} in {self.file}"
        own = "labels' faces, or else in whole photographs" if self.faces else "data set's own"
        some = f"{self.fitted} of {self.persons} persons have a {what} in {self.file}"
        return f"{some}; looked for in the {own}: {self.persons - self.fitted}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Detections:
    """A file of boxes for a training; `file` None: there is none."""

    file: Path | None = None
    start: str = "data"  # where the recipe starts

    def put(self, parts: Iterable[People]) -> list[People]:
        """Data sets with these boxes where they fit; see `detected`.

        Raises:
            UserError: as `detected`, or the recipe starts from no such boxes.
        """
        people = list(parts)
        if self.file is None:
            return people
        if self.start == "labelled":
            raise UserError(_not_looked_in(self.file, self.start))
        return detected(people, read_boxes(self.file), self.start)[0]


def detected(
    parts: Sequence[People], file: BoxFile, start: str, subset: str = "all"
) -> tuple[list[People], Fit]:
    """Data sets whose boxes are those of a file where they fit; whom none fits keeps the data set's own.

    `box` is replaced, or the box of the face; `box_words` or `face_words` say of how many, and the
    provenance too.

    Args:
        start: where a model looks: "data" and "labelled", in boxes of persons; "face", in faces.
        subset: the persons who get them, and are counted.

    Raises:
        UserError: the model looks elsewhere; the file names no photograph of these persons, fits none of
            them, or means two photographs by one name; or a data set holds crops.
    """
    _check(parts, file, start)
    faces = start == "face"
    asked = [_asked(part, subset) for part in parts]
    named = _by_images(parts, file)
    here = [part.images[rows] for part, rows in zip(parts, asked, strict=True)]
    if not any(np.isin(images, list(of)).any() for images, of in zip(here, named, strict=True)):
        raise UserError(_names_none(parts, asked, file, "" if subset == "all" else f" {subset}"))
    boxes = [
        np.where(rows[:, None], _fitted(part, of, faces), np.float32(np.nan))
        for part, of, rows in zip(parts, named, asked, strict=True)
    ]
    fitted = sum(int(np.isfinite(box).all(1).sum()) for box in boxes)
    if not fitted:
        what = "face" if faces else "person"
        raise UserError(
            f"{file.path}: none of its boxes fits a {what} of {_called(parts)}: give boxes of {what}s as "
            "x, y, width and height in px"
        )
    people = [
        _put(part, rows, box, file, faces)
        for part, rows, box in zip(parts, asked, boxes, strict=True)
    ]
    return people, Fit(file.path.name, sum(int(rows.sum()) for rows in asked), fitted, faces)


def _check(parts: Sequence[People], file: BoxFile, start: str) -> None:
    if start not in ("data", "labelled", "face"):
        raise UserError(_not_looked_in(file.path, start))
    if packed := next((part.name for part in parts if not part.whole), None):
        raise UserError(
            f"data set {packed!r} holds crops, not whole photographs: leave --boxes out, or give the "
            "data set it was made of"
        )


def _not_looked_in(file: Path, start: str) -> str:
    return (
        f"{file}: what starts with box={start} looks in no box of a file: leave --boxes out, or train with "
        "--set box=data"
    )


def _called(parts: Sequence[People]) -> str:
    return "+".join(part.name for part in parts)


def _names_none(
    parts: Sequence[People], asked: Sequence[np.ndarray], file: BoxFile, subset: str
) -> str:
    rows = ((part, np.flatnonzero(of).tolist()) for part, of in zip(parts, asked, strict=True))
    part, first = next(((part, of[0]) for part, of in rows if of), (parts[0], None))
    its = ""
    if first is not None:
        number = _number(part, first)
        its = f", as {part.label(first)}" + ("" if number is None else f" (image_id {number})")
    other = f", but {next(iter(file))}" if file else ""
    return (
        f"{file.path} names no photograph of {_called(parts)}{subset}{its}{other}: give the file of its "
        "boxes"
    )


def _asked(part: People, subset: str) -> np.ndarray:
    """(N,) bool: the rows of a subset, as in a union."""
    rows = np.zeros(len(part), bool)
    every = np.arange(len(part))
    subsets: Mapping[str, np.ndarray] = part.subsets or {"train": every}
    rows[every if subset == "all" else subsets.get(subset, every[:0])] = True
    return rows


def _number(people: People, row: int) -> int | None:
    """What a detector's results call the photograph of a row: COCO's number, or its file's."""
    return int(people.images[row]) if people.name == "coco" else number_of(people.label(row))


def _by_images(parts: Sequence[People], file: BoxFile) -> list[dict[int, np.ndarray]]:
    """The boxes (M, 4) of `types` of photographs, by each data set's numbers.

    Numbers in the file are COCO's where one of the data sets is COCO, and else those in files' names.

    Raises:
        UserError: a name fits several photographs, or two are one photograph's; or COCO's numbers are
            not the file's.
    """
    coco = any(part.name == "coco" for part in parts)
    of_part = []
    meant: dict[str | int, str] = {}
    for part in parts:
        numbered = file.numbered if not coco or part.name == "coco" else {}
        if numbered and part.name == "coco" and RENUMBERED in part.provenance:
            raise UserError(
                f"{file.path} has image_id alone, which stands in several files of {part.name}: name "
                "photographs by file_name"
            )
        found = _by_image(part, [*file.named.items(), *numbered.items()], file.path)
        for name in dict.fromkeys(name for name, _ in found.values()):
            if name in meant:
                raise UserError(
                    f"{file.path}: {name!r} fits photographs of {meant[name]} and of {part.name}: give "
                    "one of these data sets alone"
                )
            meant[name] = part.name
        of_part.append({image: boxes for image, (_, boxes) in found.items()})
    return of_part


def _by_image(
    people: People, boxes_of: Sequence[tuple[str | int, np.ndarray]], path: Path
) -> dict[int, tuple[str | int, np.ndarray]]:
    """What the file calls a photograph, and its boxes (M, 4) of `types`, by the data set's numbers."""
    first = dict(zip(people.images[::-1].tolist(), range(len(people))[::-1], strict=True))
    find = name_finder((people.label(row), image) for image, row in first.items())
    numbers: dict[int | None, set[int]] = {}
    for image, row in first.items():
        numbers.setdefault(_number(people, row), set()).add(image)
    found: dict[int, tuple[str | int, np.ndarray]] = {}
    for name, boxes in boxes_of:
        images = find(name) if isinstance(name, str) else numbers.get(name, set())
        if len(images) > 1:
            cure = "name folders too" if isinstance(name, str) else "give file_name, folders too"
            raise UserError(f"{path}: {name!r} fits {len(images)} photographs: {cure}")
        for image in images:
            if image in found:
                label = people.label(first[image])
                raise UserError(
                    f"{path}: {name!r} is the second name in it that fits {label}: name "
                    "photographs as the data set does"
                )
            found[image] = name, geometry.boxes_of_pixels(boxes[:, :4])
    return found


def _fitted(people: People, of_image: Mapping[int, np.ndarray], faces: bool) -> np.ndarray:
    """(N, 4): the detection that is each person's; NaN: none."""
    alike = _face_likeness(people) if faces else _person_likeness(people)
    box = np.full((len(people), 4), np.nan, np.float32)
    order = np.argsort(people.images, kind="stable")
    numbers, starts = np.unique(people.images[order], return_index=True)
    for number, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
        detections = of_image.get(number)
        if detections is None or not len(detections):
            continue
        likeness = alike(rows, detections)
        for person, detection in zip(*linear_sum_assignment(likeness, maximize=True), strict=True):
            if likeness[person, detection] > 0:
                box[rows[person]] = detections[detection]
    return box


def _person_likeness(people: People) -> Likeness:
    tight = _tight(people)

    def alike(rows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        found = np.nan_to_num(geometry.overlap(tight[rows][:, None], boxes[None]))
        return np.where(found >= LEAST, found, 0)

    return alike


def _face_likeness(people: People) -> Likeness:
    tight, face = _tight(people), _own_faces(people)
    labelled = np.isfinite(face).all(1)[:, None]  # (N, 1)
    own = np.where(labelled, face, people.box)

    def alike(rows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        common = geometry.common_area(people.box[rows][:, None], boxes[None])
        inside = np.nan_to_num(common / boxes[None, :, 2:].prod(-1))
        near, whole = (
            np.nan_to_num(geometry.overlap(of[rows][:, None], boxes[None])) for of in (own, tight)
        )
        fits = (inside >= INSIDE) & ((near >= FACE) | ~labelled[rows]) & (whole <= BODY).all(0)
        return np.where(fits, inside + near, 0)

    return alike


def _tight(people: People) -> np.ndarray:
    """(N, 4): where each person ends, by the labels; NaN where nothing is labelled."""
    located = (people.state >= State.OCCLUDED)[..., None]
    low = np.where(located, people.joints, np.inf).min(1) - 0.5
    high = np.where(located, people.joints, -np.inf).max(1) + 0.5
    box = np.where(located.any(1), np.concatenate([low, high - low], 1), np.nan)
    bbox = people.boxes.get("bbox", np.full((len(people), 4), np.nan))
    return np.where(np.isfinite(bbox).all(1)[:, None], bbox, box)


def _own_faces(people: People) -> np.ndarray:
    """(N, 4): the faces that the labels give; NaN: none."""
    try:
        return face_boxes(people)
    except UserError:
        return np.full((len(people), 4), np.nan, np.float32)


def _put(people: People, rows: np.ndarray, box: np.ndarray, file: BoxFile, faces: bool) -> People:
    """The data set with boxes (N, 4), NaN where it keeps its own, which are said and kept beside them."""
    known = np.isfinite(box).all(1)
    kept = replace(people, boxes=people.boxes | {OWN_BOX: people.box})
    if faces:
        face = np.where(known[:, None], geometry.fit_aspect(box, 1, 1), _own_faces(people))
        kept = replace(kept, boxes=kept.boxes | {"face": face})
    if not known.any():
        return kept
    words = _words(file, people, rows, box, faces)
    kept = replace(kept, provenance=f"{people.provenance}; {words}")
    if faces:
        return replace(kept, face_words=words)
    grown = np.where(known[:, None], geometry.grow(box, MARGIN), people.box)
    return replace(kept, box=grown, box_words=words)


def _words(file: BoxFile, people: People, rows: np.ndarray, box: np.ndarray, faces: bool) -> str:
    """What boxes are: of which file, of how many; with a checksum, for files of one name may differ."""
    fitted, persons = int(np.isfinite(box).all(1).sum()), int(rows.sum())
    digest = f"{zlib.crc32(np.ascontiguousarray(box[rows]).tobytes()):08x}"
    what = f"faces of {file.path.name}" if faces else f"boxes of {file.path.name} x{MARGIN:g}"
    own = "the data set's own" if faces else people.box_words
    some = "" if fitted == persons else f"{fitted} of {persons} persons, {own} for the rest; "
    return f"{what} ({some}{digest})"
