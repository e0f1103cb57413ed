"""The mean pose and the centre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from vitruvian.measure.baselines import (
    in_box_units,
    mean_pose,
    predict_centre,
    predict_mean_pose,
)
from vitruvian.measure.metrics import auc, normalized_errors, pck, reference_length
from vitruvian.skeleton import LSP
from vitruvian.types import State


def test_mean_over_located_joints_only() -> None:
    xy = np.array([[[0.1, 0.2], [0.3, -0.4], [9, 9]], [[0.3, 0.0], [np.nan, 7], [9, 9]]])
    state = np.array(
        [
            [State.VISIBLE, State.OCCLUDED, State.MISSING],
            [State.OCCLUDED, State.MISSING, State.UNDEFINED],
        ]
    )
    expected = [[0.2, 0.1], [0.3, -0.4], [np.nan, np.nan]]
    np.testing.assert_allclose(mean_pose(xy, state), expected)


def test_mean_pose_is_laid_into_each_box() -> None:
    mean = np.array([[-0.5, -0.5], [0.5, 0.5], [0.0, 0.25]])
    box = np.array([[-0.5, -0.5, 8, 4], [10, 20, 40, 80]])
    xy = predict_mean_pose(mean, box)
    assert xy[0].tolist() == [[-0.5, -0.5], [7.5, 3.5], [3.5, 2.5]]
    assert xy[1].tolist() == [[10, 20], [50, 100], [30, 80]]
    np.testing.assert_allclose(in_box_units(xy, box), np.stack([mean, mean]))


def test_centre_of_an_image_lies_between_its_pixels() -> None:
    xy = predict_centre(np.array([[-0.5, -0.5, 640, 481], [4, 6, 2, 10]]), 5)
    assert xy.shape == (2, 5, 2)
    assert (xy[0] == [319.5, 240]).all()
    assert (xy[1] == [5, 11]).all()


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="train_state has shape"):
        mean_pose(np.zeros((4, 3, 2)), np.zeros((3, 4)))


@pytest.mark.parametrize(
    ("convention", "total", "area"), [("PC", 12.37, 4.29), ("OC", 13.33, 4.62)]
)
def test_published_mean_pose_figures(
    shared: Path, convention: str, total: float, area: float
) -> None:
    labels = loadmat(shared / f"oracles/lsp/lsp-joints-{convention}.mat")["joints"]
    xy = labels[:2].transpose(2, 1, 0)  # (2000, 14, 2) px
    train, truth = xy[:1000], xy[1000:]
    box = np.broadcast_to([-0.5, -0.5, 200, 150], (1000, 4))  # one for all: the mean is that of px
    mean = mean_pose(in_box_units(train, box), np.full((1000, 14), State.VISIBLE))
    scored = np.ones((1000, 14), bool)
    length = reference_length(truth, scored, LSP.length("torso"))
    errors = normalized_errors(predict_mean_pose(mean, box), truth, length)
    assert 100 * pck(errors, scored, 0.2) == pytest.approx(total, abs=0.0051)
    assert 100 * auc(errors, scored) == pytest.approx(area, abs=0.0051)
