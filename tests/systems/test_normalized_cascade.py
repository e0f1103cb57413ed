"""Global and local normalization: what each stage trains, switches, rivals, answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian import geometry
from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops, training_crops
from vitruvian.data.synthetic import figures
from vitruvian.learn.runner import new_net
from vitruvian.learn.train import set_trained
from vitruvian.measure.pose_types import PoseTypes
from vitruvian.skeleton import LSP
from vitruvian.systems.contract import Ask, Batch, generator
from vitruvian.systems.contract import predict as contract_predict
from vitruvian.systems.normalized import NORMALIZED, predict, predict_with_true_angles
from vitruvian.systems.normalized.config import NormalizedConfig
from vitruvian.systems.normalized.net import Normalized
from vitruvian.systems.normalized.norm import body_frame
from vitruvian.systems.normalized.steps import all_step, body_losses, measure, stages
from vitruvian.types import State

THIN = NormalizedConfig(
    crop=(64, 96),
    grid=4,
    scale=4,
    backbone="resnet18",
    channels=(4, 6, 8, 10),
    bias=-3.0,
    width=6,
    kernels=(5, 7),
)
DETECTORS = {
    "fcn": THIN,
    "resnet": replace(THIN, detector="resnet"),
    "hourglass": replace(THIN, detector="hourglass", stacks=2, features=8, levels=2),
}
every_detector = pytest.mark.parametrize("config", DETECTORS.values(), ids=DETECTORS)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(config, skeleton=LSP):
    with torch.device("meta"):
        return Normalized(config, skeleton)


def stirred(config, skeleton=LSP, seed=0):
    """A net in eval mode whose maps differ from cell to cell."""
    net = new_net(NORMALIZED, config, skeleton, seed)
    rng = torch.Generator().manual_seed(seed)
    for name, p in net.named_parameters():
        if "score" in name and p.dim() > 1:
            nn.init.normal_(p, std=0.3, generator=rng)
    return net.eval()


def batch_of(count=4, crop=(64, 96), skeleton=LSP, seed=0):
    people = figures(count, seed, skeleton, side=max(crop))
    return Batch.of(next(training_crops(people, Augment(), *crop, count, 0, Skipped(), workers=0)))


# what a stage trains, and what its gradients pass through


@every_detector
def test_later_stages_leave_the_earlier_nets_bit_equal(config):
    net, batch = stirred(config), batch_of()
    for stage in stages(config):
        set_trained(net, stage.trains)
        old = {name: value.clone() for name, value in net.state_dict().items()}
        optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.01)
        torch.stack(list(stage.step(net, batch, generator(0)).values())).sum().backward()
        optimiser.step()
        moved = {
            name.split(".")[0] for name, p in net.state_dict().items() if not p.equal(old[name])
        }
        assert moved == {path.split(".")[0] for path in stage.trains}, stage.name
    names = [stage.name for stage in stages(config) if stage.name != "heads"]
    assert names[-4:] == ["detector", "body", "limbs", "all"]


@pytest.mark.parametrize("supervision", ["plain", "fusion"])
def test_heads_begin_anew_on_the_trunk(supervision):
    config = replace(THIN, supervision=supervision, refine="none")
    net, batch = stirred(config), batch_of()
    for p in net.detector.fuse.parameters():
        nn.init.ones_(p)
    net.share.fill_(0.3)
    stage = next(stage for stage in stages(config) if stage.name == "heads")
    old = {name: value.clone() for name, value in net.state_dict().items()}
    stage.before(net, [], generator(5))
    now = net.state_dict()
    kept = {name for name, value in now.items() if value.equal(old[name])}
    assert {name for name in now if ".backbone." in name} <= kept
    fresh = Normalized(config, LSP).state_dict()
    for name in now.keys() - kept:
        if name.endswith(".weight") and ".scores." in name:
            assert 0.007 < now[name].std() < 0.013, name
        else:
            assert now[name].equal(fresh[name]), name
    assert {name for name in now if ".scores." in name and "weight" in name} <= now.keys() - kept
    assert sum(".fuse." in name for name in now.keys() - kept) == (
        6 if config.supervision == "fusion" else 0
    )
    again = stirred(config, seed=3)
    again.share.fill_(0.3)
    stage.before(again, [], generator(5))
    assert again.detector.scores["8"].weight.equal(net.detector.scores["8"].weight)
    assert set(stage.step(net, batch, generator(0)))


@pytest.mark.parametrize(
    ("refine", "expected"),
    [("none", []), ("st1", ["body", "all"]), ("st2", ["body", "limbs", "all"])],
)
def test_stages_of_a_shorter_cascade(refine, expected):
    config = replace(THIN, refine=refine, supervision="plain")
    assert [stage.name for stage in stages(config)] == ["detector", "heads", *expected]
    net = on_meta(config)
    built = {name for name in ("body", "semi", "limbs") if len(getattr(net, name))}
    assert built == {"none": set(), "st1": {"body"}, "st2": {"body", "semi", "limbs"}}[refine]


@every_detector
@pytest.mark.parametrize("norm", [True, False])
def test_gradients_of_the_last_losses_reach_the_detector(config, norm):
    """Through the turned maps alone: from each refinement's own loss back to the image."""
    config = replace(config, body_norm=norm, limb_norm=norm)
    net, batch = stirred(config), batch_of()
    for name in ("body", "semi", "limbs"):
        net.zero_grad()
        all_step(net, batch, generator(0))[name].backward()
        first = next(net.detector.parameters())
        assert first.grad.abs().sum() > 0, name
        scored = [p.grad for p in net.body.parameters()]
        assert all(grad is not None and grad.any() for grad in scored), name


