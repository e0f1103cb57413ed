"""What commands are tried on: settings of a training of seconds, a data set of three persons."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

SMALL = [
    "--set", "config.crop=[32, 64]", "--set", "config.channels=[4, 4, 4, 4]",
    "--set", "config.width=4", "--set", "config.inner=4", "--set", "fits.0.batch=4",
    "--set", "precision=fp32", "--device", "cpu", "--workers", "0", "--quiet",
]  # fmt: skip


def small_lspet(root: Path, rows: int = 3) -> Path:
    """A data set in LSPET's layout whose persons are drawn dots."""
    rng = np.random.default_rng(0)
    joints = np.ones((14, 3, rows))
    joints[:, :2] = rng.uniform(10, 50, (14, 2, rows))
    (root / "images").mkdir(parents=True)
    savemat(root / "joints.mat", {"joints": joints})
    for row in range(rows):
        image = rng.integers(0, 256, (60, 70, 3), np.uint8)
        cv2.imwrite(str(root / "images" / f"im{row + 1:05d}.jpg"), image)
    return root
