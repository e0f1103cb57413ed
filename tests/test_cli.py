"""Commands as a user types them: what they write, and one line for whatever is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

import drawn
from dots import MODEL, dots
from vitruvian import cli
from vitruvian.data import open_data
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.ship import data_of
from vitruvian.models import bundled, read_model
from vitruvian.use import gallery, gallery_run

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
    assert "1 photograph, 1 skipped" in err
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


def test_suspect_labels_are_found_and_left_out(run_folder, vitruvian, tmp_path):
    """The model knows nothing, so that with no bar at all every label is suspect."""
    labels = small_lspet(tmp_path / "lspet", rows=12) / "labels.json"
    convert = ("data", "convert", f"lspet={labels.parent}", "--subset", "val", "--out", labels)
    assert vitruvian(*convert)[0] == 0
    data = f"coco={labels}"
    file, sheet, run = tmp_path / "suspects.json", tmp_path / "sheet.png", tmp_path / "run"
    look = ("data", "suspects", data, "--model", run_folder, "--out", file, "--device", "cpu")
    code, out, err = vitruvian(
        *look, "--beyond", 0, "--sure", 0, "--sheet", sheet, "--count", 2, "--workers", 0
    )
    assert code == 0, err
    assert " train: " in out
    assert cv2.imread(str(sheet)) is not None
    found = json.loads(file.read_text())
    assert len(found["suspects"]) == found["labels"] > 0
    found["suspects"] = [row for row in found["suspects"] if row["joint"] == "neck"]
    file.write_text(json.dumps(found))
    train = ("train", "resnet_fcn/compact", "--data", data, "--out", run, *SMALL)
    code, _, err = vitruvian(*train, "--leave-out", file, "--set", "fits.0.steps=1")
    assert code == 0, err
    assert "nobody has a label of neck: " in err
    said = json.loads((run / "run.json").read_text())
    assert f"; {len(found['suspects'])} suspect labels left out (" in said["provenance"]
    assert "--leave-out suspects.json" in said["command"]
    code, _, err = vitruvian(*train, "--set", "fits.0.steps=1")
    assert code == 1
    assert "holds a different run (provenance was" in err


def test_a_training_keeps_the_boxes_of_a_file(vitruvian, tmp_path):
    data = drawn.write_figures(tmp_path / "figures", 12)
    people = open_data(data)
    boxes, other = tmp_path / "dets.json", tmp_path / "b" / "dets.json"
    other.parent.mkdir()
    for file, off in ((boxes, 0), (other, 1)):
        drawn.write_detections(replace(people, joints=people.joints + off), file, 11)
    train = ("train", "resnet_fcn/compact", "--data", data, *SMALL, "--set", "fits.0.steps=1")
    train = [part for part in train if part != "--quiet"]
    run = ("--out", tmp_path / "run")
    code, _, err = vitruvian(*train, *run, "--boxes", boxes)
    assert code == 0, err
    assert "looks in boxes of dets.json x1.25 (11 of 12 persons, " in err
    said = json.loads((tmp_path / "run" / "run.json").read_text())
    assert said["boxes"] == str(boxes)
    assert "--boxes dets.json" in said["command"]
    info = read_model(tmp_path / "run" / "model")
    assert "; boxes of dets.json x1.25 (11 of 12" in info.data[0].licence
    assert data_of(None, said, info).box_words.startswith(
        "boxes of dets.json"
    )  # as an export opens it
    assert data_of(data, said, info).box_words == people.box_words
    for more, code in ((("--boxes", boxes), 0), (("--boxes", other), 1), ((), 1)):
        found, _, err = vitruvian(*train, *run, *more)
        assert found == code, err
        assert code == 0 or "holds a different run (provenance was" in err


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
        (["export", tmp_path / "full", "--out", tmp_path / "y"], "is no run: of a model folder"),
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
        ([tmp_path / "bad.jpg"], "bad.jpg is not a photograph that can be read"),
        ([tmp_path / "bad.jpg", "--box", "1,2,3"], "x,y,width,height"),
    ):
        code, _, err = vitruvian(*predict, *arguments)
        assert code == 1, (arguments, err)
        assert words in err
        assert "Traceback" not in err


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


def test_systems_lists_every_recipe(vitruvian):
    code, out, _ = vitruvian("systems", "--json")
    assert code == 0
    assert [row["recipe"] for row in json.loads(out)] == list(RECIPES)
    rows = {row["recipe"]: row for row in json.loads(out)}
    assert rows["resnet_fcn/paper"]["parameters"] == 24_494_928  # MPII-16
    assert rows["resnet_fcn/paper"]["input"] == [256, 256]
    assert rows["resnet_fcn/compact"]["parameters"] <= 3_000_000
    assert rows["resnet_fcn/baseline"]["gmacs"] == pytest.approx(7.23, abs=0.02)


# ---- scoring ---------------------------------------------------------------------------------------
@pytest.fixture
def scored(vitruvian, tmp_path):
    """What `eval --json` writes of a file of predictions, and what it says on stderr."""

    def run(predictions: Path, truth: str, protocol: str, *more: object) -> tuple[dict, str]:
        code, out, err = vitruvian(
            "eval", "--predictions", predictions, "--truth", truth, "--protocol", protocol,
            "--json", tmp_path / "scored.json", *more,
        )  # fmt: skip
        assert code == 0, err
        assert f"{protocol} version 1: " in out
        return json.loads((tmp_path / "scored.json").read_text()), err

    return run


def percents(values: dict) -> list[float]:
    return [round(100 * estimate["value"], 2) for estimate in values.values()]


@pytest.mark.parametrize(
    ("sides", "groups", "total", "area"),
    [
        ("oc", [90.6, 89.05, 80.3, 73.5, 85.45, 82.8, 68.8], 81.5, 43.38),
        ("pc", [90.6, 78.05, 73.85, 68.75, 74.75, 69.95, 58.95], 73.56, 39.25),
    ],
)
def test_published_predictions_of_lsp_have_their_published_pck(
    shared, scored, sides, groups, total, area
):
    lsp = shared / "oracles" / "lsp"
    values, err = scored(lsp / f"pred_keypoints_lsp_{sides}.mat", f"lsp={lsp}", f"lsp-pck-{sides}")
    assert list(values["groups"]) == ["head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    assert percents(values["groups"]) == groups
    assert percents({"": values["total"], "auc": values["auc"]}) == [total, area]
    assert values["total"]["low"] < values["total"]["value"] < values["total"]["high"]
    assert values["warnings"] == []
    assert err == ""
    assert values["subset"] == "test"
    assert values["n"] == 1000
    assert values["protocol"]["convention"] == sides.upper()


@pytest.mark.parametrize(
    ("sides", "protocol", "parts", "total"),
    [
        ("oc", "lsp-pcp-strict-oc", [81.7, 88.7, 66.7, 78.8, 83.1, 96.5], 81.1),
        ("pc", "lsp-pcp-strict", [71.8, 78.5, 61.8, 72.2, 83.9, 95.6], 74.8),
        ("oc", "lsp-pcp-loose-oc", None, 85.7),
        ("pc", "lsp-pcp-loose", None, 79.6),
    ],
)
def test_published_predictions_of_lsp_have_their_published_pcp(
    shared, scored, sides, protocol, parts, total
):
    lsp = shared / "oracles" / "lsp"
    values, _ = scored(lsp / f"pred_keypoints_lsp_{sides}.mat", f"lsp={lsp}", protocol, "--base", 0)
    assert 100 * values["total"]["value"] == pytest.approx(total, abs=0.0501)
    if parts:
        limbs = [values["groups"][name] for name in
                 ("lower leg", "upper leg", "lower arm", "upper arm")]  # fmt: skip
        found = [*limbs, values["joints"]["head"], values["joints"]["torso"]]
        shares = [100 * estimate["value"] for estimate in found]
        assert shares == pytest.approx(parts, abs=0.0501)


def test_person_centric_labels_are_no_perfect_observers(shared, scored, tmp_path):
    """The ceiling of a perfect person-centric model that is scored as observer-centric."""
    from vitruvian.data import open_data

    lsp = shared / "oracles" / "lsp"
    labels = open_data(f"lsp={lsp}", "PC").subset("test")
    np.savez(tmp_path / "labels.npz", xy=labels.joints, base=0)
    values, err = scored(tmp_path / "labels.npz", f"lsp={lsp}", "lsp-pck-oc")
    assert percents({"": values["total"]}) == [76.04]
    assert percents(values["groups"])[1] == 71.7
    assert percents(values["groups"])[4] == 77.0
    assert "they look PC" in err


def test_a_file_whose_first_pixel_is_one_is_asked_about(shared, scored, vitruvian):
    mpii = shared / "oracles" / "mpii"
    arguments = (mpii / "tompson.h5", f"mpii={mpii}", "mpii-pckh")
    values, _ = scored(*arguments, "--base", 1)
    assert percents({"": values["total"]}) == [82.34]
    assert values["total"]["n"] == 38_430
    code, out, err = vitruvian(
        "eval", "--predictions", arguments[0], "--truth", arguments[1], "--protocol", arguments[2]
    )
    assert (code, out) == (1, "")
    assert "looks 1-based" in err
    assert "--base 1" in err
    assert err.count("\n") == 1


def test_predictions_of_the_other_convention_are_warned_of(shared, scored):
    lsp = shared / "oracles" / "lsp"
    values, err = scored(lsp / "pred_keypoints_lsp_oc.mat", f"lsp={lsp}", "lsp-pck-pc", "--base", 0)
    assert err.startswith(
        "warning: with the truth read as an observer sees it (OC) the total is 81."
    )
    assert err.count("\n") == 1
    assert values["warnings"] == [err.removeprefix("warning: ").strip()]


def test_object_keypoint_similarity_of_perfect_results(shared, scored, tmp_path):
    truth = shared / "data" / "coco" / "test_coco.json"
    rows = [r for r in json.loads(truth.read_text())["annotations"] if r["num_keypoints"]]
    keys = ("image_id", "category_id", "keypoints")
    results = [{key: r[key] for key in keys} | {"score": 1} for r in rows if not r["iscrowd"]]
    (tmp_path / "p.json").write_text(json.dumps(results))
    values, _ = scored(tmp_path / "p.json", f"coco={truth}", "coco-oks")
    assert values["total"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 12}
    assert percents(values["groups"]) == [100] * 9


def wrong_scoring(lsp: Path, tmp_path: Path) -> list[tuple[list[object], str]]:
    """A command and what its one line must say."""
    file = ["--predictions", lsp / "pred_keypoints_lsp_pc.mat"]
    truth, protocol = ["--truth", f"lsp={lsp}"], ["--protocol", "lsp-pck-pc"]
    (tmp_path / "empty.npz").touch()
    return [
        (["eval"], "give a model, or --predictions"),
        (["eval", "default", *file], "give one of them"),
        (["eval", *file], "needs one --truth"),
        (["eval", *file, *truth], "--protocol NAME: of lsp are lsp-pck-pc, lsp-pck-oc,"),
        (["eval", *file, *truth, *truth, *protocol], "needs one --truth"),
        (["eval", *file, *truth, *protocol, "--flip"], "--flip says nothing about"),
        (["eval", *file, *truth, *protocol, "--occluders", 3], "--occluders says nothing about"),
        (["eval", *file, *truth, *protocol, "--peaks"], "--peaks says nothing about"),
        (["eval", "default", "--occluders-seed", 3], "give --occluders N with it"),
        (["compare", file[1], *truth, *protocol, "--occluders", 3], "leave --occluders out"),
        (["eval", "default", "--base", "0"], "--base says nothing about"),
        (["eval", "default", "--skeleton", "lsp"], "--skeleton says nothing about"),
        (["eval", *file, *truth, "--protocol", "lsp-pck"], "nearest: 'lsp-pck-"),
        (["eval", *file, *truth, "--protocol", "mpii-pckh"], "no length 'head_box'"),
        (["eval", *file, *truth, "--protocol", "flic-pck-oc"], "scores 'nose'"),
        (["eval", *file, *truth, "--protocol", "coco-oks"], "17 joints of COCO"),
        (["eval", *file, "--truth", f"lps={lsp}", *protocol], "nearest: 'lsp'"),
        (["eval", *file, "--truth", f"lsp={tmp_path}", *protocol], "no LSP at"),
        (["eval", *file, "--truth", f"lspet={lsp}", *protocol], "no LSPET at"),
        (["eval", *file, "--truth", f"lsp={lsp / 'lsp-joints-OC.mat'}", *protocol],
         "is observer-centric and does not tell"),
        (["eval", *file, *truth, *protocol, "--subset", "val"], "only: all, train, test"),
        (["eval", *file, *truth, *protocol, "--subset", "all"], "'train' or 'test' has as many"),
        (["eval", *file, *truth, *protocol, "--skeleton", "mpii"], "--skeleton"),
        (["eval", *file, *truth, *protocol, "--skeleton", "lps"], "nearest: 'lsp'"),
        (["eval", "--predictions", tmp_path / "x.mat", *truth, *protocol], "x.mat is not there"),
        (["eval", "--predictions", tmp_path / "empty.npz", *truth, *protocol], "is empty"),
        (["eval", "--predictions", lsp / "lsp-joints-PC.mat", *truth, *protocol], "`pred`"),
        (["compare", "default"], "give --truth"),
        (["compare", file[1]], "give --truth and --protocol"),
        (["compare", file[1], *truth, *protocol, "--format", "html"], "text, markdown, csv, json"),
        (["compare", file[1], *truth, *protocol, "--published", "lsp"], "no published rows 'lsp'"),
        (["compare", file[1], *truth, *protocol, "--published", "lsp-oc"], "convention is"),
        (["compare", file[1], file[1], *truth, *protocol], "two rows are called"),
        (["report", file[1], *truth, *protocol, "--out", tmp_path / "r", "--markdown", "x.txt"],
         "name it .md"),
        (["data", "stats", f"nothing={lsp}"], "no data set 'nothing'"),
        (["data", "convert", f"lsp={lsp}", "--out", tmp_path / "o.json", "--derive", "pelvis=a"],
         "JOINT=ONE+OTHER"),
    ]  # fmt: skip


def test_what_cannot_be_scored_is_one_line(shared, vitruvian, tmp_path):
    for arguments, words in wrong_scoring(shared / "oracles" / "lsp", tmp_path):
        code, out, err = vitruvian(*arguments)
        assert code == 1, (arguments, err)
        assert words in err, (arguments, err)
        assert err.startswith("error: "), err
        assert err.count("\n") == 1, err
        assert out == "", arguments
    assert not (tmp_path / "r").exists()
    assert not (tmp_path / "o.json").exists()


def test_compare_prints_or_writes(shared, vitruvian, scored, tmp_path):
    lsp = shared / "oracles" / "lsp"
    file = lsp / "pred_keypoints_lsp_oc.mat"
    scored(file, f"lsp={lsp}", "lsp-pck-oc")
    code, out, err = vitruvian(
        "compare", f"Yang={file}", tmp_path / "scored.json", "--truth", f"lsp={lsp}",
        "--protocol", "lsp-pck-oc", "--published", "lsp-oc", "--format", "csv",
    )  # fmt: skip
    assert code == 0, err
    rows = [line.split(",") for line in out.splitlines()]
    named = {row[0]: dict(zip(rows[0], row, strict=False)) for row in rows}
    assert named["Yang"]["total"] == named["scored"]["total"] == "81.5"
    assert named["Yang et al."]["against the first"] == "+0.0 ="
    assert "lsp-pck-oc version 1" in err  # a table alone does not say what was measured
    code, out, _ = vitruvian("compare", tmp_path / "scored.json", "--out", tmp_path / "x" / "t.txt")
    assert code == 0
    assert "81.5" in (tmp_path / "x" / "t.txt").read_text()
    assert "t.txt" in out


def test_a_report_of_labels_without_photographs(shared, vitruvian, tmp_path):
    lsp = shared / "oracles" / "lsp"
    code, out, err = vitruvian(
        "report", lsp / "pred_keypoints_lsp_pc.mat", "--truth", f"lsp={lsp}",
        "--protocol", "lsp-pck-pc", "--out", tmp_path / "page", "--markdown", tmp_path / "d" / "r.md",
        "--worst", 1,
    )  # fmt: skip
    assert code == 0, err
    assert "r.md" in out
    assert "| total | 73.6 (" in (tmp_path / "d" / "r.md").read_text()
    assert (tmp_path / "d" / "r.json").is_file()
    assert "photographs that cannot be read: im1" in (tmp_path / "page" / "index.html").read_text()
    for file in (
        tmp_path / "d" / "r.md",
        tmp_path / "d" / "r.json",
        tmp_path / "page" / "index.html",
    ):
        assert str(shared) not in file.read_text()
        assert str(tmp_path) not in file.read_text()


def test_a_run_is_evaluated_compared_and_reported(run_folder, vitruvian, tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data', 5)}"
    where = ("--data", data, "--subset", "all", "--device", "cpu", "--workers", 0)
    code, out, err = vitruvian(
        "eval", f"{run_folder}@heatmaps", *where, "--json", tmp_path / "e.json"
    )
    assert code == 0, err
    assert json.loads((tmp_path / "e.json").read_text())["model"] == "resnet_fcn/compact@heatmaps"
    code, _, err = vitruvian("eval", f"{run_folder}@hetmaps", *where)
    assert code == 1
    assert "no stage 'hetmaps', only heatmaps" in err
    code, out, err = vitruvian("compare", run_folder, f"again={run_folder}@heatmaps", *where)
    assert code == 0, err
    assert "first" in out  # the run's folder
    assert str(run_folder) not in out
    assert "+0.0 (+0.0 to +0.0)" in out
    code, _, err = vitruvian("report", run_folder, *where, "--out", tmp_path / "page", "--worst", 2)
    assert code == 0, err
    page = (tmp_path / "page" / "index.html").read_text()
    assert "training-loss.svg" in page
    assert page.count("worst-0-") == 2


def test_shapes_and_peaks(run_folder, vitruvian, tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data', 5)}"
    where = ("--data", data, "--subset", "all", "--device", "cpu", "--workers", 0)
    pasted = ("--occluders", 3, "--occluders-seed", 2)
    file = tmp_path / "e.json"
    code, out, err = vitruvian("eval", run_folder, *where, *pasted, "--peaks", "--json", file)
    assert code == 0, err
    assert "; occluders: 3 pasted on each person, seed 2;" in out
    assert "located joints whose heatmap has a second peak" in out
    assert "a second peak: a cell above 0.5 x the highest one" in out
    values = json.loads(file.read_text())
    assert values["peaks"]["sets"]["heatmaps"]["all joints"]["n"] == 5 * 14
    hidden = values["cuts"]["occlusion"]["occluded"]["n"]
    code, out, err = vitruvian("compare", run_folder, file, *where, *pasted, "--format", "json")
    assert code == 0, err
    one, other = json.loads(out)["rows"]
    assert one["cuts"]["occlusion"]["occluded"]["n"] == hidden > 0
    assert one["total"] == other["total"]
    code, _, err = vitruvian("compare", run_folder, file, *where)
    assert code == 1
    assert "cannot be compared: occluders is 'none' in the first" in err
    code, _, err = vitruvian(
        "report", run_folder, *where, *pasted, "--out", tmp_path / "page", "--worst", 0
    )
    assert code == 0, err
    assert "--occluders 3 --occluders-seed 2" in (tmp_path / "page" / "report.md").read_text()


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


def test_labels_are_converted_and_described(vitruvian, tmp_path):
    data = f"lspet={small_lspet(tmp_path / 'data', 6)}"
    labels = tmp_path / "labels.json"
    code, out, err = vitruvian(
        "data", "convert", data, "--out", labels, "--skeleton", "mpii",
        "--derive", "pelvis=left_hip+right_hip", "--convention", "OC",
    )  # fmt: skip
    assert code == 0, err
    assert "6 persons of 16 joints" in out
    values = json.loads(labels.read_text())
    assert len(values["annotations"]) == 6
    assert len(values["annotations"][0]["keypoints"]) == 3 * 16
    code, out, err = vitruvian(
        "data",
        "stats",
        f"coco={labels}",
        "--json",
        tmp_path / "s.json",
        "--plots",
        tmp_path / "plots",
    )
    assert code == 0, err
    assert "6 persons" in out
    assert json.loads((tmp_path / "s.json").read_text())
    assert list((tmp_path / "plots").glob("*.svg"))


def test_labels_of_another_tool_become_a_project(vitruvian, tmp_path):
    film = tmp_path / "mice" / "labeled-data" / "film"
    film.mkdir(parents=True)
    rows = ["scorer,A,A,A,A", "bodyparts,snout,snout,tail,tail", "coords,x,y,x,y"]
    for number in range(6):
        cv2.imwrite(str(film / f"{number}.png"), np.zeros((40, 60, 3), np.uint8))
        rows.append(f"labeled-data/film/{number}.png,10,20,50,{number}")
    (film / "CollectedData_A.csv").write_text("\n".join(rows))
    labels, project = tmp_path / "labels.json", tmp_path / "project"
    code, out, err = vitruvian("data", "convert", f"deeplabcut={film.parents[1]}", "--out", labels)
    assert code == 0, err
    assert "6 persons of 2 joints" in out
    begin = f"init PROJECT --images {film.parents[1]} --labels {labels}"
    assert begin in out
    code, out, err = vitruvian(*begin.replace("PROJECT", str(project)).split())
    assert code == 0, err
    code, out, err = vitruvian("data", "check", f"coco={project}")
    assert code == 0, out + err
    assert "persons 6 in 6 photographs; subsets: train " in out


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