def test_angles_send_no_gradient():
    """Where the maps are turned about does not depend, for the gradient, on what they hold."""
    net, batch = stirred(THIN), batch_of()
    joints, background = (value.detach() for value in net.detected(net.detect(batch.image)))
    joints.requires_grad_()
    assert not net.peaks(joints).requires_grad
    frame = body_frame(net.anatomy, net.peaks(joints), 0.0)
    assert not any(value.requires_grad for value in frame)
    (gradient,) = torch.autograd.grad(net.refine_body(joints, background).sum(), joints)
    assert gradient.any()


# switches


def test_switches_have_the_same_parameters():
    sizes = {
        parameters(on_meta(replace(THIN, body_norm=body, limb_norm=limb)))
        for body in (True, False)
        for limb in (True, False)
    }
    assert len(sizes) == 1


def test_switches_act_where_they_should():
    """One set of weights: body_norm changes the body's maps, limb_norm the limbs' alone."""
    net, batch = stirred(THIN), batch_of()
    whole = net(batch.image)
    for change, same in (({"limb_norm": False}, True), ({"body_norm": False}, False)):
        net.config = replace(THIN, **change)
        maps = net(batch.image)
        assert maps["detector"].equal(whole["detector"])
        assert maps["body"].equal(whole["body"]) == same
        assert not maps["limbs"].allclose(whole["limbs"])


def test_upright_people_are_not_turned():
    """Where all angles are 0, normalization changes nothing but the canvas about the maps."""
    config = replace(THIN, pad=0.0, kernels=(1, 1))
    net = stirred(config)
    joints = torch.full((1, 14, 16, 16), 0.01)
    net.config = replace(config, crop=(64, 64))
    for name, (x, y) in {
        "neck": (8, 3), "left_shoulder": (10, 4), "right_shoulder": (6, 4),
        "left_hip": (9, 9), "right_hip": (7, 9), "left_elbow": (10, 8), "right_elbow": (6, 8),
        "left_knee": (9, 13), "right_knee": (7, 13),
    }.items():  # fmt: skip
        joints[0, LSP.index(name)[0], y, x] = 0.9
    background = 1 - joints.amax(1, keepdim=True)
    found = []
    for norm in (True, False):
        net.config = replace(net.config, body_norm=norm, limb_norm=norm)
        found.append((net.refine_body(joints, background), net.refine_limbs(joints)))
    for turned, plain in zip(*found, strict=True):
        torch.testing.assert_close(turned, plain, rtol=0, atol=1e-4)


def test_what_the_canvas_does_not_reach_stays():
    """About a point in the corner, a map turned by 90 degrees leaves its canvas."""
    net = stirred(replace(THIN, pad=0.0))
    before = torch.rand(1, 3, 16, 24) * 0.8 + 0.1
    frame = (torch.tensor([[0.0, 0.0]]), torch.tensor([torch.pi / 2]))
    turned = net._turned(before, frame, True)
    back = net._turned_back(torch.full_like(turned, 5.0), before, frame, True)
    kept = (back - 5.0).abs() > 1e-3
    torch.testing.assert_close(back[kept], torch.logit(before)[kept], rtol=1e-3, atol=1e-3)
    assert 0.2 < kept.float().mean() < 1
    assert not kept[..., 0, 0].any(), "the point itself is reached"


