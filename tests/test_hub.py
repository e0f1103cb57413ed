"""Models by their ids on the hub, against a stand-in for it: no test here opens a connection."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vitruvian
from vitruvian import hub, models
from vitruvian.models import FILES, ModelInfo, Preprocessing, find_model, read_model, write_model
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError

INFO = ModelInfo(
    name="toy", system="none", config={}, skeleton=Skeleton("dots", ("a", "b")),
    preprocessing=Preprocessing(crop=(32, 48)), parameters=2, gmacs=0.0,
)  # fmt: skip


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A hub that has `user/model`, and what was asked of it."""
    write_model(tmp_path / "theirs", INFO, {"w": np.ones((2, 3), np.float32)}, None, "# card\n")
    (tmp_path / "theirs" / "run.py").write_text("raise SystemExit")
    asked: list[dict[str, Any]] = []

    def snapshot_download(repository: str, **more: Any) -> str:
        asked.append({"repository": repository, **more})
        if repository != "user/model":
            raise FileNotFoundError(f"404: {repository}\nRequest ID: 5")
        folder = Path(more["local_dir"])
        folder.mkdir(parents=True, exist_ok=True)
        for path in (tmp_path / "theirs").iterdir():
            if path.name in more["allow_patterns"]:
                shutil.copy(path, folder)
        return str(folder)

    monkeypatch.setitem(
        sys.modules, "huggingface_hub", SimpleNamespace(snapshot_download=snapshot_download)
    )
    monkeypatch.setenv("VITRUVIAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return asked


def test_a_model_of_the_hub_is_a_model_folder(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    folder = find_model("hf:user/model")
    assert folder == tmp_path / "cache" / "hub" / "user--model--main"
    assert read_model(folder).name == "toy"
    assert not (folder / "run.py").exists()
    assert calls == [
        {
            "repository": "user/model",
            "revision": None,
            "allow_patterns": list(FILES),
            "local_dir": folder,
        }
    ]
    assert find_model("user/model") == folder


def test_a_revision_lies_beside_the_newest(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    assert find_model("hf:user/model:v1.0").name == "user--model--v1.0"
    assert find_model("hf:user/model:refs/pr/1").name == "user--model--refs--pr--1"
    assert [call["revision"] for call in calls] == ["v1.0", "refs/pr/1"]


def test_what_was_changed_on_the_way_is_refused(
    calls: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "theirs" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match="has 5 bytes and not"):
        vitruvian.load("user/model")


def test_a_name_that_is_known_here_asks_nobody(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    write_model(tmp_path / "user" / "model", INFO, {"w": np.ones(3, np.float32)}, None, "")
    assert find_model("user/model") == Path("user/model")
    for slip in ("user/modle", "resnet_fcn/compct", "model"):
        with pytest.raises(UserError, match="no model"):
            find_model(slip)
    assert not calls


def test_a_model_that_cannot_be_had_is_one_line(calls: list[dict[str, Any]]) -> None:
    with pytest.raises(
        UserError, match=r"no model 'hf:user/none' here.*\(404: user/none\)"
    ) as error:
        find_model("hf:user/none")
    assert "\n" not in str(error.value)
    for odd in ("hf:model", "hf:../model", "hf:user/..", "hf:user/model:../x"):
        with pytest.raises(UserError, match="is no id of the hub"):
            find_model(odd)
    assert len(calls) == 1


@pytest.mark.usefixtures("calls")
def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"install vitruvian with its extra \[hub\]"):
        find_model("hf:user/model")


def test_the_package_does_not_import_the_hub() -> None:
    import subprocess

    code = "import sys, vitruvian.models; sys.exit('huggingface_hub' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert hub.is_hub_id("user/model")
    assert not hub.is_hub_id("/user/model")
    assert models.FILES
