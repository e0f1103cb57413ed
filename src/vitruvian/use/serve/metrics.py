"""Counters of a service in the text format of Prometheus, one row of numbers for each process."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUTES = ("/predict", "/predict/batch", "other")
STATUSES = (200, 400, 404, 405, 408, 413, 415, 422, 429, 499, 500, 503, 504, 0)  # 0: any other
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # s

_OF_ROUTE = len(STATUSES) + len(BOUNDS) + 2  # statuses; times by bound, all; their sum
_OF_MODEL = 3  # batches, persons in them, persons waiting


def width(models: int) -> int:
    """Numbers in a row."""
    return len(ROUTES) * _OF_ROUTE + models * _OF_MODEL + 1  # last: s of processor time


@dataclass(frozen=True)
class Metrics:
    """What all processes count; each writes its own row."""

    values: np.ndarray  # (processes, width) float64, shared by the processes
    row: int
    models: tuple[str, ...]

    def request(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer; 499 is a client that hung up."""
        route = ROUTES.index(path) if path in ROUTES else len(ROUTES) - 1
        base, row = route * _OF_ROUTE, self.values[self.row]
        row[base + STATUSES.index(status if status in STATUSES else 0)] += 1
        row[base + len(STATUSES) + bisect_left(BOUNDS, seconds)] += 1
        row[base + _OF_ROUTE - 1] += seconds
        row[-1] = time.process_time()

    def batch(self, model: int, persons: int) -> None:
        """Counts a batch of a model, by its number."""
        base = len(ROUTES) * _OF_ROUTE + model * _OF_MODEL
        self.values[self.row, base] += 1
        self.values[self.row, base + 1] += persons

    def waiting(self, persons: Sequence[int]) -> None:
        """Notes how many persons each model was asked about and has not answered."""
        base = len(ROUTES) * _OF_ROUTE
        self.values[self.row, base + 2 : -1 : _OF_MODEL] = persons

    def text(self) -> str:
        """All of it, over all processes."""
        total = self.values.sum(0)
        cpu = [
            "# HELP process_cpu_seconds_total Processor time of all processes that answer.",
            "# TYPE process_cpu_seconds_total counter",
            f"process_cpu_seconds_total {total[-1]:.6f}",
        ]
        return "\n".join([*_requests(total), *_models(total, self.models), *cpu, ""])


def _requests(total: np.ndarray) -> list[str]:
    routes = total[: len(ROUTES) * _OF_ROUTE].reshape(len(ROUTES), _OF_ROUTE)
    counts, errors, times = [], [], []
    for route, of in zip(ROUTES, routes, strict=True):
        for status, count in zip(STATUSES, of[: len(STATUSES)], strict=True):
            if count:
                label = f'{{route="{route}",status="{status or "other"}"}}'
                counts.append(f"vitruvian_requests_total{label} {count:.0f}")
        wrong = of[1 : len(STATUSES)].sum()
        errors.append(f'vitruvian_errors_total{{route="{route}"}} {wrong:.0f}')
        upto = of[len(STATUSES) : -1].cumsum()
        for bound, count in zip((*BOUNDS, "+Inf"), upto, strict=True):
            label = f'{{route="{route}",le="{bound}"}}'
            times.append(f"vitruvian_request_seconds_bucket{label} {count:.0f}")
        times.append(f'vitruvian_request_seconds_sum{{route="{route}"}} {of[-1]:.6f}')
        times.append(f'vitruvian_request_seconds_count{{route="{route}"}} {upto[-1]:.0f}')
    return [
        *_head("requests_total", "counter", "Answers by status; 499 is a client that hung up."),
        *counts,
        *_head("errors_total", "counter", "Answers that are no pose."),
        *errors,
        *_head("request_seconds", "histogram", "From the first byte of a request to its answer."),
        *times,
    ]


def _models(total: np.ndarray, names: tuple[str, ...]) -> list[str]:
    of = total[len(ROUTES) * _OF_ROUTE : -1].reshape(len(names), _OF_MODEL)
    rows = (
        ("batches_total", "counter", "Batches that a net was given."),
        ("persons_total", "counter", "Persons in those batches."),
        ("waiting_persons", "gauge", "Persons that were accepted and not answered."),
    )
    lines = []
    for (name, kind, help_), column in zip(rows, of.T, strict=True):
        lines += _head(name, kind, help_)
        for model, value in zip(names, column, strict=True):
            escaped = model.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
            lines.append(f'vitruvian_{name}{{model="{escaped}"}} {value:.0f}')
    return lines


def _head(name: str, kind: str, help_: str) -> list[str]:
    return [f"# HELP vitruvian_{name} {help_}", f"# TYPE vitruvian_{name} {kind}"]