def test_whose_roots_answer():
    net = stirred(THIN)
    body = torch.rand(2, 14, 16, 24)
    semi, limbs = torch.randn(2, 6, 16, 24), torch.randn(2, 4, 3, 16, 24)
    shoulder, elbow, wrist = LSP.index("left_shoulder", "left_elbow", "left_wrist")
    number = net.anatomy.limbs.index([shoulder, elbow, wrist])
    own, wide = limbs[:, number, 0].sigmoid(), semi[:, net.anatomy.core.index(shoulder)].sigmoid()
    for merge, expected in (("semi", wide), ("limb", own), ("mean", (own + wide) / 2)):
        net.config = replace(THIN, root_merge=merge)
        merged = net.merged(body, semi, limbs)
        torch.testing.assert_close(merged[:, shoulder], expected)
        torch.testing.assert_close(merged[:, elbow], limbs[:, number, 1].sigmoid())
        torch.testing.assert_close(merged[:, wrist], limbs[:, number, 2].sigmoid())
        (head,) = LSP.index("head_top")
        torch.testing.assert_close(merged[:, head], semi[:, net.anatomy.core.index(head)].sigmoid())


def test_probabilities_travel():
    """Softmax, sigmoid, heights; a derived background is 1 - the highest."""
    image = batch_of().image
    for name, config in DETECTORS.items():
        net = stirred(config)
        maps = net.detect(image)
        joints, background = net.detected(maps)
        assert joints.shape == (4, 14, 16, 24)
        assert background.shape == (4, 1, 16, 24)
        last = list(maps.values())[-1]
        if name == "fcn":
            total = joints.sum(1) + background[:, 0]
            torch.testing.assert_close(total, torch.ones_like(total))
        else:
            expected = last.sigmoid() if name == "resnet" else last
            torch.testing.assert_close(joints, expected)
            left = (1 - joints.amax(1)).clamp(0, 1)
            torch.testing.assert_close(background[:, 0], left)
        assert (net.body[0].squash is None) == (name == "hourglass")


# rivals


def typed(branches):
    """A net that knows three types of poses, and what it was told by."""
    config = replace(THIN, branches=branches, types=3)
    net, people = stirred(config), figures(24, 0, LSP, side=96)
    crops = plain_crops(people, people.box, *config.crop, 8, Skipped(), 0)
    measure(net, map(Batch.of, crops), generator(0))
    return net


def test_types_are_those_of_the_training_poses():
    net, batch = typed("multi"), batch_of(12, seed=5)
    known = np.ones(14, bool)
    types = PoseTypes(LSP, net.centroids.numpy(), known, (1, 1, 1))
    located = torch.ones(12, 14, dtype=torch.bool)
    expected = types.nearest(batch.joints.numpy(), located.numpy())
    found = net.pose_type(torch.zeros_like(batch.joints), (batch.joints, located))
    assert found.tolist() == expected.tolist()
    assert len(set(expected)) > 1
    again = net.pose_type(3 * batch.joints + 7)  # cells or pixels, wherever
    assert again.tolist() == expected.tolist()
    located[:, LSP.index("left_hip")] = False
    detected = net.pose_type(batch.joints.flip(0), (batch.joints, located))
    assert detected.tolist() == expected[::-1].tolist(), "without a torso: the detector's pose"


@pytest.mark.parametrize("bias", [-4.0, -2.5])
def test_maps_of_types_begin_as_sure_of_the_background_as_of_no_joint(bias):
    config = replace(THIN, refine="st1", refine_bias=bias)

    def begun(**change):
        net = new_net(NORMALIZED, replace(config, **change), LSP, 0)
        return [refined.net.score.bias.tolist() for refined in net.body]

    assert begun(branches="types") == [[bias] * 42 + [-bias]]
    assert begun(branches="multi") == [[bias] * 14] * 3
    assert begun() == [[bias] * 14]
    hourglass = {"detector": "hourglass", "stacks": 1, "features": 8, "levels": 2}
    assert begun(branches="types", **hourglass) == [[0] * 43]


