"""A model on a labelled data set: crops -> runner -> poses in the photographs -> one protocol's figures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vitruvian import geometry
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.measure import baselines, metrics
from vitruvian.measure.protocols import PROTOCOLS, Protocol, Result, score
from vitruvian.models import Predict
from vitruvian.skeleton import Skeleton
from vitruvian.types import Runner, State, UserError
from vitruvian.use.boxes import boxes_of_poses

Look = Literal["labelled", "image", "found"]
SEED = 20  # of the intervals' resamples


@dataclass(frozen=True)
class Predicted:
    """Poses for every row of a data set; NaN where the photograph could not be read."""

    xy: np.ndarray  # (N, J, 2) xy_image
    score: np.ndarray  # (N, J)
    skipped: Skipped


def predict_people(
    runner: Runner,
    people: People,
    box: np.ndarray,
    crop: tuple[int, int],
    *,
    flip: bool = False,
    batch: int = 64,
    workers: int = 1,
) -> Predicted:
    """One pose for each person, looked for in `box` (N, 4) image px."""
    skipped = Skipped()
    xy, scores = [], []
    for crops in plain_crops(people, box, *crop, batch, skipped, workers):
        xy_crop, confidence = runner(crops.image, flip)
        xy_image = geometry.apply(crops.to_image.astype(np.float64), xy_crop.astype(np.float64))
        unread = (crops.state == State.UNDEFINED).all(1)
        xy_image[unread] = np.nan
        xy.append(xy_image)
        scores.append(confidence)
    return Predicted(np.concatenate(xy), np.concatenate(scores), skipped)


def protocol_for(
    people: People, look: Look = "labelled", flip: bool = False, passes: int = 2
) -> Protocol:
    """LSPET's protocol, or its reading for another skeleton: PCK@0.2 of the skeleton's reference.

    Raises:
        UserError: the skeleton declares no reference length.
    """
    skeleton = people.skeleton
    protocol = PROTOCOLS["lspet-pck-pc" if look == "labelled" else "lspet-pck-pc-image"]
    if look == "found":
        times = "once" if passes == 2 else f"{passes - 1} times"
        words = f"whole image, then {times} the joints found x1.25, square"
        protocol = replace(protocol, name=protocol.name + "-found", box=words)
    if people.name != "lspet":
        if skeleton.reference is None:
            raise UserError(
                f"skeleton {skeleton.name!r} declares no reference length to measure errors in: "
                "add `reference:` and `references:` to its file"
            )
        protocol = replace(
            protocol,
            name=protocol.name.replace("lspet-pck-pc", f"{people.name}-pck"),
            skeleton=skeleton.name,
            reference=skeleton.reference,
            joints=skeleton.joint_names,
            source="lspet-pck-pc, read for another data set",
        )
    return replace(protocol, flip_test=flip)


def image_boxes(people: People) -> np.ndarray:
    """(N, 4): the whole photograph of each row; a photograph that cannot be read gives 1 px."""

    def box(row: int) -> np.ndarray:
        try:
            return geometry.whole_image(*people.size(row))
        except UserError:
            return geometry.whole_image(1, 1)

    return np.stack([box(row) for row in range(len(people))])


def check_skeleton(model: Skeleton, people: People) -> None:
    """Raises UserError when a model's joints are not those that the data set labels."""
    if model.joint_names != people.skeleton.joint_names:
        raise UserError(
            f"the model answers skeleton {model.name!r} ({len(model)} joints), but data set "
            f"{people.name!r} labels {people.skeleton.name!r} ({len(people.skeleton)} joints)"
        )


def evaluate(
    runner: Runner,
    people: People,
    crop: tuple[int, int],
    *,
    look: Look = "labelled",
    trained_on: People | None = None,
    flip: bool = False,
    predict: Predict = Predict(),  # noqa: B008
    margin: float = 1.25,
    workers: int = 1,
) -> Result:
    """A model's figures, with two baselines beside them.

    Args:
        look: where each person is looked for: the labelled joints' box, the whole image, or, as
            `predict` does in several passes, the whole image and then the box of what was found.
        predict: how many looks "found" takes, and which joints make its boxes.
        margin: side of those boxes in extents of the joints.
        trained_on: where the mean pose is measured; None: on the rows scored.
    """
    if look != "labelled" and not people.whole:
        raise UserError(
            f"data set {people.name!r} holds crops, not whole photographs ({people.provenance}): "
            "only the labelled joints' box can be evaluated on it"
        )
    if not len(people):
        raise UserError(f"data set {people.name!r}: nobody is in this subset")
    protocol = protocol_for(people, look, flip, predict.passes)
    box = people.box if look == "labelled" else image_boxes(people)
    predicted = predict_people(runner, people, box, crop, flip=flip, workers=workers)
    found = box
    for _ in range(predict.passes - 1 if look == "found" else 0):
        found = boxes_of_poses(predicted.xy, predicted.score, found, predict.box_threshold, margin)
        predicted = predict_people(runner, people, found, crop, flip=flip, workers=workers)
    if len(predicted.skipped.reasons) == len(people):
        raise UserError(f"not one photograph could be read: {predicted.skipped.summary()}")
    source = trained_on if trained_on is not None and len(trained_on) else people
    source_box = source.box if look == "labelled" else image_boxes(source)
    mean = baselines.mean_pose(baselines.in_box_units(source.joints, source_box), source.state)
    others = {
        "mean_pose": baselines.predict_mean_pose(mean, box),
        "image_centre": baselines.predict_centre(box, len(people.skeleton)),
    }
    return score(
        protocol,
        people.skeleton,
        predicted.xy,
        people.joints.astype(np.float64),
        people.state,
        np.random.default_rng(SEED),
        baselines=others,
        failed=tuple(predicted.skipped.reasons),
    )


def quick_score(predicted: Predicted, people: People) -> float:
    """The total of `evaluate` in the labelled joints' box, without intervals: what a training looks at."""
    protocol = protocol_for(people)
    truth, located = people.joints.astype(np.float64), people.state >= State.OCCLUDED
    pair = people.skeleton.length(protocol.reference)
    reference = metrics.reference_length(truth, located, pair)
    errors = metrics.normalized_errors(predicted.xy, truth, reference)
    return metrics.pck(errors, located, protocol.threshold)


def spread(predicted: Predicted, people: People) -> float:
    """How much answers differ from person to person, in units of how much the truth does.

    The standard deviation over persons of each joint's place in its box; near 0 when a net has
    collapsed to the mean pose.
    """
    located = people.state >= State.OCCLUDED
    seen = located.any(0)  # a joint that nobody has says nothing

    def deviation(xy: np.ndarray) -> float:
        in_box = baselines.in_box_units(xy, people.box)
        known = np.where(located[..., None], in_box, np.nan)[:, seen]
        return float(np.nanmean(np.nanstd(known, axis=0)))

    return deviation(predicted.xy) / max(deviation(people.joints.astype(np.float64)), 1e-9)
