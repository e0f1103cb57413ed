"""Toshev & Szegedy, "DeepPose: human pose estimation via deep neural networks" (CVPR 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vitruvian.claims.drawing.panels import Line, curve_panels
from vitruvian.claims.drawing.scene import (
    Entry,
    Made,
    PaperFigure,
    Scene,
    protocol_words,
    total_words,
)
from vitruvian.claims.drawing.tiles import Tile, sheet
from vitruvian.measure.result import interval, percent
from vitruvian.models import ModelInfo
from vitruvian.plots import Words
from vitruvian.types import UserError
from vitruvian.use.worst import picture

PAPER = "Toshev & Szegedy, CVPR 2014"
SYSTEM = "deeppose"
ARMS, LIMBS = ("elbow", "wrist"), ("elbow", "wrist", "knee", "ankle")
_NEAR, _FAR = 0.2, 0.5  # torso diameters, where the papers' curves end
_STEP = 0.01
_SIDE = 230  # px of a photograph

Read = tuple[str, Entry, str | None]  # a curve: its name, the model, the last stage that takes part


def draw_two_stages(scene: Scene) -> Made:
    """All models on the arms up to 0.2, DeepPose after two stages."""
    entry = scene.first(SYSTEM, lambda info: len(_stages(info)) > 1, "with two stages or more")
    reads: list[Read] = [(f"{entry.label}, after stage 2", entry, "stage2")]
    made = _curves(scene, reads + _others(scene, entry), ARMS, _NEAR, "3: detected joints, arms")
    return replace(made, without=_lost_joints(scene, ARMS))


def draw_four_limbs(scene: Scene) -> Made:
    """All models on arms and legs up to 0.5, DeepPose after all stages."""
    entry = scene.first(SYSTEM)
    reads: list[Read] = [(entry.label, entry, None)]
    made = _curves(
        scene, reads + _others(scene, entry), LIMBS, _FAR, "4: detected joints, four limbs"
    )
    return replace(made, without=_lost_joints(scene, LIMBS))


def draw_stages(scene: Scene) -> Made:
    """DeepPose after each stage."""
    entry = scene.first(SYSTEM, lambda info: len(_stages(info)) > 1, "with two stages or more")
    reads: list[Read] = [(f"stage {s}", entry, f"stage{s}") for s in _stages(entry.info)]
    title = "5: detected joints after each stage"
    made = _curves(scene, reads, LIMBS, _FAR, title, entry.label)
    return replace(made, without=_lost_stages(entry))


def draw_poses(scene: Scene) -> Made:
    """Labels and answers after each stage on the same persons."""
    entry = scene.first(SYSTEM)
    stages = [f"stage{s}" for s in _stages(entry.info)]
    rows = []
    for row in scene.examples.tolist():
        poses = [scene.poses(entry, stage)[row] for stage in stages]
        rows.append([Tile(picture(scene.people, row, xy, _SIDE)) for xy in poses])
    totals = "; ".join(
        f"{_words(stage)} {total_words(scene.result(entry, stage))}" for stage in stages
    )
    caption = [
        f"Labels green, predictions red. Model: {entry.label}.",
        f"PCK of {scene.words}: {totals}. {protocol_words(scene.protocol(entry))}.",
    ]
    title = f"{PAPER}, Figure 6: predicted poses after each stage"
    made = sheet(title, caption, rows, [_words(stage) for stage in stages])
    seen = f"PCK, n = {scene.result(entry).n}: {totals}."
    return Made(made, seen, without=_lost_stages(entry))


def _curves(
    scene: Scene,
    reads: Sequence[Read],
    joints: Sequence[str],
    upto: float,
    title: str,
    of: str = "",
) -> Made:
    """Curves of PDJ, a panel a joint."""
    joints = [joint for joint in joints if _labelled(scene, joint)]
    if not joints:
        raise UserError(f"needs joints of limbs, which {scene.people.name} does not have")
    thresholds = _STEP * np.arange(round(upto / _STEP) + 1)
    panels = {
        joint: {
            name: Line(thresholds, scene.curve(entry, joint, thresholds.tolist(), stage))
            for name, entry, stage in reads
        }
        for joint in joints
    }
    entry = reads[0][1]
    protocol = scene.protocol(entry)
    caption = [
        f"{f'Model: {of}. ' if of else ''}Of {scene.words}; mean of left and right. "
        f"{protocol_words(protocol)}."
    ]
    words = Words(
        f"{PAPER}, Figure {title}", f"distance, {protocol.reference} lengths", "detected, %"
    )
    ticks = np.linspace(0, upto, 5 if upto == _NEAR else 6).round(2).tolist()
    ranges: dict[str, Any] = {"x_range": (0, upto), "y_range": (0, 100)}
    figure = curve_panels(panels, words, caption, ticks=ticks, **ranges)
    rows = [(name, *_shares(scene, model, stage, joints)) for name, model, stage in reads]
    seen = (
        f"Detected within {protocol.threshold:g} {protocol.reference} lengths, % (95 % interval), "
        f"n = {scene.result(entry).n}:"
    )
    return Made(figure, seen, (("", *joints), *rows))


def _shares(scene: Scene, entry: Entry, stage: str | None, joints: Sequence[str]) -> list[str]:
    """What is right of each joint at the protocol's threshold, the mean of left and right."""
    result = scene.result(entry, stage)
    labels = {frozenset(members): label for label, members in result.protocol.groups}
    found = []
    for joint in joints:
        label = labels.get(frozenset((f"left_{joint}", f"right_{joint}")))
        estimate = result.groups.get(label or "")
        found.append(
            "-" if estimate is None else f"{percent(estimate.value)} ({interval(estimate)})"
        )
    return found


