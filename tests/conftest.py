"""What several tests need."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from vitruvian import cli

SHARED = Path(os.environ.get("VITRUVIAN_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published data and predictions; tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("shared data is not beside the project")
    return SHARED


@pytest.fixture
def vitruvian(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where the shared data lies, a test that needs it and skips has not been run: a failure."""
    report = yield
    needs_it = "shared" in getattr(item, "fixturenames", ())
    if (
        report.skipped
        and needs_it
        and (SHARED / "data").is_dir()
        and not hasattr(report, "wasxfail")
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped although {SHARED.name}/ is there: {report.longrepr}"
    return report
