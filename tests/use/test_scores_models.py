"""Models scored on data sets by name: boxes, stages, skeletons, sides, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drawn
from faults import fault
from vitruvian.data.boxes import image_boxes
from vitruvian.measure.peaks import count_peaks
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import check_comparable
from vitruvian.models import DataUsed, Predict
from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.types import State, UserError
from vitruvian.use import scores
from vitruvian.use.occluders import Occluders
from vitruvian.use.scores import open_truth, score_model

PROTOCOL = "lsp-pck-pc"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return drawn.write_figures(tmp_path_factory.mktemp("figures"), 60)


@pytest.fixture(scope="module")
def people(truth):
    return drawn.opened(truth)


@pytest.fixture
def models(monkeypatch):
    def there(**named):
        monkeypatch.setattr(scores, "load", drawn.loader(**named))

    return there


def test_a_model_that_knows(models, people, truth):
    models(tiny=drawn.model_of(drawn.answering(people, people.joints)))
    found = score_model("tiny", [truth], "all", protocol=PROTOCOL, workers=0)
    labelled, image = found.results
    assert labelled.total.value == 1
    assert labelled.protocol.box == "labelled joints x1.25, square"
    assert image.protocol.name == f"{PROTOCOL}-image"
    assert set(labelled.baselines) == {"mean_pose", "image_centre"}
    assert found.about["model"] == "tiny"
    assert found.about["made"] == "what it has learnt from is not stated"
    assert found.to_dict()["failed"] == []


def test_how_far_it_is_is_said_of_each_look(models, people, truth):
    there, said = len(people), []

    class Bar:
        def __init__(self, total):
            said.append([total, 0, "open"])

        def more(self, done):
            said[-1][1] += done

        def close(self):
            said[-1][2] = "closed"

    models(tiny=drawn.model_of(drawn.answering(people, people.joints), predict=Predict(passes=3)))
    score_model("tiny", [truth], "all", workers=0, progress=Bar)
    assert said[:2] == [[there, there, "closed"]] * 2
    assert said[2:] == [[0, there, "closed"]]  # nobody knows how many are looked at again


def test_who_has_learnt_from_whole_photographs_is_scored_in_them(models, people, truth):
    model = drawn.model_of(drawn.answering(people, people.joints, image_boxes(people)))
    recipe = model.info.model_copy(update={"recipe": {"box": "image"}})
    models(tiny=replace(model, info=recipe))
    (result,) = score_model("tiny", [truth], "all", protocol=PROTOCOL, workers=0).results
    assert result.total.value == 1
    assert (result.protocol.name, result.protocol.box) == (f"{PROTOCOL}-image", "whole image")


def test_a_result_says_what_the_model_learnt_from_and_how_it_refines(models, people, truth):
    model = drawn.model_of(drawn.answering(people, people.joints))
    data = (
        DataUsed(name="lspet", rows=7500, licence=""),
        DataUsed(name="mpii", rows=9, licence=""),
    )
    told = {"data": data, "config": {"offset": "local_mean", "sigma": 1}}
    models(tiny=replace(model, info=model.info.model_copy(update=told)))
    found = score_model("tiny", [truth], "all", protocol=PROTOCOL, workers=0)
    said = "learnt from lspet (7500 persons), mpii (9 persons); offset within a cell: local_mean"
    assert found.to_dict()["made"] == said


@pytest.fixture
def detections(people, tmp_path):
    """Boxes of all but the last three persons, by name, a bit off; and where a model then looks."""
    file = tmp_path / "dets.json"
    return file, drawn.write_detections(people, file, 57)


def test_boxes_of_a_detector_stand_for_the_data_sets(models, people, truth, detections):
    file, box = detections
    models(tiny=drawn.model_of(drawn.answering(people, people.joints, box), predict=Predict()))
    found = score_model("tiny", [truth], "all", protocol=PROTOCOL, boxes=file, workers=0)
    (result,) = found.results  # what it does by itself has nothing to do with the boxes
    assert result.total.value == 1
    own = people.box_words
    assert result.protocol.box.startswith(f"boxes of dets.json x1.25 (57 of 60 persons, {own} for")
    said = found.to_dict()
    assert said["boxes"] == {"file": "dets.json", "persons": 60, "fitted": 57, "faces": False}
    assert (
        "57 of 60 persons have a box in dets.json; looked for in the data set's own: 3"
        in (said["notes"])
    )
    assert "; boxes of dets.json x1.25 (57 of 60" in said["provenance"]
    models(tiny=drawn.model_of(drawn.answering(people, people.joints)))
    plain = score_model("tiny", [truth], "all", protocol=PROTOCOL, workers=0).results[0]
    with pytest.raises(UserError, match="cannot be compared: box is 'labelled"):
        check_comparable(plain.protocol, result.protocol)


def test_a_part_of_a_union_has_boxes(models, people, truth, detections, tmp_path):
    """The second part's photographs are called otherwise."""
    labels = Path(drawn.write_figures(tmp_path / "other", 4, seed=5).partition("=")[2])
    values = json.loads(labels.read_text())
    for image in values["images"]:
        image["file_name"] = image["file_name"].replace("f", "g")
    labels.write_text(json.dumps(values))
    for image in sorted((tmp_path / "other" / "images").iterdir()):
        image.rename(image.with_name(image.name.replace("f", "g")))
    other = f"coco={labels}"
    models(tiny=drawn.model_of(drawn.answering(people, people.joints, detections[1])))
    found = score_model("tiny", [truth, other], "all", boxes=detections[0], workers=0)
    assert found.boxes.to_dict() == {
        "file": "dets.json",
        "persons": 64,
        "fitted": 57,
        "faces": False,
    }
    assert found.results[0].protocol.box.endswith(") or labelled joints x1.25, square")


