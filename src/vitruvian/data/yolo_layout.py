"""Where things lie in an Ultralytics data set: its YAML file, its photographs, their label files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vitruvian.data.photos import SUFFIXES
from vitruvian.types import UserError

_FILES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_SUBSETS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}  # keys
_NO_LABELS = "classes.txt"  # that labelling tools put among the labels


def find_yaml(path: Path) -> Path:
    """The YAML file that a path stands for: itself, or the one in a folder.

    Raises:
        UserError: there is none, or there are several and none is called data.yaml.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UserError(f"{path} does not exist: give data.yaml of YOLO pose labels or its folder")
    found = [path / name for name in _FILES if (path / name).is_file()]
    found = found[:1] or sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise UserError(f"{path} has no data.yaml, but {names}: give one of them")
    if not found:
        raise UserError(
            f"{path} has no data.yaml, which says kpt_shape, names and where the photographs are: "
            "copy it there or write one"
        )
    return found[0]


def listed_photographs(file: Path, values: dict[str, Any]) -> dict[Path, list[str]]:
    """The photographs, in order, and the subsets that each is in.

    Raises:
        UserError: a folder or a photograph does not exist, or labels have no photograph.
    """
    root = _root(file, values)
    listed: dict[Path, list[str]] = {}
    folders: list[Path] = []
    for subset, keys in _SUBSETS.items():
        entries: Any = next((values[key] for key in keys if values.get(key)), [])
        for entry in entries if isinstance(entries, list) else [entries]:
            place = _place(str(entry), file, root)
            if place is None and subset == "test":  # is often named and not there
                continue
            if place is None:
                raise UserError(
                    f"{file}: {subset} is {str(entry)!r}, which is not below {root}: correct "
                    f"`{subset}` or `path`"
                )
            if place.is_dir():
                folders.append(place)
            for photograph in _photographs(place):
                subsets = listed.setdefault(photograph, [])
                subsets += [subset] * (subset not in subsets)
    _check_labels(folders, listed)
    if not listed:
        raise UserError(f"{file} names no photographs: write train and val, folders below {root}")
    return listed


def label_file(photograph: Path) -> Path:
    """The labels of a photograph: below labels/ what is below images/, else beside it."""
    return _labels_of(photograph.parent) / f"{photograph.stem}.txt"


def _labels_of(folder: Path) -> Path:
    parts = list(folder.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


def _root(file: Path, values: dict[str, Any]) -> Path:
    """The folder that others are below: `path`, or the file's where that is another machine's."""
    place = file.parent / Path(str(values.get("path") or "")).expanduser()
    return _plain(place if place.is_dir() else file.parent)


def _place(entry: str, file: Path, root: Path) -> Path | None:
    """A folder or file; "../" is read first as if it were not there, for some exports write it so."""
    entry = entry.replace("\\", "/")
    names = [entry[3:], entry] if entry.startswith("../") else [entry]
    places = [folder / name for name in names for folder in (root, file.parent)]
    return next((_plain(place) for place in places if place.exists()), None)


def _plain(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _photographs(place: Path) -> Iterator[Path]:
    """Those in a folder and below, or listed in a text file."""
    if place.is_dir():
        found = (path for path in _below(place) if path.suffix.lower() in SUFFIXES)
        yield from sorted(path for path in found if not path.name.startswith("."))
        return
    try:
        lines = place.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{place} is no list of photographs: give a folder or a .txt") from None
    names = [line.strip() for line in lines if line.strip()]
    found_at = [_plain(place.parent / name) for name in names]
    if gone := [path for path in found_at if not path.is_file()]:
        raise UserError(
            f"{len(gone)} of {len(names)} photographs that {place} lists do not exist, e.g. "
            f"{gone[0]}: put them there or correct the list"
        )
    yield from found_at


def _below(folder: Path) -> Iterator[Path]:
    """The files in a folder and below, also where folders are links; each folder once."""
    seen: set[str] = set()
    for at, folders, names in os.walk(folder, followlinks=True):
        if (place := os.path.realpath(at)) in seen:
            folders.clear()
            continue
        seen.add(place)
        yield from (Path(at) / name for name in names)


def _has_labels(file: Path) -> bool:
    """Whether a text is empty or begins with a number, as labels do, and is no notes about them."""
    try:
        words = file.read_text(encoding="utf-8-sig").split()
        return not words or float(words[0]) >= 0
    except (OSError, ValueError):
        return False


def _check_labels(folders: Iterable[Path], listed: Iterable[Path]) -> None:
    """Raises UserError where labels below labels/ have no photograph below images/."""
    known = {label_file(photograph) for photograph in listed}
    count, alone = 0, dict[Path, Path]()
    for folder in folders:
        labels = _labels_of(folder)
        if labels == folder:
            continue
        for label in sorted(path for path in _below(labels) if path.suffix == ".txt"):
            if label.name != _NO_LABELS and not label.name.startswith("."):
                count += 1
                if label not in known and _has_labels(label):
                    alone[label] = folder / label.relative_to(labels).with_suffix("")
    if alone:
        label, photograph = next(iter(alone.items()))
        raise UserError(
            f"{len(alone)} of {count} label files have no photograph, e.g. {label} needs "
            f"{photograph}.jpg (or .png ...): put them there or remove the labels"
        )
