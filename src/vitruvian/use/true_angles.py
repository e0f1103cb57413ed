"""Models that turn maps by where joints are, told by labels where these are: what true angles would gain.

Needs torch: a model's graph knows no labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vitruvian.data.people import People
from vitruvian.measure.intervals import differences
from vitruvian.measure.protocols import Protocol
from vitruvian.measure.result import Result, gap_words
from vitruvian.measure.scoring import score
from vitruvian.types import Crops, State, UserError
from vitruvian.use.evaluate import SEED, predict_crops, truth_of
from vitruvian.use.predict import Model
from vitruvian.use.runners import torch_runners

# (crops with their labels, in the joints of the net; flip test) -> as a `Runner`
ToldRunner = Callable[[Crops, bool], tuple[np.ndarray, np.ndarray]]


def open_told(model: Model, people: People, device: str = "auto") -> ToldRunner:
    """What runs a model's net on crops of a data set, its maps turned by their labels.

    Raises:
        UserError: torch is not installed, the labels are of other joints or sides than the model's, or
            the model turns no maps.
    """
    info = model.info
    if people.skeleton.joint_names != info.skeleton.joint_names:
        raise UserError(
            f"{info.name} answers the joints of skeleton {info.skeleton.name!r}, data set {people.name!r}"
            f" is labelled with those of {people.skeleton.name!r}: leave --true-angles out"
        )
    if "" not in (sides := (info.convention, people.convention)) and sides[0] != sides[1]:
        raise UserError(
            f"{info.name} means left and right as {sides[0]}, data set {people.name!r} is labelled "
            f"{sides[1]}: leave --true-angles out, or choose a protocol of {sides[0]} labels"
        )
    learn = torch_runners("--true-angles needs torch, a model's graph knows no labels")
    run: ToldRunner = learn.torch_told(model.folder, info, device)
    run(_nobody(len(info.skeleton), *info.crop), False)  # says now what would be said after minutes
    return run


def _nobody(J: int, H: int, W: int) -> Crops:
    state = np.full((1, J), State.UNDEFINED, np.uint8)
    image, joints = np.zeros((1, H, W, 3), np.uint8), np.zeros((1, J, 2), np.float32)
    return Crops(image, joints, state, np.eye(2, 3, dtype=np.float32)[None], np.zeros(1, np.int64))


def told_result(
    run: ToldRunner,
    model: Model,
    people: People,
    protocol: Protocol,
    *,
    flip: bool = False,
    workers: int = 1,
) -> Result:
    """The figures of a net that is told the true angles, in the persons' box.

    Args:
        run: from `open_told`.
        protocol: of the same figures without them, flip test and what is pasted included; its other
            decoding keeps the two from being compared as scores of models.
    """
    found = predict_crops(
        lambda crops: run(crops, flip), people, people.box, model.info.crop, workers=workers
    )
    decoding = (
        f"{protocol.decoding}; maps turned by the labelled joints' angles, where these are known"
    )
    asked = replace(protocol, name=f"{protocol.name}-true-angles", decoding=decoding)
    rng, unread = np.random.default_rng(SEED), tuple(found.skipped.reasons)
    return score(asked, truth_of(people), found.xy, rng, failed=unread)


def gain_words(plain: Result, told: Result) -> str:
    """How many points of the total true angles gain, drawn for both at once; "" where nothing is scored."""
    assert plain.tally is not None
    assert told.tally is not None
    gap = differences(plain.tally, told.tally, np.random.default_rng(SEED))["total"]
    words = gap_words(gap)
    return words and f"turned by the true angles, the total changes by {words} points"
