"""Which photographs the name or the number in somebody's file means."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

_NUMBER = re.compile(r"(?:COCO_(?:train|val|test)20\d\d_)?(\d+)")  # the files of 2014 say more


def name_finder(named: Iterable[tuple[str, int]]) -> Callable[[str], set[int]]:
    """From a file's name, with or without folders, to the numbers of the photographs that it fits.

    Args:
        named: the photographs' names and numbers.
    """
    whole: dict[str, set[int]] = defaultdict(set)
    ends: dict[str, set[int]] = defaultdict(set)
    for name, number in named:
        label = name.replace("\\", "/")
        whole[label].add(number)
        for end in _ends(label):
            ends[end].add(number)

    def find(name: str) -> set[int]:
        plain = name.replace("\\", "/")
        longer = next((whole[end] for end in (plain, *_ends(plain)) if end in whole), None)
        return longer or ends.get(plain, set())

    return find


def _ends(name: str) -> list[str]:
    """a/b/c -> b/c, c"""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]


def number_of(name: str) -> int | None:
    """COCO's number of a photograph by its file: 785 of 000000000785.jpg; None: the name is no number."""
    found = _NUMBER.fullmatch(PurePosixPath(name.replace("\\", "/")).stem)
    return None if found is None else int(found[1])
