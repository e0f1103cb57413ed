"""Commands as a user types them: what they write, and one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import SMALL, small_lspet
from dots import MODEL, dots
from vitruvian.learn.recipes import RECIPES
from vitruvian.models import bundled
from vitruvian.use import gallery, gallery_run


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


@pytest.mark.skipif(not bundled(), reason="no model is bundled yet")
def test_scoring_never_imports_torch(tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data')}"
    for arguments in (
        ["compare", "default", "--truth", data, "--subset", "all"],
        ["report", "default", "--truth", data, "--subset", "all", "--out", tmp_path / "page"],
        ["protocols"],
    ):
        code = (
            "import sys; sys.modules['torch'] = None; sys.modules['timm'] = None; "
            f"sys.argv = ['vitruvian', *{[str(a) for a in arguments]!r}]; "
            "from vitruvian.cli import main; main()"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)


def wrong_commands(tmp_path: Path) -> list[tuple[list[object], str]]:
    """A command and what its one line must say."""
    train = ["train", "resnet_fcn/compact", "--out", tmp_path / "x", *SMALL]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((8, 8, 3), np.uint8))
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("a.jpg,1,2,3,4\n")
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
        ([*train, "--leave-out", tmp_path / "none.json"], "none.json cannot be read"),
        ([*train, "--leave-out", photo], "photo.png is no file of suspect labels"),
        ([*train, "--boxes", tmp_path / "none.json"], "none.json cannot be read"),
        ([*train, "--boxes", boxes], "names no photograph of figures"),
        ([*train, "--boxes", boxes, "--set", "box=image"], "box=image looks in no box of a file"),
        (["eval", "--predictions", boxes, "--boxes", boxes], "--boxes says nothing about predictions"),
        (["compare", boxes, "--boxes", boxes], "--boxes is about what is scored anew"),
        (
            ["data", "suspects", "lspet=x", "--out", tmp_path / "y", "--sheet", "sheet.gif"],
            "sheet.gif cannot be written",
        ),
        (full, "holds something else than a run"),
        (["eval", tmp_path / "none"], "no model"),
        (["predict", tmp_path / "full", photo, "--out", tmp_path / "y"], "is no model folder"),
        (["predict", "", photo, "--out", tmp_path / "y"], "the model's name is empty"),
        (["predict", "default", "", "--out", tmp_path / "y"], "an input is empty"),
        (["predict", "default", photo, "--out", ""], "--out is empty"),
        (["export", tmp_path / "full", "--out", tmp_path / "y"], "is neither a run nor a model"),
        (["export", "nothing", "--out", tmp_path / "y"], "nothing does not exist: give"),
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


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "default", "{}", "--out", "y"],
        ["predict", "{}", "photo.png", "--out", "y"],
        ["predict", "default", "photo.png", "--detector", "{}", "--out", "y"],
        ["eval", "--predictions", "{}.json", "--protocol", "lspet-pck-pc", "--data", "lspet=x"],
        ["eval", "default", "--data", "lspet={}"],
        ["data", "check", "coco={}"],
        ["compare", "{}", "--truth", "lspet=x", "--subset", "all"],
    ],
)
@pytest.mark.parametrize("shut", [False, True])
def test_a_path_that_cannot_be_looked_at_is_one_line(
    vitruvian, tmp_path, monkeypatch, arguments, shut
):
    name, why = ("shut/x", "Permission denied") if shut else ("x" * 300, "File name too long")
    stat = os.stat

    def refused(path, *more, **options):
        if "shut" in Path(os.fsdecode(path)).parts:
            raise PermissionError(13, why, path)
        return stat(path, *more, **options)

    small_lspet(tmp_path / "x")
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((8, 8, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "stat", refused)
    code, _, err = vitruvian(*(text.replace("{}", name) for text in arguments))
    assert (code, err.count("\n")) == (1, 1), err
    assert err.startswith(f"error: {name}"), err
    assert err.endswith(f": {why}\n"), err


def test_an_error_of_the_system_without_a_path_keeps_its_trace(vitruvian, monkeypatch):
    def broken(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("vitruvian.use.gallery.predict_to_folder", broken)
    with pytest.raises(OSError, match="Input/output"):
        vitruvian("predict", "default", "x", "--out", "y")


def test_sigterm_leaves_whole_files_or_none(vitruvian, tmp_path, monkeypatch):
    def terminated(*_):
        assert list((tmp_path / "out").glob(".*.part"))
        os.kill(os.getpid(), signal.SIGTERM)
        yield from ()

    def ignored(*_):
        pass

    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((8, 8, 3), np.uint8))
    monkeypatch.setattr(gallery_run, "find_in_photos", terminated)
    before = signal.signal(signal.SIGTERM, ignored)  # which would else end the tests
    try:
        code, _, err = vitruvian(
            "predict", "default", tmp_path / "photo.png", "--out", tmp_path / "out", "--format",
            "csv",
        )  # fmt: skip
        assert signal.getsignal(signal.SIGTERM) is ignored
    finally:
        signal.signal(signal.SIGTERM, before)
    assert code == 143
    assert "the same command goes on" in err
    assert not list((tmp_path / "out").glob("*.part")) + list((tmp_path / "out").glob(".*.part"))


def test_sigterm_at_a_camera_keeps_what_was_found(vitruvian, tmp_path, monkeypatch):
    class Camera:
        """In place of cv2.VideoCapture: two pictures, then the signal."""

        def __init__(self, source):
            self.left, self.isOpened, self.set = 2, lambda: True, lambda *_: True
            self.get, self.release = lambda _: 10.0, lambda: None

        def read(self):
            self.left -= 1
            if self.left < 0:
                assert len(list((tmp_path / "out").rglob(".*.part"))) == 4
                os.kill(os.getpid(), signal.SIGTERM)
            return self.left > -3, dots((90, 120), (20, 30), (42, 34), (26, 61))

    pytest.importorskip("av")
    monkeypatch.setattr(gallery, "load", lambda name, device: MODEL)
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    cv2.imwrite(str(tmp_path / "photo.png"), dots((90, 120), (20, 30), (42, 34), (26, 61)))
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # which would else end the tests
    try:
        code, _, err = vitruvian(
            "predict", "dots", tmp_path / "photo.png", "camera:0", "--out", tmp_path / "out",
            "--format", "json", "--format", "csv",
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGTERM, before)
    assert code == 143
    assert f"stopped after 3 pictures, which are in {tmp_path / 'out'}" in err
    made = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.*")}
    kept = {"poses.json", "poses.csv", "index.html", ".finished.jsonl", "overlays/photo.jpg"}
    assert made == kept
    rows = json.loads((tmp_path / "out" / "poses.json").read_text())
    assert [row.get("frame") for row in rows] == [None, 0, 1]
    assert len((tmp_path / "out" / "poses.csv").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("finished", "options", "expected"),
    [(True, [], 0), (False, [], 130), (False, ["--max-minutes", 1], 0)],
)
def test_a_script_can_tell_a_stopped_training(
    vitruvian, monkeypatch, tmp_path, finished, options, expected
):
    monkeypatch.setattr("vitruvian.learn.run.run", lambda asked: finished)
    code, _, err = vitruvian("train", "resnet_fcn/compact", "--out", tmp_path, *options)
    assert (code, err) == (expected, "")


def test_systems_lists_every_recipe(vitruvian):
    code, out, _ = vitruvian("systems", "--json")
    assert code == 0
    assert [row["recipe"] for row in json.loads(out)] == list(RECIPES)
    rows = {row["recipe"]: row for row in json.loads(out)}
    assert rows["resnet_fcn/paper"]["parameters"] == 24_494_928  # MPII-16
    assert rows["resnet_fcn/paper"]["input"] == [256, 256]
    assert rows["resnet_fcn/compact"]["parameters"] <= 3_000_000
    assert rows["resnet_fcn/baseline"]["gmacs"] == pytest.approx(7.23, abs=0.02)


def test_protocols_are_listed_with_their_sources(vitruvian):
    code, out, _ = vitruvian("protocols")
    assert code == 0
    lines = out.splitlines()
    for name in ("lspet-pck-pc", "lsp-pck-oc", "lsp-pcp-loose", "lsp-pdj", "flic-pck-oc", "mpii-pckh",
                 "parse-pcp", "coco-oks", "mpii-pckh-pytorch-pose"):  # fmt: skip
        (line,) = [line for line in lines if line.startswith(f"{name} version")]
        assert "; source: " in line
    assert lines[-1].startswith(
        "published rows for `compare --published`: 112, under flic-oc, lsp-oc"
    )
    code, out, _ = vitruvian("protocols", "--json")
    listed = {values["name"]: values for values in json.loads(out)}
    assert listed["mpii-pckh"]["threshold"] == 0.5
    assert len(listed) == sum(" version " in line for line in lines)
