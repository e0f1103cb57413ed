"""COCO keypoint JSON: COCO itself and anybody's own data, of any skeleton, joints by name.

Lin et al., ECCV 2014; https://cocodataset.org/#format-data. Left is the person's. The quirks, all of which
end here and in `coco_labels`:

    keypoints     flat, x, y, v for each joint, 0-based with pixel centres at integers; v 0 = not labelled,
                  whatever x and y are, 1 = labelled but hidden, 2 = visible
    bbox          x, y, width, height with (0, 0) at the *corner* of the first pixel, unlike keypoints:
                  pycocotools gives the box of a whole mask as 0, 0, W, H. Half a pixel is subtracted.
                  It ends where the person does: `box` is it x1.25 (Xiao et al., ECCV 2018), except in
                  files written by this package, which say it; as it stands it is `boxes["bbox"]`
    area          px of the person's segment; `lengths["object_scale"]` is its square root
    left out      crowds, annotations without a labelled joint, those of other categories; all counted
    CVAT          labels other than the skeleton have empty `keypoints`; tracks have an empty list and no
                  box; points marked as outside keep their coordinates with v 0
    Label Studio  ids count from 0; boxes stand among the persons as another category; no area; file names
                  of its own server; columns follow `model_index`, names the labelling configuration: give
                  both the same order, for the file does not show when they differ
    Roboflow      a folder for each subset, with its photographs and their _annotations.coco.json; ids count
                  from 0 in each; a category without joints stands above the others
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.coco_facts import RENUMBERED, RowFacts, read_row_facts
from vitruvian.data.coco_labels import Labels, read_labels
from vitruvian.data.coco_layout import annotation_files, cut_by_number, subset_name
from vitruvian.data.people import People, words_of_boxes
from vitruvian.measure.protocols import LABELLED_BOX
from vitruvian.types import State, UserError

_SIDES = {
    "PC": "left is the person's",
    "OC": "sides as of people who face the observer",
    "": "joints without sides",
}
_STATES = np.array([State.MISSING, State.OCCLUDED, State.VISIBLE], np.uint8)  # by v


def read_coco(path: Path) -> People:
    """A COCO keypoint JSON, or a folder with one or with one for each subset.

    Subsets are the images' `split`, or what the files are called (train.json,
    person_keypoints_val2017.json) or their folders (valid/_annotations.coco.json), in words of
    `coco_layout.SUBSETS`, or else a cut by the images' ids, see `coco_layout.cut_by_number`.
    `key` is the annotation's id, or the row where ids lack or stand in several files.

    Raises:
        UserError: there is no such file, or it is not what it should be; the message names the annotation.
    """
    files = [read_labels(file) for file in annotation_files(path)]
    skeleton, facts, sides = files[0].skeleton, files[0].facts, files[0].facts.convention
    for file in files[1:]:
        if file.skeleton != skeleton or file.facts.convention != sides:
            raise UserError(
                f"{file.path} has another skeleton (joints, their order, limbs) or convention than "
                f"{files[0].path.name}: read the two one at a time"
            )
    persons = [person for file in files for person in file.persons]
    if not persons:
        raise UserError(f"{path} has no person with keypoints ({files[0].note}): label some")
    extra = read_row_facts(persons, skeleton.joint_names, path)
    joints, state = _joints(np.concatenate([file.keypoints for file in files]), extra.undefined)
    looked = _boxes(files, persons, extra, geometry.box_of_joints(joints, state >= State.OCCLUDED))
    image, renumbered = _image_numbers(files)
    subsets, cut = _subsets(files, extra, image)
    photos = [file.photos[person["image_id"]] for file in files for person in file.persons]
    convention = sides if sides is not None else "PC" if skeleton.flip_pairs else ""
    notes = [f"{len(persons)} persons", _SIDES[convention], *(file.note for file in files)]
    notes = [note for note in dict.fromkeys((*notes, renumbered, cut, facts.provenance)) if note]
    return People(
        name=facts.name,
        skeleton=skeleton,
        joints=joints,
        state=state,
        box=looked.box,
        key=_keys(files),
        photo=lambda row, factor: photos[row].read(factor),
        label=lambda row: photos[row].name,
        size=lambda row: photos[row].size(),
        subsets=subsets,
        provenance=f"COCO keypoints: {'; '.join(notes)}",
        convention=convention,
        scored=facts.scored,
        image=image,
        lengths={"object_scale": _object_scale(persons), **extra.lengths},
        boxes=looked.boxes,
        weight=extra.weight,
        encoded=lambda row: photos[row].path().read_bytes(),
        box_words=looked.words or words_of_boxes(looked.box, joints, state),
    )


def _joints(keypoints: np.ndarray, undefined: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints (N, J, 2) float32 and their states (N, J) from x, y, v (N, J, 3)."""
    state = _STATES[keypoints[:, :, 2].astype(int)]
    state[undefined & (state == State.MISSING)] = State.UNDEFINED
    located = state >= State.OCCLUDED
    return np.where(located[..., None], keypoints[:, :, :2], 0).astype(np.float32), state


