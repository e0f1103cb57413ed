"""Data sets by name: names stand on command lines and in run folders, hence this table."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from vitruvian.data.leeds import read_lsp, read_lspet
from vitruvian.data.pack import read_pack
from vitruvian.data.people import People
from vitruvian.types import UserError

DATASETS: dict[str, Callable[[Path], People]] = {
    "lspet": read_lspet,
    "lsp": read_lsp,
    "pack": read_pack,
}


def open_data(argument: str) -> People:
    """A data set from "name=path", or from "name" below the folder that VITRUVIAN_DATA names.

    Raises:
        UserError: the name is unknown, or there is no such folder.
    """
    name, equals, where = argument.partition("=")
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, 1, 0)
        raise UserError(
            f"no data set {name!r}; nearest: {near[0]!r}; write --data {near[0]}=FOLDER"
        )
    if not equals:
        root = os.environ.get("VITRUVIAN_DATA")
        if not root:
            raise UserError(f"where is {name}? Write --data {name}=FOLDER or set VITRUVIAN_DATA")
        where = str(Path(root) / name)
    return DATASETS[name](Path(where).expanduser())
