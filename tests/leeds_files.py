"""Files in the layout of LSP and LSPET."""

import numpy as np
from scipy.io import savemat


def write(folder, values, name="joints"):
    folder.mkdir(exist_ok=True)
    savemat(folder / "joints.mat", {name: values})
    return folder


def lspet_values(count, seed=0):
    """Labels (14, 3, count): everything labelled, inside of 100 x 80 px."""
    rng = np.random.default_rng(seed)
    xy = rng.random((14, 2, count)) * [[100], [80]]
    return np.concatenate([xy, np.ones((14, 1, count))], 1)


def lsp_values(count, largest=150.0):
    """Labels (3, 14, count): everything visible, x up to `largest`."""
    xy = lspet_values(count)[:, :2].transpose(1, 0, 2) * largest / 100
    return np.concatenate([xy, np.zeros((1, 14, count))])
