"""What the documents tell a newcomer to type: every command is one, and the tutorial's are run."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from vitruvian import cli

ROOT = Path(__file__).resolve().parents[1]
# The tutorial's trainings take minutes; here each is two steps on few pictures.
SHORTER = {
    "--example 400": "--example 24",
    "fits.0.steps=200": "fits.0.steps=2",
    "fits.0.batch=16": "fits.0.batch=4",
}
FEW = ["--set", "precision=fp32", "--device", "cpu", "--workers", "0", "--quiet"]


def commands(document: str) -> list[str]:
    """The lines that are typed, those that go on with a backslash put together."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    lines = blocks.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if re.match(r"(\$ )?vitruvian ", line)]


@pytest.mark.parametrize("document", ["tutorial.md", "export.md"])
def test_every_command_is_one(document: str) -> None:
    """Verb, options and their types; nothing is run."""
    found = commands(document)
    assert len(found) > 4
    for line in found:
        arguments = shlex.split(line)[1:]
        command = typer.main.get_command(cli.app)
        while isinstance(command, typer.core.TyperGroup):
            verb = arguments.pop(0)
            assert verb in command.commands, line
            command = command.commands[verb]
        command.make_context("vitruvian", arguments)


def test_the_python_of_the_tutorial_is_python() -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        compile(block, "tutorial.md", "exec")


@pytest.mark.slow
def test_the_tutorial_from_start_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its order, in one folder: each command ends well and leaves what the next one needs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vitruvian.models.hub.fetch", None)  # nothing here asks the hub
    used = set()
    for line in commands("tutorial.md"):
        for long, short in SHORTER.items():
            if long in line:
                used.add(long)
                line = line.replace(long, short)
        arguments = shlex.split(line)
        monkeypatch.setattr(sys, "argv", [*arguments, *(FEW if arguments[1] == "train" else [])])
        with capsys.disabled():
            print(f"\n$ {line}", flush=True)
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 0, f"{line}\n{capsys.readouterr().err}"
    assert used == set(SHORTER), "the tutorial no longer says what this test shortens"
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(compile(block, "tutorial.md", "exec"), {})
    assert os.path.isfile("arm/sheet.png")
    assert os.path.isfile("arm/poses/index.html")
