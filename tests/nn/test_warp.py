"""Windows: one white pixel followed by hand, points there and back, the filled part of a crop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitruvian.nn.warp import cut_windows, filled_part, from_box, to_box, whole_crop


def painted(xy, H=12, W=20):
    """A black image (1, 1, H, W) with one white pixel."""
    image = torch.zeros(1, 1, H, W)
    image[0, 0, xy[1], xy[0]] = 1
    return image


def points(*xy):
    return torch.tensor([[list(map(float, one)) for one in xy]])  # (1, K, 2)


def test_a_white_pixel_lands_where_its_coordinate_does():
    """Box of 6 x 4 px about (9, 5) in 12 x 12: two window px a px across, three down."""
    image = painted((8, 6))
    window = cut_windows(image, points((9, 5)), points((6, 4)), 12)
    assert window.shape == (1, 1, 1, 12, 12)
    y, x = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    mass = window[0, 0, 0]
    centroid = torch.stack([(mass * x).sum(), (mass * y).sum()]) / mass.sum()
    expected = (to_box(torch.tensor([8.0, 6.0]), points((9, 5)), points((6, 4))) + 0.5) * 12 - 0.5
    assert expected.flatten().tolist() == pytest.approx([3.5, 8.5])
    assert centroid.tolist() == pytest.approx([3.5, 8.5])
    assert mass.sum().item() == pytest.approx(2 * 3)


def test_a_window_at_the_scale_of_the_crop_is_a_cutout():
    image = torch.rand(2, 3, 12, 20)
    centre = torch.tensor([[[5.5, 4.5], [12.5, 7.5]], [[3.5, 3.5], [9.5, 5.5]]])
    windows = cut_windows(image, centre, torch.full((2, 2, 2), 6.0), 6)
    for b in range(2):
        for k in range(2):
            x, y = (centre[b, k] - 2.5).int().tolist()
            torch.testing.assert_close(windows[b, k], image[b, :, y : y + 6, x : x + 6])


def test_outside_the_crop_is_black():
    window = cut_windows(torch.ones(1, 1, 12, 20), points((-0.5, 5.5)), points((8, 8)), 8)[0, 0, 0]
    expected = torch.tensor([0.0] * 4 + [1.0] * 4)  # the edge, at -0.5, is in the middle
    torch.testing.assert_close(window, expected.expand(8, 8), atol=1e-6, rtol=0)
    far = cut_windows(torch.ones(1, 1, 12, 20), points((7e3, -3.0)), points((8, 8)), 8)
    assert not far.any()


def test_half_the_size_is_the_mean_of_two_by_two():
    image = torch.rand(1, 3, 12, 20)
    window = cut_windows(image, points((9.5, 5.5)), points((12, 12)), 6)[0, 0]
    expected = torch.nn.functional.avg_pool2d(image[..., 4:16], 2)[0]
    torch.testing.assert_close(window, expected)


def test_windows_of_a_batch_are_those_of_its_crops():
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(3, 2, 14, 9, generator=rng)
    centre = 9 * torch.rand(3, 5, 2, generator=rng)
    size = 1 + 7 * torch.rand(3, 5, 2, generator=rng)
    whole = cut_windows(image, centre, size, 7)
    assert whole.shape == (3, 5, 2, 7, 7)
    for b in range(3):
        for k in range(5):
            one = (image[b : b + 1], centre[b : b + 1, k : k + 1], size[b : b + 1, k : k + 1])
            torch.testing.assert_close(cut_windows(*one, 7)[0, 0], whole[b, k])


positive = st.floats(0.5, 500)
anywhere = st.floats(-1e3, 1e3)


@given(x=anywhere, y=anywhere, cx=anywhere, cy=anywhere, w=positive, h=positive)
def test_there_and_back(x, y, cx, cy, w, h):
    xy, centre, size = (
        torch.tensor(pair, dtype=torch.double) for pair in ((x, y), (cx, cy), (w, h))
    )
    there = to_box(xy, centre, size)
    assert from_box(there, centre, size).tolist() == pytest.approx([x, y], abs=1e-9)
    edges = from_box(torch.tensor([[-0.5, -0.5], [0.5, 0.5]]).double(), centre, size)
    np.testing.assert_allclose(edges, [[cx - w / 2, cy - h / 2], [cx + w / 2, cy + h / 2]])


def test_filled_part_and_whole_crop():
    image = torch.zeros(3, 3, 12, 20)
    image[0, 1, 2:9, 4:16] = 3  # rows 2 to 8, columns 4 to 15
    image[1, 2, 5, 7] = 1
    centre, size = filled_part(image)
    assert centre[:, 0].tolist() == [[9.5, 5.0], [7.0, 5.0], [9.5, 5.5]]
    assert size[:, 0].tolist() == [[12, 7], [1, 1], [20, 12]]  # the last is black: all of it
    centre, size = whole_crop(image)
    assert centre.tolist() == [[[9.5, 5.5]]] * 3
    assert size.tolist() == [[[20, 20]]] * 3
