"""Data sets by name: names stand on command lines and in run folders, hence this table."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from vitruvian.data.coco import read_coco
from vitruvian.data.convention import in_convention
from vitruvian.data.deeplabcut import read_deeplabcut
from vitruvian.data.flic import read_flic
from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.mpii import read_mpii
from vitruvian.data.pack import read_pack
from vitruvian.data.parse import read_parse
from vitruvian.data.people import People
from vitruvian.data.yolo import read_yolo
from vitruvian.types import Convention, UserError

DATASETS: dict[str, Callable[[Path], People]] = {
    "lspet": read_lspet,
    "lsp": read_lsp,
    "flic": read_flic,
    "mpii": read_mpii,
    "parse": read_parse,
    "coco": read_coco,
    "yolo": read_yolo,
    "deeplabcut": read_deeplabcut,
    "pack": read_pack,
}
_NOT_READ = {  # name -> why, and what to do
    "buffy": "Buffy Stickmen has six line segments a person, their left as it is in the picture, and no "
    "joints: write the segments' ends as COCO keypoint JSON and give coco=DIR"
}
# readers that choose among files of either convention
_OF_BOTH: dict[str, Callable[[Path, str], People]] = {"lsp": read_lsp, "flic": read_flic}


def open_data(argument: str, convention: Convention | None = None) -> People:
    """A data set from "name=path", or from "name" below the folder that VITRUVIAN_DATA names.

    Args:
        convention: whose left is meant; labels of the other one are turned where that is possible.

    Raises:
        UserError: the name is unknown or that of a set which is not read, there is no such folder, or
            no way to that convention.
    """
    name, equals, where = argument.partition("=")
    if name in _NOT_READ:
        raise UserError(f"data set {name!r} is not read: {_NOT_READ[name]}")
    if name not in DATASETS:
        raise UserError(_unknown(argument, name))
    if not equals:
        root = os.environ.get("VITRUVIAN_DATA")
        if not root:
            raise UserError(f"where is {name}? Write --data {name}=FOLDER or set VITRUVIAN_DATA")
        where = str(Path(root) / name)
    path = Path(where).expanduser()
    if name in _OF_BOTH and convention:
        return in_convention(_OF_BOTH[name](path, convention), convention)
    people = DATASETS[name](path)
    return in_convention(people, convention) if convention else people


def _unknown(argument: str, name: str) -> str:
    """What a data set's argument lacks: the name before a folder, or a name that there is."""
    path = Path(argument).expanduser()
    if path.exists():
        kind = "yolo" if any(path.glob("data.y*ml")) else "coco"
        return f"{argument} lacks the name of its layout: write {kind}={argument}, or another of {_names()}"
    near = difflib.get_close_matches(name, DATASETS, 1)
    if near:
        return f"no data set {name!r}; nearest: {near[0]!r}; write {near[0]}=FOLDER"
    return f"no data set {name!r}: write NAME=FOLDER, NAME one of {_names()}"


def _names() -> str:
    return ", ".join(DATASETS)
