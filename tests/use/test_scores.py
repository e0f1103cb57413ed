"""Files and models scored on data sets by name: published digits, what is warned of, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drawn
from vitruvian.data.boxes import image_boxes
from vitruvian.measure.peaks import count_peaks
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import NOT_STATED, check_comparable
from vitruvian.models import Predict
from vitruvian.skeleton import LSP, MPII, Skeleton
from vitruvian.types import State, UserError
from vitruvian.use import scores
from vitruvian.use.occluders import Occluders
from vitruvian.use.scores import (
    Scored,
    label_notes,
    learnt_notes,
    open_truth,
    score_file,
    score_model,
    subset_name,
)

PROTOCOL = "lsp-pck-pc"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return drawn.write_figures(tmp_path_factory.mktemp("figures"), 60)


@pytest.fixture(scope="module")
def people(truth):
    return drawn.opened(truth)


@pytest.fixture
def score(truth, tmp_path):
    """Scores poses of all figures."""

    def scored(xy, protocol=PROTOCOL, subset="all", base=None, **more):
        path = drawn.write_poses(tmp_path / "poses.npz", xy, **more)
        return score_file(path, truth, protocol, subset, base=base)

    return scored


def test_the_truth_scores_one(score, people):
    found = score(people.joints)
    (result,) = found.results
    assert (result.total.value, result.auc.value, result.n) == (1, 1, 60)
    assert found.warnings == ()
    assert found.about["data"] == "figures"
    assert found.about["subset"] == "all"
    assert found.about["predictions"] == "poses.npz"


def test_poses_off_by_a_known_length(score, people):
    """A quarter of the persons off by 0.145 torsos: right at 0.2, wrong at 0.1."""
    (result,) = score(drawn.off_by(people, 0.145, slice(0, 15))).results
    assert result.total.value == 1
    assert result.quoted["PCK@0.1"].value == pytest.approx(0.75)
    assert result.auc.value == pytest.approx(0.75 + 0.25 * (5.5 / 20))  # a step at 15 of 20


def test_what_is_written_can_be_read(score, people):
    values = json.loads(json.dumps(score(people.joints).to_dict(), allow_nan=False))
    assert values["protocol"]["name"] == PROTOCOL
    assert values["protocol"]["data"].startswith("figures, 60 persons")
    assert values["n"] == 60
    assert set(values["total"]) == {"value", "low", "high", "n"}
    assert set(values["baselines"]) == {"mean_pose"}
    assert any("joints unnamed" in note for note in values["notes"])
    assert values["warnings"] == []
    assert values["also"] == []
    assert {"data", "subset", "provenance", "predictions", "cuts"} <= set(values)


def test_how_a_file_was_made_is_not_claimed(score, people):
    """The protocol of LSPET's figures names a box and no flip test; a file does not."""
    said = PROTOCOLS["lspet-pck-pc"]
    protocol = score(people.joints, "lspet-pck-pc").results[0].protocol
    assert (said.box, said.flip_test) == ("labelled joints x1.25, square", False)
    assert (protocol.box, protocol.flip_test, protocol.decoding) == (NOT_STATED, None, NOT_STATED)
    assert protocol.name == said.name


def test_further_results_follow_the_first(score, people):
    found = score(people.joints)
    worse = score(drawn.off_by(people, 0.3)).results[0]
    both = Scored((*found.results, worse), found.about).to_dict()
    assert both["total"]["value"] == 1
    assert [other["total"]["value"] for other in both["also"]] == [0]


def test_exchanged_columns_warn(score, people):
    (warning,) = score(people.joints[:, people.skeleton.swap]).warnings
    assert "right and left exchanged" in warning


def test_persons_in_another_order_warn(score, people):
    moved = np.roll(people.joints, 1, axis=0)
    assert any("of chance" in words for words in score(moved).warnings)


def test_joints_without_a_prediction_are_wrong(score, people):
    xy = people.joints.astype(float)
    xy[:6] = np.nan
    found = score(xy)
    assert found.results[0].total.value == pytest.approx(0.9)
    assert any("6 of 60 persons have no prediction" in note for note in found.notes)


def test_a_file_that_states_the_other_convention(score, people):
    with pytest.raises(UserError, match=r"says that its left and right are OC.*scores PC: choose"):
        score(people.joints, convention="OC")
    assert score(people.joints, convention="PC").warnings == ()


