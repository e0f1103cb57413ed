"""Files scored on data sets by name: published digits, what is warned of, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import drawn
from faults import fault
from vitruvian.measure.protocol_table import PROTOCOLS
from vitruvian.measure.protocols import NOT_STATED
from vitruvian.skeleton import MPII
from vitruvian.types import UserError
from vitruvian.use import scores
from vitruvian.use.scores import (
    Scored,
    label_notes,
    learnt_notes,
    open_truth,
    score_file,
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