def test_occluders_lie_where_they_lie_without_a_detector(models, people, truth, detections):
    file, _ = detections
    answer = lambda image, flip: (  # noqa: E731
        np.zeros((len(image), 14, 2), np.float32), np.ones((len(image), 14), np.float32)
    )  # fmt: skip
    models(tiny=drawn.model_of(answer))
    more = {"protocol": PROTOCOL, "occluders": Occluders(3), "workers": 0}
    with_file, without = (
        score_model("tiny", [truth], "all", boxes=boxes, **more).results[0]
        for boxes in (file, None)
    )
    hidden = [found.cuts["occlusion"]["occluded"].n for found in (with_file, without)]
    assert hidden[0] == hidden[1] > 0


def test_stages_and_flip_test_are_said(models, people, truth):
    runner = drawn.answering(people, people.joints)
    models(tiny=drawn.model_of(runner, predict=Predict(passes=1, upto="first")))
    found = score_model("tiny", [truth], "all", flip=True, workers=0)
    assert found.about["model"] == "tiny@first"
    assert found.results[0].protocol.flip_test is True
    assert found.results[0].protocol.name == "figures-pck"


def test_settings_are_said(models, people, truth):
    name = "tiny@predict.passes=1"
    models(**{name: drawn.model_of(drawn.answering(people, people.joints))})
    found = score_model(name, [truth], "all", workers=0)
    assert found.about["model"] == "tiny@predict.passes=1"


def test_a_model_of_another_skeleton_is_compared_by_names(models, people, truth):
    """It answers MPII's 16 joints in MPII's order, two of which the data set does not have."""
    xy = np.zeros((len(people), 16, 2))
    xy[:, MPII.index(*LSP.joint_names)] = people.joints
    models(big=drawn.model_of(drawn.answering(people, xy), skeleton=MPII))
    found = score_model("big", [truth], "all", protocol=PROTOCOL, workers=0)
    assert found.results[0].total.value == 1
    assert found.results[0].protocol.joints == PROTOCOLS[PROTOCOL].joints


