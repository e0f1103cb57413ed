"""Global and local normalization: published counts, sizes, targets by hand, recipes."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian.data.augment import Augment
from vitruvian.data.loader import Skipped, plain_crops, training_crops
from vitruvian.data.synthetic import figures
from vitruvian.learn.optim import rate_factor
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import new_net, system_and_config
from vitruvian.learn.size import size_of
from vitruvian.learn.start import take_from
from vitruvian.models import ModelInfo, Preprocessing, write_model
from vitruvian.skeleton import COCO, FLIC, LSP, MPII, Skeleton
from vitruvian.systems.contract import Batch, generator
from vitruvian.systems.normalized import NORMALIZED
from vitruvian.systems.normalized.config import NormalizedConfig
from vitruvian.systems.normalized.detectors import averaging
from vitruvian.systems.normalized.net import Normalized
from vitruvian.systems.normalized.steps import (
    fcn_loss,
    joint_loss,
    measure,
    radius,
    stages,
)
from vitruvian.systems.normalized.targets import disc_classes, disc_radius, softmax_loss
from vitruvian.types import State, UserError

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
RESNET = replace(THIN, detector="resnet")


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def on_meta(config, skeleton=LSP):
    with torch.device("meta"):
        return Normalized(config, skeleton)


def shapes(net, crop):
    maps = net(torch.empty(1, 3, *crop, dtype=torch.uint8, device="meta"))
    return {name: tuple(value.shape[1:]) for name, value in maps.items()}


def stirred(config, skeleton=LSP, seed=0):
    """A net in eval mode whose maps differ from cell to cell."""
    net = new_net(NORMALIZED, config, skeleton, seed)
    rng = torch.Generator().manual_seed(seed)
    for name, p in net.named_parameters():
        if "score" in name and p.dim() > 1:
            nn.init.normal_(p, std=0.3, generator=rng)
    return net.eval()


def batch_of():
    people = figures(4, 0, LSP, side=96)
    return Batch.of(next(training_crops(people, Augment(), 64, 96, 4, 0, Skipped(), workers=0)))


# sizes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scale": 32, "supervision": "plain"}, 134_321_999),
        ({"scale": 32, "supervision": "fusion"}, 134_321_999),
        ({"scale": 8, "supervision": "plain"}, 134_333_549),
        ({"scale": 8, "supervision": "extra"}, 134_333_549),
        ({"scale": 8, "supervision": "fusion"}, 134_333_549 + 1_155),
    ],
)
def test_parameters_of_the_fcn(change, expected):
    assert parameters(on_meta(NormalizedConfig(**change)).detector) == expected


def test_parameters_of_the_refinements():
    """The published counts, and a scale and a shift for every one of the 14 + 6 + 4 x 3 outputs."""
    net = on_meta(NormalizedConfig())
    assert parameters(net.body) == 7_530_510 + 2 * 14
    assert parameters(net.semi) == 7_529_478 + 2 * 6
    assert [parameters(limb) for limb in net.limbs] == [7_404_675 + 2 * 3] * 4
    total = parameters(net.body) + parameters(net.semi) + parameters(net.limbs)
    assert total == 44_678_688 + 64


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"body_norm": False, "limb_norm": False}, 7_530_510 + 28),
        ({"kernels": (9, 15, 15, 15)}, 11_217_038 + 28),
        ({"branches": "multi"}, 3 * (7_530_510 + 28)),
        ({"branches": "types"}, 7_530_510 + 28 + 29 * (128 + 1 + 2)),  # 43 outputs, not 14
        ({"background": "none"}, 7_530_510 + 28 - 128 * 81),
    ],
)
def test_parameters_of_the_switches(change, expected):
    assert parameters(on_meta(NormalizedConfig(refine="st1", **change)).body) == expected


@pytest.mark.parametrize(
    ("config", "crop", "size"),
    [
        (NormalizedConfig(), (340, 340), (43, 43)),
        (NormalizedConfig(scale=32, crop=(256, 192)), (256, 192), (32, 24)),
        (NormalizedConfig(detector="resnet", backbone="resnet152"), (340, 340), (43, 43)),
        (NormalizedConfig(detector="hourglass", grid=4, crop=(256, 256)), (256, 256), (64, 64)),
        (replace(THIN, crop=(96, 96)), (96, 96), (24, 24)),
        (replace(RESNET, crop=(70, 50)), (70, 50), (18, 13)),
    ],
    ids=["fcn", "32s", "resnet152", "hourglass", "compact", "odd"],
)
def test_maps_cover_the_crop(config, crop, size):
    assert shapes(on_meta(config), crop) == {
        name: (14, *size) for name in ("detector", "body", "limbs")
    }


@pytest.mark.parametrize(
    ("skeleton", "limbs", "core"),
    [(LSP, 4, 6), (MPII, 4, 6), (FLIC, 2, 6), (COCO, 4, 5)],
    ids=lambda value: getattr(value, "name", None),
)
def test_every_skeleton_with_a_torso(skeleton, limbs, core):
    """FLIC has no legs, and its head is the nose; COCO has no neck; pelvis and eyes are stage 1's."""
    net = on_meta(THIN, skeleton)
    assert (len(net.limbs), len(net.anatomy.core)) == (limbs, core)
    assert shapes(net, (64, 96))["limbs"] == (len(skeleton), 16, 24)
    neck = [skeleton.joint_names[j] for j in net.anatomy.neck]
    assert neck == (["left_shoulder", "right_shoulder"] if skeleton is COCO else ["neck"])


