"""Ke et al., "Multi-scale supervised network for human pose estimation" (ICIP 2018)."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vitruvian.claims.drawing import stacks
from vitruvian.claims.drawing.panels import Line, curve_panels
from vitruvian.claims.drawing.scene import (
    Entry,
    Made,
    PaperFigure,
    Scene,
    protocol_words,
    total_words,
)
from vitruvian.claims.drawing.tiles import Tile, label_tile, map_tile, pose_tile, sheet, views
from vitruvian.claims.raw import RAW, Store
from vitruvian.measure.peaks import ALL, HEIGHT, count_peaks, second_peaks
from vitruvian.measure.result import interval, percent
from vitruvian.models import ModelInfo
from vitruvian.plots import Words
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import SEED
from vitruvian.use.heatmaps import Seen, peak

PAPER = "Ke et al., ICIP 2018"
SYSTEM = "multiscale"
_SETS = ("stacks", "regression")
_ACROSS = 6  # tiles in a line
_MOST = 4  # models side by side


@dataclass(frozen=True)
class _Doubt:
    """A joint whose heatmap had a second peak before the regression net."""

    row: int
    joint: int  # of the model
    seen: Seen
    second: tuple[float, float]  # before and after, shares of the highest cell


def draw_peaks(scene: Scene) -> Made:
    """Heatmaps with two peaks before the regression net, and what it makes of them."""
    entry = scene.first(SYSTEM, _regresses, "with a regression net")
    doubts, said = _doubts(scene, entry)
    if not doubts:
        raise UserError(
            f"no heatmap of {scene.words} has a second peak before the regression net of {entry.label}; "
            "give more --persons"
        )
    skeleton, joints = scene.people.skeleton, entry.info.skeleton.joint_names
    rows = []
    faces = views(scene.people, np.array([doubt.row for doubt in doubts]))
    for doubt, view in zip(doubts, faces, strict=True):
        line = []
        for name, second in zip(_SETS, doubt.second, strict=True):
            maps = doubt.seen.maps[name][: len(joints)]
            values = maps[doubt.joint]
            height = peak(values, doubt.seen.crop.shape[:2])[1]
            pose = scene.poses(entry, "stacks" if name == "stacks" else None)[doubt.row]
            peaks = f"{height:.2f}, second {second * height:.2f}" if second else f"{height:.2f}"
            words = f"{joints[doubt.joint].replace('_', ' ')}: {peaks}"
            line += [
                Tile(pose_tile(view, pose, skeleton)),
                Tile(map_tile(doubt.seen, values, max(float(values.max()), 1e-6)), words),
            ]
        rows.append(line)
    heads = [
        "(a) joints before regression",
        "(b) heatmap before",
        "(c) joints after regression",
        "(d) heatmap after",
    ]
    caption = [
        "Of the persons the joints with the highest second peaks, one each; each heatmap on its own scale, "
        f"the highest cell crossed. Model: {entry.label}. Of {scene.words}, in boxes of the labelled "
        "joints, no flip test.",
        said,
    ]
    title = f"{PAPER}, Figure 3: heatmaps with two peaks before and after regression"
    return Made(sheet(title, caption, rows, heads), said)


def draw_cells(scene: Scene) -> Made:
    """The scores of numbers of stacks and scales, with and without a regression net."""
    found = stacks.tiers(Store(scene.ask.raw or RAW))
    sources = {f"claims' trainings, tier {name}": cells for name, cells in found.items()}
    if scene.ask.tune is not None:
        cells, name = stacks.cells_of_tune(scene.ask.tune)
        sources |= {name: cells} if cells else {}
    if not sources:
        raise UserError(
            "needs scores by stacks and scales, and there are none: run `vitruvian claims run K1 K2 K5` "
            "or give --tune FILE of `vitruvian tune multiscale/compact`"
        )
    panels = {
        f"{name}\n{_persons(cells)}": {
            head: line
            for scales in (1, 2, 3, 4)
            for regression in (False, True)
            for head, line in _line(cells, scales, regression).items()
        }
        for name, cells in sources.items()
    }
    lost = {name: stacks.absent(cells) or "nothing" for name, cells in sources.items()}
    said = [f"Absent of {name} (stacks x scales): {words}." for name, words in lost.items()]
    ticks = sorted({cell.place[0] for cells in sources.values() for cell in cells} | {1, 2, 4})
    caption = [
        "Each source's own held-out photographs, boxes of the labelled joints, no flip test. Claims: "
        "PCK@0.2 torso lengths; tune: mean PDJ@0.2 over joints. Whiskers: 95 % intervals.",
        *said,
    ]
    words = Words(
        f"{PAPER}, Figure 4: accuracy by stacks, supervised scales and regression", "stacks", "%"
    )
    ends = (min(ticks) - 0.3, max(ticks) + 0.3)
    figure = curve_panels(panels, words, caption, x_range=ends, ticks=ticks, marks=True)
    whole = "nothing" in lost.values()
    without = "" if whole else "some numbers of stacks and scales, named in its caption"
    return Made(figure, " ".join(said), stacks.table(sources), without)


def draw_poses(scene: Scene) -> Made:
    """Answers on persons who are partly hidden by pasted shapes."""
    first = scene.first(SYSTEM)
    models = sorted(scene.of(SYSTEM), key=lambda entry: entry != first)[:_MOST]
    people = scene.crowd(covered=True)
    beside = max(1, _ACROSS // (1 + len(models)))  # persons in a line
    rows: list[list[Tile]] = []
    for k, row in enumerate(scene.examples):
        (view,) = views(people, np.array([row]))
        tiles = [label_tile(view, people.skeleton)]
        for entry in models:
            xy = scene.poses(entry, covered=True)[row]
            tiles.append(pose_tile(view, xy, people.skeleton))
        rows += [[]] if k % beside == 0 else []
        rows[-1] += [Tile(tile) for tile in tiles]
    totals = "; ".join(f"{entry.label} {_hidden(scene, entry)}" for entry in models)
    caption = [
        "Labels: hidden joints hollow, their limbs dashed.",
        f"PCK of {scene.words}: {totals}. {protocol_words(scene.protocol(first, covered=True))}.",
    ]
    title = f"{PAPER}, Figure 5: poses under heavy occlusion"
    made = sheet(title, caption, rows, ["labels", *(entry.label for entry in models)] * beside)
    return Made(made, f"PCK, n = {scene.result(first, covered=True).n}: {totals}.")


def _doubts(scene: Scene, entry: Entry) -> tuple[list[_Doubt], str]:
    """The joints with the highest second peaks, and how many of all have one before and after."""
    joints = entry.info.skeleton.joint_names
    kept: list[tuple[float, int, _Doubt]] = []
    second: dict[str, list[np.ndarray]] = {name: [] for name in _SETS}
    located, rows = [], []
    for row, seen, truth in scene.see(entry):
        there = truth.state >= State.OCCLUDED
        before, after = (second_peaks(seen.maps[name][: len(joints)]) for name in _SETS)
        second["stacks"].append(before)
        second["regression"].append(after)
        located.append(there)
        rows.append(row)
        j = int(np.where(there, before, 0).argmax())
        if there[j] and before[j] > 0:
            doubt = _Doubt(row, j, seen, (float(before[j]), float(after[j])))
            heapq.heappush(kept, (float(before[j]), -row, doubt))
            if len(kept) > scene.ask.examples:
                heapq.heappop(kept)
    shares = count_peaks(
        {name: np.array(found) for name, found in second.items()},
        np.array(located),
        joints,
        scene.people.images[rows],
        np.random.default_rng(SEED),
    ).shares
    one, other = (shares[name][ALL] for name in _SETS)
    said = (
        f"Labelled joints whose heatmap has a second peak above {HEIGHT:g} of the first, n = {one.n}: "
        f"{percent(one.value)} % ({interval(one)}) before regression, {percent(other.value)} % "
        f"({interval(other)}) after."
    )
    return [doubt for _, _, doubt in sorted(kept, key=lambda item: item[:2], reverse=True)], said


def _line(cells: Sequence[stacks.Cell], scales: int, regression: bool) -> dict[str, Line]:
    """The cells of one number of scales over stacks, in percent; nothing where there are none."""
    some = sorted((c for c in cells if c.place[1:] == (scales, regression)), key=lambda c: c.place)
    if not some:
        return {}

    def column(values: Any) -> np.ndarray:
        return 100 * np.array(list(values), float)

    x = np.array([cell.place[0] for cell in some], float)
    ends = column(c.low for c in some), column(c.high for c in some)
    name = f"{scales} scale{'s' if scales > 1 else ''}{' and regression' if regression else ''}"
    return {name: Line(x, column(c.value for c in some), ends, regression, scales - 1)}


def _persons(cells: Sequence[stacks.Cell]) -> str:
    persons, seeds = sorted({c.n for c in cells}), sorted({c.seeds for c in cells})
    said = " or ".join(map(str, seeds))
    return f"n = {' or '.join(map(str, persons))}, {said} seed{'s' if seeds != [1] else ''}"


def _hidden(scene: Scene, entry: Entry) -> str:
    """The total, and that of hidden joints."""
    result = scene.result(entry, covered=True)
    hidden = result.cuts.get("occlusion", {}).get("occluded")
    words = f", hidden joints {percent(hidden.value)} % ({interval(hidden)})" if hidden else ""
    return total_words(result) + words


def _regresses(info: ModelInfo) -> bool:
    return info.config["regressor"] != "none" and info.predict.upto in (None, "regression")


FIGURES = (
    PaperFigure(
        "ke-3",
        PAPER,
        "3",
        "Heatmaps with several peaks and the joints read from them, before the regression net and after it",
        draw_peaks,
    ),
    PaperFigure(
        "ke-4",
        PAPER,
        "4",
        "Accuracy on MPII's validation set by the number of stacks and of supervised scales: more of "
        "either is better",
        draw_cells,
    ),
    PaperFigure(
        "ke-5",
        PAPER,
        "5",
        "Poses on MPII with cluttered backgrounds, heavy occlusion and people close by",
        draw_poses,
    ),
)
