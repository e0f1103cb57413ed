"""A model on a labelled data set: crops -> runner -> poses in the photographs -> one protocol's figures."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vitruvian import geometry
from vitruvian.data.boxes import image_boxes
from vitruvian.data.convention import change_sides, observer_centric
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.measure import baselines
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import IMAGE_BOX, Group, Protocol
from vitruvian.measure.result import Result
from vitruvian.measure.scoring import Truth, check_truth, score
from vitruvian.models import Predict
from vitruvian.skeleton import Skeleton
from vitruvian.types import Convention, Crops, Runner, State, UserError
from vitruvian.use.boxes import closer_boxes
from vitruvian.use.occluders import Occluders, occlude, occluded

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
    more: Callable[[int], object] = int,
) -> Predicted:
    """One pose for each person, looked for in `box` (N, 4) image px; `more` hears how many are done."""

    def answer(crops: Crops) -> tuple[np.ndarray, np.ndarray]:
        return runner(crops.image, flip)

    return predict_crops(answer, people, box, crop, batch=batch, workers=workers, more=more)


def predict_crops(
    answer: Callable[[Crops], tuple[np.ndarray, np.ndarray]],
    people: People,
    box: np.ndarray,
    crop: tuple[int, int],
    *,
    batch: int = 64,
    workers: int = 1,
    more: Callable[[int], object] = int,
) -> Predicted:
    """As `predict_people`, by what gives xy_crop (B, J, 2) and scores for crops and all they come with."""
    skipped = Skipped()
    xy, scores = [], []
    for crops in plain_crops(people, box, *crop, batch, skipped, workers):
        xy_crop, confidence = answer(crops)
        xy_image = geometry.apply(crops.to_image.astype(np.float64), xy_crop.astype(np.float64))
        unread = (crops.state == State.UNDEFINED).all(1)
        xy_image[unread] = np.nan
        xy.append(xy_image)
        scores.append(confidence)
        more(len(confidence))
    return Predicted(np.concatenate(xy), np.concatenate(scores), skipped)


def looks_at(
    runner: Runner,
    people: People,
    box: np.ndarray,
    crop: tuple[int, int],
    passes: int,
    margin: float,
    *,
    flip: bool = False,
    workers: int = 1,
) -> Iterator[Predicted]:
    """As `predict` looks, from `box` (N, 4) on: what is known after each of `passes` looks, at most.

    There are fewer where nobody's box moves any more; only persons whose box moved are looked at again.
    """
    box = box.copy()
    known = predict_people(runner, people, box, crop, flip=flip, workers=workers)
    yield known
    for _ in range(passes - 1):
        closer = closer_boxes(known.xy, known.score, box, margin, crop)
        again = np.flatnonzero((closer != box).any(1) & np.isfinite(closer).all(1))
        if not len(again):
            return
        box[again] = closer[again]
        seen = predict_people(
            runner, people.rows(again), box[again], crop, flip=flip, workers=workers
        )
        known = replace(known, xy=known.xy.copy(), score=known.score.copy())
        known.xy[again], known.score[again] = seen.xy, seen.score
        yield known


def protocol_for(
    people: People,
    look: Look = "labelled",
    flip: bool = False,
    passes: int = 2,
    chosen: Protocol | None = None,
    turned: bool = False,
) -> Protocol:
    """The protocol of a data set's published figures, with how the predictions are made filled in.

    MPII without head boxes is scored in head segments, as near to PCKh as its joints allow. A data set
    without a protocol is scored as LSPET is: PCK@0.2 of its skeleton's reference length.

    Args:
        chosen: this protocol instead.
        turned: the answers are turned from person-centric to observer-centric.

    Raises:
        UserError: the skeleton declares no reference length.
    """
    if (look == "found" and passes == 1) or (look == "labelled" and people.box_words == IMAGE_BOX):
        look = "image"
    protocol = chosen or _published(people) or _generic(people)
    box = people.box_words if look == "labelled" else IMAGE_BOX
    name = protocol.name if look == "labelled" else f"{protocol.name}-{look}"
    if look == "found":
        times = "once" if passes == 2 else f"up to {passes - 1} times"
        box = f"whole image, then {times} the joints that stand out x1.25, square"
        name = f"{protocol.name}-image-found"
    decoding = PROTOCOLS["lspet-pck-pc"].decoding
    if turned:
        decoding += ", then person-centric answers turned to what an observer sees (torso rule)"
    return replace(protocol, name=name, box=box, flip_test=flip, decoding=decoding)


def _published(people: People) -> Protocol | None:
    known = people.lengths.get("head_box")
    if people.name == "mpii" and known is not None and np.isfinite(known).any():
        return PROTOCOLS["mpii-pckh"]
    segment, skeleton = PROTOCOLS["mpii-pckh-segment"], people.skeleton
    answers = set(segment.joints) <= set(skeleton.joint_names)
    if people.name == "mpii" and answers and segment.reference in skeleton.references:
        return replace(segment, convention=people.convention)
    return PROTOCOLS.get(f"{people.name}-pck-{people.convention.lower()}")


def _generic(people: People) -> Protocol:
    skeleton = people.skeleton
    if skeleton.reference is None:
        raise UserError(
            f"skeleton {skeleton.name!r} declares no reference length to measure errors in: "
            "add `reference:` and `references:` to its file"
        )
    return replace(
        PROTOCOLS["lspet-pck-pc"],
        name=f"{people.name}-pck",
        skeleton=skeleton.name,
        convention=people.convention,
        reference=skeleton.reference,
        joints=skeleton.joint_names,
        groups=_groups(skeleton),
        source="lspet-pck-pc, read for another data set",
    )


def _groups(skeleton: Skeleton) -> tuple[Group, ...]:
    """A group for each flip pair, named by what both names share."""
    pairs = [(_without_side(one), (one, other)) for one, other in skeleton.flip_pairs]
    plain = len({label for label, _ in pairs}) == len(pairs)
    return tuple((label if plain else f"{pair[0]}, {pair[1]}", pair) for label, pair in pairs)


def _without_side(name: str) -> str:
    return re.sub(r"^(left|right)_|_(left|right)$", "", name)


def truth_of(people: People) -> Truth:
    """What predictions for a data set are scored against."""
    return Truth(
        people.skeleton,
        people.joints.astype(np.float64),
        people.state,
        people.convention,
        people.lengths,
        people.image,
        _persons(people),
    )


def _persons(people: People) -> str:
    """Which persons, so that results of others are not taken for the same."""
    rows = zlib.crc32(np.ascontiguousarray(people.key, np.int64).tobytes())
    return f"{people.name}, {len(people)} persons ({rows:08x})"


def answered(protocol: Protocol, model: Skeleton) -> Protocol:
    """The protocol for the joints that a model of another skeleton answers.

    Raises:
        UserError: it answers none of them, or a part of PCP lacks an end.
    """
    if not (lost := {name for name in protocol.joints if name not in model.joint_names}):
        return protocol
    joints = tuple(name for name in protocol.joints if name not in lost)
    if not joints or protocol.metric != "pck":
        raise UserError(
            f"protocol {protocol.name!r} needs {sorted(lost)[0]!r}, which the model's skeleton "
            f"{model.name!r} does not have"
        )
    groups = tuple(
        (label, kept) for label, members in protocol.groups if (kept := _but(members, lost))
    )
    return replace(protocol, name=f"{protocol.name}-shared", joints=joints, groups=groups)


def protocol_of_model(
    people: People,
    model: Skeleton,
    look: Look = "labelled",
    flip: bool = False,
    passes: int = 2,
    chosen: Protocol | None = None,
    convention: Convention = "",
) -> Protocol:
    """`protocol_for`, for the joints that a model answers: known to fit before its net has run.

    Args:
        convention: whose left the model means.

    Raises:
        UserError: the protocol does not fit the data set or the model.
    """
    protocol = protocol_for(people, look, flip, passes, chosen, turns(convention, people))
    if protocol.metric == "oks":
        raise UserError(
            f"protocol {protocol.name!r} scores COCO results: write the model's with `vitruvian "
            "predict --boxes`, then score them with `vitruvian eval --predictions`"
        )
    check_fits(protocol, people)
    return answered(protocol, model)


def check_fits(protocol: Protocol, people: People) -> None:
    """Raises UserError where a data set lacks what a protocol scores: joints, sides or the length."""
    truth = truth_of(people)
    check_truth(protocol, truth)
    if protocol.metric == "pck":
        truth.reference(protocol.reference)


def _but(members: tuple[str, ...], lost: set[str]) -> tuple[str, ...]:
    return tuple(name for name in members if name not in lost)


def by_name(xy: np.ndarray, model: Skeleton, data: Skeleton) -> np.ndarray:
    """Poses (N, J, 2) of a model's skeleton -> those of a data set's; NaN for joints it lacks."""
    if model.joint_names == data.joint_names:
        return xy
    moved = np.full((len(xy), len(data), 2), np.nan, xy.dtype)
    shared = [name for name in data.joint_names if name in model.joint_names]
    moved[:, data.index(*shared)] = xy[:, model.index(*shared)]
    return moved


def turns(convention: Convention, people: People) -> bool:
    """Whether answers in a convention must be turned to be compared with the labels.

    Raises:
        UserError: they cannot be: it is not told who faces away.
    """
    if "" in (convention, people.convention) or convention == people.convention:
        return False
    if people.convention == "PC":
        raise UserError(
            f"the model answers what an observer sees (OC), data set {people.name!r} is labelled PC: "
            "score it under a protocol of OC labels"
        )
    return True


@dataclass(frozen=True)
class Found:
    """What a model answers for the persons of a data set, looked for in one way."""

    xy: np.ndarray  # (N, J, 2) xy_image, the joints of the data set; NaN where there is no answer
    box: np.ndarray  # (N, 4) where it looked first
    unread: tuple[str, ...]  # photographs


def find(
    runner: Runner,
    people: People,
    crop: tuple[int, int],
    *,
    look: Look = "labelled",
    skeleton: Skeleton | None = None,
    convention: Convention = "",
    flip: bool = False,
    predict: Predict = Predict(),  # noqa: B008
    margin: float = 1.25,
    workers: int = 1,
) -> Found:
    """A model's answers; arguments as for `evaluate`.

    Raises:
        UserError: nobody is there, no photograph can be read, or there are no whole photographs.
    """
    if look != "labelled" and not people.whole:
        raise UserError(
            f"data set {people.name!r} holds crops, not whole photographs ({people.provenance}): "
            "only its own boxes can be looked in"
        )
    if not len(people):
        raise UserError(f"data set {people.name!r}: nobody is in this subset")
    first = people.box if look == "labelled" else image_boxes(people)
    passes = predict.passes if look == "found" else 1
    *_, predicted = looks_at(
        runner, people, first, crop, passes, margin, flip=flip, workers=workers
    )
    unread = predicted.skipped.reasons
    if len(unread) == len({people.label(row) for row in range(len(people))}):
        raise UserError(f"not one photograph could be read: {predicted.skipped.summary()}")
    xy = by_name(predicted.xy, skeleton or people.skeleton, people.skeleton)
    if turns(convention, people):
        legs, arms = observer_centric(xy, np.isfinite(xy).all(-1), people.skeleton)
        xy = change_sides(xy, people.skeleton, legs, arms)
    return Found(xy, first, tuple(unread))


def evaluate(
    runner: Runner,
    people: People,
    crop: tuple[int, int],
    *,
    look: Look = "labelled",
    protocol: Protocol | None = None,
    skeleton: Skeleton | None = None,
    convention: Convention = "",
    trained_on: People | None = None,
    flip: bool = False,
    predict: Predict = Predict(),  # noqa: B008
    margin: float = 1.25,
    occluders: Occluders | None = None,
    workers: int = 1,
) -> Result:
    """A model's figures, with two baselines beside them.

    Args:
        look: where each person is looked for: the data set's box, the whole image, or, as
            `predict` does in several passes, the whole image and then the box of what stands out.
        protocol: None is that of the data set; see `protocol_for`.
        skeleton: the joints that the runner answers, where they are not the data set's: those of one
            name are compared, the protocol's other joints are not scored.
        convention: whose left the runner means; "" is that of the data set. Person-centric answers are
            turned to what an observer sees by the torso rule where the labels are so.
        predict: how many looks "found" takes.
        margin: side of those boxes in extents of the joints.
        occluders: shapes to paste on the photographs; None: nothing.
        trained_on: where the mean pose is measured; None: on the rows scored.
    """
    model = skeleton or people.skeleton
    asked = protocol_of_model(people, model, look, flip, predict.passes, protocol, convention)
    people = occlude(people, occluders)
    found = find(
        runner, people, crop, look=look, skeleton=skeleton, convention=convention, flip=flip,
        predict=predict, margin=margin, workers=workers,
    )  # fmt: skip
    source = trained_on if trained_on is not None and len(trained_on) else people
    source_box = source.box if look == "labelled" else image_boxes(source)
    mean = baselines.mean_pose(baselines.in_box_units(source.joints, source_box), source.state)
    others = {
        "mean_pose": baselines.predict_mean_pose(mean, found.box),
        "image_centre": baselines.predict_centre(found.box, len(people.skeleton)),
    }
    rng = np.random.default_rng(SEED)
    return score(
        occluded(asked, occluders), truth_of(people), found.xy, rng, baselines=others,
        failed=found.unread,
    )  # fmt: skip
