"""Sun et al., "Human pose estimation using global and local normalization" (ICCV 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from vitruvian.claims.drawing.scene import (
    Entry,
    Made,
    PaperFigure,
    Scene,
    protocol_words,
    total_words,
)
from vitruvian.claims.drawing.tiles import Tile, label_tile, pose_tile, sheet, views
from vitruvian.data.stats_plots import write_spread_plot
from vitruvian.measure.spread import HEAD, LIMBS, relative_positions, spread_of, torso_unit
from vitruvian.models import ModelInfo
from vitruvian.types import State

PAPER = "Sun et al., ICCV 2017"
SYSTEM = "normalized"
# panels of Figure 5 that not every model has
_PANELS = {"(b)": "refinement without normalization", "(d)": "body and limb normalization"}
Column = tuple[str, Entry, str | None]  # head, model, the last stage that takes part


def draw_spread(scene: Scene) -> Made:
    """Where joints lie relative to others, of labels alone."""
    people = scene.labels
    labels = people.joints, people.state >= State.OCCLUDED, people.skeleton
    unit = torso_unit(*labels)
    words, lost = [], []
    for relative in (HEAD, LIMBS[0]):
        if relative.lacks(people.skeleton):
            lost.append(relative.name)
            continue
        found = spread_of(relative_positions(*labels, relative, unit))
        stages = ", ".join(f"{stage} {rms:.3f}" for stage, rms in found.rms.items())
        words.append(f"{relative.name} (n = {found.n}): {stages}")
    seen = (
        f"RMS distance from the mean in torso lengths, {people.name}: {'; '.join(words)}. "
        "Of labels, without a model."
    )
    without = f"{' and '.join(lost)}, which {people.name} does not label" if lost else ""
    return Made(partial(write_spread_plot, [people]), seen, without=without)


def draw_poses(scene: Scene) -> Made:
    """Poses after each stage, beside those of a model that refines without normalization."""
    entry = scene.first(SYSTEM, _normalizes, "that refines with normalization")
    columns = _columns(entry)
    plain = next((e for e in scene.of(SYSTEM) if _refines_plainly(e.info)), None)
    if plain is not None:
        columns.insert(1, ("(b) refined without normalization", plain, None))
    skeleton = scene.people.skeleton
    rows = []
    for row, view in zip(scene.examples, views(scene.people, scene.examples), strict=True):
        poses = [scene.poses(of, stage)[row] for _, of, stage in columns]
        tiles = [label_tile(view, skeleton), *(pose_tile(view, xy, skeleton) for xy in poses)]
        rows.append([Tile(tile) for tile in tiles])
    totals = "; ".join(
        f"{head} {total_words(scene.result(of, stage))}" for head, of, stage in columns
    )
    without = _lost(columns)
    models = f"{entry.label}{f', (b) {plain.label}' if plain else ''}"
    caption = [
        f"Models: {models}.{f' Without {without}.' if without else ''}",
        f"PCK of {scene.words}: {totals}. {protocol_words(scene.protocol(entry))}.",
    ]
    title = f"{PAPER}, Figure 5: estimated poses from different stages"
    picture = sheet(title, caption, rows, ["labels", *(head for head, _, _ in columns)])
    return Made(picture, f"PCK, n = {scene.result(entry).n}: {totals}.", without=without)


def _columns(entry: Entry) -> list[Column]:
    """The stages that take part in a model's answer."""
    info = entry.info
    known: list[Column] = [
        ("(a) detector", entry, "detector"),
        ("(c) with body normalization", entry, "body"),
    ]
    if info.config["refine"] == "st2" and info.predict.upto in (None, "limbs", "all"):
        limbs = "body and limb" if info.config["limb_norm"] else "body"
        known.append((f"(d) with {limbs} normalization", entry, None))
    return known


def _lost(columns: Sequence[Column]) -> str:
    """The paper's panels that are not among the columns; "": none."""
    heads = {head[:3] for head, _, _ in columns}
    lost = [f"{panel} {words}" for panel, words in _PANELS.items() if panel not in heads]
    needs = "needs another model" if len(lost) == 1 else "need other models"
    return f"{' and '.join(lost)}, which {needs}" if lost else ""


def _normalizes(info: ModelInfo) -> bool:
    upto = info.predict.upto
    detector_alone = upto is not None and upto.startswith(("detector", "heads"))
    return info.config["refine"] != "none" and info.config["body_norm"] and not detector_alone


def _refines_plainly(info: ModelInfo) -> bool:
    config = info.config
    return config["refine"] != "none" and not (config["body_norm"] or config["limb_norm"])


FIGURES = (
    PaperFigure(
        "sun-1-4",
        PAPER,
        "1 and 4",
        "Positions of the head relative to the body's centre and of the left wrist relative to the left "
        "shoulder, as labelled in LSPET and after body and limb normalization",
        draw_spread,
    ),
    PaperFigure(
        "sun-5",
        PAPER,
        "5",
        "Poses from the detector, from refinement without normalization, with body normalization, and with "
        "body and limb normalization",
        draw_poses,
    ),
)