def test_skeletons_without_what_angles_need():
    def torso_of(*joints):
        return Skeleton("x", joints, references={"torso": (joints[0], joints[1])})

    with pytest.raises(UserError, match="needs left_shoulder, right_hip, which skeleton 'x'"):
        on_meta(THIN, torso_of("left_hip", "right_shoulder"))
    with pytest.raises(UserError, match="needs a limb such as right_shoulder, right_elbow"):
        on_meta(THIN, torso_of("left_hip", "right_shoulder", "right_hip", "left_shoulder"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": 4}, "set config.grid=4"),
        ({"detector": "hourglass"}, "4 px a cell; set config.grid=4"),
        ({"detector": "hourglass", "grid": 4}, "crop height 340 must be a multiple of 64 px"),
        ({"kernels": (9, 14)}, "kernels must be odd"),
        ({"radius": 0.0}, "must be positive"),
        ({"radius": float("nan")}, "radius is nan; set config.radius to a finite number"),
        ({"channels": ()}, r"channels \[\] must be whole numbers from 1 on, and one at least"),
        ({"hidden_kernel": 4}, "kernels must be odd"),
        ({"dropout": 1.5}, "dropout 1.5 must be from 0 to less than 1"),
        (
            {"detector": "hourglass", "grid": 4, "crop": (256, 256), "sigma": 2.5},
            "window of 7 cells cuts Gaussians of sigma 2.5 within 2 sigma; set config.window=0",
        ),
        ({"blur": -1.0}, "must not be negative"),
        ({"crop": (340, 8)}, "fewer than 2 cells"),
    ],
)
def test_sizes_that_contradict(change, message):
    with pytest.raises(UserError, match=message):
        NormalizedConfig(**change)


# targets


def test_radius_of_discs():
    """0.15 of left shoulder to right hip; the median torso where one is missing; a cell at the least."""
    joints = torch.tensor([[[0.0, 0], [30, 40]], [[0, 0], [300, 400]], [[0, 0], [3, 4]]])
    state = torch.tensor([[3, 2], [3, 1], [3, 3]])
    cells = disc_radius(joints, state, [0, 1], torch.tensor(80.0), 0.15, 4)
    torch.testing.assert_close(cells, torch.tensor([[1.875], [3.0], [0.71]]))


def test_radius_takes_the_skeletons_diagonal_and_the_measured_median():
    net = new_net(NORMALIZED, THIN, LSP, 0)
    batch = batch_of()
    left_shoulder, right_hip = LSP.index("left_shoulder", "right_hip")
    length = (batch.joints[:, left_shoulder] - batch.joints[:, right_hip]).norm(dim=-1)
    expected = (0.15 * length / 4).clamp(min=0.71)
    torch.testing.assert_close(radius(net, batch, 4)[:, 0], expected)
    batch.state[1:, right_hip] = State.MISSING
    net.share.fill_(0.5)
    expected[1:] = 0.15 * 0.5 * 64 / 4  # of the crop's shorter side
    torch.testing.assert_close(radius(net, batch, 4)[:, 0], expected)


def test_the_median_torso_is_measured_once():
    net, people = new_net(NORMALIZED, THIN, LSP, 0), figures(12, 3, LSP, side=96)

    def batches():
        return map(Batch.of, plain_crops(people, people.box, *THIN.crop, 5, Skipped(), 0))

    measure(net, batches(), generator(0))
    ends = LSP.length("torso")
    pairs = torch.cat([batch.joints[:, ends] for batch in batches()])
    median = (pairs[:, 0] - pairs[:, 1]).norm(dim=-1).median()
    torch.testing.assert_close(net.share, median / 64)
    measure(net, iter([]), generator(0))  # known: nobody is looked at


