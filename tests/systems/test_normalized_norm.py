"""The angles and centres of normalization: by hand, and where the truth is known."""

import pytest
import torch

from vitruvian.skeleton import LSP
from vitruvian.systems.normalized.norm import anatomy, body_frame, limb_frames

UP = {
    "neck": (31, 21), "left_shoulder": (24, 17), "right_shoulder": (24, 25),
    "left_hip": (18, 17), "right_hip": (18, 25),
}  # fmt: skip


def placed(places, joints=LSP):
    xy = torch.zeros(1, len(joints), 2)
    for name, at in places.items():
        xy[0, joints.index(name)[0]] = torch.tensor(at, dtype=torch.float32)
    return xy


def test_angles_by_hand():
    """The person lies with the neck to the right: -90 degrees. u = (6, -8): 143.130 degrees."""
    parts = anatomy(LSP)
    centre, angle = body_frame(parts, placed(UP), 0.0)
    assert centre.tolist() == [[21, 21]]
    assert angle.rad2deg().item() == pytest.approx(-90)
    turned = body_frame(parts, placed(UP), 30.0)[1].rad2deg().item()
    assert turned == pytest.approx(-60)
    xy = placed({"left_shoulder": (10, 20), "left_elbow": (16, 12)})
    roots, angles = limb_frames(parts, xy, 0.0)
    number = [limb[0] for limb in parts.limbs].index(LSP.index("left_shoulder")[0])
    assert roots[number].tolist() == [10, 20]
    assert angles[number].rad2deg().item() == pytest.approx(143.130, abs=1e-3)
    assert angles.count_nonzero() == 1, "limbs without a length are not turned"


def test_true_angles_where_all_joints_of_an_angle_are_known():
    parts, wrong = anatomy(LSP), placed({"neck": (5, 0), "left_shoulder": (1, 1)})
    xy = placed(UP | {"left_elbow": (30, 17)})
    known = torch.ones(1, 14, dtype=torch.bool)
    centre, angle = body_frame(parts, wrong, 0.0, (xy, known))
    assert (centre.tolist(), round(angle.rad2deg().item())) == ([[21, 21]], -90)
    known[0, LSP.index("left_hip")] = False
    for value, found in zip(
        body_frame(parts, wrong, 0.0, (xy, known)), body_frame(parts, wrong, 0.0), strict=True
    ):
        assert value.equal(found)
    number = [limb[0] for limb in parts.limbs].index(LSP.index("left_shoulder")[0])
    roots, angles = limb_frames(parts, wrong, 0.0, (xy, known))
    assert roots[number].tolist() == [24, 17]
    assert angles[number].rad2deg().item() == pytest.approx(90)
    known[0, LSP.index("left_elbow")] = False
    roots, _ = limb_frames(parts, wrong, 0.0, (xy, known))
    assert roots[number].tolist() == [1, 1]
