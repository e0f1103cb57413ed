"""A run on several data sets: one skeleton, one convention, and what it says of its parts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitruvian.data.people import People
from vitruvian.learn import run as runs
from vitruvian.learn.folder import LOCK, MODEL, read_run
from vitruvian.learn.lock import locked
from vitruvian.models import read_model
from vitruvian.types import State, UserError

SMALL = (
    "config.crop=[32, 64]", "config.channels=[4, 4, 4, 4]", "config.width=4", "config.inner=4",
    "fits.0.batch=4", "fits.0.steps=2", "precision=fp32",
)  # fmt: skip


def trained(folder: Path, *data: str, **more: Any) -> bool:
    arguments = tuple(f"{name}=somewhere" for name in data)
    options = runs.Options("resnet_fcn/compact", folder, SMALL, arguments, device="cpu", workers=0)
    return runs.run(replace(options, quiet=True, **more))


@pytest.mark.usefixtures("sets")
def test_a_union_is_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    assert trained(folder, "mpii", "lsp", "extra", weights=(1.0, 3.0, 1.0))
    said = capsys.readouterr().err
    assert "on 28 persons of mpii+lsp+extra" in said
    assert (
        "skeleton lsp, PC: mpii 8 persons (20% of the draws), lsp 8 persons (60% of the draws), "
        "extra 12 persons (20% of the draws)"
    ) in said
    assert "not be learnt" not in said
    recipe, about = read_run(folder)
    assert recipe.skeleton == "lsp"
    assert about["source"] == ["mpii=somewhere", "lsp=somewhere", "extra=somewhere"]
    assert [
        (s["name"], s["skeleton"], s["convention"], s["rows"], s["train"], s["weight"])
        for s in about["sources"]
    ] == [
        ("mpii", "mpii", "PC", 12, 8, 1),
        ("lsp", "lsp", "PC", 12, 8, 3),
        ("extra", "lsp", "PC", 12, 12, 1),
    ]
    assert about["convention"] == "PC"
    assert (
        "--data mpii=PATH --data lsp=PATH --data extra=PATH --weight 1 --weight 3 --weight 1"
    ) in about["command"]
    learnt = json.loads((folder / "model" / "config.json").read_text())["data"]
    assert [(data["name"], data["rows"]) for data in learnt] == [
        ("mpii", 8), ("lsp", 8), ("extra", 12),
    ]  # fmt: skip
    assert trained(folder, "mpii", "lsp", "extra", weights=(1.0, 3.0, 1.0))  # the same goes on
    for data, more, words in (
        (
            ("mpii", "lsp", "extra"),
            {"weights": (1.0, 2.0, 1.0)},
            "sources.1.weight was 3.0, is 2.0",
        ),
        (("mpii", "lsp", "extra"), {}, "sources.0.weight was 1.0, is None"),
        (("lsp",), {}, "data was 'mpii.lsp.extra', is 'lsp'"),
        (("lsp", "mpii", "extra"), {}, "data was 'mpii.lsp.extra', is 'lsp.mpii.extra'"),
        (
            ("mpii", "lsp", "extra"),
            {"weights": (1.0, 3.0, 1.0), "convention": "OC"},
            "provenance was .* is .*observer-centric",
        ),
    ):
        with pytest.raises(UserError, match=words) as caught:
            trained(folder, *data, **more)
        assert "choose another --out" in str(caught.value)


@pytest.mark.usefixtures("sets")
def test_pose_types_are_drawn_equally_often(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[np.ndarray | None] = []
    train = runs.train

    def watched(session: Any) -> bool:
        weights.append(session.people.weight)
        return train(session)

    monkeypatch.setattr(runs, "train", watched)
    folder, settings = tmp_path / "run", (*SMALL, "balance=pose_types")
    assert trained(folder, "lsp", "extra", settings=settings)
    said = capsys.readouterr().err
    counts = re.search(
        r"pose types of (\d+), (\d+) and (\d+) persons are drawn equally often\n", said
    )
    assert counts is not None
    sizes = [int(count) for count in counts.groups()]
    assert sum(sizes) == 20
    assert "skeleton lsp, PC: lsp 8 persons, extra 12 persons\n" in said  # no shares: not theirs
    assert weights[0] is not None
    heights = np.repeat([20 / 3 / size for size in sizes], sizes)
    np.testing.assert_allclose(np.sort(weights[0]), np.sort(heights))
    assert read_run(folder)[0].balance == "pose_types"
    with pytest.raises(UserError, match=r"balance was 'pose_types', is 'none'"):
        trained(folder, "lsp", "extra")
    assert trained(tmp_path / "plain", "lsp", "extra")
    assert weights[1] is None
    assert "pose types" not in capsys.readouterr().err
    with pytest.raises(UserError, match=r"balance=pose_types and --weight both say .* give one"):
        trained(tmp_path / "both", "lsp", "extra", settings=settings, weights=(1.0, 2.0))
    assert not (tmp_path / "both").exists()


def test_joints_that_nobody_has_are_named(
    sets: dict[str, People], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MPII's pelvis and thorax are not LSP's or COCO's, whose rows are 14 and 12 of its 16 joints."""
    sets["lsp"].state[:, 13] = State.MISSING
    settings = (*SMALL, "skeleton=mpii")
    assert trained(tmp_path / "run", "lsp", "coco", settings=settings)
    words = "nobody has a label of pelvis, thorax, head_top: these joints will not be learnt"
    assert words in capsys.readouterr().err
    assert read_run(tmp_path / "run")[0].skeleton == "mpii"


