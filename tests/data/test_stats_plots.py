"""Pictures of labels: which files and panels, what stands above them, and the command that draws them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vitruvian import plots
from vitruvian.cli import app
from vitruvian.data import stats_plots
from vitruvian.data.coco_files import write_coco
from vitruvian.data.people import People
from vitruvian.data.stats_plots import write_plots, write_spread_plot
from vitruvian.data.synthetic import figures
from vitruvian.skeleton import COCO, FLIC, LSP, Skeleton
from vitruvian.types import State, UserError

HAND = Skeleton("hand", ("palm", "thumb", "little_finger"))


def nothing(*_: object) -> None:
    raise AssertionError("no photograph is needed")


def people(skeleton: Skeleton = LSP, N: int = 30, name: str = "made") -> People:
    """A data set without photographs, whose joints lie anywhere."""
    joints = np.random.default_rng(N).normal(200, 60, (N, len(skeleton), 2))
    return replace(
        figures(N, skeleton=skeleton),
        name=name,
        joints=joints.astype(np.float32),
        state=np.full((N, len(skeleton)), State.VISIBLE, np.uint8),
        photo=nothing,
        size=nothing,
    )


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `scatter_grid` was last asked to draw."""
    asked: dict[str, Any] = {}
    draw = plots.scatter_grid

    def recorded(heads: list[str], rows: dict[str, list[plots.Cloud]], title: str) -> Any:
        asked.update(heads=heads, rows=rows, title=title)
        return draw(heads, rows, title)

    monkeypatch.setattr(stats_plots.plots, "scatter_grid", recorded)
    return asked


def test_plots(tmp_path: Path) -> None:
    written = write_plots(people(), tmp_path / "new" / "folder")
    names = ("torso_angle", "spread_head_top", "spread_left_wrist")
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in names for kind in ("svg", "png")
    ]
    assert all(path.stat().st_size > 5000 for path in written)


def test_plots_of_what_there_is(tmp_path: Path) -> None:
    written = write_plots(people(COCO), tmp_path)
    assert {path.stem for path in written} == {"torso_angle", "spread_left_wrist"}
    assert write_plots(people(HAND), tmp_path) == []
    assert write_plots(people().rows(np.arange(0)), tmp_path) == []


