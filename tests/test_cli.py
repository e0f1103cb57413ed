"""Commands as a user types them: what they write, and one line for whatever is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from vitruvian import cli
from vitruvian.models import bundled

SMALL = [
    "--set", "config.crop=[32, 64]", "--set", "config.channels=[4, 4, 4, 4]",
    "--set", "config.width=4", "--set", "config.inner=4", "--set", "fits.0.batch=4",
    "--set", "precision=fp32", "--device", "cpu", "--workers", "0", "--quiet",
]  # fmt: skip


@pytest.fixture
def vitruvian(monkeypatch, capsys):
    """Runs a command in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vitruvian", *map(str, arguments)])
        try:
            cli.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of two steps on rendered figures, trained by the command."""
    out = tmp_path_factory.mktemp("run") / "first"
    command = [sys.executable, "-m", "vitruvian", "train", "resnet_fcn/compact", "--out", str(out)]
    subprocess.run([*command, *SMALL, "--set", "fits.0.steps=2"], check=True, timeout=300)
    return out


def small_lspet(root: Path, rows: int = 3) -> Path:
    """A data set in LSPET's layout whose persons are drawn dots."""
    rng = np.random.default_rng(0)
    joints = np.ones((14, 3, rows))
    joints[:, :2] = rng.uniform(10, 50, (14, 2, rows))
    (root / "images").mkdir(parents=True)
    savemat(root / "joints.mat", {"joints": joints})
    for row in range(rows):
        image = rng.integers(0, 256, (60, 70, 3), np.uint8)
        cv2.imwrite(str(root / "images" / f"im{row + 1:05d}.jpg"), image)
    return root


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from vitruvian import cli; "
        "heavy = {'torch', 'timm', 'onnxruntime', 'scipy', 'cv2'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    out = subprocess.run(
        [sys.executable, "-m", "vitruvian", "--version"], capture_output=True, text=True, check=True
    )
    assert out.stdout.startswith("vitruvian 0.")


