"""A folder to train one's own joints in: skeleton, labels, a recipe for this machine, the next commands.

my-project/
  skeleton.yaml   joints, pairs, limbs, the length that errors are measured in
  labels.json     COCO keypoint JSON; without labels yet: the photographs, and nobody in them
  images          the photographs, a link to their folder where the system has links
  recipe.yaml     the training
  README.md       what to type next
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from vitruvian.data.check import check
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_skeleton import FILE, flip_pairs, lonely_sides
from vitruvian.data.people import People
from vitruvian.data.photos import photo_size
from vitruvian.learn.machine import Machine, sized, this_machine
from vitruvian.learn.project_page import next_commands
from vitruvian.learn.recipes import find_recipe
from vitruvian.recipe import Recipe
from vitruvian.skeleton import Pair, Skeleton, find_skeleton
from vitruvian.types import UserError
from vitruvian.use.files import list_photos, write_text

LABELS, RECIPE = "labels.json", "recipe.yaml"
LOOKED_AT = 50  # labelled persons whose photographs are opened before anybody waits for them
Ask = Callable[[str, str], str]  # question, answer that an empty line gives


@dataclass(frozen=True)
class Request:
    """What `vitruvian init` is told; None is what may be asked or concluded."""

    folder: Path
    images: Path
    labels: Path | None = None
    skeleton: str | None = None  # a known skeleton's name or a YAML file
    joints: str | None = None  # "base,elbow,left_tip,right_tip"
    pairs: str | None = None  # "left_tip-right_tip"; None: by their names
    limbs: str | None = None  # "base-elbow,elbow-left_tip"
    reference: str | None = None  # "base-elbow"
    recipe: str = "resnet_fcn/compact"


@dataclass(frozen=True)
class Made:
    """What was written."""

    skeleton: Skeleton
    photographs: int
    labelled: bool
    machine: Machine
    lines: tuple[str, ...]  # to say


def init(request: Request, ask: Ask | None = None) -> Made:
    """Writes a project.

    Args:
        ask: asks the user what the request leaves open; None: nobody is there to ask.

    Raises:
        UserError: the folder is in use, there are no photographs, no joints are known, or the labels
            are of other joints or other photographs.
    """
    folder = request.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} holds something already: give another folder, or go on in it")
    photos = list(list_photos([request.images]))
    if not request.images.is_dir():
        raise UserError(f"--images {request.images} is no folder: give the one of the photographs")
    if request.labels is not None and request.labels.is_dir():
        raise UserError(
            f"--labels {request.labels} is a folder: make one file of it, vitruvian data convert "
            f"coco={request.labels} --out labels.json"
        )
    skeleton, said = _skeleton(request, ask)
    machine = this_machine()
    recipe = sized(find_recipe(request.recipe), machine, len(photos), folder.resolve().name)
    recipe = recipe.model_copy(update={"skeleton": skeleton.name})
    labels = _template(skeleton, photos, request.images) if request.labels is None else None
    stood = folder.exists()
    try:
        _write(request, skeleton, recipe, labels)
        held_out = 0
        if request.labels is not None:
            people = _read(folder, request)
            said += _absent(people, request)
            held_out = _to_tune_on(people)
        page = next_commands(folder, skeleton, recipe, machine, labels is None, held_out)
        write_text(folder / "README.md", page)
    except BaseException:  # Ctrl-C too: the same command must find the place free
        _empty(folder, stood)
        raise
    lines = (
        f"{folder}: {_count(len(photos), 'photograph')}, {_count(len(skeleton), 'joint')}",
        f"in a mirror {_mirrored(skeleton)}: see {FILE}",
        *(f"warning: {words}; correct the name" for words in lonely_sides(skeleton)),
        *said,
        f"recipe for {machine.words()}",
        f"what to type next stands in {folder / 'README.md'}",
    )
    return Made(skeleton, len(photos), request.labels is not None, machine, lines)


def _write(
    request: Request, skeleton: Skeleton, recipe: Recipe, labels: dict[str, Any] | None
) -> None:
    """The project's files but its page; `labels` where the request has none."""
    folder = request.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(
            yaml.safe_dump(skeleton.to_dict(), sort_keys=False), encoding="utf-8"
        )
        (folder / RECIPE).write_text(recipe.to_yaml(), encoding="utf-8")
        if request.labels is not None:
            shutil.copyfile(request.labels, folder / LABELS)
        else:
            (folder / LABELS).write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")
        _link(request.images, folder / "images")
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): check the disk") from None


def _empty(folder: Path, stood: bool) -> None:
    """Takes away what was written, and the folder unless it `stood`; photographs behind a link stay."""
    with contextlib.suppress(OSError):  # what cannot be written may not be there either
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        if not stood:
            folder.rmdir()


def _read(folder: Path, request: Request) -> People:
    """The labels as a training reads them."""
    try:
        return read_coco(folder / LABELS)
    except UserError as error:
        told = str(error).replace(str(folder / LABELS), str(request.labels))
        raise UserError(told.replace(str(folder / FILE), "the project's skeleton")) from None


def _absent(people: People, request: Request) -> list[str]:
    """What to say of photographs that are not there."""
    found = check(people, limit=LOOKED_AT)
    missing, of = len(found.missing), f"that {request.labels} names"
    if not missing:
        return []
    first = f"not in {request.images}, as {found.missing[0]}"
    if missing == min(found.photographs, found.opened):
        raise UserError(f"the photographs {of} are {first}: give their folder as --images")
    return [f"warning: {missing} of {found.opened} persons looked at, {of}, are {first}"]


