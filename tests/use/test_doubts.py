"""Predictions that mean other sides or other persons are doubted; good ones are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vitruvian.data.convention import in_convention
from vitruvian.data.synthetic import figures
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.scoring import score
from vitruvian.skeleton import Skeleton
from vitruvian.types import State
from vitruvian.use.doubts import other_persons, swapped_sides
from vitruvian.use.evaluate import truth_of

PC, OC = PROTOCOLS["lsp-pck-pc"], PROTOCOLS["lsp-pck-oc"]


@pytest.fixture(scope="module")
def people():
    """200 figures, 2 in 5 of whom face away."""
    return figures(200, seed=1, side=64)


def doubt(protocol, people, pred):
    truth = truth_of(people)
    result = score(protocol, truth, pred, np.random.default_rng(0))
    return swapped_sides(protocol, truth, pred, result)


def test_good_predictions_are_not_doubted(people):
    observed = in_convention(people, "OC")
    assert doubt(PC, people, people.joints) is None
    assert doubt(OC, observed, observed.joints) is None
    assert doubt(PROTOCOLS["lsp-pcp-strict"], people, people.joints) is None


@pytest.mark.parametrize("name", ["lsp-pck-pc", "lsp-pcp-strict"])
def test_exchanged_columns(people, name):
    warning = doubt(PROTOCOLS[name], people, people.joints[:, people.skeleton.swap])
    assert "with right and left exchanged the total is 100.0 instead of" in warning


def test_exchanged_columns_of_observer_centric_labels(people):
    """Turning them to the observer's sides repairs them too, but it is not what is wrong."""
    observed = in_convention(people, "OC")
    warning = doubt(OC, observed, observed.joints[:, people.skeleton.swap])
    assert "with right and left exchanged the total is 100.0" in warning


def test_predictions_of_the_other_convention(people):
    observed = in_convention(people, "OC")
    warning = doubt(PC, people, observed.joints)
    assert "the truth read as an observer sees it (OC)" in warning
    assert "the total is 100.0 instead of" in warning
    warning = doubt(OC, observed, people.joints)
    assert "they look PC" in warning
    assert "the total is 100.0 instead of" in warning


def test_a_few_exchanged_persons_are_no_reason(people):
    """Most are right as they stand: no other reading of all of them scores more."""
    pred = people.joints.copy()
    pred[:40] = people.joints[:40, people.skeleton.swap]
    assert doubt(PC, people, pred) is None


def test_joints_that_tell_no_sides():
    arm = Skeleton(
        "arm", ("shoulder", "elbow", "right_tip", "left_tip"), (("right_tip", "left_tip"),)
    )
    rng = np.random.default_rng(0)
    people = replace(
        figures(50, side=64),
        skeleton=replace(arm, references={"upper": ("shoulder", "elbow")}, reference="upper"),
        joints=rng.uniform(0, 60, (50, 4, 2)).astype(np.float32),
        state=np.full((50, 4), State.VISIBLE, np.uint8),
    )
    protocol = replace(PC, skeleton="arm", reference="upper", joints=arm.joint_names, groups=())
    assert "right and left exchanged" in doubt(protocol, people, people.joints[:, arm.swap])


def test_predictions_of_other_persons(people):
    truth, rng = truth_of(people), np.random.default_rng(0)
    mean = np.broadcast_to(truth.xy.mean(0), truth.xy.shape)

    def warning(pred):
        return other_persons(score(PC, truth, pred, rng, baselines={"mean_pose": mean}))

    assert warning(people.joints) is None
    assert "is that of chance" in warning(people.joints[rng.permutation(len(people))])
    assert "is that of chance" in warning(people.joints + 500)
    assert (
        other_persons(score(PC, truth, people.joints + 500, rng)) is None
    )  # nothing to hold against
