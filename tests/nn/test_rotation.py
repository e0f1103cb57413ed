"""Turned maps: published angles and cells, exact quarter turns, Gaussians at any angle."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.codecs import encode_gaussians
from vitruvian.measure import angles
from vitruvian.nn.rotation import (
    blurred_peaks,
    downward_angle,
    padding,
    turn,
    turn_back,
    upright_angle,
)
from vitruvian.skeleton import LSP

QUARTER = math.pi / 2
ORIGIN = torch.zeros(1, 2)


def points(*xy):
    return torch.tensor([list(map(float, one)) for one in xy])


def one_cell(xy, h, w):
    maps = torch.zeros(1, 1, h, w)
    maps[0, 0, xy[1], xy[0]] = 1
    return maps


def in_frame(xy, h, w, pad=0.21):
    """xy_cell of a canvas -> of the maps before they were turned."""
    pad_y, pad_x = padding(h, w, pad)
    return xy - torch.tensor([pad_x, pad_y])


def turned_points(xy, centre, theta):
    """R (xy - c) + c by hand: (B, 2) each, theta (B,)."""
    x, y = (xy - centre).unbind(-1)
    cos, sin = theta.cos(), theta.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1) + centre


def fitted_peaks(maps):
    """Sub-cell peaks (B, 2) of maps (B, 1, h, w): a Gaussian fitted to 5 x 5 cells about the highest."""
    cell = blurred_peaks(maps, 0)[:, 0].long()  # (B, 2)
    step = torch.arange(-2, 3)
    dx, dy = step.repeat(5), step.repeat_interleave(5)
    rows = torch.arange(len(maps))[:, None]
    logs = maps[rows, 0, cell[:, 1:] + dy, cell[:, :1] + dx].log()  # (B, 25)
    terms = torch.stack([dx, dy, dx * dx, dx * dy, dy * dy, dx**0], -1).float()
    x, y, xx, xy, yy, _ = (torch.linalg.pinv(terms) @ logs.T).unbind()
    det = 4 * xx * yy - xy * xy
    return cell + torch.stack([xy * y - 2 * yy * x, xy * x - 2 * xx * y], -1) / det[:, None]


# angles


def test_the_published_angles_have_a_sign():
    """The paper's arc cosine gives +36.87 for both (6, -8) and (-6, -8): the first would lean further."""
    neck = points((6, -8), (-6, -8), (0, -3), (10, 0), (0, 5))
    found = upright_angle(ORIGIN.expand(5, 2), neck).rad2deg()
    assert found[:4].tolist() == pytest.approx([-36.870, 36.870, 0, -90], abs=1e-3)
    assert abs(found[4]).item() == pytest.approx(180)
    assert downward_angle(ORIGIN, points((6, -8))).rad2deg().item() == pytest.approx(
        143.130, abs=1e-3
    )


@given(x=st.floats(-40, 40), y=st.floats(-40, 40))
@settings(deadline=None)
def test_what_is_turned_stands_upright_or_hangs_down(x, y):
    v, length = points((x, y)), math.hypot(x, y)
    if length < 1.001:
        return
    base = points((12, 7))
    for angle, end in ((upright_angle, -length), (downward_angle, length)):
        theta = angle(base, base + v)
        expected = base + torch.tensor([0, end])
        torch.testing.assert_close(
            turned_points(base + v, base, theta), expected, atol=1e-4, rtol=0
        )


def test_the_angles_are_those_that_labels_are_measured_with():
    rng = np.random.default_rng(0)
    xy, located = rng.uniform(0, 90, (50, 14, 2)).astype(np.float32), np.ones((50, 14), bool)
    centre, up = angles.torso_axis(xy, located, LSP)
    found = upright_angle(torch.from_numpy(centre), torch.from_numpy(centre + up))
    np.testing.assert_allclose(found.rad2deg(), angles.torso_angle(xy, located, LSP), atol=1e-4)
    root, middle = torch.from_numpy(xy).unbind(1)[9:11]
    limb = angles.limb_angle(xy, located, LSP, "left_shoulder", "left_elbow")
    np.testing.assert_allclose(downward_angle(root, middle).rad2deg(), limb, atol=1e-3)


