"""DeepLabCut's labels: the CollectedData_*.csv of its projects, of one animal or of several.

The quirks, all of which end here:

    header      rows `scorer`, [`individuals`], `bodyparts`, `coords`; of a column under x, y or likelihood,
                which is not read, these say whose it is
    rows        begin with the photograph's path, in one column or in three: labeled-data, film, img.png;
                "\\" as "/". The photograph lies beside the file, or at that path below a folder above it
    x, y        px with pixel centres at integers, as matplotlib shows photographs; empty or NaN where the
                bodypart is not labelled. Whether it is hidden is not said: what is labelled is visible
    single      the individual that has the unique bodyparts of the scene: left out where there are others
    pairs       are not said: by the bodyparts' names
    limbs       `skeleton` of the project's config.yaml, where its bodyparts are these
    left        is the animal's

A bodypart that one file of a project has and another has not is undefined in the other.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian.data.coco_layout import Photograph, cut_by_number
from vitruvian.data.foreign import (
    below_one_folder,
    numbers_of,
    pairs_by_name,
    people_of,
    read_yaml,
    skeleton_by_names,
)
from vitruvian.data.people import People
from vitruvian.skeleton import SKELETONS, Pair, Skeleton
from vitruvian.types import State, UserError

_HEAD = ("scorer", "individuals", "bodyparts", "coords")
_SCENE = "single"
_FILMS = 5  # from which on they are cut, and not their photographs
_PATTERN = "CollectedData_*.csv"
_CURE = "give a CollectedData_*.csv of DeepLabCut, its folder, or the project's"


@dataclass(frozen=True)
class _Columns:
    """Where a file's numbers stand."""

    first: int  # columns before this one name the photograph
    bodyparts: tuple[str, ...]
    x: dict[tuple[str, str], int]  # (individual, bodypart) -> column; y likewise
    y: dict[tuple[str, str], int]
    individuals: tuple[str, ...]
    scene: tuple[str, ...]  # bodyparts of the scene, left out


@dataclass(frozen=True)
class _File:
    """What is read of one file."""

    path: Path
    columns: _Columns
    given: list[str]  # N paths, as they stand in the file
    xy: np.ndarray  # (N, bodyparts, 2) px, NaN where not labelled
    empty: int  # photographs without a label


def read_deeplabcut(path: Path) -> People:
    """DeepLabCut's labels, from a project, a folder of one film, or a file.

    Photographs are named as below that folder. Subsets are a cut by the names of the films, or of the
    photographs where there are fewer than five films: frames of one film are alike.

    Raises:
        UserError: there is no such file, or it is not what it should be; the message names file and line.
    """
    files = [_read(file) for file in _files(path)]
    bodyparts = tuple(dict.fromkeys(name for file in files for name in file.columns.bodyparts))
    places = [place for file in files for place in _places(file)]
    if not places:
        raise UserError(f"{path} has no labelled bodypart in {len(files)} files: label some")
    root, names = below_one_folder(path if path.is_dir() else path.parent, places)
    advice = "put the photographs of the labels"
    photographs = [Photograph(name, (root,), None, advice) for name in names]
    pairs = pairs_by_name(bodyparts)
    skeleton, columns = skeleton_by_names("deeplabcut", bodyparts, pairs, _limbs(files, bodyparts))
    xyv = np.concatenate([_in_order(file, bodyparts) for file in files])[:, columns]
    nowhere = np.full((len(places), 4), np.nan)
    subsets, cut = _subsets(names)
    notes = _notes(files, skeleton, dict(zip(names, places, strict=True)), len(places))
    return people_of(
        "deeplabcut",
        skeleton,
        xyv,
        photographs,
        nowhere,
        subsets,
        [*notes, cut, "licence not stated"],
    )


def _subsets(names: Sequence[str]) -> tuple[dict[str, np.ndarray], str]:
    """Rows by subset, whole films where there are enough; and words on that."""
    films = [name.rpartition("/")[0] for name in names]
    if len(set(films)) >= _FILMS:
        return cut_by_number(numbers_of(films)), f"{len(set(films))} films, cut by films"
    words = "cut by photographs: those of one film are in train and in val, and scores too good"
    return cut_by_number(numbers_of(names)), words


