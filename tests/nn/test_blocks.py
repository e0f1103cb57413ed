"""Small parts: upsamplings that leave a constant map alone, and padding that is cut off again."""

import pytest
import torch

from vitruvian.nn.blocks import LargeConv, cut_middle, pad_to_multiple, upsample, upsampling_deconv

EVERY = [(2, 2), (4, 4), (4, 2), (8, 4), (16, 8), (64, 32)]


@pytest.mark.parametrize(("kernel", "stride"), EVERY)
def test_a_constant_map_keeps_its_value(kernel, stride):
    values = torch.tensor([3.0, -2.0, 0.5])
    maps = values[None, :, None, None].expand(1, 3, 5, 6)
    grown = upsampling_deconv(3, kernel, stride)(maps)
    assert grown.shape == (1, 3, 5 * stride, 6 * stride)
    inside = grown[..., stride:-stride, stride:-stride]
    torch.testing.assert_close(inside, values[None, :, None, None].expand_as(inside))
    assert upsample(maps, stride).equal(maps[..., :1, :1].expand(1, 3, 5 * stride, 6 * stride))


@pytest.mark.parametrize(("kernel", "stride"), [(k, s) for k, s in EVERY if k == 2 * s])
def test_twice_the_stride_is_bilinear_inside(kernel, stride):
    maps = torch.randn(2, 4, 5, 6)
    grown = upsampling_deconv(4, kernel, stride)(maps)
    inside = (..., slice(stride, -stride), slice(stride, -stride))
    torch.testing.assert_close(grown[inside], upsample(maps, stride)[inside])


@pytest.mark.parametrize("stride", [2, 4])
def test_the_stride_itself_is_nearest(stride):
    maps = torch.randn(2, 3, 4, 5)
    expected = maps.repeat_interleave(stride, -1).repeat_interleave(stride, -2)
    torch.testing.assert_close(upsampling_deconv(3, stride, stride)(maps), expected)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (6, 3), (5, 4)])
def test_kernels_without_a_beginning(kernel, stride):
    with pytest.raises(ValueError, match=f"kernel {kernel} of stride {stride}"):
        upsampling_deconv(2, kernel, stride)


@pytest.mark.parametrize(
    ("size", "padded", "first"), [((380, 90), (384, 96), (2, 3)), ((64, 32), (64, 32), (0, 0))]
)
def test_padding_is_even_and_is_cut_off_again(size, padded, first):
    image = 1 + torch.rand(1, 2, *size)
    wide = pad_to_multiple(image, 32)
    assert wide.shape[-2:] == padded
    top, left = first
    assert wide[..., top : top + size[0], left : left + size[1]].equal(image)
    assert wide.sum().item() == pytest.approx(image.sum().item(), rel=1e-5)
    assert cut_middle(wide, *size).equal(image)


def test_large_kernels_have_gradients_with_channels_last():
    """The published 15x15 layer, on a map of which oneDNN's own layout does not end."""
    torch.manual_seed(0)
    layer = LargeConv(64, 64, 15)
    plain = torch.nn.Conv2d(64, 64, 15, padding=7)
    plain.load_state_dict(layer.state_dict())
    layer = layer.to(memory_format=torch.channels_last)
    x = torch.randn(1, 64, 43, 41)
    maps = [layer(x.to(memory_format=torch.channels_last)), plain(x)]
    torch.testing.assert_close(*maps, atol=1e-4, rtol=1e-4)
    for m in maps:
        m.square().mean().backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad, atol=1e-5, rtol=1e-3)