def test_another_common_orientation_is_an_offset():
    """Upright = 90 degrees: what points from the centre to the neck then points right."""
    centre, neck = points((5, 5)), points((11, -3))
    theta = upright_angle(centre, neck, upright=QUARTER)
    torch.testing.assert_close(turned_points(neck, centre, theta), points((15, 5)))
    hanging = downward_angle(centre, neck, upright=QUARTER)
    torch.testing.assert_close(turned_points(neck, centre, hanging), points((-5, 5)))


def test_a_torso_shorter_than_a_cell_leaves_the_maps_alone():
    maps = torch.rand(3, 2, 11, 8)
    centre = points((3.25, 4), (3.25, 4), (3, 4))
    theta = upright_angle(centre, points((3.75, 4.75), (3.25, 4), (4, 4)), upright=0.3)
    assert theta[:2].tolist() == [0, 0]
    assert theta[2].item() == pytest.approx(0.3 - QUARTER)
    pad_y, pad_x = padding(11, 8)
    unturned = turn(maps, centre, theta)[:2, :, pad_y : pad_y + 11, pad_x : pad_x + 8]
    torch.testing.assert_close(unturned, maps[:2], atol=1e-5, rtol=0)


def test_positions_and_angles_are_detached():
    maps = torch.rand(2, 2, 9, 7, requires_grad=True)
    peaks = blurred_peaks(maps, 1.0)
    moving = points((1, 2), (5, 3)).requires_grad_()
    theta = upright_angle(moving, moving * 3)
    assert not peaks.requires_grad
    assert not theta.requires_grad
    turn(maps, moving, theta.requires_grad_()).sum().backward()
    assert moving.grad is None
    assert theta.grad is None
    assert maps.grad.any()


# peaks


def test_blurred_peaks_by_hand():
    """A lone cell of 1.0 against a row of three of 0.8: the blur (sigma 1) prefers the row."""
    maps = torch.zeros(1, 2, 9, 12)
    maps[0, 0, 2, 3] = 1
    maps[0, 0, 6, 7:10] = 0.8
    maps[0, 1, 8, 11] = 0.1  # a corner stays itself
    assert blurred_peaks(maps, 0).tolist() == [[[3, 2], [11, 8]]]
    assert blurred_peaks(maps, 1.0).tolist() == [[[8, 6], [11, 8]]]
    # 0.8 (1 + 2 exp(-1/2)) / k = 1.77 / k against 1 / k: a lone cell wins from 1.78 on
    maps[0, 0, 2, 3] = 1.75
    assert blurred_peaks(maps, 1.0)[0, 0].tolist() == [8, 6]
    maps[0, 0, 2, 3] = 1.79
    assert blurred_peaks(maps, 1.0)[0, 0].tolist() == [3, 2]


def test_the_blur_is_gaussian_and_fair_to_the_border():
    """A disc cut by the border has its peak there, and mirrored maps mirrored peaks, ties aside."""
    maps = encode_gaussians(points((4, 0))[None], 11, 16, 2.0)
    assert blurred_peaks(maps, 1.5).tolist() == [[[4, 0]]]
    noise = torch.rand(3, 4, 11, 16, generator=torch.Generator().manual_seed(0))
    peaks = blurred_peaks(noise, 1.3)
    mirrored = blurred_peaks(noise.flip(-1), 1.3)
    assert torch.equal(mirrored[..., 0], 15 - peaks[..., 0])
    assert torch.equal(mirrored[..., 1], peaks[..., 1])
    assert peaks[..., 0].max() > 10  # x, not y


def test_a_blur_wider_than_the_map():
    maps = torch.zeros(1, 1, 5, 3)
    maps[0, 0, 3, 1] = 1
    assert blurred_peaks(maps, 4.0)[0, 0, 0].item() == 1
    assert torch.isfinite(blurred_peaks(maps, 50.0)).all()


# turning


def test_the_published_cell():
    maps, centre = one_cell((31, 21), 43, 43), points((21, 21))
    theta = upright_angle(centre, points((31, 21)))
    assert theta.rad2deg().item() == pytest.approx(-90)
    turned = turn(maps, centre, theta)
    assert turned.shape == (1, 1, 63, 63)  # ceil(0.21 x 43) = 10 cells on every side
    assert in_frame(blurred_peaks(turned, 0), 43, 43).tolist() == [[[21, 11]]]
    back = turn_back(turned, centre, theta, size=(43, 43))
    assert blurred_peaks(back, 0).tolist() == [[[31, 21]]]
    torch.testing.assert_close(back, maps, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("h", "w", "pad", "expected"),
    [
        (43, 43, 0.21, (10, 10)),
        (32, 32, 0.21, (7, 7)),
        (64, 64, 0.5, (32, 32)),
        (40, 20, 0.21, (9, 19)),
        (20, 40, 0.21, (19, 9)),
        (7, 9, 0.0, (1, 0)),
    ],
)
def test_padding(h, w, pad, expected):
    assert padding(h, w, pad) == expected