def _notes(
    files: Sequence[_File], skeleton: Skeleton, named: dict[str, Path], figures: int
) -> list[str]:
    """What is to be said of the labels in photographs by their names."""
    notes = [
        f"DeepLabCut labels: {_count(len(files), 'file')}, {_count(figures, 'figure')} in "
        f"{_count(len(named), 'photograph')}"
    ]
    if skeleton not in SKELETONS.values():
        pairs = ", ".join(f"{a}/{b}" for a, b in skeleton.flip_pairs) or "none found"
        notes.append(f"pairs by name: {pairs}")
    if empty := sum(file.empty for file in files):
        notes.append(f"left out: {_count(empty, 'photograph')} without a label")
    if scene := sorted({name for file in files for name in file.columns.scene}):
        notes.append(f"bodyparts of the scene left out: {', '.join(scene)}")
    if gone := sorted(name for name, place in named.items() if not place.is_file()):
        notes.append(f"{len(gone)} of {len(named)} photographs are not there, e.g. {gone[0]}")
    return notes


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _in_order(file: _File, bodyparts: Sequence[str]) -> np.ndarray:
    """(N, J, 3): x, y and state of these bodyparts."""
    xyv = np.zeros((len(file.given), len(bodyparts), 3))
    xyv[..., 2] = State.UNDEFINED
    columns = [bodyparts.index(name) for name in file.columns.bodyparts]
    known = np.isfinite(file.xy).all(-1)
    xyv[:, columns, :2] = np.where(known[..., None], file.xy, 0)
    xyv[:, columns, 2] = np.where(known, State.VISIBLE, State.MISSING)
    return xyv


# ---- where things lie ----------------------------------------------------------------------------


