"""Wang & Hao, "Human pose estimation from a single image" (student report)."""

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
from vitruvian.claims.drawing.tiles import Tile, map_tile, points_tile, pose_tile, sheet, views
from vitruvian.use.heatmaps import peak

PAPER = "Wang & Hao"
SYSTEM = "resnet_fcn"
_SHOWN = ("neck", "left_elbow", "left_wrist", "right_knee", "right_ankle")
_SIDE = 160  # px of a photograph, of six in a row


def draw_points(scene: Scene) -> Made:
    """Labels and predictions as points."""
    entry = _entry(scene)
    xy = scene.poses(entry)
    pairs = zip(scene.examples, views(scene.people, scene.examples), strict=True)
    tiles = [Tile(points_tile(view, xy[row])) for row, view in pairs]
    total = total_words(scene.result(entry))
    caption = [
        f"Blue: predicted; yellow: labelled. Model: {entry.label}. PCK of {scene.words}: {total}. "
        f"{protocol_words(scene.protocol(entry))}."
    ]
    rows = [tiles[k : k + 5] for k in range(0, len(tiles), 5)]
    title = f"{PAPER}, Figure 3: prediction results"
    return Made(sheet(title, caption, rows), _seen(scene, entry))


def draw_maps(scene: Scene) -> Made:
    """The final pose and some of the heatmaps that it is read from."""
    entry = _entry(scene)
    skeleton, xy = entry.info.skeleton, scene.poses(entry)
    joints = [name for name in _SHOWN if name in skeleton.joint_names]
    joints = joints or list(skeleton.joint_names[: len(_SHOWN)])
    faces = views(scene.people, scene.examples, _SIDE)
    rows, heights = [], []
    for (row, seen, _), view in zip(scene.see(entry, scene.examples), faces, strict=True):
        maps = list(seen.maps.values())[-1][: len(skeleton)]
        line = [Tile(pose_tile(view, xy[row], scene.people.skeleton))]
        for j in skeleton.index(*joints):
            height = peak(maps[j], seen.crop.shape[:2])[1]
            heights.append(height)
            tile = map_tile(seen, maps[j], max(height, 1e-6), _SIDE)
            line.append(Tile(tile, f"highest {height:.2f}"))
        rows.append(line)
    total = total_words(scene.result(entry))
    caption = [
        f"Left: the final pose; right: heatmaps over the crop, each on its own scale, the highest cell "
        f"crossed. Model: {entry.label}. PCK of {scene.words}: {total}. "
        f"{protocol_words(scene.protocol(entry))}."
    ]
    heads = ["final pose", *(name.replace("_", " ") for name in joints)]
    title = f"{PAPER}, Figure 4: example output and sample heatmaps"
    low, high = np.min(heights), np.max(heights)
    shown = f" The {len(heights)} heatmaps drawn have highest cells of {low:.2f} to {high:.2f}."
    return Made(sheet(title, caption, rows, heads), _seen(scene, entry) + shown)


def _entry(scene: Scene) -> Entry:
    return scene.first(
        SYSTEM, lambda info: info.config["head"] != "deconv", "with a convolutional head"
    )


def _seen(scene: Scene, entry: Entry) -> str:
    result = scene.result(entry)
    return f"PCK, n = {result.n}: {total_words(result)}."


FIGURES = (
    PaperFigure(
        "wang-3",
        PAPER,
        "3",
        "Predictions of the convolutional head as blue points, labels as yellow ones",
        draw_points,
    ),
    PaperFigure(
        "wang-4",
        PAPER,
        "4",
        "The final pose estimate, from the highest place of each heatmap, and sample heatmaps",
        draw_maps,
    ),
)