@pytest.mark.parametrize("quarters", [-2, -1, 0, 1, 2, 3])
def test_quarter_turns_about_a_cell_are_exact(quarters):
    """`rot90` turns anticlockwise on the screen, R clockwise."""
    generator = torch.Generator().manual_seed(quarters + 2)
    maps = torch.rand(1, 3, 13, 13, generator=generator, dtype=torch.float64)
    theta = torch.tensor([quarters * QUARTER], dtype=torch.float64)
    turned = turn(maps, points((6, 6)), theta, pad=0)
    torch.testing.assert_close(turned, maps.rot90(-quarters, (-2, -1)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2])
def test_quarter_turns_about_any_cell_lose_nothing(quarters):
    maps = torch.rand(1, 2, 13, 20, generator=torch.Generator().manual_seed(0))
    maps, centre = maps.double(), points((13, 4))
    theta = torch.tensor([quarters * QUARTER], dtype=torch.float64)
    fill = torch.tensor([0.0, 1.0])
    turned = turn(maps, centre, theta, fill, pad=0.8)
    back = turn_back(turned, centre, theta, fill, size=(13, 20))
    torch.testing.assert_close(back, maps, atol=1e-6, rtol=0)


def test_outside_is_the_fill_of_each_channel():
    maps = torch.full((2, 3, 10, 15), 0.5)
    fill = torch.tensor([0.0, 1.0, -4.0])
    centre = points((7, 4), (7, 4))
    theta = torch.tensor([0.6, QUARTER])
    turned = turn(maps, centre, theta, fill)
    pad_y, pad_x = padding(10, 15)
    for c in range(3):
        corner = turned[:, c, 0, 0]
        assert corner.tolist() == [fill[c].item()] * 2
        assert turned[:, c, 4 + pad_y, 7 + pad_x].tolist() == pytest.approx([0.5, 0.5])
    # a quarter turn clockwise of 10 x 15 cells about (7, 4): columns 2 to 11, rows -3 to 11
    filled = (turned[1, 0] > 0.25).nonzero()
    assert filled.amin(0).tolist() == [-3 + pad_y, 2 + pad_x]
    assert filled.amax(0).tolist() == [11 + pad_y, 11 + pad_x]
    # far outside both maps, the way back fills too
    away = turn_back(
        turned, points((300, 4), (7, -500)), torch.tensor([1.5, 2]), fill, size=(10, 15)
    )
    torch.testing.assert_close(away, fill[None, :, None, None].expand_as(away))


def test_one_number_fills_all_channels():
    maps, centre, theta = torch.rand(1, 2, 6, 9), points((2, 3)), torch.tensor([0.7])
    same = turn(maps, centre, theta, torch.tensor([0.3, 0.3]))
    torch.testing.assert_close(turn(maps, centre, theta, 0.3), same)
    assert same[0, :, 0, 0].tolist() == pytest.approx([0.3, 0.3])


@given(
    theta=st.floats(-math.pi, math.pi),
    cx=st.floats(8, 22),
    cy=st.floats(14, 28),
    a=st.floats(-1, 1),
)
@settings(max_examples=30, deadline=None)
def test_planar_maps_come_back_where_the_canvas_holds_them(theta, cx, cy, a):
    """Bilinear values of a plane are the plane: exact inside the disc that no border reaches."""
    h, w = 43, 31
    y, x = torch.meshgrid(torch.arange(float(h)), torch.arange(float(w)), indexing="ij")
    maps = (a * x - 0.7 * y + 3).double()[None, None]
    centre, theta = points((cx, cy)), torch.tensor([theta])
    back = turn_back(turn(maps, centre, theta), centre, theta, size=(h, w))
    radius = min(cx, cy, w - 1 - cx, h - 1 - cy) - 1.5
    inside = (x - cx).square() + (y - cy).square() <= radius**2
    assert inside.sum() > 20
    torch.testing.assert_close(back[0, 0][inside], maps[0, 0][inside], atol=1e-4, rtol=0)