def _others(scene: Scene, entry: Entry) -> list[Read]:
    """Every model but this one."""
    return [(other.label, other, None) for other in scene.entries if other != entry]


def _stages(info: ModelInfo) -> range:
    """The numbers of the stages that take part in a model's answer."""
    upto = info.predict.upto
    last = int(upto.removeprefix("stage")) if upto else int(info.config["stages"])
    return range(1, last + 1)


def _labelled(scene: Scene, joint: str) -> bool:
    return f"left_{joint}" in scene.people.skeleton.joint_names


def _lost_joints(scene: Scene, joints: Sequence[str]) -> str:
    """Those of the paper's panels that there are no labels of; "": none."""
    lost = [joint for joint in joints if not _labelled(scene, joint)]
    return f"{' and '.join(lost)}, which {scene.people.name} does not label" if lost else ""


def _lost_stages(entry: Entry) -> str:
    """Those of the paper's three stages that a model does not have; "": none."""
    lost = [f"stage {s}" for s in (1, 2, 3) if s not in _stages(entry.info)]
    return f"{' and '.join(lost)}, which {entry.label} does not have" if lost else ""


def _words(stage: str) -> str:
    return stage.replace("stage", "stage ")


FIGURES = (
    PaperFigure(
        "deeppose-3",
        PAPER,
        "3",
        "Percentage of detected joints on FLIC, elbow and wrist: DeepPose after two stages and four other "
        "approaches",
        draw_two_stages,
    ),
    PaperFigure(
        "deeppose-4",
        PAPER,
        "4",
        "Percentage of detected joints on LSP, elbow, wrist, knee and ankle, up to half a torso diameter: "
        "DeepPose and Dantone et al.",
        draw_four_limbs,
    ),
    PaperFigure(
        "deeppose-5",
        PAPER,
        "5",
        "Percentage of detected joints on FLIC after each of the cascade's three stages",
        draw_stages,
    ),
    PaperFigure(
        "deeppose-6",
        PAPER,
        "6",
        "Predicted poses in red and labelled ones in green after each of three stages",
        draw_poses,
    ),
)
