"""DeepPose: published counts, sizes, one joint by hand, diameters."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from thin_deeppose import PAIR, THIN, Says, batch, new
from vitruvian.learn.recipes import find_recipe
from vitruvian.learn.runner import system_and_config
from vitruvian.nn.backbones import Backbone
from vitruvian.nn.warp import from_box, to_box
from vitruvian.skeleton import FLIC, LSP
from vitruvian.systems.contract import Ask
from vitruvian.systems.deeppose import DEEPPOSE, predict, stages
from vitruvian.systems.deeppose.net import DeepPose, DeepPoseConfig
from vitruvian.types import UserError


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@cache
def of_recipe(name):
    recipe = find_recipe(name)
    config = system_and_config(recipe.system, recipe.config, name)[1]
    with torch.device("meta"):
        return DeepPose(config, {"lsp": LSP, "flic": FLIC}[recipe.skeleton])


# counts


def test_parameters_of_the_recipes():
    lsp, flic = of_recipe("deeppose/lsp"), of_recipe("deeppose/flic")
    assert (parameters(lsp), parameters(lsp.nets[0])) == (175_188_180, 58_396_060)
    assert [parameters(net) for net in flic.nets] == [58_363_284] * 3
    assert parameters(of_recipe("deeppose/compact")) <= 5_000_000
    assert (lsp.config.sigma, flic.config.sigma) == (2.0, 1.0)


def test_grouped_and_timm_nets():
    with torch.device("meta"):
        grouped = DeepPose(DeepPoseConfig(groups=2, stages=1), LSP)
        resnet = DeepPose(DeepPoseConfig(net="resnet18", stages=2), LSP)
    assert parameters(grouped) == 56_982_940
    assert [parameters(net) for net in resnet.nets] == [11_176_512 + 513 * 28] * 2


def test_a_trunk_is_stage_1_alone():
    """Its last map at stride 32, all of its cells; 50 px make 2 x 2 of them."""
    config = replace(
        THIN, trunk="resnet18", channels=(4, 6, 8, 10), window_channels=(4, 6), input=50, hidden=12
    )
    net = new(config)
    first, *later = net.nets
    assert first.hidden1.weight.shape == (12, 10 * 2 * 2)
    assert isinstance(first.maps.backbone, Backbone)
    assert not any(isinstance(m, Backbone) for one in later for m in one.modules())
    assert len(net(batch(2).image, 2)[0]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": "resnet18", "trunk": "resnet18"}, "trunk needs net compact"),
        ({"net": "compact", "trunk": "resnet18"}, "and window_channels for later stages"),
        ({"stages": 0}, "must be positive"),
        ({"sigma": 0.0}, "must be positive"),
        ({"head": "per_joint_net", "net": "resnet18"}, "needs net alexnet or compact"),
        ({"window_hidden": 0}, "must be positive"),
        ({"groups": 0}, "must be positive"),
        (
            {"net": "alexnet", "groups": 3, "channels": (6, 6, 9, 9, 8)},
            r"groups 3 must divide all channels \[6, 6, 9, 9, 8\]",
        ),
        (
            {"net": "alexnet", "groups": 2, "channels": (4,) * 5, "window_channels": (5,) * 5},
            "groups 2 must divide all channels",
        ),
        ({"dropout": 2.0}, "dropout 2 must be from 0 to less than 1"),
        ({"translation": -1.0}, "translation and auxiliary must not be negative"),
        ({"auxiliary": -1.0}, "translation and auxiliary must not be negative"),
        ({"sigma": float("nan")}, "sigma is nan; set config.sigma to a finite number"),
        ({"smallest": float("nan")}, "smallest is nan; set config.smallest"),
        ({"channels": ()}, r"channels \[\] must be whole numbers from 1 on, and one at least"),
        ({"window_channels": ()}, "one at least; set config.window_channels"),
        ({"auxiliary": 1.0, "net": "alexnet"}, "auxiliary needs net compact and head gather"),
        ({"auxiliary": 1.0, "head": "per_joint_net"}, "auxiliary needs net compact and head"),
    ],
)
def test_sizes_that_contradict(change, message):
    with pytest.raises(UserError, match=message):
        replace(THIN, **change)


def test_any_number_of_stages():
    for count in (1, 2, 4):
        config = replace(THIN, stages=count)
        names = [stage.name for stage in stages(config)]
        assert names == [f"stage{s}" for s in range(1, count + 1)]
        assert [s.trains for s in stages(config)] == [(f"nets.{s}",) for s in range(count)]
        answer = predict(new(config), batch().image, Ask(maps=True))
        assert list(answer.maps) == names


def test_a_trunk_with_other_layers_than_the_nets():
    config = replace(THIN, trunk="resnet18", channels=(4, 6, 8), window_channels=(4, 6))
    with pytest.raises(UserError, match="'resnet18' has four layers: give four channels"):
        new(config)


def test_a_net_of_timm_answers():
    net = new(replace(THIN, net="resnet18", stages=2, input=64, window=32))
    assert predict(net, batch(2).image, Ask()).xy.shape == (2, 14, 2)


def test_a_skeleton_needs_a_torso():
    assert DEEPPOSE.needs == ("torso",)


# one joint by hand


def test_encoding_and_decoding_by_hand():
    """Diameter 60, sigma 1, estimate (121, 91), truth (130, 85); equation 6 as printed adds it twice."""
    estimate, truth = torch.tensor([121.0, 91.0]), torch.tensor([130.0, 85.0])
    size = torch.tensor([60.0, 60.0])
    psi = to_box(truth, estimate, size)
    torch.testing.assert_close(psi, torch.tensor([0.15, -0.10]))
    torch.testing.assert_close(from_box(psi, estimate, size), truth)
    torch.testing.assert_close(
        estimate + from_box(psi, estimate, size), torch.tensor([251.0, 176.0])
    )


def test_the_cascade_decodes_like_that():
    """Stage 1 says where the joints are, stage 2 moves the first by (0.15, -0.10) windows."""
    config = DeepPoseConfig(
        crop=(300, 400), stages=2, input=8, window=8, sigma=1.0, aspect="pad", net="compact"
    )
    net = new(config, PAIR)
    pose = torch.tensor([[121.0, 91], [200, 150], [50, 100], [50, 160]])  # torso: 60 px
    box = torch.tensor([199.5, 149.5]), torch.tensor([400.0, 400.0])
    net.nets[0] = Says(to_box(pose, *box).flatten()[None])
    psi = torch.zeros(4, 4, 2)  # window, pair of outputs
    psi[0, 0] = torch.tensor([0.15, -0.10])
    psi[0, 1:] = 9.0  # the other pairs of a window count nothing
    net.nets[1] = Says(psi.flatten(1))
    net.nets[1].forward = lambda image: psi.flatten(1)[:, None]
    answer = predict(net, torch.ones(1, 3, 300, 400, dtype=torch.uint8), Ask())
    torch.testing.assert_close(answer.xy[0, 0], torch.tensor([130.0, 85.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(answer.xy[0, 1:], pose[1:], atol=1e-3, rtol=0)
    moved = (0.15**2 + 0.1**2) ** 0.5
    torch.testing.assert_close(answer.score[0], torch.tensor([1 - 2 * moved, 1, 1, 1]))


# diameters


def test_diameters():
    net = new(replace(THIN, smallest=0.1), PAIR)
    net.share.fill_(0.3)
    pose = torch.tensor([[[0.0, 0], [0, 50], [30, 0], [30, 40]]]).repeat(4, 1, 1)  # 40 and 50
    pose[3] = 5.0  # all joints in one place
    located = torch.ones(4, 4, dtype=torch.bool)
    located[1, 2] = False  # the left shoulder: the other diagonal
    located[2, [0, 3]] = False  # an end of both: the median share of the box's shorter side
    box = torch.zeros(4, 1, 2), torch.tensor([[[200.0, 90.0]]]).expand(4, 1, 2)
    assert net.diameter(pose, box, located).flatten().tolist() == pytest.approx([40, 50, 27, 9])
    assert net.diameter(pose, box).flatten().tolist() == pytest.approx([40, 40, 40, 9])
    plain = new(THIN, replace(PAIR, references={"torso": PAIR.references["torso"]}))
    assert plain.diameter(pose, box, located).flatten().tolist() == [40, 22.5, 22.5, 9]
