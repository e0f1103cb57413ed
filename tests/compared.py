"""Rendered figures, two files of poses and results saved of them: what is put beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import drawn
import faults
from vitruvian.data.people import People
from vitruvian.use.compare import Request, compare
from vitruvian.use.scores import score_file, write_json

PROTOCOL = "lsp-pck-pc"
COUNT = 40  # figures


def write_files(folder: Path, people: People) -> Path:
    """Poses of all figures: the truth, and a quarter of the persons wrong."""
    drawn.write_poses(folder / "good.npz", people.joints)
    drawn.write_poses(folder / "worse.npz", drawn.off_by(people, 1, slice(0, COUNT // 4)))
    return folder


def save_result(
    folder: Path,
    truth: str,
    name: str,
    poses: str = "good.npz",
    protocol: str = PROTOCOL,
    subset: str = "all",
) -> Path:
    """What `eval --json` writes of a file of poses."""
    found = score_file(folder / poses, truth, protocol, subset)
    write_json(folder / name, found.to_dict())
    return folder / name


def request(*items: object, truth: str | None = None, **more: Any) -> Request:
    """Of everybody under `PROTOCOL`, where there is a truth."""
    more = {"protocol": PROTOCOL, "subset": "all"} | more if truth else more
    return Request(items=tuple(map(str, items)), truth=truth, workers=0, **more)


def fault(*items: object, **more: Any) -> str:
    """What is said of a request that is refused."""
    return faults.fault(lambda: compare(request(*items, **more)))
