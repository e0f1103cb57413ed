"""Image Parse, "people" (Ramanan, NIPS 2006): 305 photographs, 14 joints.

    labels.mat          ptsAll (14, 2, 305) = [joint][x, y][image]
    parse-joints.mat    joints (2, 14, 305), the same coordinates in an evaluation toolkit

The joints stand in LSP's order with opposite names: lank lkne lhip rhip rkne rank lwr lelb lsho rsho relb
rwr hbot htop. "l" is the observer's left as he looks at the image, where the observer-centric labels of
LSP say "right" (the right of a person who faces him), so joint i here is joint i of LSP and the set is
observer-centric: ankles, knees, elbows and shoulders "l" lie left of "r" in 95 % of the images. The hips
do in 79 % only: in 53 images the thighs are crossed, hip and knee of one side being of two legs. They are
read as they stand.

MATLAB's count from 1 is assumed, as everywhere in that time's tools: the least coordinate is 0.72, which
a click on the first pixel gives when its centre is 1 (0.5 is its edge). No flags: all are VISIBLE.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian import geometry
from vitruvian.data.files import Photographs, find_file, read_mat
from vitruvian.data.people import People
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError

_FILES = ("labels.mat", "ptsAll.mat", "parse-labels.mat", "parse-joints.mat", "joints.mat")
_ORDER = (
    "lank", "lkne", "lhip", "rhip", "rkne", "rank",
    "lwr", "lelb", "lsho", "rsho", "relb", "rwr", "hbot", "htop",
)  # fmt: skip


def read_parse(path: Path) -> People:
    """Image Parse, from its folder or a file. Subsets: `train` images 1-100, `test` 101-305.

    Raises:
        UserError: a file is absent, or is of another shape or another data set.
    """
    file = find_file(path, _FILES)
    if file is None:
        raise UserError(
            f"no Image Parse at {path}: it needs labels.mat and im0001.jpg to im0305.jpg"
        )
    values = read_mat(file)
    xy = _in_order(file, values.get("ptsAll", values.get("joints")))
    names = [str(name.item()) for name in np.ravel(values.get("segmentTypes", ()))]
    if names and tuple(names) != _ORDER:
        raise UserError(f"{file} has joints in the order {', '.join(names)}, not as Image Parse")
    if not np.isfinite(xy).all():
        raise UserError(f"{file} has joints that are not numbers")
    N, joints, folder = len(xy), (xy - 1).astype(np.float32), file.parent
    cure = (
        f"unpack people.zip so that {folder} holds the {N} photographs im0001.jpg to im{N:04d}.jpg"
    )
    photographs = Photographs(lambda row: f"im{row + 1:04d}.jpg", (folder, folder / "images"), cure)
    state = np.full((N, len(LSP)), State.VISIBLE, np.uint8)
    rows = np.arange(N)
    return People(
        name="parse",
        skeleton=LSP,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, state == State.VISIBLE),
        key=rows,
        photo=photographs.photo,
        label=photographs.label,
        size=photographs.size,
        subsets={"train": rows[:100], "test": rows[100:]},
        provenance=f"Image Parse, {N} rows of {file.name}, observer-centric by its names; for research use",
        convention="OC",
        scored="test",
        image=rows + 1,
        encoded=photographs.encoded,
    )


def _in_order(file: Path, values: Any) -> np.ndarray:
    """(N, 14, 2) from any order of the axes; of several that fit, the first of those in circulation."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu" or values.ndim != 3:
        raise UserError(
            f"{file} holds no array `ptsAll` or `joints` with 3 axes; is it Image Parse's?"
        )
    for axes in ((2, 0, 1), (2, 1, 0), *permutations(range(3))):
        found = values.transpose(axes)
        if found.shape[1:] == (14, 2):
            return found.astype(np.float64)
    other = " This is LSP's or LSPET's file: use lsp= or lspet=." if 3 in values.shape else ""
    raise UserError(f"{file} has shape {values.shape}, not (14, 2, N).{other}")
