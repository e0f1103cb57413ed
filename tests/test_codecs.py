"""Heatmaps: one oracle for the peak, numbers by hand for the fractions, and flips that commute."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vitruvian.codecs import (
    OFFSETS,
    decode_heatmaps,
    decode_plateaus,
    encode_discs,
    encode_gaussians,
    flip_maps,
    window_mass,
)
from vitruvian.skeleton import LSP

H, W = 5, 7


def one_map(**cells):
    """A map (1, 1, 5, 7) of zeros but for cells such as x3y2=10.0."""
    heatmap = torch.zeros(1, 1, H, W)
    for place, value in cells.items():
        x, y = place[1:].split("y")
        heatmap[0, 0, int(y), int(x)] = value
    return heatmap


def decoded(heatmap, offset):
    xy_cell, height = decode_heatmaps(heatmap, offset)
    return xy_cell[0, 0].tolist(), height[0, 0].item()


# encode


def test_gaussian_profile():
    heatmap = encode_gaussians(torch.tensor([[[3.0, 4.0]]]), 9, 8, sigma=1.0)
    assert heatmap.shape == (1, 1, 9, 8)
    profile = torch.tensor([1, 0.6065, 0.1353, 0.0111])
    torch.testing.assert_close(heatmap[0, 0, 4, 3:7], profile, atol=5e-5, rtol=0)
    torch.testing.assert_close(heatmap[0, 0, 4:8, 3], profile, atol=5e-5, rtol=0)
    assert heatmap[0, 0, 5, 4].item() == pytest.approx(0.6065**2, abs=1e-4)
    assert heatmap.argmax().item() == 4 * 8 + 3


def test_gaussian_of_another_width():
    heatmap = encode_gaussians(torch.tensor([[[3.0, 3.0]]]), 7, 7, sigma=1.75)[0, 0, 3, 3:]
    torch.testing.assert_close(
        heatmap, torch.tensor([1, 0.8494, 0.5205, 0.2301]), atol=1e-4, rtol=0
    )


def test_a_window_is_centred_on_the_joint():
    """7 cells in a row; Torch's Gaussian of 1.75 in 7 x 7 where the joint is a cell's centre."""
    drawn = encode_gaussians(torch.tensor([[[5.0, 4.0], [5.3, 4.0]]]), 10, 12, 1.75, window=7)[0]
    row = torch.tensor([0, 0, 0.2301, 0.5205, 0.8494, 1, 0.8494, 0.5205, 0.2301, 0, 0, 0])
    torch.testing.assert_close(drawn[0, 4], row, atol=5e-5, rtol=0)
    assert (drawn[0] > 0).sum().item() == 49
    assert drawn[0, 1, 2].item() == pytest.approx(0.2301**2, abs=5e-5)
    assert (drawn[1, 4] > 0).nonzero().flatten().tolist() == [2, 3, 4, 5, 6, 7, 8]
    assert drawn[1, 4, 2].item() == pytest.approx(math.exp(-(3.3**2) / (2 * 1.75**2)))
    whole = encode_gaussians(torch.tensor([[[5.0, 4.0]]]), 10, 12, 1.75)[0, 0]
    assert drawn[0].equal(whole * (drawn[0] > 0))
    assert (whole > 0).all()


def test_overlaps_of_several_persons_by_the_higher():
    """(B, N, J, 2) -> (B, N, J, h, w) -> (B, J, h, w)."""
    xy = torch.tensor([[[[1.0, 2.0], [0.0, 0.0]], [[4.0, 2.0], [6.0, 4.0]]]])
    maps = encode_gaussians(xy, H, W, 1.0, window=5)
    assert maps.shape == (1, 2, 2, H, W)
    merged = maps.amax(1)
    row = [0.6065, 1, 0.6065, 0.6065, 1, 0.6065, 0.1353]  # sums would be .7418 at x = 2 and 3
    assert merged[0, 0, 2].tolist() == pytest.approx(row, abs=5e-5)


def test_every_axis_keeps_its_place():
    xy = torch.rand(2, 3, 2) * torch.tensor([11.0, 5.0])
    heatmaps = encode_gaussians(xy, 5, 11, 1.5)
    assert heatmaps.shape == (2, 3, 5, 11)
    for b in range(2):
        for j in range(3):
            alone = encode_gaussians(xy[b : b + 1, j : j + 1], 5, 11, 1.5)[0, 0]
            assert torch.equal(heatmaps[b, j], alone)
    xy_cell, height = decode_heatmaps(heatmaps)
    assert xy_cell.shape == (2, 3, 2)
    assert height.shape == (2, 3)


def test_a_joint_outside_leaves_its_tail():
    heatmap = encode_gaussians(torch.tensor([[[-1.0, 2.0], [-100.0, 2.0]]]), H, W, 1.0)
    assert heatmap[0, 0, 2, 0].item() == pytest.approx(0.60653, abs=1e-5)
    assert heatmap[0, 1].abs().max() == 0
    assert torch.isfinite(heatmap).all()


@given(st.floats(0, 12), st.floats(0, 8))
@settings(max_examples=60, deadline=None)
def test_encode_decode_round_trip(x, y):
    xy = torch.tensor([[[x, y]]])
    heatmaps = encode_gaussians(xy, 9, 13, 1.0)

    def error(offset):
        return (decode_heatmaps(heatmaps, offset)[0] - xy).abs().max().item()

    assert error("none") <= 0.5 + 1e-5
    if 1 <= x <= 11 and 1 <= y <= 7:  # else the peak may lie on the border
        assert error("both_axes") <= 0.25 + 1e-5
        assert error("highest_neighbour") <= 0.5 + 1e-5
    if 2 <= x <= 10 and 2 <= y <= 6:  # the whole window lies on the map
        assert error("local_mean") <= 0.05


def test_finer_offsets_err_less():
    xy = 2 + torch.rand(1, 400, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [8, 4]
    )
    heatmaps = encode_gaussians(xy, 9, 13, 1.0)
    mean = {
        offset: (decode_heatmaps(heatmaps, offset)[0] - xy).norm(dim=-1).mean().item()
        for offset in OFFSETS
    }
    assert mean["local_mean"] < mean["both_axes"] < mean["highest_neighbour"] < mean["none"]


# discs


def test_a_disc_by_hand():
    disc = encode_discs(torch.tensor([[[3.0, 2.0], [6.0, 4.0]]]), H, W, 2.0)[0]
    assert rows(disc[0]) == ["...#...", "..###..", ".#####.", "..###..", "...#..."]
    assert rows(disc[1]) == [".......", ".......", "......#", ".....##", "....###"]


def rows(cells):
    return ["".join("#" if cell else "." for cell in row) for row in cells.tolist()]


def test_radii_of_their_own():
    xy = torch.tensor([[[3.0, 2.0]] * 3, [[3.5, 2.0]] * 3])
    radius = torch.tensor([[0.5, 1.0, 2.0], [0.4, 0.5, 1.5]])
    discs = encode_discs(xy, H, W, radius)
    assert discs.sum((-2, -1)).tolist() == [[1, 5, 13], [0, 2, 8]]
    for b in range(2):
        for j in range(3):
            alone = encode_discs(xy[b : b + 1, j : j + 1], H, W, radius[b, j].item())[0, 0]
            assert torch.equal(discs[b, j], alone)


@given(st.floats(-0.5, 6.5), st.floats(-0.5, 4.5))
@settings(max_examples=60, deadline=None)
def test_the_smallest_useful_disc_has_a_cell(x, y):
    disc = encode_discs(torch.tensor([[[x, y]]]), H, W, 0.71)
    assert 1 <= disc.sum().item() <= 4
    far = encode_discs(torch.tensor([[[x + 9, y], [float("nan"), y]]]), H, W, 0.71)
    assert far.sum().item() == 0


# plateaus


def test_the_middle_of_a_plateau():
    heatmap = one_map(x2y1=0.9, x3y1=0.9, x2y2=0.9, x3y2=0.9, x5y4=0.8)
    xy, height = decode_plateaus(heatmap)
    assert xy[0, 0].tolist() == [2.5, 1.5]
    assert height.item() == pytest.approx(0.9)
    assert decode_plateaus(one_map(x5y4=0.8, x0y0=0.79))[0][0, 0].tolist() == [5, 4]
    assert decode_plateaus(torch.zeros(1, 1, H, W))[0][0, 0].tolist() == [3, 2]


def test_of_two_plateaus_that_of_the_highest_cell():
    """Two discs that saturate: with logits 13 and 14 both lie within 1e-5 of 1."""
    logits = torch.full((40, 44), -9.0)
    for centre, logit in ((8.0, 13.0), (31.0, 14.0)):
        logits[encode_discs(torch.full((1, 1, 2), centre), 40, 44, 3.0)[0, 0] > 0] = logit
    heatmap = logits.sigmoid()[None, None]
    assert heatmap[0, 0, 8, 8] > heatmap.max() * (1 - 1e-5)
    assert decode_plateaus(heatmap)[0][0, 0].tolist() == [31, 31]
    side_by_side = one_map(x0y2=0.9, x1y2=0.9, x3y2=0.9, x4y2=0.9, x5y2=0.9)
    assert decode_plateaus(side_by_side)[0][0, 0].tolist() == [0.5, 2]  # the first of equals


def test_all_of_a_slanted_plateau_counts():
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    for degrees in range(0, 180, 15):
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        along, across = (x - 26) * cos + (y - 19) * sin, (y - 19) * cos - (x - 26) * sin
        plateau = ((along / 14) ** 2 + (across / 4) ** 2 <= 1).float() * 0.7
        xy, _ = decode_plateaus(plateau[None, None])
        torch.testing.assert_close(xy[0, 0], torch.tensor([26.0, 19.0]))


def test_a_mirrored_plateau_is_the_mirror():
    xy_cell = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([6, 4])
    heatmaps = (5 * encode_gaussians(xy_cell, H, W, 2.0)).round() / 5
    assert (heatmaps == heatmaps.amax((-2, -1), keepdim=True)).sum() > 12  # of 6
    xy, height = decode_plateaus(heatmaps)
    mirrored, same = decode_plateaus(heatmaps.flip(-1))
    torch.testing.assert_close(mirrored[..., 0], W - 1 - xy[..., 0])
    torch.testing.assert_close(mirrored[..., 1], xy[..., 1])
    assert same.equal(height)


# decode by hand


def test_peak_and_its_height():
    assert decoded(one_map(x3y2=10.0, x6y4=9.0), "none") == ([3, 2], 10)
    assert decoded(-one_map(x3y2=1.0) - 1, "none") == ([0, 0], -1)  # the first of equals wins


def test_quarter_cell_on_both_axes():
    heatmap = one_map(x3y2=10.0, x4y2=4.0, x2y2=1.0, x3y3=6.0, x3y1=5.0)
    assert decoded(heatmap, "both_axes") == ([3.25, 2.25], 10)
    heatmap = one_map(x3y2=10.0, x4y2=1.0, x2y2=4.0, x3y3=5.0, x3y1=6.0)
    assert decoded(heatmap, "both_axes") == ([2.75, 1.75], 10)


def test_quarter_cell_towards_the_highest_neighbour():
    heatmap = one_map(x3y2=10.0, x4y2=4.0, x2y2=1.0, x3y3=6.0, x3y1=5.0)
    assert decoded(heatmap, "highest_neighbour") == ([3, 2.25], 10)
    heatmap = one_map(x3y2=10.0, x4y2=7.0, x2y2=1.0, x3y3=6.0, x3y1=5.0)
    assert decoded(heatmap, "highest_neighbour") == ([3.25, 2], 10)
    heatmap = one_map(x3y2=10.0, x2y2=-1.0, x4y2=-2.0, x3y1=-0.5, x3y3=-3.0)
    assert decoded(heatmap, "highest_neighbour") == ([3, 1.75], 10)


@pytest.mark.parametrize("offset", ["both_axes", "highest_neighbour"])
def test_equal_neighbours_pull_nowhere(offset):
    assert decoded(one_map(x3y2=10.0), offset) == ([3, 2], 10)


@pytest.mark.parametrize("offset", ["both_axes", "highest_neighbour"])
@pytest.mark.parametrize("peak", [(0, 2), (6, 2), (3, 0), (3, 4), (0, 0), (6, 4)])
def test_no_quarter_cell_on_the_border(offset, peak):
    x, y = peak
    heatmap = torch.rand(1, 1, H, W, generator=torch.Generator().manual_seed(1))
    heatmap[0, 0, y, x] = 5
    assert decoded(heatmap, offset) == ([x, y], 5)


def test_local_mean_by_hand():
    heatmap = one_map(x3y2=4.0, x5y3=2.0, x2y2=-5.0, x6y2=3.5)  # x6 lies outside the window
    xy, height = decoded(heatmap, "local_mean")
    assert xy == pytest.approx([3 + 4 / 6, 2 + 2 / 6])
    assert height == 4


def test_local_mean_at_a_corner():
    xy, _ = decoded(one_map(x0y0=3.0, x2y0=1.0, x0y1=1.0), "local_mean")
    assert xy == pytest.approx([2 / 5, 1 / 5])
    xy, _ = decoded(one_map(x6y4=3.0, x4y4=1.0), "local_mean")
    assert xy == pytest.approx([6 - 2 / 4, 4])


def test_local_mean_without_a_positive_value():
    xy, height = decoded(one_map(x1y1=1.0) - 3, "local_mean")
    assert xy == [1, 1]
    assert height == -2


# mass


def test_window_mass_by_hand():
    uniform = torch.full((1, 3, H, W), 1 / 35)
    xy_cell = torch.tensor([[[3.0, 2.0], [0.0, 0.0], [6.25, 3.75]]])
    mass = window_mass(uniform, xy_cell)
    torch.testing.assert_close(mass, torch.tensor([[25 / 35, 9 / 35, 9 / 35]]))
    assert window_mass(one_map(x3y2=1.0), torch.tensor([[[5.0, 2.0]]])).item() == 1
    assert window_mass(one_map(x3y2=1.0), torch.tensor([[[6.0, 2.0]]])).item() == 0


# flips


@given(st.lists(st.integers(-64, 960), min_size=6, max_size=6))
@settings(max_examples=40, deadline=None)
def test_flip_commutes_exactly_with_encode(sixty_fourths):
    w = 13
    xy = torch.tensor(sixty_fourths).view(1, 3, 2) / 64  # exact in float32, as is w - 1 - x
    mirrored = torch.stack([w - 1 - xy[..., 0], xy[..., 1]], -1)
    assert torch.equal(
        encode_gaussians(mirrored, 9, w, 1.0), encode_gaussians(xy, 9, w, 1.0).flip(-1)
    )


@pytest.mark.parametrize("offset", OFFSETS)
def test_flip_commutes_with_decode(offset):
    heatmaps = torch.rand(2, len(LSP), 6, 9, generator=torch.Generator().manual_seed(2))
    xy, height = decode_heatmaps(heatmaps, offset)
    xy_flipped, height_flipped = decode_heatmaps(flip_maps(heatmaps, LSP.swap), offset)
    mirrored = torch.stack([8 - xy[..., 0], xy[..., 1]], -1)[:, LSP.swap]
    torch.testing.assert_close(xy_flipped, mirrored)
    assert torch.equal(height_flipped, height[:, LSP.swap])
    assert torch.equal(flip_maps(flip_maps(heatmaps, LSP.swap), LSP.swap), heatmaps)
