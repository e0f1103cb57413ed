"""Bulat & Tzimiropoulos, "Human pose estimation via convolutional part heatmap regression" (ECCV 2016)."""

from __future__ import annotations

import numpy as np

from vitruvian.claims.drawing.scene import (
    Entry,
    Made,
    PaperFigure,
    Scene,
    protocol_words,
    total_words,
)
from vitruvian.claims.drawing.tiles import Tile, pose_tile, sheet, views
from vitruvian.data.people import People
from vitruvian.measure.result import interval, percent
from vitruvian.models import ModelInfo
from vitruvian.types import Crops, State, UserError
from vitruvian.use import heatmap_pictures
from vitruvian.use.evaluate import truth_of
from vitruvian.use.heatmaps import Seen, Truth
from vitruvian.use.worst import worst_rows

PAPER = "Bulat & Tzimiropoulos, ECCV 2016"
SYSTEM = "part_heatmaps"
_SETS = ("detection", "regression")
_KINDS = {"visible": State.VISIBLE, "hidden": State.OCCLUDED}
_DRAWN = 2  # persons whose heatmaps are drawn
_ACROSS, _SIDE = 5, 200  # photographs in a row, px of each


def draw_maps(scene: Scene) -> Made:
    """Detection heatmaps above regression heatmaps, on persons with shapes pasted on them."""
    entry = _entry(scene)
    people = scene.crowd(covered=True)
    drawn = set(_half_hidden(people.state)[:_DRAWN].tolist())
    skeleton = entry.info.skeleton
    if skeleton.joint_names != people.skeleton.joint_names:
        raise UserError(f"needs a model with the joints of {people.name}: {entry.label} has others")
    rows = []
    heights: dict[str, list[list[np.ndarray]]] = {name: [[], [], []] for name in _SETS}
    for row, seen, truth in scene.see(entry, covered=True):
        for name in _SETS:
            found = _heights(seen, truth, name, people)
            for kind, values in zip(heights[name], found, strict=True):
                kind.append(values)
        if row in drawn:
            name_of = (people.label(row),)
            threshold = entry.info.predict.threshold
            rows.append([Tile(heatmap_pictures.sheet(seen, skeleton, name_of, threshold, truth))])
    said = "; ".join(f"{name} {_means(kinds)}" for name, kinds in heights.items())
    before, after = (_hidden(scene, entry, stage) for stage in ("detect", None))
    seen_words = (
        f"Mean value of the heatmaps at joints and away from all of them: {said}. PCK of hidden joints: "
        f"{before} from the detection maps, {after} from the regression maps."
    )
    caption = [
        "Dashed frames: joints hidden by pasted shapes or by the data set's own word. "
        f"Model: {entry.label}. Of {scene.words}. "
        f"{protocol_words(scene.protocol(entry, covered=True))}.",
        seen_words,
    ]
    title = f"{PAPER}, Figure 2: detection heatmaps above regression heatmaps"
    return Made(sheet(title, caption, rows), seen_words)


def draw_poses(scene: Scene) -> Made:
    """Example poses, and in the last row those with the largest errors."""
    entry = _entry(scene)
    xy, skeleton = scene.poses(entry), scene.people.skeleton
    worst = worst_rows(scene.protocol(entry), truth_of(scene.people), xy, _ACROSS)
    lines = [scene.examples[k : k + _ACROSS] for k in range(0, len(scene.examples), _ACROSS)]
    rows = [
        [
            Tile(pose_tile(view, xy[row], skeleton))
            for row, view in zip(line, views(scene.people, line, _SIDE), strict=True)
        ]
        for line in (*lines, worst)
    ]
    result = scene.result(entry)
    caption = [
        f"The last row: the largest mean errors of the {result.n}. Model: {entry.label}. PCK of "
        f"{scene.words}: {total_words(result)}. {protocol_words(result.protocol)}."
    ]
    names = [*("examples" for _ in lines), "failures"]
    title = f"{PAPER}, Figure 7: examples of poses"
    made = sheet(title, caption, rows, names=names)
    return Made(made, f"PCK, n = {result.n}: {total_words(result)}.")


def _entry(scene: Scene) -> Entry:
    def cascade(info: ModelInfo) -> bool:
        whole = info.predict.upto in (None, "regress", "joint")
        return info.config["variant"] == "detection_regression" and whole

    return scene.first(SYSTEM, cascade, "that detects and regresses")


def _half_hidden(state: np.ndarray) -> np.ndarray:
    """Rows in the order in which they show both kinds of joints: most of the rarer kind first."""
    hidden, visible = (state == State.OCCLUDED).sum(1), (state == State.VISIBLE).sum(1)
    return np.argsort(-np.minimum(hidden, visible), kind="stable")


def _hidden(scene: Scene, entry: Entry, stage: str | None) -> str:
    """PCK of hidden joints."""
    parts = scene.result(entry, stage, covered=True).cuts.get("occlusion", {})
    if "occluded" not in parts:
        return "-"
    return f"{percent(parts['occluded'].value)} % ({interval(parts['occluded'])})"


def _heights(seen: Seen, truth: Truth, name: str, people: People) -> list[np.ndarray]:
    """A set's values at visible and at hidden joints, and its mean away from all of them."""
    from vitruvian.claims.measuring import heights  # with PyTorch, which has made the maps

    maps = seen.maps[name][None, : len(people.skeleton)]
    joints, state = truth.xy_crop[None].astype(np.float32), truth.state[None]
    crops = Crops(seen.crop[None], joints, state, seen.to_image[None], np.zeros(1, np.int64))
    at, away = heights(maps, crops, people)
    values = [at[state == of] for of in _KINDS.values()]
    return [found[np.isfinite(found)] for found in (*values, away.ravel())]


def _means(kinds: list[list[np.ndarray]]) -> str:
    words = []
    for kind, values in zip((*_KINDS, "away"), map(np.concatenate, kinds), strict=True):
        count = "" if kind == "away" else f" (n = {len(values)})"
        words.append(f"{kind} {values.mean():.3f}{count}" if len(values) else f"{kind} none")
    return ", ".join(words)


FIGURES = (
    PaperFigure(
        "bulat-2",
        PAPER,
        "2",
        "Detection heatmaps of visible and of occluded parts, and below them the regression's: "
        "occluded parts are detected with lower confidence than visible ones, higher than the "
        "background, and regressed with high confidence",
        draw_maps,
    ),
    PaperFigure(
        "bulat-7",
        PAPER,
        "7",
        "Poses on MPII and LSP, the last row failures by extreme occlusion and rare poses",
        draw_poses,
    ),
)
