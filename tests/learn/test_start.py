"""Weights from another model: joints matched by name along every axis that counts joints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian.learn import start
from vitruvian.learn.start import init_backbone, take_from
from vitruvian.models import ModelInfo, Preprocessing, read_model, write_model
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import System
from vitruvian.types import UserError

ARM = Skeleton("arm", ("a", "b", "c"))
TURNED = Skeleton("turned", ("c", "b", "a"))
LONGER = Skeleton("longer", ("b", "x", "a", "y"))


@dataclass(frozen=True)
class Config:
    crop: tuple[int, int] = (32, 32)


class Net(nn.Module):
    """Tensors with a joint axis first, second, twice as long, beside other channels, and none."""

    def __init__(self, config: Config, skeleton: Skeleton) -> None:
        super().__init__()
        J = len(skeleton)
        self.config, self.skeleton = config, skeleton
        self.trunk = nn.Conv2d(3, 3, 1)  # 3 channels: as many as joints, by chance
        self.head = nn.Conv2d(3, J, 1)
        self.reads = nn.Conv2d(J + 2, 5, 1)  # maps of joints, then two more
        self.points = nn.Linear(4, 2 * J)


SYSTEM = System("toy", Config, Net, lambda config: (), lambda net, image, ask: None)  # type: ignore[arg-type, return-value]


def saved(tmp_path, skeleton):
    """A model folder of a net whose tensors hold different numbers everywhere."""
    torch.manual_seed(4)
    net = Net(Config(), skeleton)
    info = ModelInfo(
        name="toy", system="toy", config={"crop": [32, 32]}, skeleton=skeleton,
        preprocessing=Preprocessing(crop=(32, 32)), parameters=1, gmacs=0.1,
    )  # fmt: skip
    write_model(tmp_path / "m", info, {n: v.numpy() for n, v in net.state_dict().items()}, None, "")
    return net.state_dict(), str(tmp_path / "m")


def test_the_same_joints_are_all_taken(tmp_path):
    old, folder = saved(tmp_path, ARM)
    net = Net(Config(), ARM)
    line, info = take_from(SYSTEM, net, folder)
    assert "3 tensors taken whole, 5 joint by joint, 0 new" in line
    assert info.name == "toy"
    for name, value in net.state_dict().items():
        assert value.equal(old[name]), name


def test_another_order_is_followed_on_every_axis(tmp_path):
    old, folder = saved(tmp_path, ARM)
    net = Net(Config(), TURNED)
    take_from(SYSTEM, net, folder)
    new = net.state_dict()
    assert new["trunk.weight"].equal(old["trunk.weight"])  # 3 channels, but no joints
    assert new["head.weight"].equal(old["head.weight"][[2, 1, 0]])
    assert new["reads.weight"].equal(old["reads.weight"][:, [2, 1, 0, 3, 4]])
    assert new["points.bias"].equal(old["points.bias"][[4, 5, 2, 3, 0, 1]])


def test_joints_that_the_other_lacks_stay_new(tmp_path):
    old, folder = saved(tmp_path, ARM)
    net = Net(Config(), LONGER)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    line, _ = take_from(SYSTEM, net, folder)
    assert line.endswith("joints that are new: x, y")
    new = net.state_dict()
    assert new["head.bias"][[0, 2]].equal(old["head.bias"][[1, 0]])
    assert new["head.bias"][[1, 3]].equal(before["head.bias"][[1, 3]])
    assert new["reads.weight"][:, [0, 2, 4, 5]].equal(old["reads.weight"][:, [1, 0, 3, 4]])


def test_nothing_in_common_is_refused(tmp_path):
    _, folder = saved(tmp_path, ARM)

    class Other(Net):
        def __init__(self, config, skeleton):
            nn.Module.__init__(self)
            self.config, self.skeleton = config, skeleton
            self.elsewhere = nn.Linear(2, 2)

    system = replace(SYSTEM, build=Other)
    with pytest.raises(UserError, match="none of its tensors fits"):
        take_from(system, Other(Config(), ARM), folder)


def test_init_needs_a_backbone_and_a_file(tmp_path, monkeypatch):
    net = Net(Config(), ARM)
    assert init_backbone(net, "none") == ("", None)
    with pytest.raises(UserError, match="has no backbone"):
        init_backbone(net, "timm")

    class Backbone(nn.Module):
        name = "toy"

        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 3)

    monkeypatch.setattr(start, "Backbone", Backbone)
    backbone = Backbone()
    with pytest.raises(UserError, match="not a readable safetensors file"):
        init_backbone(backbone, str(tmp_path / "none.safetensors"))
    from safetensors.numpy import save_file

    save_file({"weight": np.ones((3, 2), np.float32)}, tmp_path / "w.safetensors")
    line, other = init_backbone(backbone, str(tmp_path / "w.safetensors"))
    assert line.endswith("1 of 2 tensors of toy taken")
    assert other is None
    assert (backbone.net.weight == 1).all()


def test_init_from_a_model_of_another_system(tmp_path, monkeypatch):
    class Backbone(nn.Module):
        name = "toy"

        def __init__(self):
            super().__init__()
            self.net = nn.Conv2d(3, 3, 1)

    monkeypatch.setattr(start, "Backbone", Backbone)
    old = {
        f"deep.net.{n}": np.full(v.shape, 2.0, "f4") for n, v in Backbone().net.state_dict().items()
    }
    saved(tmp_path, ARM)
    write_model(
        tmp_path / "other", read_model(tmp_path / "m"), {"head": np.ones(3, "f4")} | old, None, ""
    )
    backbone, folder = Backbone(), str(tmp_path / "other")
    line, other = init_backbone(backbone, folder)
    assert line.endswith("2 of 2 tensors of toy taken")
    assert other.name == "toy"
    assert (backbone.net.weight == 2).all()
    backbone.net = nn.Linear(7, 7)
    with pytest.raises(UserError, match="no tensor fits backbone 'toy'"):
        init_backbone(backbone, folder)
    backbone.net = nn.Sequential(nn.Linear(7, 7))
    with pytest.raises(UserError, match=r"that model \(toy\) has no backbone like 'toy'"):
        init_backbone(backbone, folder)


def test_an_axis_that_counts_some_joints_alone_is_left():
    value = torch.zeros(2, 4)
    assert not start._copy_joints(value, torch.ones(2, 4), {0: 1}, [[0, 1, 2], [0, 1, 2]], (3, 3))
    assert value.sum() == 0
