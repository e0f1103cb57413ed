"""The sizes that come with the package."""

from __future__ import annotations

import json

import pytest

from vitruvian.learn.listing import counted_rows
from vitruvian.use.listing import SIZES


@pytest.mark.slow  # 28 nets
def test_sizes_are_those_of_the_recipes() -> None:
    """Else `python -m vitruvian.learn.listing` was forgotten."""
    counted = [[row.recipe, row.parameters, row.gmacs, list(row.input)] for row in counted_rows()]
    assert json.loads(SIZES.read_text(encoding="utf-8")) == counted
