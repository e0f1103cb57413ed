"""Rows under one protocol: which may stand beside each other, which can be paired, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import drawn
from compared import COUNT, PROTOCOL, fault, request, save_result, write_files
from vitruvian.data.boxes import image_boxes
from vitruvian.measure.protocols import NOT_STATED
from vitruvian.models import Predict
from vitruvian.skeleton import Skeleton
from vitruvian.types import UserError
from vitruvian.use import compare as compare_module
from vitruvian.use.compare import compare, named, open_rows
from vitruvian.use.compare_tables import below, grid
from vitruvian.use.costs import BATCH
from vitruvian.use.occluders import Occluders
from vitruvian.use.scores import NOT_SAID, write_json


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return drawn.write_figures(tmp_path_factory.mktemp("figures"), COUNT)


@pytest.fixture(scope="module")
def people(truth):
    return drawn.opened(truth)


@pytest.fixture
def files(people, tmp_path):
    return write_files(tmp_path, people)


@pytest.fixture
def saved(files, truth):
    return partial(save_result, files, truth)


@pytest.fixture
def models(monkeypatch):
    def there(**named_models):
        monkeypatch.setattr(compare_module, "load", drawn.loader(**named_models))

    return there


# ---- rows ----------------------------------------------------------------------------------------
def test_files_are_paired_person_by_person(files, truth):
    found = compare(request(files / "good.npz", files / "worse.npz", truth=truth))
    good, worse = found.entries
    assert (good.label, worse.label) == ("good", "worse")
    assert good.result.total.value == 1
    assert worse.result.total.value == pytest.approx(0.75)
    assert good.against_first is None
    gap = worse.against_first["total"]
    assert gap.value == pytest.approx(-0.25)
    assert gap.low <= -0.25 <= gap.high < 0
    assert gap.p < 0.01
    assert found.protocol.name == PROTOCOL
    assert found.protocol.data.startswith("figures, 40 persons")
    assert found.about["subset"] == "all"


def test_one_item_and_none(files, truth):
    (entry,) = compare(request(files / "good.npz", truth=truth)).entries
    assert entry.against_first is None
    assert "nothing to compare" in fault(truth=truth)


def test_notes_and_warnings_of_files_are_kept(files, truth, people):
    drawn.write_poses(files / "mirrored.npz", people.joints[:, people.skeleton.swap])
    (entry,) = compare(request(files / "mirrored.npz", truth=truth)).entries
    assert any("right and left exchanged" in note for note in entry.notes)
    assert any("joints unnamed" in note for note in entry.notes)


def test_models_beside_files(models, files, truth, people):
    models(tiny=drawn.model_of(drawn.answering(people, people.joints)))
    found = compare(request(files / "worse.npz", "tiny", truth=truth))
    file, model = found.entries
    assert model.label == "tiny"
    assert model.result.total.value == 1
    assert model.facts == {"parameters": 7, "gmacs": 0.5}
    assert model.against_first["total"].value == pytest.approx(0.25)
    assert file.result.protocol.box == NOT_STATED
    assert model.result.protocol.box == "labelled joints x1.25, square"
    assert found.protocol.box == model.result.protocol.box  # what any row says stands above all


def test_who_has_learnt_from_other_boxes_says_so(models, truth, people):
    model = drawn.model_of(drawn.answering(people, people.joints))
    learnt = model.info.model_copy(update={"recipe": {"box": "image"}})
    models(tiny=model, whole=replace(model, info=learnt))
    tiny, whole = compare(request("tiny", "whole", truth=truth)).entries
    assert tiny.notes == (NOT_SAID,)
    assert whole.notes[1].startswith("has learnt from whole photographs, not from boxes as above")
    there = drawn.answering(people, people.joints, image_boxes(people))
    models(whole=replace(model, info=learnt, runner=there))
    found = compare(request("whole", truth=truth))
    assert found.protocol.box == "whole image"
    assert (found.entries[0].notes, found.entries[0].result.total.value) == ((NOT_SAID,), 1)


def test_models_look_in_boxes_of_a_file(models, files, truth, people):
    box = drawn.write_detections(people, files / "dets.json", 39)
    models(tiny=drawn.model_of(drawn.answering(people, people.joints, box)))
    found = compare(request(files / "worse.npz", "tiny", truth=truth, boxes=files / "dets.json"))
    file, model = found.entries
    assert model.result.total.value == 1
    assert found.protocol.box.startswith("boxes of dets.json x1.25 (39 of 40 persons, ")
    said = "39 of 40 persons have a box in dets.json; looked for in the data set's own: 1"
    assert model.notes == (NOT_SAID, said)
    assert said not in file.notes
    assert found.to_dict()["boxes"] == {
        "file": "dets.json",
        "persons": 40,
        "fitted": 39,
        "faces": False,
    }
    only_files = (files / "good.npz", files / "worse.npz")
    assert "there is none: leave it out" in fault(
        *only_files, truth=truth, boxes=files / "dets.json"
    )


def test_costs_stand_beside_models_and_not_beside_files(models, files, truth, people, monkeypatch):
    """Two models of one answer, one of which takes twice as long by a clock of our own."""
    now = [0.0]
    monkeypatch.setattr("vitruvian.use.costs.time.perf_counter", lambda: now[0])

    def slow(seconds):
        answer = drawn.answering(people, people.joints)

        def run(image, flip):
            now[0] += seconds
            return answer(image[: len(people)], flip) if len(image) != BATCH else None

        return drawn.model_of(run)

    quick, twice = slow(0.5), slow(1.0)
    quick = replace(quick, info=quick.info.model_copy(update={"hours": 1.25}))
    models(quick=quick, twice=twice)
    found = compare(request(files / "good.npz", "quick", "twice", truth=truth, costs=True))
    file, one, other = found.entries
    assert file.cost is None
    assert (one.cost.speed, other.cost.speed) == (BATCH / 0.5, BATCH / 1.0)
    assert (one.cost.hours, other.cost.hours) == (1.25, None)
    assert one.cost.whole is not None
    rows = {row["label"]: row for row in found.to_dict()["rows"]}
    assert "images_per_second" not in rows["good"]
    assert rows["quick"]["hours"] == 1.25
    head, cells = grid(found)
    assert head[-4:] == ["whole image", "parameters", "images/s", "hours trained"]
    assert cells[0][-4:] == ["-"] * 4
    assert cells[1][-3:] == ["0.00 M", "64", "1.2"]
    assert any(line.startswith("images/s: crops to joints") for line in below(found))


def test_the_flip_test_stands_in_the_protocol(models, truth, people, tmp_path):
    """Also of a protocol that is published without it."""
    models(tiny=drawn.model_of(drawn.answering(people, people.joints)))
    drawn.write_poses(tmp_path / "p.npz", people.joints)
    beside = compare(
        request(tmp_path / "p.npz", "tiny", truth=truth, protocol="lspet-pck-pc", flip=True)
    )
    assert [entry.result.protocol.flip_test for entry in beside.entries] == [None, True]
    for protocol in (PROTOCOL, "lspet-pck-pc", None):
        found = compare(request("tiny", truth=truth, protocol=protocol, flip=True))
        assert found.protocol.flip_test is True
        assert "; flip test;" in found.protocol.describe()


def test_a_model_of_fewer_joints_is_not_put_beside_others(models, files, truth, people):
    few = Skeleton("few", ("neck", "head_top"))
    xy = people.joints[:, people.skeleton.index(*few.joint_names)]
    models(few=drawn.model_of(drawn.answering(people, xy), skeleton=few))
    (entry,) = compare(request("few", truth=truth)).entries
    assert entry.result.total.value == 1
    assert "cannot be compared: joints is" in fault(files / "good.npz", "few", truth=truth)


def test_stages_of_one_model(models, truth, people):
    off = drawn.off_by(people, 1)
    runners = {"run@first": off, "run": people.joints, "run@predict.passes=1": people.joints}
    models(**{
        name: drawn.model_of(drawn.answering(people, xy), predict=Predict(passes=1))
        for name, xy in runners.items()
    })  # fmt: skip
    found = compare(request(*runners, truth=truth))
    assert [entry.label for entry in found.entries] == [*runners]
    assert [entry.result.total.value for entry in found.entries] == [0, 1, 1]


# ---- shapes pasted on the photographs ---------------------------------------------------------------
def test_models_see_the_same_shapes(models, truth, people):
    """One misses what is hidden by them, the other finds it; both are scored on the same truth."""
    models(
        a=drawn.model_of(drawn.answering(people, people.joints)),
        b=drawn.model_of(drawn.answering(people, drawn.off_by(people, 1, slice(0, 10)))),
    )
    found = compare(request("a", "b", truth=truth, occluders=Occluders(3, 1)))
    assert found.protocol.occluders == "3 pasted on each person, seed 1"
    assert found.entries[1].against_first["total"].value == pytest.approx(-0.25)
    plain = compare(request("a", truth=truth)).entries[0].result
    hidden = [e.result.cuts["occlusion"]["occluded"].n for e in found.entries]
    assert hidden[0] == hidden[1] > plain.cuts["occlusion"]["occluded"].n


def test_figures_with_and_without_shapes_are_not_compared(models, files, truth, people, saved):
    models(a=drawn.model_of(drawn.answering(people, people.joints)))
    (entry,) = compare(request("a", truth=truth, occluders=Occluders(3))).entries
    about = {"data": "figures", "subset": "all", "provenance": ""}
    write_json(files / "pasted.json", about | entry.result.to_dict())
    said = fault("a", files / "pasted.json", truth=truth)
    assert "cannot be compared: occluders is 'none' in the first and '3 pasted on" in said
    again = compare(request("a", files / "pasted.json", truth=truth, occluders=Occluders(3)))
    assert again.entries[0].result.total == again.entries[1].result.total
    said = fault("a", files / "pasted.json", truth=truth, occluders=Occluders(3, 1))
    assert "seed 1' in the first and '3 pasted on each person, seed 0' in the second" in said
    said = fault("a", saved("old.json"), truth=truth, occluders=Occluders(3))
    assert "occluders is" in said


def test_where_nothing_can_be_pasted(files, truth, saved, models):
    def never(image, flip):
        pytest.fail("ran")

    models(a=drawn.model_of(never))
    said = fault(files / "good.npz", truth=truth, occluders=Occluders(3))
    assert "good.npz holds predictions, made of photographs as they are: leave --occluders" in said
    assert fault(saved("old.json"), occluders=Occluders(3)).startswith("--occluders is about what")
    said = fault("a", truth=truth, published="lsp-pc", occluders=Occluders(3))
    assert said.startswith("published rows 'lsp-pc': ")
    assert "occluders is" in said


# ---- names ---------------------------------------------------------------------------------------
def test_labels(tmp_path):
    odd = tmp_path / "a=b.npz"
    odd.write_bytes(b"")
    runs = [f"/somewhere/{name}" for name in ("first", "second@stage1")]
    assert named(["default", "Old=x/y.npz", "x/z.JSON", str(odd), "runs/a", *runs]) == [
        ("default", "default"),
        ("Old", "x/y.npz"),
        ("z", "x/z.JSON"),
        ("a=b", str(odd)),
        ("runs/a", "runs/a"),
        ("first", runs[0]),
        ("second@stage1", runs[1]),
    ]


def test_two_rows_of_one_name(files, truth):
    said = fault(files / "good.npz", files / "good.npz", truth=truth)
    assert said == "two rows are called 'good': name them, LABEL=ITEM"
    found = compare(request(files / "good.npz", f"again={files / 'good.npz'}", truth=truth))
    assert found.entries[1].label == "again"


# ---- what lacks ----------------------------------------------------------------------------------
def test_what_a_file_or_a_model_needs(files, truth, people, models):
    models()
    assert "good.npz holds predictions: give --truth and --protocol" in fault(files / "good.npz")
    assert "holds predictions" in fault(files / "good.npz", truth=truth, protocol=None)
    assert "default is a model: give --truth" in fault("default")
    assert "absent.npz is not there" in fault(files / "absent.npz", truth=truth)
    assert "no protocol 'lsp'" in fault(files / "good.npz", truth=truth, protocol="lsp")
    assert "no subset 'tset'" in fault(files / "good.npz", truth=truth, subset="tset")
    assert "no length 'head_box'" in fault(files / "good.npz", truth=truth, protocol="mpii-pckh")
    drawn.write_poses(files / "short.npz", people.joints[people.subsets["train"]])
    assert "'train' has as many" in fault(files / "short.npz", truth=truth)
    with pytest.raises(UserError, match="on which photographs"):
        open_rows(request("default"))


def test_object_keypoint_similarity_is_compared_too(shared, tmp_path):
    truth = shared / "data" / "coco" / "test_coco.json"
    rows = json.loads(truth.read_text())["annotations"]
    rows = [row for row in rows if row["num_keypoints"] and not row["iscrowd"]]
    for name, kept in (("all", rows), ("half", rows[:6])):
        results = [
            {key: row[key] for key in ("image_id", "category_id", "keypoints")} | {"score": 1}
            for row in kept
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps(results))
    found = compare(
        request(tmp_path / "all.json", tmp_path / "half.json", truth=f"coco={truth}",
                protocol="coco-oks")
    )  # fmt: skip
    assert [entry.result.total.value for entry in found.entries] == [
        pytest.approx(1),
        pytest.approx(51 / 101),
    ]
    gaps = found.entries[1].against_first
    assert gaps is not None
    assert gaps["AP"].value == pytest.approx(51 / 101 - 1)
    assert gaps["AP"].low < gaps["AP"].value < gaps["AP"].high <= 0
    assert grid(found)[1][1][-2].startswith("-49.5 (")
    assert any("500 resamples" in line for line in below(found))


# ---- published rows ------------------------------------------------------------------------------
def test_published_rows(shared):
    lsp = shared / "oracles" / "lsp"
    found = compare(
        request(lsp / "pred_keypoints_lsp_oc.mat", truth=f"lsp={lsp}", protocol="lsp-pck-oc",
                subset=None, published="lsp-oc")
    )  # fmt: skip
    assert found.about["subset"] == "test"
    (own,) = [row for table, row in found.published
              if table.id == "T2" and row.method == "Yang et al."]  # fmt: skip
    assert round(100 * found.entries[0].result.total.value, 1) == own.values["Total"] == 81.5
    assert len(found.published) == 33


def test_published_rows_of_another_protocol_are_refused_before_anything_runs(models, truth, saved):
    def never(image, flip):
        pytest.fail("ran")

    models(tiny=drawn.model_of(never))
    said = fault("tiny", truth=truth, published="mpii-val")
    assert said.startswith(
        "published rows 'mpii-val': 'mpii-pckh' and 'lsp-pck-pc' cannot be compared"
    )
    assert said.endswith("; evaluate both under one protocol, or give --published lsp-pc")
    sticks = fault("tiny", truth=truth, protocol="lsp-pcp-loose", published="lsp-pcp")
    assert sticks.endswith(", or give --published lsp-pcp-loose")
    both = fault("tiny", truth=truth, protocol="mpii-pckh", published="lsp-pc")
    assert both.endswith("; evaluate both under one protocol")  # there are two sets of MPII
    assert "published rows 'lsp-oc'" in fault(saved("old.json"), published="lsp-oc")
    assert "no published rows 'lsp'; nearest: 'lsp-" in fault(saved("old.json"), published="lsp")


# ---- plain values --------------------------------------------------------------------------------
def test_plain_values(files, truth):
    found = compare(
        request(files / "good.npz", files / "worse.npz", truth=truth, published="lsp-pc")
    )
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["label"] for row in values["rows"]] == ["good", "worse"]
    assert values["rows"][0]["against_first"] is None
    assert values["rows"][1]["against_first"]["total"]["value"] == pytest.approx(-0.25)
    assert values["protocol"] == json.loads(json.dumps(found.protocol.to_dict()))
    assert {row["citation"].rsplit(", ", 1)[1] for row in values["published"]} == {
        "Table 4", "Table 5", "Table 6", "Table 7"
    }  # fmt: skip
    assert all(
        value is None or 0 < value <= 100
        for row in values["published"]
        for value in row["columns"].values()
    )


def test_other_joints_cannot_be_paired(files, truth):
    """Tallies of other shapes: no difference, and no error."""
    found = compare(request(files / "good.npz", files / "worse.npz", truth=truth))
    one, other = found.entries
    short = replace(
        other.result.tally,
        part=other.result.tally.part[:-1],
        whole=other.result.tally.whole[:-1],
    )
    paired = compare_module._paired(
        [one, replace(other, result=replace(other.result, tally=short))]
    )
    assert paired[1].against_first is None
    assert np.isfinite(other.against_first["total"].value)
