"""`vitruvian claims` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import handmade
import pytest

from vitruvian.claims.ledger import find_claims
from vitruvian.claims.model import RENDERED
from vitruvian.claims.raw import Store


def test_json_has_what_a_row_must_have(vitruvian) -> None:
    code, out, _ = vitruvian("claims", "--json")
    rows = json.loads(out)
    assert code == 0
    for row in rows:
        assert {
            "id",
            "claim",
            "source",
            "tier",
            "state",
            "effect",
            "interval",
            "seeds",
            "n",
        } <= set(row)
        assert (row["effect"] is None) == (row["interval"] is None)
    assert {row["tier"] for row in rows} == {"rendered", "LSPET", "labels", "benchmark", None}
    assert {row["id"]: row["state"] for row in rows}["D3"] == "not testable"


def test_the_list_and_the_plan_need_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['timm'] = None; "
        "sys.argv = ['vitruvian', 'claims', *{0!r}]; from vitruvian.cli import main; main()"
    )
    for arguments in (
        ["--raw", str(tmp_path)],
        ["plan", "K1", "--raw", str(tmp_path)],
        ["report", "--out", str(tmp_path / "claims.md"), "--raw", str(tmp_path)],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert "## B6" in (tmp_path / "claims.md").read_text()


def test_plan(vitruvian, tmp_path: Path) -> None:
    code, out, _ = vitruvian("claims", "plan", "w1", "--tier", "LSPET", "--raw", tmp_path)
    assert code == 0
    assert out.count("to be trained       lspet-") == 8
    assert "0 trainings finished; 8 trainings to make, " in out
    code, _, err = vitruvian("claims", "plan", "w9")
    assert (code, err) == (1, "error: no claim 'w9'; nearest: W2; `vitruvian claims` lists them\n")


def test_the_plan_names_what_is_measured_without_training(vitruvian, tmp_path: Path) -> None:
    code, out, _ = vitruvian("claims", "plan", "S1", "D6", "--raw", tmp_path)
    assert code == 0
    assert [line.split() for line in out.splitlines()[:-1]] == [
        f"to be measured {line}".split()
        for line in (
            "labels-S1-lsp S1: `vitruvian claims run S1 --data lsp=FOLDER`",
            "labels-S1-lspet S1: `vitruvian claims run S1 --data lspet=FOLDER`",
            "speed-D6 D6: `vitruvian claims run D6`",
        )
    ]
    assert out.endswith(
        " 0 trainings to make, 0.0 hours of one core; 3 to be measured without training\n"
    )
    _, out, _ = vitruvian("claims", "plan", "S1", "D6", "--raw", tmp_path, "--tier", "rendered")
    assert out.count("\n") == 1  # `run` measures no facts for a tier
    _, out, _ = vitruvian("claims", "plan", "S1", "D6")
    assert "to be measured" not in out  # the package's files have them


def test_run_without_photographs(vitruvian, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("VITRUVIAN_DATA", raising=False)
    raw = ("--raw", tmp_path, "--runs", tmp_path / "runs")
    code, out, _ = vitruvian("claims", "run", "S1", "D3", *raw)
    assert code == 0
    assert "S1 needs the labels of lsp: give --data lsp=FOLDER" in out
    assert "D3: Cannot be tested" in out
    code, _, err = vitruvian("claims", "run", "W1", "--tier", "LSPET", *raw)
    assert code == 1
    assert err == "error: tier LSPET: photographs are needed: give --data lspet=FOLDER\n"


def test_labels_alone(vitruvian, tmp_path: Path, shared: Path) -> None:
    lsp = shared / "oracles" / "lsp"
    code, out, _ = vitruvian("claims", "run", "S1", "--raw", tmp_path, "--data", f"lsp={lsp}")
    assert code == 0
    assert "labels-S1-lsp: measured without training" in out
    raw = json.loads((tmp_path / "labels-S1-lsp.json").read_text())
    assert raw["about"]["rms"]["head"] == pytest.approx({"raw": 0.544, "body": 0.235}, abs=6e-4)
    wrist = {"raw": 0.687, "body": 0.715, "limb": 0.442}
    assert raw["about"]["rms"]["wrist"] == pytest.approx(wrist, abs=6e-4)
    fact = raw["facts"]["head"]
    assert fact["low"] < fact["value"] < fact["high"]
    _, out, _ = vitruvian("claims", "--json", "--raw", tmp_path)
    row = json.loads(out)[0]
    assert (row["id"], row["state"]) == ("S1", "incomplete")  # LSPET's labels were not given


def test_a_wrong_folder_is_no_empty_ledger(vitruvian, tmp_path: Path) -> None:
    page = ["--out", tmp_path / "page.md"]
    for arguments in ([], ["plan"], ["report", *page], ["figures", *page]):
        code, out, err = vitruvian("claims", *arguments, "--raw", tmp_path / "nowhere")
        assert (code, out) == (1, "")
        assert "nowhere: there is no such folder" in err
    assert not (tmp_path / "page.md").exists()


def test_a_damaged_file_is_one_line(vitruvian, tmp_path: Path) -> None:
    (tmp_path / "labels-S7.json").write_text("{")
    code, _, err = vitruvian("claims", "--raw", tmp_path)
    assert code == 1
    assert "labels-S7.json is no raw file of this version" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["--json"], ["report"]])
def test_a_damaged_plane_is_one_line(vitruvian, tmp_path: Path, command: list[str]) -> None:
    """Found only when a row is read."""
    (claim,) = find_claims(["D7"])
    for training in claim.trainings(RENDERED, 1):
        Store(tmp_path).put(handmade.raw(training, [7, 8, 9]))
    code, out, _ = vitruvian("claims", "--json", "--raw", tmp_path)
    row = next(row for row in json.loads(out) if row["id"] == "D7")
    assert (code, row["state"], row["n"]) == (0, "incomplete", 3)
    path = next(tmp_path.glob("*.json"))
    values = json.loads(path.read_text())
    plane = values["measures"]["own"]["planes"]["level"]
    plane["b85"] = plane["b85"][:-7]
    path.write_text(json.dumps(values))
    out = ["--out", tmp_path / "page.md"] if command == ["report"] else []
    code, out, err = vitruvian("claims", *command, *out, "--raw", tmp_path)
    assert (code, out) == (1, "")
    assert f"{path.name} is no raw file of this version" in err
    assert err.count("\n") == 1