def test_classes_of_overlapping_discs():
    """The nearest joint's; one that is not counted has no disc; 3 stands for the background."""
    xy = torch.tensor([[[1.0, 1], [3, 1], [5, 0]]])
    counted = torch.tensor([[True, True, False]])
    classes = disc_classes(xy, counted, 3, 6, torch.tensor([[1.5]]))
    assert classes.tolist() == [[[0, 0, 0, 1, 1, 3]] * 3], "as near to both: the first wins"
    aside = torch.tensor([0.1, 0])
    nearer_second = disc_classes(xy - aside, counted, 3, 6, torch.tensor([[1.5]]))
    assert nearer_second.tolist() == [[[0, 0, 1, 1, 1, 3]] * 3]
    small = disc_classes(xy, counted, 3, 6, torch.tensor([[0.71]]))
    assert small.tolist() == [[[3] * 6, [3, 0, 3, 1, 3, 3], [3] * 6]]


def test_softmax_by_hand():
    """Two joints and the background on two cells; the second sample's second joint is not located."""
    logits = torch.tensor([[[2.0, 0]], [[0, 1]], [[1, 1]]]).expand(2, 3, 1, 2).clone()
    logits.requires_grad_()
    classes = torch.tensor([[[0, 2]], [[0, 2]]])
    known = torch.tensor([[True, True], [True, False]])
    loss = softmax_loss(logits, classes, known)
    e = np.exp
    whole = -np.log(e(2) / (e(2) + e(0) + e(1))) - np.log(e(1) / (e(0) + e(1) + e(1)))
    without = -np.log(e(2) / (e(2) + e(1))) - np.log(e(1) / (e(0) + e(1)))
    assert loss.item() == pytest.approx((whole + without) / 4)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert not gradient[1, 1].any(), "a joint that is not located gets no gradient"
    assert gradient[0, 1].all()
    weighted = softmax_loss(logits, classes, known, 3.0).item()
    first = -np.log(e(2) / (e(2) + e(0) + e(1))) - np.log(e(2) / (e(2) + e(1)))
    assert weighted == pytest.approx(((whole + without) + 3 * first) / 4)


def states_of(net, change):
    """Losses of equal maps, of which joint 3 of every person is in another state."""
    batch = batch_of()
    found = []
    for state in change:
        batch.state[:, 3] = state
        logits = torch.zeros(4, 15, 16, 24)
        logits[:, 3] = 1.0
        found.append(
            [fcn_loss(net, logits, batch).item(), joint_loss(net, logits[:, :14], batch).item()]
        )
    return np.array(found)


def test_whom_each_loss_counts():
    """An occluded joint has no disc in the FCN's target, and one in the refinements'."""
    net = new_net(NORMALIZED, THIN, LSP, 0)
    visible, occluded, missing = states_of(net, (State.VISIBLE, State.OCCLUDED, State.MISSING))
    assert visible[0] < occluded[0], "the map that says joint is wrong everywhere"
    assert missing[0] < visible[0], "left out of the softmax"
    assert visible[1] == pytest.approx(occluded[1])
    assert missing[1] < visible[1]


def test_all_five_losses():
    net, batch = stirred(NormalizedConfig(**(asdict(THIN) | {"grid": 8, "scale": 8}))), batch_of()
    names = ["32s", "16s", "fusion16", "8s", "fusion8"]
    losses = {}
    for stage in stages(net.config)[:3]:
        losses[stage.name] = list(stage.step(net, batch, generator(0)))
    assert losses == {"detector_32s": names[:1], "detector_16s": names[:3], "detector": names}
    extra = replace(net.config, supervision="extra")
    assert list(stirred(extra).detect(batch.image)) == ["32s", "16s", "8s"]
    plain = stages(replace(net.config, supervision="plain"))
    assert [stage.name for stage in plain] == ["detector", "heads", "body", "limbs", "all"]
    assert plain[1].trains == ("detector.scores",), "no fusion, and not the trunk"
    net = stirred(replace(net.config, supervision="plain"))
    assert list(plain[0].step(net, batch, generator(0))) == ["8s"]