def test_joints_that_a_model_lacks_are_not_scored(models, people, truth):
    upper = Skeleton(
        "upper", ("left_shoulder", "right_shoulder", "right_hip", "neck"),
        (("right_shoulder", "left_shoulder"),),
    )  # fmt: skip
    xy = people.joints[:, LSP.index(*upper.joint_names)]
    models(upper=drawn.model_of(drawn.answering(people, xy), skeleton=upper))
    result = score_model("upper", [truth], "all", protocol=PROTOCOL, workers=0).results[0]
    assert result.total.value == 1
    assert result.protocol.name == f"{PROTOCOL}-shared"
    assert set(result.joints) == set(upper.joint_names)
    assert dict(result.protocol.groups) == {
        "head": ("neck",),
        "shoulder": ("right_shoulder", "left_shoulder"),
        "hip": ("right_hip",),
    }


def test_a_model_is_not_run_for_a_protocol_that_does_not_fit(models, truth):
    def never(image, flip):
        pytest.fail("ran")

    models(
        tiny=drawn.model_of(never), hand=drawn.model_of(never, Skeleton("hand", ("palm", "tip")))
    )

    def said(name, protocol):
        return fault(lambda: score_model(name, [truth], "all", protocol=protocol, workers=0))

    assert "no length 'head_box'" in said("tiny", "mpii-pckh")
    assert "scores 'nose'" in said("tiny", "flic-pck-pc")
    assert "skeleton 'hand' does not have" in said("hand", "lsp-pcp-strict")
    assert "scores COCO results" in said("tiny", "coco-oks")


def test_sides_of_a_model(models, people, truth):
    """Person-centric answers are turned for observer-centric labels; the other way is refused."""
    observed = open_truth(truth, PROTOCOLS["lsp-pck-oc"])
    models(
        tiny=drawn.model_of(drawn.answering(observed, people.joints)),
        oc=drawn.model_of(drawn.answering(observed, observed.joints), convention="OC"),
    )
    turned = score_model("tiny", [truth], "all", protocol="lsp-pck-oc", workers=0).results[0]
    assert turned.total.value == 1
    assert "turned" in turned.protocol.decoding
    own = score_model("oc", [truth], "all", workers=0).results[0]
    assert own.total.value == 1
    assert own.protocol.convention == "OC"
    said = fault(lambda: score_model("oc", [truth], "all", protocol=PROTOCOL, workers=0))
    assert "what an observer sees" in said


def test_rendered_figures_without_a_data_set(models, monkeypatch, people):
    monkeypatch.setattr(scores, "figures", lambda skeleton: people)
    models(tiny=drawn.model_of(drawn.answering(people, people.joints)))
    found = score_model("tiny", [], "all", workers=0)
    assert found.results[0].total.value == 1


def test_peaks_are_counted_where_they_are_asked_for(models, people, truth, monkeypatch):
    """On the persons that are scored, with what is pasted on them, before anything is scored."""
    seen = []

    def counted(model, people, **more):
        seen.append((people, more))
        return count_peaks({"m": np.ones((2, 1))}, np.ones((2, 1), bool), ("neck",),
                           np.arange(2), np.random.default_rng(0))  # fmt: skip

    monkeypatch.setattr(scores, "model_peaks", counted)
    models(tiny=drawn.model_of(drawn.answering(people, people.joints)))
    plain = score_model("tiny", [truth], "all", workers=0)
    assert (plain.peaks, seen) == (None, [])
    assert "peaks" not in plain.to_dict()
    found = score_model("tiny", [truth], "val", occluders=Occluders(2), peaks=True, flip=True, device="cpu",
                        workers=0)  # fmt: skip
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["peaks"]["sets"]["m"]["neck"]["value"] == 1
    assert values["protocol"]["occluders"] == "2 pasted on each person, seed 0"
    ((asked, more),) = seen
    assert more == {"flip": True, "device": "cpu", "workers": 0}
    val = people.subset("val")
    np.testing.assert_array_equal(asked.key, val.key)
    assert (asked.state == State.OCCLUDED).sum() > (val.state == State.OCCLUDED).sum()
