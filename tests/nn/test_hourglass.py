"""Hourglasses: published counts, every resolution, and the recursion by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vitruvian.nn.hourglass import Hourglass, Residual, StackedHourglass, recomputed


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("width", "stacks", "expected"),
    [
        (256, 1, 3_426_448),
        (256, 2, 6_570_400),
        (256, 4, 12_858_304),
        (256, 8, 25_434_112),
        (128, 1, 950_800),
        (128, 4, 3_332_032),
        (64, 1, 342_928),
        (64, 2, 545_248),
        (64, 4, 949_888),
        (64, 8, 1_759_168),
    ],
)
def test_parameters_are_those_of_the_published_code(width, stacks, expected):
    with torch.device("meta"):
        assert parameters(StackedHourglass(stacks, width, 16)) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [((256, 256), 214_528), ((64, 256, 128), 206_208), ((256, 256, 64), 70_784)],
)
def test_parameters_of_a_residual_block(sizes, expected):
    # 256, 128, 128, 256: norms 512 + 256 + 256, convolutions 32,896 + 147,584 + 33,024
    with torch.device("meta"):
        assert parameters(Residual(*sizes)) == expected


def test_a_shortcut_stands_only_where_the_width_changes():
    assert isinstance(Residual(8, 8).shortcut, nn.Identity)
    assert Residual(8, 12).shortcut.weight.shape == (12, 8, 1, 1)
    x = torch.randn(2, 8, 3, 5)
    block = Residual(8, 8)
    nn.init.zeros_(block.branch[-1].weight)
    nn.init.zeros_(block.branch[-1].bias)
    assert block(x).equal(x)


def test_every_convolution_has_a_bias():
    net = StackedHourglass(2, 8, 5)
    assert all(m.bias is not None for m in net.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_map_sizes_of_every_stack_and_scale(scales):
    net = StackedHourglass(3, 8, 5, levels=3, scales=scales)
    answers = net(torch.randn(2, 3, 64, 96))
    assert len(answers) == 3
    sizes = [(2, 5, 16, 24), (2, 5, 8, 12), (2, 5, 4, 6)][:scales]
    assert [[tuple(m.shape) for m in maps] for maps in answers] == [sizes] * 3


def test_a_coarser_scale_costs_its_heads():
    """64 x 16 + 16 in every stack; fed on, 16 x 64 + 64 more, and the finest always is but at the end."""
    with torch.device("meta"):
        plain, scaled, fed = (
            parameters(StackedHourglass(4, 64, 16, 4, scales, feed))
            for scales, feed in ((1, False), (3, False), (3, True))
        )
    assert scaled - plain == 4 * 2 * 1040
    assert fed - scaled == 4 * 2 * 1088


@pytest.mark.parametrize("feed", [False, True])
def test_one_stack_by_hand(feed):
    torch.manual_seed(0)
    net = StackedHourglass(2, 6, 5, levels=2, scales=2, feed=feed).eval()
    x = net.entry(torch.randn(2, 3, 32, 48))
    stack = net.stacks[0]
    hourglass = stack.hourglass
    coarse = hourglass.below(hourglass.down(F.max_pool2d(x, 2)))[0]
    half = stack.coarser[0](coarse)
    if feed:
        coarse = coarse + stack.coarser_on[0](half)
    mixed = stack.mix(hourglass.skip(x) + twice(hourglass.after(coarse)))
    whole = stack.score(mixed)
    onward, maps = stack(x)
    torch.testing.assert_close(maps[0], whole)
    torch.testing.assert_close(maps[1], half)
    torch.testing.assert_close(onward, x + stack.features_on(mixed) + stack.maps_on(whole))
    last = net.stacks[1]
    assert last.features_on is last.maps_on is None
    assert last(x)[0] is x


@pytest.mark.parametrize("feed", [False, True])
def test_coarser_maps_go_on_where_they_are_fed(feed):
    """Whether the finest maps depend on the heads of the coarser ones."""
    net = StackedHourglass(1, 8, 5, levels=2, scales=2, feed=feed)
    finest = net(torch.randn(1, 3, 32, 48))[0][0]
    finest.square().sum().backward()
    head = net.stacks[0].coarser[0].weight
    assert (head.grad is not None and bool(head.grad.any())) == feed


# recomputing


def test_recomputing_changes_neither_gradients_nor_statistics():
    torch.manual_seed(0)
    plain = StackedHourglass(2, 8, 5, levels=2, scales=2, feed=True)
    again = copy.deepcopy(plain)
    again.recompute = True
    image = torch.randn(3, 3, 32, 48)
    results = []
    for net in (plain, again):
        maps = [m for stack in net(image) for m in stack]
        sum(m.square().mean() for m in maps).backward()
        results.append(maps)
    for one, other in zip(*results, strict=True):
        assert one.equal(other)
    for (name, one), other in zip(plain.named_parameters(), again.parameters(), strict=True):
        assert one.grad.any(), name
        assert one.grad.equal(other.grad), name
    for (name, one), other in zip(plain.named_buffers(), again.buffers(), strict=True):
        assert one.equal(other), name
        assert one.float().ne(0).any(), name
    norms = [m for m in again.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {m.momentum for m in norms} == {0.1}
    assert {m.num_batches_tracked.item() for m in norms} == {1}


def test_recomputing_keeps_less():
    """What autograd keeps of a stack's inside is gone; nothing is recomputed where nothing learns."""
    kept = {}
    for recompute in (False, True):
        net = StackedHourglass(4, 8, 5, levels=2, recompute=recompute)
        sizes = []

        def keep(tensor, sizes=sizes):
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            net(torch.randn(2, 3, 32, 48))
        kept[recompute] = sum(sizes)
        calls = []
        net.stacks[0].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        net.eval()(torch.randn(1, 3, 32, 48))[-1][0].sum().backward()
        assert len(calls) == 1
    assert kept[True] < 0.2 * kept[False]


