"""The rendered arm: its labels lie where it was painted, and are read as a tool's export is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data.arm import ARM, arm_picture, write_example
from vitruvian.data.coco import read_coco
from vitruvian.types import State, UserError


def pictures(count: int, side: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return [arm_picture(np.random.default_rng([7, number]), side) for number in range(count)]


def test_joints_lie_where_they_are_painted() -> None:
    """The dark spot of a fingertip is centred on its label, to a quarter of a pixel."""
    checked = 0
    for picture, xy, state in pictures(12, 320):
        for joint in ARM.index("left_finger", "right_finger"):
            x, y = np.rint(xy[joint]).astype(int)
            window = picture[y - 2 : y + 3, x - 2 : x + 3].astype(int)
            dark = (window == 20).all(-1)
            if state[joint] == State.VISIBLE and dark.sum() > 5 and not dark[[0, -1]].any():
                rows, columns = np.nonzero(dark)
                assert abs(x - 2 + columns.mean() - xy[joint, 0]) < 0.6
                assert abs(y - 2 + rows.mean() - xy[joint, 1]) < 0.6
            if state[joint] == State.VISIBLE:
                assert dark[2, 2]
                checked += 1
    assert checked > 15


def test_the_left_finger_is_on_the_left_of_the_hand() -> None:
    names = ("elbow", "wrist", "left_finger", "right_finger")
    for _, xy, _ in pictures(30, 96):
        _, wrist, left, right = xy[ARM.index(*names)]
        along = (left + right) / 2 - wrist
        across = left - right
        assert along[0] * across[1] - along[1] * across[0] < 0  # y points down


def test_the_picture_depends_on_its_seed_alone() -> None:
    (one, xy, _), (same, _, _) = pictures(1, 64)[0], pictures(1, 64)[0]
    assert (one == same).all()
    assert one.shape == (64, 64, 3)
    assert xy.min() >= 0
    assert xy.max() <= 63


def test_the_files_are_read_as_anybodys(tmp_path: Path) -> None:
    path = write_example(tmp_path / "ex", 20, seed=3, side=72)
    people = read_coco(path)
    assert people.skeleton.joint_names == ARM.joint_names
    assert set(map(frozenset, people.skeleton.flip_pairs)) == {
        frozenset(("left_finger", "right_finger"))
    }
    assert people.skeleton.limbs == ARM.limbs
    for row in range(len(people)):
        number = int(people.key[row])
        picture, xy, state = arm_picture(np.random.default_rng([3, number]), 72)
        assert (people.photo(row, 1)[0] == picture).all()
        assert np.abs(people.joints[row] - xy).max() < 0.006  # two decimals in the file
        assert (people.state[row] == state).all()
        left, top, _, height = people.boxes["bbox"][row]
        assert abs(left - xy[:, 0].min()) < 0.01
        assert abs(top + height - xy[:, 1].max()) < 0.01
    assert State.OCCLUDED in people.state
    assert "vitruvian" not in json.loads(path.read_text())
    with pytest.raises(UserError, match="holds something already"):
        write_example(tmp_path / "ex", 3)
