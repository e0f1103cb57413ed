"""Predictions scored, compared and reported by commands: published ones have their published figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from commands import small_lspet


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
        (["eval", *file, *truth, *protocol, "--true-angles"], "--true-angles says nothing about"),
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


def test_where_nothing_can_be_written_nobody_is_looked_at(vitruvian, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    data, place = f"lspet={small_lspet(tmp_path / 'data')}", tmp_path / "file" / "x"

    def looked(*_: object, **__: object) -> None:
        raise AssertionError("photographs were read")

    monkeypatch.setattr("vitruvian.data.files.read_photo", looked)
    for command in (
        ["eval", "default", "--data", data, "--subset", "all", "--json", place],
        ["compare", "default", "--truth", data, "--subset", "all", "--out", place],
        ["report", "default", "--truth", data, "--subset", "all", "--out", place],
        ["data", "suspects", data, "--model", "default", "--subset", "all", "--out", place],
        ["export", "default", "--int8", "--data", data, "--out", place],
    ):
        code, _, err = vitruvian(*command, "--workers", 0)
        assert code == 1, command
        assert " cannot be made (" in err, (command, err)
