"""How a model folder keeps weights: in single or half precision, or in 8 bits. The net computes in float32.

Of a tensor in 8 bits the file has two: W, int8, and W.scale, float32, a number for each row of the first
axis. Their product is what the net has, off by at most 1/254 of the row's largest weight.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import safetensors.numpy

from vitruvian.types import UserError

Precision = Literal["single", "half", "int8"]
SCALE = ".scale"
_STEPS = 127


def precision_of(text: str) -> Precision:
    """The precision of that name.

    Raises:
        UserError: there is none.
    """
    if text not in get_args(Precision):
        raise UserError(f"no precision {text!r}: {', '.join(get_args(Precision))}")
    return text  # type: ignore[return-value]


def stored(name: str, values: np.ndarray, precision: Precision) -> dict[str, np.ndarray]:
    """What a file keeps of a tensor, by name.

    Norm parameters, biases, buffers and small tensors stay in single precision; what is not large enough
    for a scale a row is halved.
    """
    if values.dtype != np.float32 or values.ndim < 2 or values.size <= 64 or precision == "single":
        return {name: values}
    if precision == "half" or values.size < 1024:
        return {name: values.astype(np.float16)}
    largest = np.abs(values).max(tuple(range(1, values.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest / _STEPS, 1).astype(np.float32)
    return {name: np.rint(values / scale).astype(np.int8), name + SCALE: scale}


def restored(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors that a net has, of those that a file keeps."""
    scales = {
        name: tensors[name + SCALE]
        for name, values in tensors.items()
        if values.dtype == np.int8 and name + SCALE in tensors
    }
    of_others = {name + SCALE for name in scales}
    return {
        name: values * scales[name] if name in scales else _single(values)
        for name, values in tensors.items()
        if name not in of_others
    }


def _single(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def weights_bytes(tensors: dict[str, np.ndarray]) -> bytes:
    """A safetensors file."""
    # safetensors writes the bytes of a strided view as they lie
    whole = {name: np.ascontiguousarray(t).reshape(t.shape) for name, t in tensors.items()}
    return safetensors.numpy.save(whole)