@dataclass(frozen=True)
class _Looked:
    box: np.ndarray  # (N, 4) float32
    boxes: dict[str, np.ndarray]  # as in `People`
    words: str  # what `box` is; "": one of the files does not say


def _boxes(
    files: list[Labels], persons: list[dict[str, Any]], extra: RowFacts, labelled: np.ndarray
) -> _Looked:
    """`bbox` with its margin, or around the joints where there is none or it has no area."""
    given = np.array([person.get("bbox") or [0, 0, 0, 0] for person in persons], np.float64)
    usable = np.all(given[:, 2:] > 0, axis=1)
    of_file = np.repeat([file.facts.margin for file in files], [len(f.persons) for f in files])
    margin = np.where(np.isfinite(extra.margin), extra.margin, of_file)
    bare = geometry.boxes_of_pixels(given)
    grown = bare.copy()
    for factor in np.unique(margin[margin != 1]).tolist():
        grown[margin == factor] = geometry.grow(bare[margin == factor], factor)
    boxes = {"labelled": labelled, **extra.boxes}
    if (told := usable & (margin != 1)).any():
        other = extra.boxes.get("bbox", np.full((len(persons), 4), np.nan, np.float32))
        boxes["bbox"] = np.where(told[:, None], bare, other)
    words = dict.fromkeys(file.facts.box for file in files)
    if not usable.all():
        words |= {LABELLED_BOX: None} if all(words) else {}
    box = np.where(usable[:, None], grown, labelled)
    return _Looked(box, boxes, "" if "" in words else " or ".join(words))


def _object_scale(persons: list[dict[str, Any]]) -> np.ndarray:
    area = np.array([person.get("area") or np.nan for person in persons], np.float64)
    return np.sqrt(area)


def _keys(files: list[Labels]) -> np.ndarray:
    """(N,) the annotations' ids; rows where one has none or files use the same."""
    keys = [
        person["id"] - file.facts.id_shift
        for file in files
        for person in file.persons
        if "id" in person
    ]
    count = sum(len(file.persons) for file in files)
    return np.array(keys) if len(set(keys)) == count else np.arange(count)


def _image_numbers(files: list[Labels]) -> tuple[np.ndarray, str]:
    """(N,) the images' ids, or 1, 2 ... where two files use one id; and words on it."""
    numbers = [number for file in files for number in file.photos]
    used = [(f, person["image_id"]) for f, file in enumerate(files) for person in file.persons]
    if len(set(numbers)) == len(numbers):
        return np.array([number for _, number in used]), ""
    anew = {photo: number for number, photo in enumerate(dict.fromkeys(used), 1)}
    return np.array([anew[photo] for photo in used]), RENUMBERED


def _subsets(
    files: list[Labels], extra: RowFacts, image: np.ndarray
) -> tuple[dict[str, np.ndarray], str]:
    """Rows by subset; and words on a cut.

    Raises:
        UserError: some photographs have no split in a file of others' where some have.
    """
    listed: dict[str, list[int]] = {name: [] for file in files for name in file.facts.subsets}
    row = 0
    for file in files:
        named = subset_name(file.path)
        default = [named] if named and not file.splits and not file.facts.subsets else []
        apart = bool(file.splits) and not file.facts.subsets  # else some may be in no subset
        bare: dict[int, None] = {}  # photographs
        for person in file.persons:
            split = file.splits.get(person["image_id"])
            said = extra.subsets[row]
            if apart and split is None and said is None:
                bare[person["image_id"]] = None
            for name in said if said is not None else [split] if split else default:
                listed.setdefault(name, []).append(row)
            row += 1
        if bare:
            raise UserError(
                f"{file.path}: {len(bare)} of {len(file.photos)} photographs have no split where others "
                f"have one, e.g. {file.photos[next(iter(bare))].name}: write train, tune, val or test"
            )
    if listed:
        return {name: np.array(rows, int) for name, rows in listed.items()}, ""
    cut = cut_by_number(image)
    counts = ", ".join(f"{name} {len(np.unique(image[rows]))}" for name, rows in cut.items())
    return cut, f"no subsets given: photographs cut by their ids, {counts}"
