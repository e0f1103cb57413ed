"""What labels decide by themselves: how compactly joints lie, before and after normalization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.claims.bootstrap import LEVEL, RESAMPLES, SEED, photographs
from vitruvian.claims.raw import FORMAT, Raw
from vitruvian.claims.sets import given
from vitruvian.data import open_data
from vitruvian.data.people import People
from vitruvian.measure.spread import (
    HEAD,
    LIMBS,
    Relative,
    diagonal_unit,
    relative_positions,
    torso_unit,
)
from vitruvian.types import State

WRIST = next(limb for limb in LIMBS if limb.joint == "left_wrist")
Stages = dict[str, np.ndarray]  # stage -> (n, 2) positions of the same persons


@dataclass(frozen=True)
class Source:
    """A raw file that is measured without training."""

    needs: tuple[str, ...]  # data sets
    measure: Callable[[Mapping[str, str]], dict[str, Any]]  # data -> facts and about


def compactness(name: str) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """S1 on a data set."""

    def measure(data: Mapping[str, str]) -> dict[str, Any]:
        people = open_data(given(name, data))
        labels = _labels(people)
        unit = torso_unit(*labels)
        head, wrist = (relative_positions(*labels, one, unit) for one in (HEAD, WRIST))
        spread = _drawn_rms
        return {
            "facts": {
                "head": _less(spread(head, "raw"), spread(head, "body"), len(head["raw"])),
                "wrist": _less(spread(wrist, "raw"), spread(wrist, "limb"), len(wrist["raw"])),
                "wrist_body": _less(
                    spread(wrist, "body"), spread(wrist, "limb"), len(wrist["raw"])
                ),
            },
            "about": {
                "data": people.provenance,
                "unit": "|left shoulder - right hip|, persons in whom it is longer than 15 px",
                "rms": {
                    "head": {stage: float(spread(head, stage)[0]) for stage in head},
                    "wrist": {stage: float(spread(wrist, stage)[0]) for stage in wrist},
                },
            },
        }

    return measure


def mpii_against_lsp(data: Mapping[str, str]) -> dict[str, Any]:
    """S7: both data sets in the mean of a torso's two diagonals, which compares images of any size."""
    mpii = open_data(given("mpii", data)).subset("val")
    lsp = open_data(given("lsp", data))
    one, other = (_relative(people, HEAD) for people in (mpii, lsp))
    n = len(one["raw"]) + len(other["raw"])
    facts, about = {}, {}
    for key, drawn in (("rms", _drawn_rms), ("direction", _drawn_direction)):
        facts[key] = _less(drawn(other, "body"), drawn(one, "raw"), n)
        facts[f"{key}_raw"] = _less(drawn(other, "raw"), drawn(one, "raw"), n)
        about[key] = {
            name: {stage: float(drawn(of, stage)[0]) for stage in of}
            for name, of in (("mpii", one), ("lsp", other))
        }
    unit = "the mean of the torso's diagonals, persons above 0.3 of the median"
    return {
        "facts": facts,
        "about": {"data": f"{mpii.provenance}; {lsp.provenance}", "unit": unit, **about},
    }


SOURCES: dict[str, Source] = {
    "labels-S1-lsp": Source(("lsp",), compactness("lsp")),
    "labels-S1-lspet": Source(("lspet",), compactness("lspet")),
    "labels-S7": Source(("mpii", "lsp"), mpii_against_lsp),
}


def raw_of(id: str, values: Mapping[str, Any], command: str) -> Raw:
    """A raw file of facts."""
    return Raw({"format": FORMAT, "id": id, "command": command, **values})


def _labels(people: People) -> tuple[np.ndarray, np.ndarray, Any]:
    return people.joints.astype(np.float64), people.state >= State.OCCLUDED, people.skeleton


def _relative(people: People, relative: Relative) -> Stages:
    labels = _labels(people)
    return relative_positions(*labels, relative, diagonal_unit(*labels))


def _sums(columns: np.ndarray) -> np.ndarray:
    """(1 + R, C) means of columns (n, C): of all persons, then of each resample."""
    n = len(columns)
    drawn = photographs(n, RESAMPLES, SEED) @ columns.astype(np.float32)
    return np.concatenate([columns.sum(0, keepdims=True), drawn]) / n


def _drawn_rms(stages: Stages, stage: str) -> np.ndarray:
    """(1 + R,): the root mean square distance from the mean."""
    offset = stages[stage]
    mean = _sums(np.concatenate([offset, (offset**2).sum(-1, keepdims=True)], 1))
    return np.sqrt(np.maximum(mean[:, 2] - (mean[:, :2] ** 2).sum(-1), 0))


def _drawn_direction(stages: Stages, stage: str) -> np.ndarray:
    """(1 + R,): the circular variance."""
    offset = stages[stage]
    length = np.linalg.norm(offset, axis=-1, keepdims=True)
    directed = length[:, 0] > 0
    return 1 - np.linalg.norm(_sums(offset[directed] / length[directed]), axis=-1)


def _less(one: np.ndarray, other: np.ndarray, n: int) -> dict[str, float | int]:
    """`one` less `other` with its interval, both as `_sums` orders them."""
    gap = one - other
    low, high = np.quantile(gap[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"value": float(gap[0]), "low": float(low), "high": float(high), "n": n}
