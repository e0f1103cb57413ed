"""What a run keeps when it goes on: the precision that it began with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vitruvian.learn import told
from vitruvian.learn.devices import Place
from vitruvian.learn.folder import RUN

HERE = Place(torch.device("cpu"))


@pytest.mark.parametrize(
    ("asked", "begun", "has", "pays", "computed"),
    [
        ("fp32", None, True, True, "fp32"),
        ("bf16", None, True, True, "bf16"),
        ("bf16", None, True, False, "fp32"),
        ("bf16", "bf16", True, False, "bf16"),  # timed otherwise today
        ("bf16", "fp32", True, True, "fp32"),
        ("bf16", "bf16", False, False, "fp32"),  # a machine that would emulate it
    ],
)
def test_a_run_goes_on_as_it_began(
    asked: str,
    begun: str | None,
    has: bool,
    pays: bool,
    computed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(told, "has_bf16", lambda device: has)
    monkeypatch.setattr(told, "bf16_pays", lambda device: pays)
    if begun is not None:
        (tmp_path / RUN).write_text(json.dumps({"precision": begun}))
    assert told.precision_of(asked, HERE, tmp_path) == computed