@pytest.mark.skipif(not bundled(), reason="no model is bundled yet")
def test_using_a_model_never_imports_torch(tmp_path):
    small_lspet(tmp_path / "data")
    for arguments in (
        ["demo", "--out", tmp_path / "demo"],
        ["eval", "default", "--data", f"lspet={tmp_path / 'data'}", "--subset", "all"],
        ["data", "check", f"lspet={tmp_path / 'data'}"],
        ["data", "pack", f"lspet={tmp_path / 'data'}", "--out", tmp_path / "pack"],
    ):
        code = (
            "import sys; sys.modules['torch'] = None; sys.modules['timm'] = None; "
            f"sys.argv = ['vitruvian', *{[str(a) for a in arguments]!r}]; "
            "from vitruvian.cli import main; main()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)


def test_a_run_predicts_and_evaluates(run_folder, vitruvian, tmp_path):
    photo = np.zeros((40, 30, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    out = tmp_path / "out"
    code, _, err = vitruvian("predict", run_folder, tmp_path / "a.png", tmp_path / "broken.jpg",
                             "--out", out, "--device", "cpu")  # fmt: skip
    assert code == 0
    assert "broken.jpg" in err
    assert "1 photographs, 1 skipped" in err
    (person,) = json.loads((out / "poses.json").read_text())
    assert len(person["keypoints"]) == 3 * 14
    assert (out / "overlays" / "a.jpg").exists()
    assert "a.png" in (out / "index.html").read_text()

    figures = tmp_path / "figures.json"
    code, _, _ = vitruvian(
        "eval", run_folder, "--json", figures, "--subset", "tune", "--workers", 0
    )
    assert code == 0
    values = json.loads(figures.read_text())
    assert {"protocol", "n", "total", "auc", "joints", "baselines"} <= set(values)
    assert set(values["baselines"]) == {"mean_pose", "image_centre"}
    assert 0 <= values["total"]["low"] <= values["total"]["value"] <= values["total"]["high"] <= 1


def test_the_same_command_goes_on_and_another_is_refused(run_folder, vitruvian):
    same = ("train", "resnet_fcn/compact", "--out", run_folder, *SMALL)
    code, _, err = vitruvian(*same, "--set", "fits.0.steps=2")
    assert code == 0, err
    code, _, err = vitruvian(*same, "--set", "fits.0.steps=3")
    assert code == 1
    assert "fits.0.steps was 2, is 3" in err
    assert err.count("\n") == 1


def test_training_starts_from_another_model(run_folder, vitruvian, tmp_path):
    code, _, err = vitruvian(
        "train", "resnet_fcn/compact", "--out", tmp_path / "second", "--from", run_folder,
        *SMALL, "--set", "fits.0.steps=1",
    )  # fmt: skip
    assert code == 0
    assert "210 tensors taken whole, 2 joint by joint, 0 new" in err


def test_lspet_from_a_folder_and_from_its_pack(vitruvian, tmp_path):
    data = small_lspet(tmp_path / "lspet")
    code, out, _ = vitruvian("data", "check", f"lspet={data}", "--sheet", tmp_path / "sheet.png")
    assert code == 0
    assert "3" in out
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    pack = tmp_path / "lspet.pack"
    code, out, _ = vitruvian("data", "pack", f"lspet={data}", "--out", pack, "--side", 64)
    assert code == 0
    assert "3 persons" in out
    code, _, err = vitruvian("data", "check", f"pack={pack}")
    assert code == 0, err


def wrong_commands(tmp_path: Path) -> list[tuple[list[object], str]]:
    """A command and what its one line must say."""
    train = ["train", "resnet_fcn/compact", "--out", tmp_path / "x", *SMALL]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((8, 8, 3), np.uint8))
    full = ["train", "resnet_fcn/compact", "--out", tmp_path / "full", *SMALL]
    return [
        (["train", "resnet_fcn/compct", "--out", tmp_path / "x"], "nearest: 'resnet_fcn/compact'"),
        ([*train, "--set", "fits.0.epoch=3"], "no key 'epoch'; nearest: 'epochs'"),
        ([*train, "--set", "config.heed=deconv"], "nearest: 'head'"),
        ([*train, "--set", "config.head=decon"], "config.head"),
        ([*train, "--set", "fits.0.batch=many"], "fits.0.batch"),
        ([*train, "--set", "fits.0.batch"], "write it as key.sub=value"),
        ([*train, "--set", "config.backbone=resnet19"], "nearest: 'resnet1"),
        ([*train, "--data", "lspt=/nowhere"], "nearest: 'lsp"),
        ([*train, "--data", f"lspet={tmp_path / 'none'}"], "no LSPET at"),
        ([*train, "--device", "abacus"], "choose auto, cpu, cuda or mps"),
        ([*train, "--from", "nothing"], "no model 'nothing'"),
        (full, "holds something else than a run"),
        (["eval", tmp_path / "none"], "no model"),
        (["predict", tmp_path / "full", photo, "--out", tmp_path / "y"], "is no model folder"),
        (["export", tmp_path / "full", "--out", tmp_path / "y"], "is not a run's folder"),
    ]  # fmt: skip


def test_what_is_wrong_is_one_line_and_leaves_nothing(vitruvian, tmp_path):
    for arguments, words in wrong_commands(tmp_path):
        code, _, err = vitruvian(*arguments)
        assert code == 1, (arguments, err)
        assert words in err, (arguments, err)
        assert err.startswith("error: "), err
        assert err.count("\n") == 1, err
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "y").exists()


def test_photographs_that_are_wrong(run_folder, vitruvian, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.jpg").write_bytes(b"not a photograph")
    predict = ("predict", run_folder, "--device", "cpu", "--out", tmp_path / "out")
    for arguments, words in (
        ([tmp_path / "absent.jpg"], "absent.jpg"),
        ([tmp_path / "empty"], "empty"),
        ([tmp_path / "bad.jpg"], "could be read"),
        ([tmp_path / "bad.jpg", "--box", "1,2,3"], "x,y,width,height"),
    ):
        code, _, err = vitruvian(*predict, *arguments)
        assert code == 1, (arguments, err)
        assert words in err
        assert "Traceback" not in err


def test_systems_lists_every_recipe(vitruvian):
    code, out, _ = vitruvian("systems", "--json")
    assert code == 0
    rows = {row["recipe"]: row for row in json.loads(out)}
    assert rows["resnet_fcn/paper"]["parameters"] == 24_494_928  # MPII-16
    assert rows["resnet_fcn/paper"]["input"] == [256, 256]
    assert rows["resnet_fcn/compact"]["parameters"] <= 3_000_000
    assert rows["resnet_fcn/baseline"]["gmacs"] == pytest.approx(7.23, abs=0.02)