def fault(call) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_does_not_fit_is_one_line(score, people, truth, tmp_path):
    xy = people.joints
    assert "no protocol 'lsp-pck'; nearest: 'lsp-pck-" in fault(lambda: score(xy, "lsp-pck"))
    assert "no subset 'tset'" in fault(lambda: score(xy, subset="tset"))
    said = fault(lambda: score(xy, subset="train"))
    assert "holds 60 persons, but" in said
    path = drawn.write_poses(tmp_path / "p.npz", xy)
    said = fault(lambda: score_file(path, truth.replace("coco", "cocoo"), PROTOCOL))
    assert "no data set 'cocoo'; nearest: 'coco'" in said
    assert "nowhere" in fault(lambda: score_file(path, "coco=/nowhere", PROTOCOL))
    absent = tmp_path / "absent.npz"
    assert "absent.npz is not there" in fault(lambda: score_file(absent, truth, PROTOCOL))
    said = fault(lambda: score_file(path, truth, PROTOCOL, "all", skeleton=MPII))
    assert "16 joints" in said


def test_a_protocol_of_other_joints_is_refused_before_the_file_is_read(truth, tmp_path):
    """Else a doubt about coordinates would be said of a file that is not meant."""
    absent = tmp_path / "absent.npz"
    assert "no length 'head_box'" in fault(lambda: score_file(absent, truth, "mpii-pckh"))
    assert "scores 'nose'" in fault(lambda: score_file(absent, truth, "flic-pck-pc"))


def test_the_subset_of_published_figures_is_taken(people):
    assert subset_name(people, None) == "val"
    assert subset_name(people, "train") == "train"
    assert subset_name(replace(people, scored="test"), None) == "all"


def test_labels_that_published_pckh_is_not_of_are_said(shared):
    """The same 2,958 persons, from the file of published figures and from another."""
    mpii = shared / "oracles" / "mpii"
    path, protocol = mpii / "tompson.h5", "mpii-pckh"
    ours = score_file(path, f"mpii={mpii}", protocol, base=1)
    assert f"{100 * ours.results[0].total.value:.2f}" == "82.34"
    assert not any("the labels are those of" in note for note in ours.notes)
    other = score_file(path, f"mpii={shared / 'data' / 'mpii' / 'valid.h5'}", protocol, base=1)
    assert f"{100 * other.results[0].total.value:.2f}" == "82.32"
    (said,) = [note for note in other.notes if "the labels are those of valid.h5" in note]
    assert "`pos_gt_src` in detections_our_format.mat" in said


def test_labels_of_other_data_sets_are_what_they_are(people):
    for protocol in ("lsp-pck-pc", "mpii-pckh"):
        assert label_notes(people, "val", PROTOCOLS[protocol]) == ()


def test_truth_of_the_other_convention_is_made_by_the_rule(truth):
    found = open_truth(truth, PROTOCOLS["lsp-pck-oc"])
    assert found.convention == "OC"
    assert "torso rule" in found.provenance
    assert open_truth(truth, PROTOCOLS[PROTOCOL]).convention == "PC"
    assert open_truth(truth, None).convention == "PC"


# ---- models --------------------------------------------------------------------------------------
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


def test_json_is_whole_or_an_error(tmp_path):
    scores.write_json(tmp_path / "deep" / "x.json", {"a": None})
    assert json.loads((tmp_path / "deep" / "x.json").read_text()) == {"a": None}
    (tmp_path / "file").write_text("")
    assert "file" in fault(lambda: scores.write_json(tmp_path / "file" / "x.json", {}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        scores.write_json(Path(tmp_path / "nan.json"), {"a": float("nan")})
    assert not (tmp_path / "nan.json").exists()


@pytest.mark.parametrize(
    ("sizes", "subset", "said"),
    [
        ({"train": 24, "tune": 1, "val": 5}, "all", "24 persons of `train`"),
        ({"train": 24, "tune": 6, "val": 0}, "all", "--subset tune"),
        ({"train": 24, "tune": 1, "val": 5}, "val", ""),
        ({"train": 0, "val": 30}, "all", ""),
        ({"train": 30}, "all", ""),
    ],
)
def test_what_was_learnt_from_is_said(sizes, subset, said):
    notes = learnt_notes(sizes, subset)
    assert said in "".join(notes) if said else notes == ()
