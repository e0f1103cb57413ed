import ctypes
import platform
import resource

import pytest
import torch

from vitruvian.learn.memory import memory_kept

PAGES, PAGE = 4096, 4096


def pages_mapped(times: int) -> int:
    """How often the kernel gave a page while blocks of `PAGES` pages came and went."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        block = ctypes.c_void_p(libc.malloc(PAGES * PAGE))
        libc.memset(block, 1, PAGES * PAGE)
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_step_finds_the_memory_of_the_one_before() -> None:
    with memory_kept(torch.device("cpu")):
        pages_mapped(2)
        assert pages_mapped(8) < PAGES


def test_own_settings_of_the_c_library_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "vitruvian.learn.memory._set", lambda *values: bool(taken.append(values) or True)
    )
    with memory_kept(torch.device("cpu")):
        assert len(taken) == 1
    assert len(taken) == 2
    with memory_kept(torch.device("meta")):
        pass
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    with memory_kept(torch.device("cpu")):
        pass
    assert len(taken) == 2
