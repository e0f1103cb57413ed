"""Models and files of predictions on data sets, by name: what `eval` prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.data import open_data
from vitruvian.data.box_files import read_boxes
from vitruvian.data.detections import Fit, detected
from vitruvian.data.people import People, check_photographs
from vitruvian.data.synthetic import figures
from vitruvian.data.union import union
from vitruvian.measure import baselines
from vitruvian.measure.peaks import Peaks
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import MADE, Protocol, find_protocol
from vitruvian.measure.result import Result
from vitruvian.measure.scoring import score
from vitruvian.models import ModelInfo
from vitruvian.skeleton import Skeleton
from vitruvian.types import Convention, UserError
from vitruvian.use.doubts import other_persons, swapped_sides
from vitruvian.use.evaluate import SEED, Look, check_fits, evaluate, truth_of
from vitruvian.use.files import write_text
from vitruvian.use.occluders import Occluders, occlude
from vitruvian.use.oks_scores import oks_result, poses_as_results, result_list, truth_values
from vitruvian.use.predict import Model, load, parted
from vitruvian.use.predictions import Predictions, read_predictions
from vitruvian.use.progress import Progress, watched
from vitruvian.use.second_peaks import model_peaks
from vitruvian.use.true_angles import gain_words, open_told, told_result
from vitruvian.use.where import where_learnt

NOT_SAID = "what it has learnt from is not stated"
_PUBLISHED_TRUTH = ("detections_our_format.mat", "gt_valid.mat")  # of MPII's validation persons


@dataclass(frozen=True)
class Scored:
    """Results, what they are of, and what the reader of them should know."""

    results: tuple[Result, ...]
    about: dict[str, str]  # model or predictions, data, subset, provenance
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    peaks: Peaks | None = None  # None: not asked for
    boxes: Fit | None = None  # how many persons have a box of the file asked for

    def to_dict(self) -> dict[str, Any]:
        """The first result's figures, and the others under `also`, as shares of one."""
        plain = [result.to_dict() for result in self.results]
        said: dict[str, Any] = {"notes": list(self.notes), "warnings": list(self.warnings)}
        if self.peaks is not None:
            said["peaks"] = self.peaks.to_dict()
        if self.boxes is not None:
            said["boxes"] = self.boxes.to_dict()
        return self.about | plain[0] | said | {"also": plain[1:]}


def open_truth(data: str, protocol: Protocol | None) -> People:
    """A data set whose left is the protocol's.

    Raises:
        UserError: no such data set, or no way to that convention.
    """
    return open_data(data, (protocol.convention or None) if protocol else None)


def subset_name(people: People, asked: str | None) -> str:
    """The subset asked for, else the one that published figures are of, where there is one."""
    return asked or (people.scored if people.scored in people.subsets else "all")


def score_model(
    name: str,
    data: Sequence[str],
    subset: str | None,
    *,
    protocol: str | None = None,
    boxes: Path | None = None,
    flip: bool = False,
    occluders: Occluders | None = None,
    peaks: bool = False,
    true_angles: bool = False,
    device: str = "auto",
    workers: int = 2,
    progress: Callable[[int], Progress] | None = None,
) -> Scored:
    """The labelled joints' box first, then the whole image, then what `predict` does by itself.

    A model that has learnt from photographs or faces looks there alone.

    Args:
        data: several are put together in the model's joints; none is rendered figures.
        boxes: a file of boxes, in which the model looks alone; see `detections.detected`.
        occluders: shapes to paste on the photographs; None: nothing.
        peaks: count second peaks of heatmaps too, where the first of these looks is.
        true_angles: score there also maps that are turned by the labels; see `use.true_angles`.
        progress: of each look, told how many persons there are; None: nothing is said.

    Raises:
        UserError: no such model, data set, subset or protocol, none of the joints is shared, or the
            boxes do not fit; for `peaks`, torch is not installed or the model has no heatmaps; for
            `true_angles`, as `open_told`.
    """
    model = load(name, device)
    chosen = None if protocol is None else find_protocol(protocol, PROTOCOLS)
    parts = _opened(data, chosen, model) if data else [figures(skeleton=model.info.skeleton)]
    people, fit = _together(parts, model), None
    asked = subset_name(people, subset) if data else subset or "val"
    check_photographs(people.subset(asked))
    if boxes is not None:
        people.subset(asked)  # which there must be
        parts, fit = detected(parts, read_boxes(boxes), model.info.start, asked)
        people = _together(parts, model)
    told = counted = None
    if peaks or true_angles:
        seen = occlude(where_learnt(people.subset(asked), model.info), occluders)
        told = open_told(model, seen, device) if true_angles else None
    if peaks:
        counted = model_peaks(model, seen, flip=flip, device=device, workers=workers)
    results = score_people(
        model, people, asked, protocol=chosen, own_looks=fit is None, flip=flip, occluders=occluders,
        workers=workers, progress=progress,
    )  # fmt: skip
    upto = model.info.predict.upto
    settings = [text for text in parted(name)[1] if not text.startswith("predict.upto=")]
    named = "@".join([model.info.name, *([upto] if upto else []), *settings])
    notes = label_notes(people, asked, results[0].protocol)
    if subset is None:
        notes += learnt_notes({name: len(rows) for name, rows in people.subsets.items()}, asked)
    notes += (fit.line(),) if fit else ()
    if told is not None:
        plain = results[0]
        turned = told_result(told, model, seen, plain.protocol, flip=flip, workers=workers)
        results.insert(1, turned)
        notes += tuple(filter(None, [gain_words(plain, turned)]))
    about = _about(people, asked, model=named, made=made_words(model.info))
    return Scored(tuple(results), about, notes, peaks=counted, boxes=fit)


