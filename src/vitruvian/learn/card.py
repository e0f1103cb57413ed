"""The card of a model folder: what it is, how it was made, how good it is, and its limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import yaml

from vitruvian.data.boxes import CENTRE
from vitruvian.measure.result import Result, interval, percent
from vitruvian.models import ModelInfo
from vitruvian.systems import SYSTEMS

_LEFT = {
    "PC": "person-centric: left is the person's left",
    "OC": "observer-centric: sides as of a person who faces the observer (right is left in the image)",
    "": "without sides",
}


def card(
    info: ModelInfo,
    before: list[Result],
    after: list[Result],
    history: list[dict[str, str]],
    about: dict[str, Any],
    scored_on: str,
) -> str:
    """The README.md of a model folder.

    Args:
        before: the net's results in single precision, as trained.
        after: the exported graph's, by protocol.
        history: rows of the run's log.
        about: the run's `run.json`.
        scored_on: data set and subset of the results.
    """
    header = {
        "library_name": "vitruvian",
        "pipeline_tag": "keypoint-detection",
        "license": "other",
        "datasets": [data.name for data in info.data],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        f"# {info.name}",
        _what(info),
        _training(info, history, about),
        _scores(before, after, scored_on),
        _limits(info),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(info: ModelInfo) -> str:
    H, W = info.crop
    joints = ", ".join(info.skeleton.joint_names)
    return (
        f"System `{info.system}`, {info.parameters:,} parameters, {info.gmacs:.2f} GMAC for a crop of "
        f"{H}x{W} px. Joints ({info.skeleton.name}, {_LEFT[info.convention]}): "
        f"{joints}.\n\n"
        "`model.onnx` takes crops (B, H, W, 3) uint8 RGB and answers joints in px of the crop and "
        "scores; normalisation and decoding are inside. `model.flip.onnx` is the same with the flip "
        f"test; both graphs' weights are those of `model.safetensors` beside them. {_looks(info)}"
    )


def _looks(info: ModelInfo) -> str:
    if info.start == "image":
        return "A crop is the whole photograph, where `predict` looks once."
    if info.start == "centre":
        return (
            f"A crop is the square of {CENTRE:g} px about the photograph's centre; `predict` looks once, "
            "in the whole photograph."
        )
    if info.predict.face_factor is not None:
        return (
            f"A crop is the square about a face, {info.predict.face_factor:.3g} times as wide; `predict` "
            "finds a face, or else takes the whole photograph, and looks once."
        )
    return (
        f"A crop is a square box of {info.preprocessing.margin:g} times the person's longer extent. "
        f"`predict` looks in the whole image{_again(info.predict.passes)}."
    )


def _again(passes: int) -> str:
    if passes == 1:
        return ""
    again = {2: "once more", 3: "up to twice"}.get(passes, f"up to {passes - 1} times")
    return f", then {again} around what it found"


def _training(info: ModelInfo, history: list[dict[str, str]], about: dict[str, Any]) -> str:
    lines = [
        "## Training",
        f"`{about.get('command', 'vitruvian train')}`, then `vitruvian export RUN --out MODEL`.",
    ]
    for data in info.data:
        lines.append(f"Learnt from {data.rows} persons of {data.name} ({data.licence}).")
    if history:
        own = float(history[-1]["seconds"]) / 3600
        hours = f"{own:.2f} hours"
        if info.hours is not None and info.hours - own > 0.005:
            hours += f" ({info.hours:.2f} with those of the models it began with)"
        last = {row["fit"]: int(row["step"]) for row in history}
        lines.append(
            f"{sum(last.values())} steps in {hours} on {about.get('hardware', 'unknown')}."
        )
        curve = [(row["step"], row["tune"]) for row in history if row.get("tune")]
        if curve:
            places = np.linspace(0, len(curve) - 1, min(12, len(curve))).round().astype(int)
            chosen = [curve[place] for place in places]
            head = "| step | " + " | ".join(step for step, _ in chosen) + " |"
            rule = "|---" * (len(chosen) + 1) + "|"
            scores = " | ".join(f"{100 * float(value):.1f}" for _, value in chosen)
            body = f"| PCK on tune, % | {scores} |"
            lines.append("\n".join([head, rule, body]))
    versions = about.get("versions", {})
    lines.append("Versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".")
    if note := about.get("note"):
        lines.append(note)
    return "\n\n".join(lines)


def _scores(before: list[Result], after: list[Result], scored_on: str) -> str:
    if not after:
        return ""
    name, subset = scored_on.split()
    rows = [
        "| what | protocol | PCK, % | 95 % interval | AUC, % | n |",
        "|---|---|---|---|---|---|",
    ]
    for label, results in (("net as trained", before), ("this folder's graph", after)):
        for result in results:
            total = result.total
            rows.append(
                f"| {label} | {result.protocol.name} | {100 * total.value:.1f} | "
                f"{interval(total)} | {_area(result)} | {result.n} |"
            )
    for baseline, other in after[0].baselines.items():
        rows.append(
            f"| {baseline.replace('_', ' ')} | {after[0].protocol.name} | {100 * other.total.value:.1f} | "
            f"{interval(other.total)} | {_area(other)} | {other.n} |"
        )
    joints = "| " + " | ".join(after[0].joints) + " |"
    rule = "|---" * len(after[0].joints) + "|"
    values = "| " + " | ".join(f"{100 * e.value:.1f}" for e in after[0].joints.values()) + " |"
    protocols = "\n".join(f"- {result.protocol.describe()}" for result in after)
    return "\n\n".join(
        [
            f"## Scores on {scored_on}",
            f"`vitruvian eval MODEL --data {name}=PATH --subset {subset}`",
            "\n".join(rows),
            f"Per joint, {after[0].protocol.name}, %:",
            "\n".join([joints, rule, values]),
            protocols,
        ]
    )


def _area(result: Result) -> str:
    return "-" if result.auc is None else percent(result.auc.value)


def _limits(info: ModelInfo) -> str:
    licences = "; ".join(f"{data.name}: {data.licence}" for data in info.data)
    return (
        "## Limits\n\n"
        f"Learnt from: {licences}. Check that licence before any use beyond research. It expects one "
        f"person in a crop. A score is {SYSTEMS[info.system].scores}. "
        "Not for judging people: it measures no health, identity, emotion or intent."
    )
