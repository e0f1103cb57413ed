"""The seven-layer net: published counts and map sizes, copies side by side, response norms by hand."""

import pytest
import torch
from torch import nn

from vitruvian.nn.alexnet import Dense, ResponseNorm, alexnet, compact
from vitruvian.types import UserError

THIN = {"channels": (4, 6, 8, 8, 6), "hidden": 10}


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(side=220, outputs=28, **options):
    with torch.device("meta"):
        return alexnet(side, outputs, **options)


def map_sizes(net, side):
    maps, sizes = torch.empty(2, 3, side, side, device="meta"), []
    for module in net.maps:
        maps = module(maps)
        sizes.append((type(module).__name__, tuple(maps.shape)))
    return sizes


@pytest.mark.parametrize(
    ("outputs", "groups", "count"),
    [(28, 1, 58_396_060), (20, 1, 58_363_284), (28, 2, 56_982_940)],
)
def test_parameters(outputs, groups, count):
    assert parameters(on_meta(outputs=outputs, groups=groups)) == count


def test_map_sizes_of_the_paper():
    sizes = map_sizes(on_meta(), 220)
    convs = [shape[1:] for name, shape in sizes if name == "Conv2d"]
    pools = [shape[1:] for name, shape in sizes if name == "MaxPool2d"]
    assert convs == [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]
    assert pools == [(96, 27, 27), (256, 13, 13), (256, 6, 6)]
    assert sizes[0] == ("ZeroPad2d", (2, 3, 227, 227))


def test_the_first_convolution_sees_every_pixel():
    """The first field starts 3 px before the image and the last ends 4 px after it."""
    net = alexnet(220, 2, **THIN)
    first = nn.Sequential(*net.maps[:2])
    image = torch.zeros(1, 3, 220, 220, requires_grad=True)
    first(image).square().sum().backward()
    first(image).sum().backward()
    assert image.grad[0].ne(0).any(0).all()
    with torch.no_grad():
        image = torch.zeros(1, 3, 220, 220)
        nn.init.ones_(first[1].weight)
        image[0, :, 7, 7] = 1  # in the field of cell 0 (-3 to 7), not beyond
        assert first(image)[0, 0, 0, 0] == 3
        image[0, :, 7, 7], image[0, :, 8, 8] = 0, 1
        assert first(image)[0, 0, 0, 0] == 0


def test_least_input():
    assert alexnet(60, 2, **THIN)(torch.zeros(1, 3, 60, 60)).shape == (1, 1, 2)
    with pytest.raises(UserError, match="59 px is too small, the least is 60"):
        alexnet(59, 2, **THIN)
    with pytest.raises(UserError, match="not those of five convolutions"):
        alexnet(220, 2, channels=(4, 6, 8))


@pytest.mark.parametrize(("flavour", "alpha", "k"), [("alexnet", 1e-4, 2), ("caffe", 2e-5, 1)])
def test_response_norms(flavour, alpha, k):
    """Krizhevsky: a_i / (k + alpha sum a_j^2)^0.75 over i-2 to i+2, alpha not divided by the size."""
    x = 30 * torch.rand(2, 7, 3, 4)
    sums = torch.stack([x[:, max(i - 2, 0) : i + 3].square().sum(1) for i in range(7)], 1)
    torch.testing.assert_close(ResponseNorm(flavour)(x), x / (k + alpha * sums) ** 0.75)


def test_first_weights():
    torch.manual_seed(0)
    net = alexnet(220, 28, channels=(24, 32, 32, 32, 24), hidden=64, bias=0.1)
    convs = [module for module in net.maps if isinstance(module, nn.Conv2d)]
    layers = [*convs, net.hidden1, net.hidden2, net.outputs]
    for layer in layers:
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.1)
    biases = [round(layer.bias.max().item(), 6) for layer in layers]
    assert biases == [0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0]
    he = alexnet(220, 28, channels=(24, 32, 32, 32, 24), hidden=64, weights="he")
    assert he.hidden1.weight.std().item() == pytest.approx((2 / (24 * 36)) ** 0.5, rel=0.1)
    assert he.outputs.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_dropout_drops_that_share():
    net = alexnet(60, 2, dropout=0.6, **THIN)
    dropped = net.dropout(torch.ones(10_000)).eq(0).float().mean().item()
    assert dropped == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(
    ("make", "side", "options"),
    [
        (alexnet, 68, THIN | {"groups": 2, "weights": "he"}),
        (compact, 25, {"channels": (4, 6), "hidden": 10}),
    ],
)
def test_copies_are_nets_of_their_own(make, side, options):
    """A net of three copies answers as three nets that have its weights."""
    torch.manual_seed(0)
    whole = make(side, 2, copies=3, **options).eval()
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    image = torch.randn(4, 9, side, side)
    answer = whole(image)
    assert answer.shape == (4, 3, 2)
    for copy in range(3):
        one = make(side, 2, **options).eval()
        state = {
            name: value if value.dim() == 0 else value.chunk(3)[copy]
            for name, value in whole.state_dict().items()
        }
        one.load_state_dict(state)
        alone = one(image[:, 3 * copy : 3 * copy + 3])
        torch.testing.assert_close(alone[:, 0], answer[:, copy], atol=1e-5, rtol=1e-4)
    assert parameters(whole) == 3 * parameters(one)


def test_dense_copies():
    layer = Dense(5, 2, copies=3)
    x = torch.randn(4, 3, 5)
    nn.init.normal_(layer.bias)
    for copy in range(3):
        rows = slice(2 * copy, 2 * copy + 2)
        expected = x[:, copy] @ layer.weight[rows].T + layer.bias[rows]
        torch.testing.assert_close(layer(x)[:, copy], expected)


@pytest.mark.parametrize(("side", "left"), [(112, 7), (96, 6), (50, 4)])
def test_compact_keeps_places(side, left):
    net = compact(side, 28, channels=(4, 6, 8, 10), hidden=12)
    assert net.maps(torch.zeros(2, 3, side, side)).shape == (2, 10, left, left)
    assert net(torch.zeros(2, 3, side, side)).shape == (2, 1, 28)
    assert net.hidden1.weight.shape == (12, 10 * left**2)
