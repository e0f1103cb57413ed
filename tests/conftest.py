"""What several tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published data and predictions; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("VITRUVIAN_SHARED", beside))
    if not folder.is_dir():
        pytest.skip("shared data is not beside the project")
    return folder