def test_a_persons_type_alone_is_positive():
    """Three sets of maps lie joint by joint, the background after them."""
    net, batch = typed("types"), batch_of(3)
    number = torch.tensor([2, 0, 1])
    logits = torch.zeros(3, 1, 43, 16, 24, requires_grad=True)
    loss = body_losses(net, logits, number, batch)["body"]
    (gradient,) = torch.autograd.grad(loss, logits)
    target = 0.5 - gradient[:, 0] * 3 * 43 * 16 * 24  # sigmoid(0) - gradient
    joints, background = target[:, :-1].unflatten(1, (14, 3)), target[:, -1]
    for person, own in enumerate(number.tolist()):
        there = joints[person].amax((-2, -1)) > 0.5  # (14, 3)
        assert there[:, own].all()
        assert there.sum() == 14
    union = joints.amax((1, 2))
    torch.testing.assert_close(background, 1 - union, atol=1e-4, rtol=0)
    answer = torch.zeros(1, 1, 43, 1, 1)
    answer[0, 0, 3 * 5 + 1], answer[0, 0, 42] = 4.0, 9.0
    assert net.chosen(answer, None)[0, :, 0, 0].nonzero().tolist() == [[5]]


def test_each_branch_learns_its_own_type():
    net, batch = typed("multi"), batch_of(3)
    logits = torch.randn(3, 3, 14, 16, 24, requires_grad=True)
    number = torch.tensor([2, 0, 2])
    (gradient,) = torch.autograd.grad(body_losses(net, logits, number, batch)["body"], logits)
    assert gradient.abs().sum((2, 3, 4)).bool().tolist() == [
        [False, False, True],
        [True, False, False],
        [False, False, True],
    ]
    assert net.chosen(logits, number)[1].equal(logits[1, 0])


# answers


@every_detector
def test_maps_of_every_stage(config):
    net, image = stirred(config), batch_of().image
    for upto, names in {
        "detector_32s" if config.detector == "fcn" else "detector": ["detector"],
        "heads" if config.detector == "fcn" else "detector": ["detector"],
        "body": ["detector", "body"],
        "limbs": ["detector", "body", "limbs"],
        "all": ["detector", "body", "limbs"],
    }.items():
        answer = contract_predict(NORMALIZED, net, image, Ask(upto=upto, maps=True))
        assert list(answer.maps) == names
        assert {tuple(maps.shape) for maps in answer.maps.values()} == {(4, 14, 16, 24)}
        cells = geometry.cell_to_px(net.peaks(answer.maps[names[-1]]), 4)
        torch.testing.assert_close(answer.xy, cells)


def test_answers_between_cells():
    net, image = stirred(replace(THIN, offset="local_mean")), batch_of().image
    whole = predict(stirred(THIN), image, Ask()).xy
    assert 0 < (predict(net, image, Ask()).xy - whole).abs().max() <= 8.0  # two cells


@pytest.mark.parametrize("width", [96, 92])
def test_mirrored_maps_lie_on_the_maps(width):
    """Also where the crop's width is no whole number of cells."""
    config = replace(THIN, grid=8, scale=8, crop=(64, width))
    net, image = stirred(config), batch_of(2, (64, width)).image
    padded = torch.nn.functional.pad(net.normalise(image), (0, -width % 8))
    expected = net.detector(padded.flip(-1))
    found = net.detect(image, mirrored=True)
    for name, maps in expected.items():
        torch.testing.assert_close(found[name], maps)
        assert maps.shape[-1] == 12


def test_true_angles_for_an_evaluation():
    net, batch = stirred(replace(THIN, angles="truth")), batch_of()
    plain = predict(net, batch.image, Ask(maps=True))
    told = predict_with_true_angles(net, batch, Ask(maps=True))
    assert told.maps["detector"].equal(plain.maps["detector"])
    assert not told.maps["body"].allclose(plain.maps["body"])
    nobody = replace(batch, state=torch.full_like(batch.state, State.MISSING))
    assert predict_with_true_angles(net, nobody, Ask()).xy.equal(plain.xy)
    both = predict_with_true_angles(net, batch, Ask(flip=True))
    flipped = replace(
        batch,
        image=batch.image.flip(-1),
        joints=torch.stack([95 - batch.joints[:, LSP.swap, 0], batch.joints[:, LSP.swap, 1]], -1),
        state=batch.state[:, LSP.swap],
    )
    there = predict_with_true_angles(net, flipped, Ask(flip=True))
    torch.testing.assert_close(95 - there.xy[:, LSP.swap, 0], both.xy[..., 0])


def test_networks_alone_take_what_the_whole_gives_them():
    net = stirred(THIN)
    outputs = [run() for run in net.alone(2)]
    assert list(outputs[0]) == list(net.detect(batch_of().image))
    assert [tuple(maps.shape[:2]) for maps in outputs[1:]] == [(2, 14), (2, 6), *[(2, 3)] * 4]
    widths = {maps.shape[-1] for maps in outputs[1:]}
    assert len(widths) == 1
    assert widths.pop() > 24, "the canvas"
