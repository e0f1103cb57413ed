"""Losses: six digits by hand, masks that mask, and halves that equal the whole."""

import pytest
import torch
import torch.nn.functional as F

from vitruvian.losses import (
    heatmap_cross_entropy,
    heatmap_mse,
    mean_over_counted,
    sigmoid_cross_entropy,
)

LOSSES = [heatmap_mse, heatmap_cross_entropy, sigmoid_cross_entropy]


def example(seed=0, B=4, J=3, h=5, w=6):
    rng = torch.Generator().manual_seed(seed)
    heatmaps = torch.randn(B, J, h, w, generator=rng, requires_grad=True)
    target = torch.rand(B, J, h, w, generator=rng)
    counted = torch.rand(B, J, generator=rng) < 0.6
    return heatmaps, target, counted


def test_squared_error_by_hand():
    heatmaps = torch.tensor([[[[0.3, -0.2, 0.9]], [[0.5, 0.1, 0.0]]]])  # 2 joints of 1 x 3 cells
    target = torch.tensor([[[[0.0, 0.1353, 1.0]], [[0.6065, 0.0, 0.0]]]])
    # joint 0: (.09 + .11242609 + .01) / 3 = .07080870; joint 1: (.01134225 + .01) / 3 = .00711408
    both = heatmap_mse(heatmaps, target, torch.tensor([[True, True]]))
    assert both.item() == pytest.approx(0.0389614, abs=5e-7)
    first = heatmap_mse(heatmaps, target, torch.tensor([[True, False]]))
    assert first.item() == pytest.approx(0.0354043, abs=5e-7)


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[[0.0, 0.0], [0.0, 1.0986123]], [[5.0, 1.0], [2.0, 0.0]]]])
    target = torch.tensor([[[[0.25, 0.0], [0.0, 0.5]], [[9.0, 9.0], [9.0, 9.0]]]])
    # the softmax is (1, 1, 1, 3) / 6: .25 ln 6 + .5 ln 2 = .7945134; over two joints half of it
    loss = heatmap_cross_entropy(logits, target, torch.tensor([[True, False]]))
    assert loss.item() == pytest.approx(0.3972567, abs=5e-7)


def test_cross_entropy_is_torchs_own_for_one_hot():
    logits, _, _ = example(1)
    cell = torch.tensor([[0, 29, 7], [12, 3, 3], [1, 2, 3], [28, 14, 0]])
    target = F.one_hot(cell, 30).float().unflatten(2, (5, 6))
    ours = heatmap_cross_entropy(logits, target, torch.ones(4, 3, dtype=torch.bool))
    theirs = F.cross_entropy(logits.flatten(2).transpose(1, 2), cell)
    torch.testing.assert_close(ours, theirs)
    ours.backward()
    expected = (logits.detach().flatten(2).softmax(-1) - target.flatten(2)) / 12
    torch.testing.assert_close(logits.grad.flatten(2), expected, atol=1e-6, rtol=1e-4)


def test_cross_entropy_weighs_by_the_mass_of_the_target():
    logits, target, _ = example(2)
    counted = torch.ones(4, 3, dtype=torch.bool)
    whole = heatmap_cross_entropy(logits, target, counted)
    torch.testing.assert_close(heatmap_cross_entropy(logits, target / 2, counted), whole / 2)


def test_sigmoid_cross_entropy_by_hand():
    # sigmoids .5, .75, .25: -ln .5 = .6931472, -ln .75 = .2876821, -ln .25 = 1.3862944
    logits = torch.tensor([[[[0.0, 1.0986123], [-1.0986123, 1.0986123]], [[3.0, 3.0], [3.0, 3.0]]]])
    target = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]]])
    loss = sigmoid_cross_entropy(logits, target, torch.tensor([[True, False]]))
    assert loss.item() == pytest.approx((0.6931472 + 2 * 0.2876821 + 1.3862944) / 4 / 2, abs=5e-7)
    half = torch.full((1, 2, 2, 2), 0.5)
    assert sigmoid_cross_entropy(0 * logits, half, torch.tensor([[True, True]])).item() == (
        pytest.approx(0.6931472)
    )


def test_sigmoid_cross_entropy_of_large_logits():
    logits = torch.tensor([[[[200.0, -200.0, 200.0]]]], requires_grad=True)
    target = torch.tensor([[[[1.0, 0.0, 0.0]]]])
    loss = sigmoid_cross_entropy(logits, target, torch.tensor([[True]]))
    loss.backward()
    assert loss.item() == pytest.approx(200 / 3)
    assert logits.grad.flatten().tolist() == pytest.approx([0, 0, 1 / 3])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("junk", [7.0, 1e30, float("nan"), float("inf")])
def test_joints_not_counted_change_neither_loss_nor_gradient(loss, junk):
    heatmaps, target, counted = example()
    assert counted.any()
    assert not counted.all()
    clean = loss(heatmaps, target, counted)
    (gradient,) = torch.autograd.grad(clean, heatmaps)
    spoilt = torch.where(counted[..., None, None], target, junk)
    value = loss(heatmaps, spoilt, counted)
    (spoilt_gradient,) = torch.autograd.grad(value, heatmaps)
    assert torch.equal(value, clean)
    assert torch.equal(spoilt_gradient, gradient)
    assert (gradient[~counted] == 0).all()
    assert (gradient[counted] != 0).any()


def test_whatever_stands_in_an_error_that_is_not_counted():
    error = torch.tensor([[1.0, float("nan")], [float("inf"), 3.0], [2.0, 5.0]], requires_grad=True)
    counted = torch.tensor([[True, False], [False, True], [False, False]])
    loss = mean_over_counted(error, counted)
    assert loss.item() == pytest.approx(4 / 6)
    loss.backward()
    torch.testing.assert_close(error.grad, counted / 6)


@pytest.mark.parametrize("loss", LOSSES)
def test_mean_of_two_halves_is_the_whole(loss):
    heatmaps, target, counted = example(3, B=6)
    whole = loss(heatmaps, target, counted)
    halves = [loss(heatmaps[s::2], target[s::2], counted[s::2]) for s in (0, 1)]
    torch.testing.assert_close(sum(halves) / 2, whole)
    assert counted[0::2].sum() != counted[1::2].sum()  # so a mean over the counted would differ


@pytest.mark.parametrize("loss", LOSSES)
def test_nobody_counted(loss):
    heatmaps, target, counted = example()
    value = loss(heatmaps, target, torch.zeros_like(counted))
    value.backward()
    assert value.item() == 0
    assert (heatmaps.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_maps_are_summed_in_full(loss):
    heatmaps, target, counted = example()
    value = loss(heatmaps.bfloat16(), target, counted)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(heatmaps.bfloat16().float(), target, counted))
