"""What can be trained and what comes trained, as a table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from vitruvian.models import ModelInfo, bundled, read_model

SIZES = Path(__file__).with_name("sizes.json")  # of recipes, as `learn.listing` has counted them


@dataclass(frozen=True)
class Row:
    """A recipe, or the model that comes trained by it."""

    recipe: str
    parameters: int  # of all stages
    gmacs: float  # billions of multiply-adds for one crop
    input: tuple[int, int]  # height, width of the crop in px
    bundled: bool = False
    score: dict[str, Any] | None = None  # the bundled model's total: protocol, data, interval

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"input": list(self.input)}


def score_of(info: ModelInfo) -> dict[str, Any] | None:
    """The total of a model's first score."""
    if not info.scores:
        return None
    first = info.scores[0]
    return {
        "protocol": first["protocol"]["name"],
        "data": first.get("data"),
        **first["total"],
        "n": first["n"],  # persons; the total's are joints
    }


def bundled_rows() -> list[Row]:
    """The models that come with the package, in sizes that their trainings may have set anew."""
    infos = [read_model(folder) for folder in bundled().values()]
    return [
        Row(info.name, info.parameters, info.gmacs, info.crop, True, score_of(info))
        for info in infos
    ]


def rows() -> list[Row]:
    """All recipes; those that come trained as they come."""
    trained = {row.recipe: row for row in bundled_rows()}
    sizes = json.loads(SIZES.read_text(encoding="utf-8"))
    return [
        trained.get(name) or Row(name, parameters, gmacs, tuple(crop))
        for name, parameters, gmacs, crop in sizes
    ]


def table(rows: list[Row]) -> Table:
    """The rows for a terminal."""
    scores = {(row.score["protocol"], row.score["n"]) for row in rows if row.score}
    words = "; ".join(f"{protocol}, n {n}" for protocol, n in sorted(scores))
    shown = Table(caption=f"rows with a score are bundled models; 95 % intervals; {words}")
    shown.add_column("recipe", no_wrap=True)
    for name in ("parameters", "GMAC", "input", "score, %"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        score = "-"
        if row.score is not None:
            value, low, high = (100 * row.score[key] for key in ("value", "low", "high"))
            score = f"{value:.1f} ({low:.1f} to {high:.1f})"
        size = f"{row.parameters / 1e6:.2f} M"
        height, width = row.input
        shown.add_row(row.recipe, size, f"{row.gmacs:.2f}", f"{height}x{width}", score)
    return shown
