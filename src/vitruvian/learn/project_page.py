"""The README.md of a project: what to type next, in the order in which it is typed."""

from __future__ import annotations

import shlex
from pathlib import Path

from vitruvian.learn.machine import Machine
from vitruvian.models import bundled, read_model
from vitruvian.recipe import Recipe
from vitruvian.skeleton import Skeleton


def next_commands(
    folder: Path,
    skeleton: Skeleton,
    recipe: Recipe,
    machine: Machine,
    labelled: bool,
    hold_out: int = 0,
) -> str:
    """Markdown with a command a step; each is run where `vitruvian init` was.

    Args:
        folder: as it was given.
        labelled: labels are there already.
        hold_out: photographs to take out of a training whose labels leave none to tune on.
    """
    here = shlex.quote(folder.as_posix())
    data = f"coco={here}"
    start = f" --from {likely}" if (likely := _bundled_like(recipe)) else ""
    start += f" --hold-out {hold_out}" if hold_out else ""
    parts = [
        f"# {recipe.name}",
        f"{len(skeleton)} joints: {', '.join(skeleton.joint_names)}. `skeleton.yaml` says which change "
        "places in a mirror, which limbs are drawn and which length measures errors; correct it there.",
    ]
    if not labelled:
        parts.append(_labelling(skeleton))
    parts += [
        "## Look at the labels",
        _block(f"vitruvian data check {data} --sheet {here}/sheet.png"),
        "It counts, names what is wrong, and draws a sheet of labelled figures. Look at it: left and "
        "right exchanged is seen at a glance there and nowhere else.",
        "## Train",
        _block(f"vitruvian train {here}/recipe.yaml --data {data}{start} --out {here}/run"),
        _training(recipe, machine),
    ]
    if hold_out:
        parts.append(
            f"The labels have subsets, none of them to tune on: `--hold-out {hold_out}` takes so many "
            "photographs of `train` for that, by which the best weights and thresholds are chosen."
        )
    if likely:
        parts.append(
            f"`--from {likely}` starts from that bundled model's layers. It learnt from data for research "
            "use, and so has what starts from it; without `--from` the training begins at random."
        )
    parts += [
        "## See how good it is",
        _block(f"vitruvian eval {here}/run --data {data} --subset val"),
        "`val` are the photographs that the training has not seen. Without `--subset` it scores those of "
        "the training too, and says more than is true.",
        "## Use it",
        _block(
            f"vitruvian predict {here}/run {here}/images --out {here}/poses\n"
            f"vitruvian export {here}/run --out {here}/model"
        ),
        "`predict` looks in the whole photograph and then around what it found; where several figures "
        "stand in one photograph, give it their boxes (`--boxes`).",
    ]
    return "\n\n".join(parts) + "\n"


def _block(commands: str) -> str:
    return f"```\n{commands}\n```"


def _labelling(skeleton: Skeleton) -> str:
    return (
        "## Label\n\n"
        "`labels.json` lists the photographs, with nobody in them yet. Label them with a tool that writes "
        "COCO keypoint JSON and put its export in that file's place:\n\n"
        f"- CVAT: a label of the kind skeleton, called `{skeleton.name}`, with these names as its points; "
        'export as "COCO Keypoints 1.0" (the file `person_keypoints_*.json`).\n'
        "- Label Studio: key points with these names inside a rectangle, `model_index` in this order; "
        'export as "COCO with keypoints".\n\n'
        "A hidden joint whose place is known is labelled as occluded; one whose place is not known is left "
        "out. Every figure has the same joints, and left is the figure's own left."
    )


def _training(recipe: Recipe, machine: Machine) -> str:
    H, W = recipe.crop
    steps = sum(fit.steps or 0 for fit in recipe.fits)
    return (
        f"`recipe.yaml` is made for {machine.words()}: crops of {H}x{W} px, {steps} steps of "
        f"{recipe.fits[0].batch}. `--max-minutes 30` takes as many steps as fit in; the same command goes "
        "on where it was stopped."
    )


def _bundled_like(recipe: Recipe) -> str | None:
    """A bundled model that has the layers of the recipe."""
    sizes = {key: value for key, value in recipe.config.items() if key != "crop"}
    for info in map(read_model, bundled().values()):
        own = {key: value for key, value in info.config.items() if key != "crop"}
        if info.system == recipe.system and own == sizes:
            return info.name
    return None