@given(
    theta=st.floats(-math.pi, math.pi),
    px=st.floats(9, 22), py=st.floats(9, 33), cx=st.floats(11, 19), cy=st.floats(16, 27),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_gaussians_land_where_their_peaks_do_and_come_back(theta, px, py, cx, cy):
    """Sigma 2: one pass changes up to 0.061 of the height, two 0.112; the peak stays within 0.1 cell."""
    h, w, sigma = 43, 31, 2.0
    peak, centre, theta = points((px, py)), points((cx, cy)), torch.tensor([theta])
    maps = encode_gaussians(peak[None], h, w, sigma)
    turned = turn(maps, centre, theta)
    expected = turned_points(peak, centre, theta)
    pad_y, pad_x = padding(h, w)
    analytic = encode_gaussians(
        expected[None] + torch.tensor([pad_x, pad_y]), *turned.shape[-2:], sigma
    )
    assert (turned - analytic).abs().max() < 0.061
    assert (in_frame(fitted_peaks(turned), h, w) - expected).norm() < 0.1
    back = turn_back(turned, centre, theta, size=(h, w))
    assert (back - maps).abs().max() < 0.112
    assert (fitted_peaks(back) - peak).norm() < 0.1


@pytest.mark.parametrize(
    ("sigma", "known"), [(1.0, 0.34), (1.75, 0.14), (2.0, 0.11), (3.0, 0.05), (5.0, 0.019)]
)
def test_what_a_round_trip_costs(sigma, known):
    """The largest error in many turned Gaussians, in their heights: two passes add up to 1/2 to sigma^2."""
    h, w, B = 61, 71, 200
    generator = torch.Generator().manual_seed(0)
    centre = points((35, 30)) + 8 * (torch.rand(B, 2, generator=generator) - 0.5)
    peak = points((35, 30)) + 12 * (torch.rand(B, 2, generator=generator) - 0.5)
    theta = 2 * math.pi * torch.rand(B, generator=generator)
    maps = encode_gaussians(peak[:, None], h, w, sigma)
    error = (turn_back(turn(maps, centre, theta), centre, theta, size=(h, w)) - maps).abs().max()
    assert error.item() == pytest.approx(known, rel=0.05)
    assert error.item() == pytest.approx(0.5 / (sigma**2 + 0.5), rel=0.05)


def test_a_batch_is_its_samples():
    generator = torch.Generator().manual_seed(3)
    B, C, h, w = 5, 3, 12, 17
    maps = torch.rand(B, C, h, w, generator=generator)
    centre = torch.rand(B, 2, generator=generator) * torch.tensor([w - 1, h - 1])
    theta = 6.0 * torch.rand(B, generator=generator) - 3
    fill = torch.tensor([0.0, 0.0, 1.0])
    turned = turn(maps, centre, theta, fill)
    back = turn_back(turned, centre, theta, fill, size=(h, w))
    for b in range(B):
        one = (centre[b : b + 1], theta[b : b + 1], fill)
        torch.testing.assert_close(turn(maps[b : b + 1], *one), turned[b : b + 1])
        torch.testing.assert_close(turn_back(turned[b : b + 1], *one, size=(h, w)), back[b : b + 1])
    assert not torch.allclose(turn(maps, centre, theta.flip(0), fill), turned, atol=0.1)


def test_gradients_through_the_sampled_values():
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 2, 6, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    centre, theta = points((2.3, 2.1), (1, 4)), torch.tensor([0.7, -2.5])
    fill = torch.tensor([0.0, 1.0])

    def there_and_back(values):
        turned = turn(values, centre, theta, fill)
        return turn_back(turned.square(), centre, theta, fill, size=(6, 5))

    assert torch.autograd.gradcheck(there_and_back, (maps,))


def test_half_precision_maps_are_turned_in_single():
    maps, centre, theta = torch.rand(1, 1, 9, 7).bfloat16(), points((3, 4)), torch.tensor([0.4])
    torch.testing.assert_close(turn(maps, centre, theta), turn(maps.float(), centre, theta))
    with torch.autocast("cpu", torch.bfloat16):
        found = turn(maps.float(), centre, theta), blurred_peaks(maps.float(), 1.0)
    assert found[0].dtype == found[1].dtype == torch.float32
    torch.testing.assert_close(found[0], turn(maps.float(), centre, theta))