def _opened(data: Sequence[str], protocol: Protocol | None, model: Model) -> list[People]:
    """The data sets, with the protocol's left, or the model's where that is the observer's."""
    own: Convention = "OC" if model.info.convention == "OC" else ""
    wanted = protocol.convention if protocol else own
    return [open_data(argument, wanted or None) for argument in data]


def _together(parts: Sequence[People], model: Model) -> People:
    return parts[0] if len(parts) == 1 else union(parts, model.info.skeleton)


def score_people(
    model: Model,
    people: People,
    subset: str,
    *,
    protocol: Protocol | None = None,
    own_looks: bool = True,
    flip: bool = False,
    occluders: Occluders | None = None,
    workers: int = 2,
    progress: Callable[[int], Progress] | None = None,
) -> list[Result]:
    """As `score_model`, for what is open already.

    Args:
        own_looks: score also what a model does by itself in whole photographs.
    """
    info, asked = model.info, people.subset(subset)
    chosen = where_learnt(asked, info)
    train = people.subset("train") if "train" in people.subsets else None
    trained_on = train if train is None else where_learnt(train, info)
    looks: list[Look] = ["labelled"]
    if own_looks and chosen.whole and chosen is asked:
        looks.append("image")
        looks += ["found"] if info.predict.passes > 1 else []
    results = []
    for look in looks:
        total = 0 if look == "found" else len(chosen)  # who is looked at again shows as it goes
        with watched(model.runner, progress, total) as runner:
            results.append(
                evaluate(
                    runner,
                    chosen,
                    model.info.crop,
                    look=look,
                    protocol=protocol,
                    skeleton=model.info.skeleton,
                    convention=model.info.convention,
                    trained_on=trained_on,
                    flip=flip,
                    predict=model.info.predict,
                    margin=model.info.preprocessing.margin,
                    occluders=occluders,
                    workers=workers,
                )
            )
    return results


def score_file(
    path: Path,
    data: str,
    protocol: str,
    subset: str | None = None,
    *,
    skeleton: Skeleton | None = None,
    base: int | None = None,
) -> Scored:
    """Anybody's predictions against the labels of a data set.

    Args:
        skeleton: the file's joints, where it does not name them.
        base: 0 or 1, the number of the first pixel, where the file does not say it.

    Raises:
        UserError: a file cannot be read or does not fit, or the protocol asks for other joints.
    """
    chosen = find_protocol(protocol, PROTOCOLS)
    whole = open_truth(data, chosen)
    asked = subset_name(whole, subset)
    people = whole.subset(asked)
    about = _about(people, asked, predictions=path.name, made=NOT_SAID)
    if chosen.metric == "oks":
        result, notes = score_results(
            path, data, chosen, people, asked == "all", skeleton=skeleton, base=base
        )
        return Scored((result,), about, notes)
    train = whole.subset("train") if "train" in whole.subsets else None
    sizes = {name: len(rows) for name, rows in whole.subsets.items()}
    check_fits(chosen, people)
    predictions = read_predictions(path, people, skeleton=skeleton, base=base, subsets=sizes)
    result, warnings = score_predictions(predictions, people, chosen, train)
    notes = (*predictions.notes, *label_notes(people, asked, chosen))
    return Scored((result,), about, notes, warnings)


def made_words(info: ModelInfo) -> str:
    """What a model has learnt from, and how its system finds a joint within a cell, where it says so."""
    sets = ", ".join(f"{used.name} ({used.rows} persons)" for used in info.data)
    words = f"learnt from {sets}" if sets else NOT_SAID
    rules = {"offset": "offset within a cell", "highest": "of cells equally high"}
    told = [f"{rule}: {info.config[key]}" for key, rule in rules.items() if key in info.config]
    return "; ".join([words, *told])