def test_statistics_count_again_after_a_failure():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.calls = nn.BatchNorm2d(2), 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 2:
                raise ZeroDivisionError
            return self.norm(x)

    module = Fails()
    maps = recomputed(module, torch.randn(2, 2, 3, 3, requires_grad=True))
    with pytest.raises(ZeroDivisionError):
        maps.square().sum().backward()
    assert module.norm.momentum == 0.1
    assert module.norm.num_batches_tracked.item() == 1


# one hourglass


def test_two_levels_by_hand():
    torch.manual_seed(0)
    net = Hourglass(2, 6, blocks=1, after=1).eval()
    x = torch.randn(2, 6, 8, 12)
    low = net.down(F.max_pool2d(x, 2))
    lower = net.below.below(net.below.down(F.max_pool2d(low, 2)))
    inner = net.below.skip(low) + twice(net.below.after(lower))
    whole = net.skip(x) + twice(net.after(inner))
    maps = net(x)
    torch.testing.assert_close(maps[0], whole)
    torch.testing.assert_close(maps[1], inner)


def twice(maps):
    return maps.repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_a_tap_sees_every_resolution_and_what_it_returns_goes_on():
    net = Hourglass(3, 6).eval()
    x = torch.randn(1, 6, 16, 24)
    seen = []

    def look(level, maps):
        seen.append((level, maps))
        return maps

    plain = net(x, look)
    assert [level for level, _ in seen] == [2, 1, 0]
    assert all(maps is plain[level] for level, maps in seen)
    changed = net(x, lambda level, maps: maps + 1 if level == 2 else maps)
    torch.testing.assert_close(changed[2], plain[2] + 1)
    assert not torch.allclose(changed[0], plain[0])


@pytest.mark.parametrize("deconv", [False, True])
def test_blocks_that_begin_at_zero_leave_a_constant_map(deconv):
    """Each of the 3 levels adds its skip to what comes from below: c becomes 4 c, everywhere."""
    net = Hourglass(3, 6, blocks=3, after=0, merged=1, deconv=deconv)
    for module in net.modules():
        if isinstance(module, Residual):
            nn.init.zeros_(module.branch[-1].weight)
            nn.init.zeros_(module.branch[-1].bias)
    c = torch.randn(1, 6, 1, 1).expand(1, 6, 16, 24)
    for level, maps in enumerate(net(c)):
        torch.testing.assert_close(maps, (4 - level) * c[..., : 16 >> level, : 24 >> level])


def test_numbers_of_blocks():
    net = Hourglass(2, 8, blocks=3, after=0, merged=2, deconv=True, inner=2)
    counts = {
        name: len(child) for name, child in net.named_children() if name not in ("below", "grow")
    }
    assert counts == {"skip": 3, "down": 3, "after": 0, "merged": 2}
    assert len(net.below.below) == 3
    assert all(m.branch[2].out_channels == 2 for m in net.modules() if isinstance(m, Residual))
