"""What a file keeps of weights, and what a net gets back."""

from __future__ import annotations

import numpy as np
import pytest

from vitruvian.types import UserError
from vitruvian.weights import precision_of, restored, stored


@pytest.mark.parametrize(
    ("shape", "kind", "half", "int8"),
    [
        ((64, 3, 3), np.float32, "float16", "float16"),
        ((128, 3, 3), np.float32, "float16", "int8"),
        ((5120,), np.float32, "float32", "float32"),
        ((640, 9), np.int64, "int64", "int64"),
        ((8, 8), np.float32, "float32", "float32"),
    ],
)
def test_what_is_kept_in_fewer_bits(shape, kind, half, int8):
    values = np.ones(shape, kind)
    for precision, expected in (("half", half), ("int8", int8), ("single", np.dtype(kind).name)):
        found = stored("w", values, precision)
        assert found["w"].dtype == expected
        assert set(found) == ({"w", "w.scale"} if expected == "int8" else {"w"})
        np.testing.assert_array_equal(restored(found)["w"], values)


def test_eight_bits_of_a_row():
    """127 steps to the row's largest weight, whatever the other rows have; a row of zeros stays one."""
    rows = np.zeros((4, 256), np.float32)
    rows[0, :4] = 127, -127, 1.4, 0.6
    rows[1, :3] = 0.00127, 0.00001, 0.000014
    rows[3, 0] = -5
    found = stored("w", rows, "int8")
    np.testing.assert_allclose(found["w.scale"].ravel(), [1, 0.00001, 1, 5 / 127], rtol=1e-6)
    assert found["w"][0, :4].tolist() == [127, -127, 1, 1]
    assert found["w"][1, :3].tolist() == [127, 1, 1]
    back = restored(found)["w"]
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[:, 0], rows[:, 0], rtol=1e-6)
    steps = np.abs(rows).max(1, keepdims=True) / 127
    assert (np.abs(back - rows) <= 0.5001 * steps).all()


def test_what_is_called_a_scale_and_is_none():
    tensors = {"x.scale": np.ones(3, np.float32), "y": np.ones(3, np.int8)}
    assert set(restored(tensors)) == {"x.scale", "y"}


def test_precisions_that_are_none():
    with pytest.raises(UserError, match="no precision 'int4': single, half, int8"):
        precision_of("int4")