def learnt_notes(sizes: Mapping[str, int], subset: str) -> tuple[str, ...]:
    """That a model may have learnt from what it is scored on, where nobody chose the subset.

    Args:
        sizes: persons of each subset by its name.
        subset: what is scored, in default of anything asked for.
    """
    known, held = sizes.get("train", 0), "val" if sizes.get("val") else "tune"
    if subset != "all" or not known or not sizes.get(held):
        return ()
    return (
        f"all subsets are scored, {known} persons of `train` among them: a model that learnt from those "
        f"is scored by --subset {held}",
    )


def protocols_of(data: str) -> str:
    """Which protocols a data set's published figures are of, by its name=folder."""
    name = data.partition("=")[0]
    own = [key for key in PROTOCOLS if key.startswith(f"{name}-")]
    return f"of {name} are {', '.join(own)}" if own else "see `vitruvian protocols`"


def label_notes(people: People, subset: str, protocol: Protocol) -> tuple[str, ...]:
    """That MPII's labels are not those which published figures are scored against, where it is so.

    Those are `pos_gt_src` of the file of Tompson's predictions, with 13 joints of 10 persons elsewhere.
    """
    if (people.name, subset, protocol.reference) != ("mpii", "val", "head_box"):
        return ()
    labels = people.provenance.partition(" persons of ")[2].partition(",")[0]
    if labels in _PUBLISHED_TRUTH:
        return ()
    return (
        f"the labels are those of {labels}; published figures are of `pos_gt_src` in "
        f"{_PUBLISHED_TRUTH[0]}: give that as the truth of a file to get published digits (Tompson et "
        "al.'s are 82.34 there, 82.32 with the labels of mpii_annotations.json)",
    )


def score_predictions(
    predictions: Predictions, people: People, protocol: Protocol, train: People | None = None
) -> tuple[Result, tuple[str, ...]]:
    """As `score_file`, for what is open already; the result, and warnings.

    Args:
        train: where the baseline is measured: the mean pose in px of the photograph.

    Raises:
        UserError: the file says that its left is another than the protocol's.
    """
    stated = predictions.convention
    if "" not in (stated or "", protocol.convention) and stated != protocol.convention:
        raise UserError(
            f"{predictions.name} says that its left and right are {stated}, but protocol "
            f"{protocol.name!r} scores {protocol.convention}: choose a protocol of {stated} labels"
        )
    truth = truth_of(people)
    others = {}
    if train is not None and len(train):
        mean = baselines.mean_pose(train.joints, train.state)
        others["mean_pose"] = np.broadcast_to(mean, truth.xy.shape)
    rng = np.random.default_rng(SEED)
    protocol = replace(protocol, **MADE)  # a file says nothing of how it was made
    result = score(protocol, truth, predictions.xy, rng, baselines=others)
    doubts = (swapped_sides(protocol, truth, predictions.xy, result), other_persons(result))
    return result, tuple(filter(None, doubts))


def score_results(
    path: Path,
    data: str,
    protocol: Protocol,
    people: People,
    whole: bool,
    *,
    skeleton: Skeleton | None = None,
    base: int | None = None,
) -> tuple[Result, tuple[str, ...]]:
    """As `score_file` under OKS: a results file whole, any other file as one pose a person; and notes.

    Args:
        people: the rows of `data` that are scored.
        whole: they are all of them.

    Raises:
        UserError: the data set has other joints than the protocol, or as `score_file`.
    """
    if people.skeleton.joint_names != protocol.joints:
        raise UserError(
            f"protocol {protocol.name!r} scores the {len(protocol.joints)} joints of COCO, data set "
            f"{people.name!r} has those of skeleton {people.skeleton.name!r}: choose a PCK protocol"
        )
    values = truth_values(data, people, whole)
    if (results := result_list(path, values, base)) is None:
        predictions = read_predictions(path, people, skeleton=skeleton, base=base)
        results, notes = poses_as_results(predictions, people, values), predictions.notes
        return oks_result(protocol, people, values, results), notes
    joints = values["categories"][0]["keypoints"]
    if skeleton is not None and list(skeleton.joint_names) != joints:
        raise UserError(
            f"{path} holds COCO results, whose joints are in the order of the truth ({joints[0]}, "
            f"{joints[1]} ...): leave --skeleton {skeleton.name} out"
        )
    words = "base 0 assumed (--base 1 would subtract a pixel)"
    words = words if base is None else f"base {base}, as asked"
    note = f"{path.name}: {len(results)} COCO results, joints in the order of the truth, {words}"
    return oks_result(protocol, people, values, results), (note,)


def _about(people: People, subset: str, **what: str) -> dict[str, str]:
    return what | {"data": people.name, "subset": subset, "provenance": people.provenance}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes plain values; the file is whole or absent at any time.

    Raises:
        UserError: the file cannot be written.
    """
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
