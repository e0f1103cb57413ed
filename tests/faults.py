"""What a user is told of a fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vitruvian.types import UserError


def fault(call: Callable[[], object]) -> str:
    """The one line of the `UserError` that a call raises."""
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)