def _to_tune_on(people: People) -> int:
    """A tenth of the photographs to learn from, where the labels' own subsets leave none to tune on."""
    if len(people.subsets.get("tune", ())) or "train" not in people.subsets:
        return 0
    return math.ceil(0.1 * len(np.unique(people.images[people.subsets["train"]])))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# ---- the skeleton --------------------------------------------------------------------------------


def _skeleton(request: Request, ask: Ask | None) -> tuple[Skeleton, list[str]]:
    """The skeleton, and in words what was concluded and not told."""
    if request.skeleton is not None:
        skeleton, asked = find_skeleton(request.skeleton), None
    elif request.joints is None and request.labels is not None:
        skeleton, asked = read_coco(request.labels).skeleton, None
    else:
        names = _names(request, ask)
        skeleton, asked = Skeleton(request.folder.resolve().name, names), ask
        try:
            skeleton = replace(skeleton, flip_pairs=flip_pairs(list(names)))
        except ValueError as error:
            raise UserError(f"--joints: {error}") from None
    skeleton = _with_pairs(skeleton, request, asked)
    return _with_reference(skeleton, request, asked)


def _names(request: Request, ask: Ask | None) -> tuple[str, ...]:
    text = request.joints
    if text is None and ask is not None:
        text = ask("Names of the joints, with commas; sides as left_x and right_x", "")
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if not names:
        raise UserError(
            "which joints? Give --joints base,elbow,left_tip,right_tip, or --labels FILE, or --skeleton"
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--joints names {twice!r} twice: give each its own name")
    return names


def _with_pairs(skeleton: Skeleton, request: Request, ask: Ask | None) -> Skeleton:
    """With the flip pairs and limbs that the user tells."""
    pairs, limbs = request.pairs, request.limbs
    if ask is not None and pairs is None:
        found = ",".join("-".join(pair) for pair in skeleton.flip_pairs)
        pairs = ask("Joints that change places in a mirror, as left_x-right_x,...", found)
    if ask is not None and limbs is None:
        limbs = ask("Limbs to draw, as base-elbow,elbow-tip,...", "")
    try:
        if pairs is not None:
            skeleton = replace(skeleton, flip_pairs=_pairs(skeleton, pairs))
        if limbs is not None:
            skeleton = replace(skeleton, limbs=_pairs(skeleton, limbs))
    except ValueError as error:
        raise UserError(f"--pairs: {error}") from None
    return skeleton


def _with_reference(
    skeleton: Skeleton, request: Request, ask: Ask | None
) -> tuple[Skeleton, list[str]]:
    """With the length that errors are measured in: told, known, or the first limb's."""
    told = request.reference
    if told is None and skeleton.reference is not None:
        return skeleton, []
    names = skeleton.joint_names
    guess = (skeleton.limbs or (names[:2],))[0]
    if told is None and ask is not None:
        told = ask("The two joints whose distance measures errors", "-".join(guess))
    if told is None:
        if len(names) < 2:
            return skeleton, [
                "one joint has no length to measure errors in: nothing will be scored"
            ]
        pair, said = (guess[0], guess[1]), [
            f"errors are measured in {guess[0]} to {guess[1]}, which nobody chose: see {FILE}"
        ]  # fmt: skip
    else:
        pairs = _pairs(skeleton, told)
        if len(pairs) != 1:
            raise UserError(f"--reference {told}: give two joints, as {names[0]}-{names[-1]}")
        pair, said = pairs[0], []
    return replace(skeleton, references={"size": pair}, reference="size"), said


def _mirrored(skeleton: Skeleton) -> str:
    """What takes whose place; a side whose other side is misspelt is seen in it."""
    pairs = ", ".join(" and ".join(pair) for pair in skeleton.flip_pairs)
    return f"change places {pairs}" if pairs else "no joints change places"


def _pairs(skeleton: Skeleton, text: str) -> tuple[Pair, ...]:
    """ "a-b,c-d" -> pairs; names may have hyphens."""
    names, pairs = skeleton.joint_names, []
    for part in filter(None, (part.strip() for part in text.split(","))):
        cuts = [(part[:i], part[i + 1 :]) for i, mark in enumerate(part) if mark == "-"]
        fitting = [cut for cut in cuts if set(cut) <= set(names)]
        if not fitting:
            for name in cuts[0] if cuts else (part,):
                skeleton.index(name)  # names the nearest
            raise UserError(f"{part!r} is no pair of joints: write {names[0]}-{names[-1]}")
        if fitting[0][0] == fitting[0][1]:
            raise UserError(f"{part!r} is one joint twice: give two different ones")
        pairs.append(fitting[0])
    return tuple(pairs)


# ---- photographs and labels ----------------------------------------------------------------------


def _template(skeleton: Skeleton, photos: list[Path], root: Path) -> dict[str, Any]:
    """COCO keypoint JSON of photographs in which nobody is labelled yet."""
    limbs = [[index + 1 for index in skeleton.index(*limb)] for limb in skeleton.limbs]
    images = []
    for number, photo in enumerate(photos, 1):
        height, width = photo_size(photo)
        name = photo.relative_to(root).as_posix() if root.is_dir() else photo.name
        images.append({"id": number, "file_name": name, "width": width, "height": height})
    return {
        "info": {"description": skeleton.name},
        "licenses": [],
        "categories": [
            {
                "id": 1,
                "name": skeleton.name,
                "supercategory": "",
                "keypoints": list(skeleton.joint_names),
                "skeleton": limbs,
            }
        ],
        "images": images,
        "annotations": [],
    }


def _link(images: Path, place: Path) -> None:
    """The photographs under another name; copied where links are not allowed."""
    try:
        os.symlink(images.resolve(), place, target_is_directory=True)
    except (OSError, NotImplementedError):
        shutil.copytree(images, place)
