"""The state file: exact, and whole whatever happens while it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import tiny
from vitruvian.learn.optim import float_state, optimiser
from vitruvian.learn.runner import new_net
from vitruvian.learn.state import Progress, read_state, save_state
from vitruvian.learn.train import train
from vitruvian.recipe import Fit, Optim
from vitruvian.types import UserError

PEOPLE = tiny.blobs(16)
PROGRESS = Progress(fit=1, step=7, drops=2, best=0.25, waited=3, seconds=12.5)


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def stepped(name: str = "adamw", **options: Any) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A net and its optimiser after a step."""
    net = new_net(tiny.HEATMAPS, tiny.HeatmapsConfig(), tiny.FIGURE, 0)
    optim = optimiser(Optim(name=name, options=options), net)
    net(torch.randint(0, 255, (2, 3, 64, 48), dtype=torch.uint8)).square().mean().backward()
    optim.step()
    return net, optim


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("adamw", {"amsgrad": True}),
        ("adam", {}),
        ("sgd", {"momentum": 0.9}),
        ("sgd", {}),
        ("rmsprop", {"momentum": 0.5, "centered": True}),
        ("adagrad", {}),
        ("muon", {}),
        ("muon", {"algo": "adamuon"}),
    ],
)
def test_round_trip(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    net, optim = stepped(name, **options)
    shadow = {key: value + 1 for key, value in float_state(net).items()}
    save_state(tmp_path / "state.safetensors", PROGRESS, net, shadow, optim)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]
    saved = read_state(tmp_path / "state.safetensors")
    assert saved.progress == PROGRESS
    assert saved.net.keys() == net.state_dict().keys()
    assert all(value.equal(saved.net[key]) for key, value in net.state_dict().items())
    assert saved.shadow is not None
    assert saved.shadow.keys() == shadow.keys()
    assert all(value.equal(saved.shadow[key]) for key, value in shadow.items())
    other = optimiser(Optim(name=name, options=options), net)
    saved.restore_optimiser(other)
    before, after = optim.state_dict()["state"], other.state_dict()["state"]
    assert before.keys() == after.keys()
    for index, slots in before.items():
        assert slots.keys() == after[index].keys()
        for slot, value in slots.items():
            again = after[index][slot]
            assert type(value) is type(again)
            if isinstance(value, torch.Tensor):
                assert value.dtype == again.dtype
                assert value.equal(again)
                assert value.stride() == again.stride(), "laid out as the parameter is"


def test_nothing_but_a_net(tmp_path: Path) -> None:
    save_state(tmp_path / "state", Progress(), stepped()[0], None, None)
    saved = read_state(tmp_path / "state")
    assert saved.shadow is None
    assert saved.moments == {}
    assert saved.progress == Progress()


def test_the_file_is_safetensors_and_json(tmp_path: Path) -> None:
    """Nothing is pickled, so that a file from elsewhere can run nothing."""
    net, optim = stepped()
    save_state(tmp_path / "state", PROGRESS, net, None, optim)
    with safe_open(tmp_path / "state", "pt") as file:
        assert json.loads(file.metadata()["progress"])["step"] == 7
        assert "net.head.weight" in file.keys()  # noqa: SIM118
        assert "optim.0.exp_avg" in file.keys()  # noqa: SIM118


def test_a_failed_save_keeps_the_previous_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, optim = stepped()
    save_state(tmp_path / "state", Progress(step=1), net, None, optim)

    def full(*paths: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            with pytest.raises(UserError, match=r"No space left.*previous state is kept") as error:
                save_state(tmp_path / "state", Progress(step=2), net, None, optim)
        assert "\n" not in str(error.value)
        assert [path.name for path in tmp_path.iterdir()] == ["state"]
        assert read_state(tmp_path / "state").progress.step == 1


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
def test_who_may_enter_the_folder_may_read_the_file(tmp_path: Path) -> None:
    for folder, file in ((0o750, 0o640), (0o700, 0o600)):
        tmp_path.chmod(folder)
        save_state(tmp_path / "state", Progress(), stepped()[0], None, None)
        assert (tmp_path / "state").stat().st_mode & 0o777 == file


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not save"):
        save_state(tmp_path / "none" / "state", Progress(), stepped()[0], None, None)


def test_killed_while_saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every moment of a save the file is the previous state, and the next save succeeds."""
    net, optim = stepped()
    save_state(tmp_path / "state", Progress(step=1), net, None, optim)

    def kill(*paths: Any) -> None:
        raise Killed

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, kill)
            with pytest.raises(Killed):
                save_state(tmp_path / "state", Progress(step=2), net, None, optim)
        assert (tmp_path / "state.part").exists()
        assert read_state(tmp_path / "state").progress.step == 1
    (tmp_path / "state.part").write_bytes((tmp_path / "state").read_bytes()[:100])
    assert read_state(tmp_path / "state").progress.step == 1
    save_state(tmp_path / "state", Progress(step=3), net, None, optim)
    assert read_state(tmp_path / "state").progress.step == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_killed_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command goes on from the state before, to the same end."""
    monkeypatch.setattr("vitruvian.learn.watch.SAVE_SECONDS", 0.0)
    fit = Fit(stage="heatmaps", steps=25, batch=4, ema=0.9)
    config = tiny.HeatmapsConfig(channels=8)

    def session(name: str) -> Any:
        return tiny.session(tmp_path / name, tiny.HEATMAPS, config, PEOPLE, fit)

    assert train(session("whole"))
    rename, saves = os.replace, [0]

    def kill(*paths: Any) -> None:
        saves[0] += 1
        if saves[0] == 2:
            raise Killed
        rename(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        with pytest.raises(Killed):
            train(session("parts"))
    assert read_state(tmp_path / "parts" / "state.safetensors").progress.step == 10
    assert train(session("parts"))
    ends = [read_state(tmp_path / name / "state.safetensors").net for name in ("whole", "parts")]
    assert all(value.equal(ends[1][name]) for name, value in ends[0].items())


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "header", "foreign", "slots"])
def test_a_damaged_file_is_said_so_in_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    net, optim = stepped()
    save_state(path, PROGRESS, net, None, optim)
    whole = path.read_bytes()
    header = {"progress": json.dumps({"fits": 1}), "scalars": "{}"}
    good = {"progress": "{}", "scalars": "{}"}
    if damage == "header":
        save_file({"net.a": torch.zeros(1)}, path, header)
    elif damage == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif damage == "slots":
        save_file({"optim.first": torch.zeros(1)}, path, good)
    else:
        path.write_bytes(
            {"cut": whole[: len(whole) // 2], "empty": b"", "noise": os.urandom(512)}[damage]
        )
    fit = Fit(stage="heatmaps", steps=2, batch=4)
    session = tiny.session(tmp_path, tiny.HEATMAPS, tiny.HeatmapsConfig(), PEOPLE, fit)
    with pytest.raises(UserError, match=r"state\.safetensors is damaged; delete it") as error:
        train(session)
    assert "\n" not in str(error.value)


def test_the_state_of_another_net(tmp_path: Path) -> None:
    save_state(tmp_path / "state.safetensors", PROGRESS, stepped()[0], None, None)
    for system, config, stage in (
        (tiny.CASCADE, tiny.CascadeConfig(), "initial"),
        (tiny.HEATMAPS, tiny.HeatmapsConfig(channels=8), "heatmaps"),
    ):
        fit = Fit(stage=stage, steps=2, batch=4)
        session = tiny.session(tmp_path, system, config, PEOPLE, fit)
        with pytest.raises(UserError, match="holds another net; choose another --out") as error:
            train(session)
        assert "\n" not in str(error.value)
