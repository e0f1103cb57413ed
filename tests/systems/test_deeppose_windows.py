"""DeepPose: windows on their joints, what every net is shown, answers."""

from dataclasses import replace

import pytest
import torch

from thin_deeppose import THIN, Says, batch, new
from vitruvian import geometry
from vitruvian.nn.warp import cut_windows
from vitruvian.skeleton import LSP
from vitruvian.systems.contract import Ask
from vitruvian.systems.deeppose import DEEPPOSE, predict
from vitruvian.systems.deeppose.net import DeepPose, averaged

# windows


@pytest.mark.parametrize("head", ["gather", "per_joint_net"])
def test_each_window_shows_its_own_joint(head):
    """A white pixel at every joint stands in the middle of its window, and of no other's."""
    net = new(replace(THIN, stages=2, window=9, head=head))
    xy = torch.stack([torch.arange(14) * 6.0 + 8, (torch.arange(14) * 23 % 50) + 7.0], -1)
    image = torch.zeros(2, 3, 64, 96)
    for j, (x, y) in enumerate(xy.int().tolist()):
        image[1, :, y, x] = 100 + j
    centre = xy.expand(2, 3, 14, 2) + torch.tensor([0.0, 1, 0])[None, :, None, None]
    views, look = [], net._look
    net._look = lambda stage, view, cells: views.append(view) or look(stage, view, cells)
    psi, _ = net.later(2, image, centre, torch.tensor(9.0).expand(2, 1, 1, 1))
    assert psi.shape == (2, 3, 14, 2)
    views = views[0].view(2, 3, 14, 3, 9, 9)
    assert not views[0].any()
    own = 100 + torch.arange(14.0)
    for draw, place in enumerate((4, 3, 4)):  # the second window lies a pixel lower and right
        torch.testing.assert_close(views[1, draw, :, 0, place, place], own, atol=1e-3, rtol=0)


def test_gather_reads_a_joints_own_pair():
    net = new(replace(THIN, stages=2))
    one = batch(2)
    centre = one.joints[:, None].repeat(1, 2, 1, 1)
    old, _ = net.later(2, one.image.float(), centre, torch.full((2, 1, 1, 1), 20.0))
    with torch.no_grad():
        net.nets[1].outputs.bias[2 * 5 + 1] += 1  # y of joint 5
    new_psi, _ = net.later(2, one.image.float(), centre, torch.full((2, 1, 1, 1), 20.0))
    difference = torch.zeros(2, 2, 14, 2)
    difference[:, :, 5, 1] = 1
    torch.testing.assert_close(new_psi - old, difference)


def test_stretch_is_the_box_cut_to_the_photograph():
    """A wide photograph in a square crop: its own corners are at half a box, with two scales."""
    net = new(replace(THIN, aspect="stretch", stages=1, crop=(96, 96)))
    image = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    image[:, :, 24:72] = 50  # 96 x 48 px
    net.nets[0] = Says(torch.full((1, 28), 0.25))
    xy = predict(net, image, Ask()).xy
    torch.testing.assert_close(xy[0, 0], torch.tensor([47.5 + 24, 47.5 + 12]))
    grey = new().normalise(image[:, :, 40:41, :1])  # no black anywhere
    torch.testing.assert_close(net.nets[0].seen[0], grey.expand(1, 3, 40, 40))
    net.config = replace(net.config, aspect="pad")
    xy = predict(net, image, Ask()).xy
    torch.testing.assert_close(xy[0, 0], torch.tensor([47.5 + 24, 47.5 + 24]))
    assert not torch.allclose(net.nets[0].seen[1], grey, atol=0.5)


def test_views_are_normalised_by_a_constant_or_each_by_itself():
    """Rows of 20, 60 and 100: mean 60, deviation 40 sqrt(2 / 3); an even view is 0."""
    rows = torch.tensor([20.0, 60.0, 100.0])[:, None].expand(3, 4)
    view = torch.stack([rows, 2 * rows, torch.full((3, 4), 7.0)])[None]  # (1, 3, h, w)
    seen = {}
    for kind in ("imagenet", "gcn"):
        net = new(replace(THIN, stages=1, normalisation=kind))
        net.nets[0] = Says(torch.zeros(1, 28))
        net._look(1, view, False)
        seen[kind] = net.nets[0].seen[0][0, :, :, 1]
    side = (3 / 2) ** 0.5
    expected = torch.tensor([[-side, 0, side], [-side, 0, side], [0, 0, 0]])
    torch.testing.assert_close(seen["gcn"], expected)
    assert seen["imagenet"][0].tolist() == pytest.approx(
        [(value - 123.675) / 58.395 for value in (20, 60, 100)], rel=1e-5
    )


@pytest.mark.parametrize("head", ["gather", "per_joint_net"])
def test_the_networks_alone_see_what_the_cascade_shows_them(head):
    config = replace(THIN, head=head)
    net = DeepPose(config, LSP).eval()
    seen = []
    for stage, module in enumerate(net.nets, 1):
        module.register_forward_hook(lambda m, args, out, s=stage: seen.append((s, args[0].shape)))
    with torch.no_grad():
        for run in DEEPPOSE.passes(net, 2):
            run()
        alone, seen = seen[:], seen.clear() or seen
        net(torch.zeros(2, 3, *config.crop, dtype=torch.uint8), config.stages)
    assert alone == seen


def test_stage_1_sees_the_mean_of_what_it_cannot_show():
    image = torch.zeros(1, 3, 66, 64)
    image[:, :, 17, 34] = 64  # within the 4 x 4 that are the pixel (3, 3) of 8 x 8
    centre, size = torch.tensor([[[34.5, 17.5]]]), torch.tensor([[[32.0, 32.0]]])
    view = cut_windows(*averaged(image, (centre, size), 16), 16)[0, 0, 0]
    assert view.sum() == pytest.approx(64 / 4)  # 2 px of the crop are one of the view
    assert view[7:9, 7:9].sum() == pytest.approx(16)
    same = averaged(image, (centre, size), 33)
    assert same[0] is image


# answers


def test_flip_is_the_mean_of_both():
    net, one = new(), batch()
    swap, W = LSP.swap, one.image.shape[-1]
    plain = predict(net, one.image, Ask())
    mirrored = predict(net, one.image.flip(-1), Ask())
    x, y = mirrored.xy[:, swap].unbind(-1)
    expected = (plain.xy + torch.stack([geometry.flip_x(x, W), y], -1)) / 2
    merged = predict(net, one.image, Ask(flip=True))
    torch.testing.assert_close(merged.xy, expected)
    assert not torch.allclose(merged.xy, plain.xy, atol=0.1)


def test_scores_say_how_little_the_last_stage_moved():
    net, one = new(), batch()
    answer = predict(net, one.image, Ask(maps=True))
    before = answer.maps["stage2"]
    side = 2 * net.diameter(before, net.initial_box(one.image.float()))
    moved = ((answer.xy - before) / side).norm(dim=-1)
    torch.testing.assert_close(answer.score, (1 - 2 * moved).clamp(0, 1), atol=1e-4, rtol=0)
    assert predict(net, one.image, Ask(upto="stage1")).score.eq(1).all()
