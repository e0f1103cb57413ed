"""Leeds Sports Pose, both archives, and its extended training set, from their original `joints.mat`.

Johnson & Everingham, BMVC 2010 and CVPR 2011. Joints are person-centric. The quirks, which end here:

    LSP     joints (3, 14, 2000) = [x, y, flag][joint][image]; flag 1 = *occluded*
            small archive: offsets from the crop's first pixel, 0-based as they stand
            original-size archive: 1-based
    LSPET   joints (14, 3, N) = [joint][x, y, flag][image]; flag 1 = *labelled*, else junk
            the official file has 10,000 rows; any number is read
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from vitruvian import geometry
from vitruvian.data.people import People
from vitruvian.data.photos import photo_size, read_photo
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError


def read_lspet(root: Path) -> People:
    """LSPET. Subsets: `val` the last 1,000 rows, `tune` the 500 before them, `train` the rest.

    Raises:
        UserError: a file is absent, or is of another shape or another data set.
    """
    values = _joints(root, "LSPET")
    if values.ndim != 3 or values.shape[:2] != (14, 3):
        other = " This is LSP's file: use lsp=." if values.shape[:2] == (3, 14) else ""
        raise UserError(f"{root / 'joints.mat'} has shape {values.shape}, not (14, 3, N).{other}")
    N = values.shape[2]
    xy = values[:, :2].transpose(2, 0, 1)
    labelled = values[:, 2].T == 1  # (N, J)
    state = np.where(labelled, State.VISIBLE, State.MISSING).astype(np.uint8)
    first_val = max(N - 1000, 0)
    first_tune = max(first_val - 500, 0)
    rows = np.arange(N)
    subsets = {
        "train": rows[:first_tune],
        "tune": rows[first_tune:first_val],
        "val": rows[first_val:],
    }
    note = f"LSPET, {N} rows, person-centric, labelled joints only; for research use"
    return _people("lspet", root, xy, state, "im{:05d}.jpg", subsets, note)


def read_lsp(root: Path) -> People:
    """LSP, small or original-size archive. Subsets: `train` rows 1-1000, `test` 1001-2000.

    Raises:
        UserError: a file is absent, or is of another shape or another data set.
    """
    values = _joints(root, "LSP")
    if values.ndim != 3 or values.shape[:2] != (3, 14):
        other = " This is LSPET's file: use lspet=." if values.shape[:2] == (14, 3) else ""
        raise UserError(f"{root / 'joints.mat'} has shape {values.shape}, not (3, 14, N).{other}")
    N = values.shape[2]
    xy = values[:2].transpose(2, 1, 0)
    original = bool((xy > 250).any())  # the small archive's images are at most 196 px wide or high
    xy = xy - 1 if original else xy
    state = np.where(values[2].T == 1, State.OCCLUDED, State.VISIBLE).astype(np.uint8)
    rows = np.arange(N)
    frame = "original-size" if original else "small"
    note = f"LSP, {N} rows, {frame} archive, person-centric; for research use"
    subsets = {"train": rows[:1000], "test": rows[1000:]}
    return _people("lsp", root, xy, state, "im{:04d}.jpg", subsets, note)


def _joints(root: Path, name: str) -> np.ndarray:
    path = root / "joints.mat"
    if not path.is_file():
        raise UserError(f"no {name} at {root}: it needs joints.mat and images/; see the README")
    try:
        values = loadmat(path).get("joints")
    except Exception:  # scipy raises many kinds for a file that is no .mat
        raise UserError(f"{path} is not a readable MATLAB file; unpack the archive again") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise UserError(f"{path} holds no array `joints`; is it {name}'s file?")
    return values.astype(np.float64)


def _people(
    name: str,
    root: Path,
    xy: np.ndarray,
    state: np.ndarray,
    pattern: str,
    subsets: dict[str, np.ndarray],
    provenance: str,
) -> People:
    located = state >= State.OCCLUDED
    if not np.isfinite(xy[located]).all():
        raise UserError(f"{root / 'joints.mat'} has labelled joints that are not numbers")
    joints = np.where(located[..., None], xy, 0).astype(np.float32)
    folder = root / "images"

    def path(row: int) -> str:
        return f"{folder}{os.sep}{pattern.format(row + 1)}"

    return People(
        name=name,
        skeleton=LSP,
        joints=joints,
        state=state,
        box=geometry.box_of_joints(joints, located),
        key=np.arange(len(joints)),
        photo=lambda row, factor: read_photo(path(row), factor, oriented=False),
        label=lambda row: pattern.format(row + 1),
        size=lambda row: photo_size(path(row)),
        subsets=subsets,
        provenance=provenance,
        encoded=lambda row: Path(path(row)).read_bytes(),
    )