@pytest.mark.usefixtures("sets")
def test_what_is_not_trained_on_is_not_learnt_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained(tmp_path / "run", "lsp", "test", "extra", weights=(1.0, 0.0, 0.0))
    assert "on 8 persons of lsp+test+extra" in capsys.readouterr().err  # whom an epoch is of
    learnt = json.loads((tmp_path / "run" / "model" / "config.json").read_text())["data"]
    assert [data["name"] for data in learnt] == ["lsp"]


@pytest.mark.usefixtures("sets")
def test_data_sets_that_do_not_fit(tmp_path: Path) -> None:
    for data, more, words in (
        (("lsp",), {"weights": (1.0,)}, "weights are for several data sets"),
        ((), {"weights": (1.0,)}, "weights are for several data sets"),
        (("lsp", "mpii"), {"weights": (1.0,)}, "1 weights for 2 data sets"),
        (("lsp", "test"), {"weights": (1.0, 1.0)}, "'test' has nobody to train on"),
        (("lsp", "observed"), {}, "'lsp' is PC .*'observed' is OC .*--convention OC"),
        (("lsp", "observed"), {"convention": "PC"}, "'observed' is observer-centric"),
        (("lsp",), {"convention": "left"}, "no convention 'left'; choose OC or PC"),
        (("lsp", "mpii"), {"settings": (*SMALL, "skeleton=lps")}, "no skeleton 'lps'"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            trained(tmp_path / "run", *data, **more)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_command_takes_several_data_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from vitruvian.cli import app

    asked: list[runs.Options] = []
    monkeypatch.setattr(runs, "run", lambda options: not asked.append(options))
    command = ["train", "resnet_fcn/compact", "--out", str(tmp_path), "--data", "lspet=a"]
    more = ["--data", "lsp=b", "--weight", "2", "--weight", "0.5", "--convention", "OC"]
    for arguments in (command, [*command, *more], command[:4]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [(options.data, options.weights, options.convention) for options in asked] == [
        (("lspet=a",), (), None),
        (("lspet=a", "lsp=b"), (2.0, 0.5), "OC"),
        ((), (), None),
    ]


@pytest.mark.usefixtures("sets")
def test_a_stage_alone_answers_with_what_was_trained(tmp_path: Path) -> None:
    settings = (
        "config.crop=[64, 64]", "config.channels=[4, 4, 8, 8]", "config.width=8", "config.levels=2",
        "precision=fp32", *(f"fits.{n}.{what}" for n in range(3) for what in ("batch=4", "steps=1")),
    )  # fmt: skip
    first, second = tmp_path / "first", tmp_path / "second"
    options = runs.Options("part_heatmaps/compact", first, settings, ("lsp=x",), device="cpu")
    options = replace(options, workers=0, quiet=True, stages=("detect",))
    assert runs.run(options)
    recipe, about = read_run(first)
    assert [fit.stage for fit in recipe.fits] == ["detect"]
    assert "--stage detect" in about["command"]
    assert read_model(first / MODEL).predict.upto == "detect"
    assert runs.run(replace(options, out=second, stages=("regress",), start_from=str(first)))
    assert read_model(second / MODEL).predict.upto == "regress"
    third = replace(options, out=tmp_path / "third", stages=("joint",), start_from=str(second))
    assert runs.run(third)
    assert read_model(third.out / MODEL).predict.upto is None
    fourth = replace(options, out=tmp_path / "fourth", start_from=str(third.out))
    assert runs.run(fourth)  # its detector, trained on
    assert read_model(fourth.out / MODEL).predict.upto is None


@pytest.mark.usefixtures("sets")
def test_a_stage_that_the_config_lacks_is_refused_at_once(tmp_path: Path) -> None:
    """Before the folder is claimed, so that the mended command may have it."""
    folder = tmp_path / "run"
    options = runs.Options("deeppose/compact", folder, ("config.stages=2",), ("lsp=x",), quiet=True)
    message = (
        "fit 3 of 3: system 'deeppose' has no stage 'stage3', only stage1, stage2 with this config; "
        "set that fit's stage, or train without it: --stage stage1 --stage stage2"
    )
    with pytest.raises(UserError, match=re.escape(message)):
        runs.run(options)
    assert not folder.exists()
    parts = replace(options, recipe="part_heatmaps/compact", settings=("config.variant=detection",))
    with pytest.raises(
        UserError, match=r"fit 2 of 3: .* 'regress', only detect .*: --stage detect$"
    ):
        runs.run(parts)
    none = replace(parts, settings=("config.variant=regression",), stages=("detect",))
    with pytest.raises(UserError, match=r"fit 1 of 1: .* set that fit's stage$"):
        runs.run(none)
    assert not folder.exists()


def test_corrected_labels_are_another_run(sets: dict[str, People], tmp_path: Path) -> None:
    lsp, folder = sets["lsp"], tmp_path / "run"
    assert trained(folder, "lsp")
    held = lsp.joints.astype(">f4")  # on another machine
    held[lsp.subsets["val"]] += 1
    sets["lsp"] = replace(lsp, joints=held, box=lsp.box.astype(np.float64))
    assert trained(folder, "lsp")
    for name, value in (("joints", 1), ("state", State.MISSING), ("box", 1)):
        changed = getattr(lsp, name).copy()
        changed[lsp.subsets["train"][0], 0] = value
        sets["lsp"] = replace(lsp, **{name: changed})
        with pytest.raises(UserError, match=r"labels were \w{8}, are \w{8}: choose another --out"):
            trained(folder, "lsp")
    about = read_run(folder)[1]
    del about["labels"]  # of an earlier version
    (folder / "run.json").write_text(json.dumps(about))
    assert trained(folder, "lsp")


@pytest.mark.usefixtures("sets")
def test_another_process_is_kept_out_of_the_folder(tmp_path: Path) -> None:
    assert trained(tmp_path / "run", "lsp")
    with locked(tmp_path / "run" / LOCK) as mine:
        assert mine
        with pytest.raises(UserError, match=r"another process trains in .*run"):
            trained(tmp_path / "run", "lsp")
    assert trained(tmp_path / "run", "lsp")
