"""Files read by threads before they are needed, and put together in groups; few bytes wait at any time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from vitruvian.data.loader import step_aside

AHEAD = 48 << 20  # bytes of photographs decoded before they are needed
TOGETHER = 48 << 20  # bytes of photographs that wait for one batch

Want = TypeVar("Want")
Item = TypeVar("Item")


def read_ahead(
    wanted: Iterator[Want], read: Callable[[Want], Item], nbytes: Callable[[Want], int], most: int
) -> Iterator[Item]:
    """What is read, in order, by threads: at most `most` items and `AHEAD` bytes wait, or one item."""
    threads = min(4, max(2, os.cpu_count() or 2))
    waiting: deque[tuple[int, Future[Item]]] = deque()
    following = next(wanted, None)
    held = 0
    with ThreadPoolExecutor(threads, "decode", initializer=step_aside) as pool:
        try:
            while following is not None or waiting:
                while following is not None and (
                    not waiting or (len(waiting) < most and held + nbytes(following) <= AHEAD)
                ):
                    waiting.append((nbytes(following), pool.submit(read, following)))
                    held += nbytes(following)
                    following = next(wanted, None)
                size, future = waiting.popleft()
                held -= size
                yield future.result()
                del future  # it holds the photograph
        finally:
            for _, future in waiting:
                future.cancel()


def grouped(
    items: Iterator[Item], size: Callable[[Item], tuple[int, int]], batch: int
) -> Iterator[deque[Item]]:
    """Items together until they fill a batch or `TOGETHER` bytes; `size` is an item's crops and bytes."""
    group: deque[Item] = deque()
    crops = held = 0
    for item in items:
        group.append(item)
        more = size(item)
        crops, held = crops + more[0], held + more[1]
        del item
        if crops >= batch or len(group) >= 2 * batch or held >= TOGETHER:
            yield group
            group, crops, held = deque(), 0, 0
    if group:
        yield group
