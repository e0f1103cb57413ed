"""Every command of the page about training names recipes, settings, stages and protocols that fit."""

from __future__ import annotations

import itertools
import json
import shlex
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from vitruvian.cli import app
from vitruvian.learn.recipes.text import recipe_text
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import find_protocol
from vitruvian.types import UserError

PAGE = Path(__file__).parents[1] / "docs" / "training.md"


def commands() -> list[list[str]]:
    lines = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if " -m vitruvian" in line
    ]
    lines += [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:10] == "vitruvian "
    ]
    return [words[words.index("vitruvian") + 1 :] for words in map(shlex.split, lines)]


def values(words: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(words) if name == option]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_fits(words: list[str]) -> None:
    command, first = words[:2]
    get_command(app).commands[command].make_context(command, words[1:])
    if command in ("train", "tune"):
        for setting in values(words, "--try") or [None]:
            key, _, choices = (setting or "=").partition("=")
            for choice in choices.split(","):
                tried = [f"{key}={choice}"] if key else []
                settings = [*values(words, "--set"), *tried]
                assert "fits:" in recipe_text(first, settings, values(words, "--stage"))
        assert len(values(words, "--weight")) in (0, len(values(words, "--data")))
    for protocol in values(words, "--protocol"):
        assert find_protocol(protocol, PROTOCOLS).name == protocol


def test_there_are_commands_of_all_systems() -> None:
    trained = {words[1].partition("/")[0] for words in commands() if words[0] == "train"}
    assert trained == {"deeppose", "part_heatmaps", "normalized", "multiscale", "resnet_fcn"}


def test_a_recipe_shown_says_why() -> None:
    text = recipe_text("deeppose/lsp", ["fits.0.epochs=3"], ["stage1"])
    assert text.startswith("# Three seven-layer nets")
    assert "epochs: 3.0" in text
    assert text.count("- stage:") == 1
    with pytest.raises(UserError, match="no stage 'stage3'"):
        recipe_text("deeppose/lsp", ["config.stages=2"])


def test_a_recipe_shown_says_how_long_once() -> None:
    text = recipe_text("resnet_fcn/compact", ["fits.0.steps=100"])
    assert "steps: 100\n" in text
    assert "  epochs: " not in text
    text = recipe_text("multiscale/hourglass8", ["fits.0.epochs=3"])
    assert "  epochs: 3.0\n" in text
    assert "steps: null\n" in text


def test_a_recipe_shown_as_json() -> None:
    shown = CliRunner().invoke(app, ["systems", "deeppose/lsp", "--json"])
    assert json.loads(shown.stdout)["config"]["sigma"] == 2.0
