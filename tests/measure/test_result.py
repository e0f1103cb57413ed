"""Results as files and as tables."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from vitruvian.measure.intervals import Estimate
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.result import Result, cells, interval, percent, result_from_dict
from vitruvian.measure.scoring import Truth, score
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError

PCK = PROTOCOLS["lsp-pck-pc"]
N, J = 6, 14


def truth() -> Truth:
    """Upright persons with torsos of 50 px; all but one wrist of the last is located."""
    left_shoulder, right_hip = LSP.length("torso")
    xy = np.random.default_rng(0).uniform(0, 200, (N, J, 2))
    xy[:, left_shoulder], xy[:, right_hip] = (60, 20), (30, 60)
    state = np.full((N, J), State.VISIBLE)
    state[:, LSP.index("left_knee")] = State.OCCLUDED
    state[N - 1, LSP.index("right_wrist")] = State.MISSING
    return Truth(LSP, xy, state, "PC")


def result(protocol: str = "lsp-pck-pc", **more: Any) -> Result:
    """Ankles to hips of the right side and the left hip are wrong."""
    pred = truth().xy.copy()
    pred[:, :4] += 900
    rng = np.random.default_rng(1)
    return score(PROTOCOLS[protocol], truth(), pred, rng, **more)


def printed(table: Table | None) -> tuple[str, dict[str, list[str]]]:
    """All the text of a table, and its rows: label -> other cells."""
    assert table is not None
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(table)
    text = console.export_text()
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in text.splitlines()
        if line.startswith("│")
    ]
    assert len({row[0] for row in rows}) == len(rows) == table.row_count
    return text, {row[0]: row[1:] for row in rows}


def test_rows_in_the_order_of_a_table() -> None:
    groups = [label for label, _ in PCK.groups]
    expected = [*LSP.joint_names, *groups, "total", "PCK@0.1", "AUC 0-0.2"]
    assert list(result().rows()) == expected
    sticks = list(result("lsp-pcp-strict").rows())
    assert (len(sticks), sticks[8:10], sticks[-2:]) == (
        10 + 5 + 1, ["head", "torso"], ["arms and legs", "total"],
    )  # fmt: skip
    similar = replace(result(), protocol=PROTOCOLS["coco-oks"], auc=None, quoted={})
    assert similar.total_name == list(similar.rows())[-1] == "AP"


def test_a_file_holds_every_figure_and_the_protocol() -> None:
    perfect, nothing = truth().xy, np.full((N, J, 2), np.nan)
    got = result(baselines={"mean_pose": perfect, "image_centre": nothing})
    values = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert values["protocol"] == PCK.to_dict()
    assert (values["n"], values["left_out"]) == (N, 0)
    assert values["total"] == got.total.to_dict()
    assert values["total"]["value"] == pytest.approx((10 * N - 1) / (14 * N - 1))
    assert values["total"]["n"] == 14 * N - 1
    assert values["joints"]["right_wrist"] == {"value": 1, "low": 1, "high": 1, "n": N - 1}
    assert values["joints"]["right_knee"] == {"value": 0, "low": 0, "high": 0, "n": N}
    assert values["groups"]["hip"]["value"] == 0
    assert values["groups"]["knee"]["value"] == 1 / 2
    assert list(values["quoted"]) == ["PCK@0.1"]
    assert list(values["cuts"]) == list(got.cuts)
    assert values["cuts"]["occlusion"]["occluded"] == {"value": 1, "low": 1, "high": 1, "n": N}
    shares = {name: other["total"]["value"] for name, other in values["baselines"].items()}
    assert shares == {"mean_pose": 1, "image_centre": 0}


@pytest.mark.parametrize("protocol", ["lsp-pck-pc", "lsp-pcp-loose", "lsp-pdj"])
def test_results_survive_a_file(protocol: str) -> None:
    got = result(protocol, baselines={"perfect": truth().xy})
    again = result_from_dict(json.loads(json.dumps(got.to_dict(), allow_nan=False)))
    assert again.to_dict() == got.to_dict()
    assert (again.rows(), again.cuts, again.tally) == (got.rows(), got.cuts, None)
    assert again.baselines["perfect"].rows() == got.baselines["perfect"].rows()


def test_nothing_scored_survives_a_file() -> None:
    nobody = replace(truth(), state=np.full((N, J), State.MISSING))
    got = score(PCK, nobody, nobody.xy, np.random.default_rng(0))
    values = json.loads(json.dumps(got.to_dict(), allow_nan=False))
    assert values["total"] == values["auc"] == {"value": None, "low": None, "high": None, "n": 0}
    again = result_from_dict(values)
    assert np.isnan([again.total.value, again.total.low, again.total.high]).all()
    assert again.to_dict() == got.to_dict()


@pytest.mark.parametrize("lost", ["protocol", "n", "total", "joints", "auc"])
def test_a_file_that_is_no_result(lost: str) -> None:
    values = result().to_dict()
    del values[lost]
    with pytest.raises(UserError, match="evaluate again") as caught:
        result_from_dict(values)
    assert "\n" not in str(caught.value)


def test_table_in_percent() -> None:
    poses = {"mean_pose": truth().xy, "image_centre": truth().xy + 900}
    got = result(baselines=poses, failed=("a.jpg",))
    text, rows = printed(got.table())
    assert list(rows) == list(got.rows())
    assert rows["right_wrist"] == ["100.0", "100.0 to 100.0", "5", "100.0", "0.0"]
    assert rows["hip"] == ["0.0", "0.0 to 0.0", "12", "100.0", "0.0"]
    assert rows["total"][0] == rows["AUC 0-0.2"][0] == "71.1"  # 59 of 83
    assert rows["total"][2:] == ["83", "100.0", "0.0"]
    assert "6 persons scored, 0 left out, unreadable images: 1" in text
    assert "mean pose" in text
    assert "image centre" in text
    assert "unreadable" not in printed(result().table())[0]


def test_table_of_cuts() -> None:
    text, rows = printed(result().cuts_table())
    assert rows["occlusion occluded"] == ["100.0", "100.0 to 100.0", "6"]
    assert rows["occlusion visible"][::2] == ["68.8", "77"]  # 53 of 77
    assert rows["swapped hip"] == ["0.0", "0.0 to 0.0", "12"]
    assert any(label.startswith("torso angle, degrees") for label in rows)
    assert "parts of the total, and predictions on the mirrored joint" in text
    assert result(cuts=False).cuts_table() is None


def test_cells() -> None:
    assert cells(Estimate(0.12345, 0.1, 0.5, 7)) == ("12.3", "10.0 to 50.0", "7")
    nothing = Estimate(np.nan, np.nan, np.nan, 0)
    assert cells(nothing) == ("-", "-", "0")
    assert interval(Estimate(0.5, np.nan, np.nan, 3)) == "-"
    assert [percent(share) for share in (0, 1, 0.9996, np.nan)] == ["0.0", "100.0", "100.0", "-"]