def test_plots_where_a_file_stands(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("")
    with pytest.raises(UserError, match=r"plots cannot be made: File exists"):
        write_plots(people(), tmp_path / "plots")


def test_spread_side_by_side(tmp_path: Path, grid: dict[str, Any]) -> None:
    sets = [people(FLIC, 20, "upper"), people(LSP, 30, "whole")]
    path = write_spread_plot(sets, tmp_path / "spread.png")
    assert path == tmp_path / "spread.png"
    assert Image.open(path).size == (round(150 * 10.9), round(150 * 7.1))
    stages = ("as labelled", "after body normalization", "after limb normalization")
    assert grid["heads"] == [f"{name}\n{stage}" for name in ("upper", "whole") for stage in stages]
    assert "|left_shoulder - right_hip|, persons in whom it is above 15 px" in grid["title"]
    rows = grid["rows"]
    assert list(rows) == [
        "head_top\nfrom torso centre",
        "left_wrist\nfrom left_shoulder",
        "left_ankle\nfrom left_hip",
    ]
    head, wrist, ankle = ([(len(cloud.xy), cloud.note) for cloud in row] for row in rows.values())
    assert head[:3] == [(0, "no labels"), (0, "no labels"), (0, "no limb")]
    assert ankle[:3] == [(0, "no labels")] * 3
    assert head[5] == (0, "no limb")
    assert [count for count, _ in wrist] == [20] * 3 + [30] * 3
    assert [note.split(" RMS ")[0] for _, note in (wrist[0], wrist[3])] == ["n = 20,", "n = 30,"]


def test_what_stands_above_a_panel(tmp_path: Path, grid: dict[str, Any]) -> None:
    """Wrists two torso lengths of 50 px apart, one straight above the other: one length from the mean."""
    two = people(N=2)
    index = LSP.index
    two.joints[:, index("left_shoulder", "right_shoulder")] = (115, 80), (85, 80)
    two.joints[:, index("left_hip", "right_hip", "neck")] = (115, 120), (85, 120), (100, 75)
    two.joints[:, index("left_elbow")[0]] = (115, 100)
    two.joints[:, index("left_wrist")[0]] = (115, 100), (115, 200)
    write_spread_plot([two], tmp_path / "a.svg")
    notes = [cloud.note for cloud in grid["rows"]["left_wrist\nfrom left_shoulder"]]
    assert notes == ["n = 2, RMS 1.000", "RMS 1.000", "RMS 1.000"]
    two.joints[:, index("right_shoulder", "left_hip")] = (85, 80), (163, 184)  # 130 px
    write_spread_plot([two], tmp_path / "b.svg", "diagonals")
    assert "in mean of the torso's two diagonals" in grid["title"]
    assert grid["rows"]["left_wrist\nfrom left_shoulder"][0].note == "n = 2, RMS 0.556"  # 50 / 90


def test_rows_that_nobody_has_are_left_out(tmp_path: Path, grid: dict[str, Any]) -> None:
    write_spread_plot([people(FLIC)], tmp_path / "spread.svg")
    assert list(grid["rows"]) == ["left_wrist\nfrom left_shoulder"]
    empty = people(name="none").rows(np.arange(0))
    with pytest.raises(UserError, match="nobody in hands, none has a head, a left wrist or"):
        write_spread_plot([people(HAND, name="hands"), empty], tmp_path / "x.png")
    with pytest.raises(UserError, match="no unit 'torsos' of spreads; choose one of torso, diag"):
        write_spread_plot([people()], tmp_path / "x.png", "torsos")
    with pytest.raises(UserError, match=r"name it \.svg or \.png"):
        write_spread_plot([people()], tmp_path / "x.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["spread.svg"]


def test_the_same_picture_is_the_same_file(tmp_path: Path) -> None:
    many = people(N=1500)
    files = [write_spread_plot([many], tmp_path / f"{i}.png") for i in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


# ---- the command --------------------------------------------------------------------------------
@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """Two data sets in files, without photographs: 24 figures and 16."""
    arguments = []
    for name, count in (("one", 24), ("two", 16)):
        drawn = figures(count, side=64)
        write_coco(replace(drawn, label=lambda row: f"f{row}.png"), tmp_path / f"{name}.json")
        arguments.append(f"coco={tmp_path / name}.json")
    return arguments


def asked(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["data", "stats", *map(str, arguments)])


def test_the_command_takes_several_data_sets(
    data: list[str], tmp_path: Path, grid: dict[str, Any]
) -> None:
    file = tmp_path / "spread.png"
    more = ("--subset", "all", "--subset", "tune", "--spread-plot", file, "--unit", "diagonals")
    found = asked(*data, *more)
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert [line.split(";")[0] for line in lines if " photographs; " in line] == [
        "figures: 24 persons in 24 photographs",
        "figures tune: 2 persons in 2 photographs",
    ]
    assert lines[-1] == f"written: {file}"
    assert file.stat().st_size > 5000
    names = ["figures"] * 3 + ["figures tune"] * 3
    assert [head.partition("\n")[0] for head in grid["heads"]] == names
    assert "diagonals" in grid["title"]
    once = asked(*data, "--subset", "train")
    assert once.output.count("figures train: ") == 2


def test_the_command_with_wrong_options(data: list[str], tmp_path: Path) -> None:
    for more, words in (
        (("--json", tmp_path / "x.json"), "--json and --plots are of one data set"),
        (("--plots", tmp_path / "x"), "--json and --plots are of one data set"),
        (("--subset", "all") * 3, "3 subsets for 2 data sets: give one, or one each"),
        (("--subset", "trian"), "no subset 'trian'"),
    ):
        found = asked(*data, *more)
        assert found.exit_code != 0
        assert isinstance(found.exception, UserError)
        assert words in str(found.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "two.json"]
