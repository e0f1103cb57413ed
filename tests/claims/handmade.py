"""Claims, trainings and raw files whose every count is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vitruvian.claims.model import COARSE, Arm, Claim, Figure, Measure, Tier, Training, above
from vitruvian.claims.raw import Measured, Persons, Raw
from vitruvian.claims.work import Shop, header
from vitruvian.skeleton import LSP
from vitruvian.types import State

DRAWN = Tier("rendered", None, seeds=3, steps=10)
PHOTOS = Tier("LSPET", "lspet", seeds=2, steps=20)
BASE = Arm("base", "resnet_fcn/compact", (("heatmaps", 1.0),), speed=100)
GOOD = Arm("good", "resnet_fcn/compact", (("heatmaps", 0.5),), ("config.width=8",), BASE, speed=50)
OTHER = Arm("other", "nobody/knows", (("heatmaps", 2.0),), speed=100)
OWN = Figure()
BETTER = Claim(
    "X1",
    "Good is better than base",
    "Nobody, Table 1",
    (above("good above base", (GOOD, OWN), (BASE, OWN)),),
    tiers=(DRAWN, PHOTOS),
)
ODD = Claim(
    "X2",
    "Other is better than base",
    "Nobody, Table 2",
    (above("other above base", (OTHER, OWN), (BASE, OWN)),),
    tiers=(DRAWN,),
)
UNKNOWN = Claim(
    "X3", "Gains over others", "Nobody, Table 3", note="Cannot be tested: no predictions."
)
CLAIMS = (BETTER, ODD, UNKNOWN)
MADE = {
    "cpu_seconds": 3.6, "wall_seconds": 4.0, "images": 640, "parameters": 1234,
    "hardware": "cpu, 1 threads, fp32",
}  # fmt: skip


def measured(right: Sequence[int], name: str = "figures", rows: str = "abc") -> Measured:
    """One person a number: so many of its 14 joints are right at every threshold, the others never."""
    n, J = len(right), len(LSP)
    level = np.full((n, J), len(COARSE), np.uint8)
    for person, count in enumerate(right):
        level[person, :count] = 0
    state = np.full((n, J), State.VISIBLE, np.uint8)
    planes = {"level": level, "swapped": np.zeros((n, J), np.uint8)}
    persons = Persons("lsp", rows, state, np.zeros(n, np.uint8))
    return Measured(name, persons, "PCK", COARSE, planes)


def raw(training: Training, right: Sequence[int] | None, **more: Any) -> Raw:
    """A training's raw file; None: nothing was measured."""
    made = Raw(header(training, MADE | {"command": "vitruvian claims run X1"}))
    return made if right is None else made.with_measured({"own": measured(right, **more)})


class FakeHands:
    """Trains at once, measures fixed counts and remembers both; `stop` is the training that is stopped."""

    def __init__(self, stop: str = "", fail: str = "") -> None:
        self.trained: list[str] = []
        self.measured: list[str] = []
        self.stop, self.fail = stop, fail

    def train(self, training: Training, shop: Shop) -> dict[str, Any] | None:
        from vitruvian.types import UserError

        if training.parent:
            assert (shop.runs / training.parent.id / "finished.json").exists()
        (shop.runs / training.id).mkdir(parents=True, exist_ok=True)
        if training.arm.name == self.fail:
            raise UserError("no recipe of that name")
        if training.arm.name == self.stop:
            (shop.runs / training.id / "state.safetensors").touch()
            return None
        self.trained.append(training.id)
        return dict(MADE)

    def measure(
        self, training: Training, wanted: Sequence[Measure], shop: Shop
    ) -> dict[str, Measured]:
        self.measured += [f"{training.id} {one.key}" for one in wanted]
        right = [10, 12, 14] if training.arm.name == "good" else [7, 7, 7]
        return {one.key: measured(right, one.persons(training.tier)) for one in wanted}


Say = Callable[[str], None]