def test_losses_at_every_pixel():
    """Discs of a pixel grid, whose cells are 1 px; the answers stay on the grid."""
    config = replace(THIN, loss_grid="input")
    net, batch = stirred(config), batch_of()
    maps = net.detector.heads(net.detector.trunk(net.normalise(batch.image)), (64, 96), 1)
    assert {tuple(value.shape) for value in maps.values()} == {(4, 15, 64, 96)}
    fine = stages(config)[3].step(net, batch, generator(0))["4s"]
    torch.testing.assert_close(fine, fcn_loss(net, maps["4s"], batch))
    visible, known = batch.state == State.VISIBLE, batch.state >= State.OCCLUDED
    classes = disc_classes(batch.joints, visible, 64, 96, radius(net, batch, 1))
    torch.testing.assert_close(fine, softmax_loss(maps["4s"], classes, known))
    assert list(net.detect(batch.image).values())[-1].shape == (4, 15, 16, 24)


def test_fusion_begins_as_the_mean_and_lies_joint_by_joint():
    maps = torch.randn(2, 5, 3, 4, 6)  # B, joints and background, scales, h, w
    fused = averaging(5, 3)(maps.flatten(1, 2))
    torch.testing.assert_close(fused, maps.mean(2))


# recipes


def test_the_compact_recipes():
    nets = {}
    for name in ("compact", "compact_plain"):
        recipe = RECIPES[f"normalized/{name}"]()
        system, config = system_and_config(recipe.system, recipe.config, recipe.name)
        assert size_of(system, config, LSP).parameters < 4e6
        assert (config.crop, config.map_size) == ((128, 128), (32, 32))
        assert recipe.augment.occluders > 0
        names = [stage.name for stage in stages(config) if stage.name != "heads"]
        assert [fit.stage for fit in recipe.fits] == names[3:]
        nets[name] = on_meta(config).state_dict()
    shapes = [{k: v.shape for k, v in net.items()} for net in nets.values()]
    assert all(shape == shapes[0] for shape in shapes)
    small = replace(config, crop=(96, 96))
    assert on_meta(small)(torch.empty(1, 3, 96, 96, device="meta"))["limbs"].shape[2:] == (24, 24)


def test_the_fits_of_table_1():
    """Those of `lsp` that remain for a plain FCN with one refinement."""
    recipe = RECIPES["normalized/lsp"]()
    config = NormalizedConfig(supervision="plain", refine="st1", body_norm=False, branches="types")
    known = [stage.name for stage in stages(config)]
    assert [fit.stage for fit in recipe.fits if fit.stage in known] == ["detector", "body", "all"]
    words = " ".join((RECIPES["normalized/lsp"].__doc__ or "").split())
    assert "`--stage detector --stage body --stage all`" in words


def test_the_resnets_decay_is_its_authors():
    for name in ("all_resnet", "flic"):
        fits = {fit.stage: fit for fit in RECIPES[f"normalized/{name}"]().fits}
        assert fits["detector"].optim.weight_decay == 1e-4
        assert fits["body"].optim.weight_decay == 5e-4
        rates = [fits["detector"].optim.lr * rate_factor(fits["detector"].schedule, step, 1000)
                 for step in (0, 4, 9, 10, 430, 720)]  # fmt: skip
        assert rates == pytest.approx([0.02 / 11, 0.1 / 11, 0.2 / 11, 0.02, 0.002, 0.0002])


def test_one_detector_serves_both(tmp_path: Path):
    """`--from` takes the detector, and whatever else is the same, bit for bit."""
    net = stirred(THIN)
    net.share.fill_(0.3)
    info = ModelInfo(
        name="x",
        system="normalized",
        config=asdict(THIN),
        skeleton=LSP,
        preprocessing=Preprocessing(crop=THIN.crop),
        parameters=1,
        gmacs=0.0,
    )
    tensors = {name: value.numpy() for name, value in net.state_dict().items()}
    write_model(tmp_path / "model", info, tensors, None, "# card\n")
    plain = new_net(NORMALIZED, replace(THIN, body_norm=False, limb_norm=False), LSP, 1)
    take_from(NORMALIZED, plain, str(tmp_path / "model"))
    for name, value in plain.state_dict().items():
        assert value.equal(net.state_dict()[name]), name
    other = new_net(NORMALIZED, replace(THIN, branches="types"), MPII, 1)
    take_from(NORMALIZED, other, str(tmp_path / "model"))
    shared = [j for j in LSP.joint_names if j in MPII.joint_names]
    to, of = MPII.index(*shared), LSP.index(*shared)
    score, source = (n.detector.scores["8"].weight for n in (other, net))
    assert score[to].equal(source[of])
    assert score[-1].equal(source[-1]), "the background"
    fuse, source = (
        n.detector.fuse["8"].weight.unflatten(1, (-1, 3))[..., 0, 0] for n in (other, net)
    )
    assert fuse[to][:, to].equal(source[of][:, of])
    first, source = (n.body[0].net.layers[0].weight for n in (other, net))
    assert first[:, to].equal(source[:, of])