def _files(path: Path) -> list[Path]:
    """The file that a path stands for, or those of a film's folder or of a project, one a folder."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist: {_CURE}")
    folders = [path, *sorted(path.glob("labeled-data/*")), *sorted(path.glob("*"))]
    found = [sorted(folder.glob(_PATTERN)) for folder in dict.fromkeys(folders) if folder.is_dir()]
    if found[0]:
        found = found[:1]
    for files in found:
        if len(files) > 1:
            raise UserError(
                f"{files[0].parent} has {len(files)} files of labels, {files[0].name} and "
                f"{files[1].name}: give one of them, or move the others away"
            )
    if not any(found):
        raise UserError(f"{path} has no {_PATTERN}, nor has labeled-data in it: {_CURE}")
    return [file for files in found for file in files]


def _places(file: _File) -> list[Path]:
    """Where the photographs of a file lie, or would lie if they were there."""
    beside = Path(os.path.normpath(file.path.absolute())).parent
    found = []
    for given in file.given:
        places = [beside / given.rpartition("/")[2], *(above / given for above in beside.parents)]
        found.append(next((place for place in places if place.is_file()), places[0]))
    return found


def _limbs(files: Sequence[_File], bodyparts: Sequence[str]) -> tuple[Pair, ...]:
    """Of the config.yaml two folders above the first file; pairs of other bodyparts are left out."""
    config = files[0].path.absolute().parent.parent.parent / "config.yaml"
    try:
        limbs = read_yaml(config).get("skeleton") if config.is_file() else []
    except UserError:
        return ()  # limbs are drawn, and no more
    listed = limbs if isinstance(limbs, list) else []
    pairs = [limb for limb in listed if isinstance(limb, list) and len(limb) == 2]
    ends = [(str(a), str(b)) for a, b in pairs]
    known = ((a, b) for a, b in ends if a != b and {a, b} <= set(bodyparts))
    return tuple(dict.fromkeys(known))


# ---- a file --------------------------------------------------------------------------------------


def _read(path: Path) -> _File:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is no CSV ({error}): {_CURE}") from None
    head = {row[0].strip(): row for _, row in lines[:4] if row[0].strip() in _HEAD}
    if list(head) not in ([*_HEAD], [name for name in _HEAD if name != "individuals"]):
        raise UserError(
            f"{path} does not begin with rows scorer, (individuals,) bodyparts, coords: {_CURE}"
        )
    columns = _columns(path, {name: [cell.strip() for cell in row] for name, row in head.items()})
    given: list[str] = []
    figures: list[np.ndarray] = []
    empty = 0
    for line, row in lines[len(head) :]:
        where = f"{path}, line {line}"
        if len(row) != len(head["coords"]):
            raise UserError(
                f"{where}: {len(row)} values, not {len(head['coords'])} as in the header: correct the row"
            )
        photograph = _photograph([cell.strip() for cell in row[: columns.first]], where)
        found = [_figure(columns, individual, row, where) for individual in columns.individuals]
        found = [xy for xy in found if np.isfinite(xy).any()]
        given += [photograph] * len(found)
        figures += found
        empty += not found
    xy = np.array(figures).reshape(len(figures), len(columns.bodyparts), 2)
    return _File(path, columns, given, xy, empty)


def _columns(path: Path, head: dict[str, list[str]]) -> _Columns:
    """What the header says."""
    coords, parts = head["coords"], head["bodyparts"]
    owners = head.get("individuals", [""] * len(coords))
    first = next((i for i, cell in enumerate(coords) if cell == "x"), 0)
    if not {len(row) for row in head.values()} == {len(coords)} or first not in (1, 3):
        raise UserError(
            f"{path}: the header's rows have different lengths, or coords has no x in the second or "
            f"fourth column: {_CURE}"
        )
    places: dict[str, dict[tuple[str, str], int]] = {"x": {}, "y": {}, "likelihood": {}}
    for i in range(first, len(coords)):
        if coords[i] not in places:
            raise UserError(f"{path}: coords has {coords[i]!r}, not x, y or likelihood: {_CURE}")
        if places[coords[i]].setdefault((owners[i], parts[i]), i) != i:
            raise UserError(
                f"{path}: {coords[i]} of {' '.join((parts[i], owners[i])).strip()!r} stands in two "
                "columns: keep those of one scorer"
            )
    if places["x"].keys() != places["y"].keys():
        raise UserError(f"{path}: a bodypart has x or y alone: {_CURE}")
    individuals = tuple(dict.fromkeys(owner for owner, _ in places["x"]))
    animals = tuple(name for name in individuals if name != _SCENE) or individuals
    named = dict.fromkeys(part for owner, part in places["x"] if owner in animals)
    scene = tuple(part for owner, part in places["x"] if owner not in animals)
    return _Columns(first, tuple(named), places["x"], places["y"], animals, scene)


def _photograph(cells: list[str], where: str) -> str:
    given = "/".join(cells).replace("\\", "/").strip("/")
    if given.isdecimal():
        raise UserError(
            f"{where}: {given!r} is a frame's number, as in predictions on a video: {_CURE}"
        )
    if not given or not all(cells) or ".." in given.split("/"):
        raise UserError(f"{where}: {given!r} is no path of a photograph: correct the row")
    return given


def _figure(columns: _Columns, individual: str, row: Sequence[str], where: str) -> np.ndarray:
    """(bodyparts, 2) px of one individual, NaN where it is not labelled."""
    xy = np.full((len(columns.bodyparts), 2), np.nan)
    for j, part in enumerate(columns.bodyparts):
        if (individual, part) not in columns.x:
            continue
        cells = [row[places[individual, part]].strip() for places in (columns.x, columns.y)]
        try:
            xy[j] = [float(cell or "nan") for cell in cells]
        except ValueError:
            xy[j] = np.inf
        if np.isinf(xy[j]).any():
            raise UserError(f"{where}: {part} at {cells} is no place in px: correct it")
        if np.isnan(xy[j]).sum() == 1:
            raise UserError(f"{where}: {part} at {cells} has x or y alone: correct it")
    return xy
