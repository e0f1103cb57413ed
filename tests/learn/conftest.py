"""What several tests of trainings need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.data.union import converted
from vitruvian.learn import sources
from vitruvian.skeleton import COCO, LSP, MPII, Skeleton
from vitruvian.types import Convention


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> dict[str, People]:
    """Data sets that `--data NAME=...` opens: 8 train, 1 tune and 3 val each; `extra` has no subsets."""

    def named(name: str, skeleton: Skeleton, seed: int, **more: Any) -> People:
        return replace(figures(12, seed, skeleton, 48), name=name, **more)

    made = {
        "lsp": named("lsp", LSP, 0),
        "mpii": named("mpii", MPII, 1),
        "coco": named("coco", COCO, 2),
        "extra": named("extra", LSP, 3, subsets={}),
        "test": named("test", LSP, 4, subsets={"test": np.arange(12)}),
        "observed": named("observed", LSP, 5, convention="OC"),
    }

    def opened(argument: str, convention: Convention | None = None) -> People:
        return converted(made[argument.partition("=")[0]], convention)

    monkeypatch.setattr(sources, "open_data", opened)
    return made
