"""Memory that a training on a CPU keeps from step to step.

glibc maps every large block anew and unmaps it when it is freed, so that in every step the kernel clears
and maps the pages of all tensors again: a tenth to a quarter of a small net's time. Kept, they are used
again as they are; the process then holds about a third more than its tensors need at once.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # from malloc.h: what `mallopt` sets
_NEVER = 2**31 - 1  # bytes free at the heap's end before they are given back
_USUAL_TRIM, _USUAL_MAPS = 64 << 20, 65536
_USUAL_MAPPED = 32 << 20  # bytes from which a block is mapped, to which glibc comes by itself
_OWN = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


@contextmanager
def memory_kept(device: torch.device) -> Iterator[None]:
    """Keeps freed memory for what is allocated next, on a CPU with glibc; else changes nothing.

    Who sets the C library's own variables, such as MALLOC_MMAP_MAX_, keeps what they say.
    """
    chosen = any(name in os.environ for name in _OWN)
    if device.type != "cpu" or chosen or not _set(_NEVER, 0):
        yield
        return
    try:
        yield
    finally:
        _set(_USUAL_TRIM, _USUAL_MAPS)
        ctypes.CDLL(None).malloc_trim(0)


def _set(trim: int, maps: int) -> bool:
    """Whether the C library has taken all."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    wanted = ((_TRIM_THRESHOLD, trim), (_MMAP_MAX, maps), (_MMAP_THRESHOLD, _USUAL_MAPPED))
    return all(mallopt(*each) for each in wanted)
