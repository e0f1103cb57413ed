"""Results that `eval --json` has saved, beside each other and beside files."""

from __future__ import annotations

import json
from functools import partial

import pytest

import drawn
from compared import COUNT, PROTOCOL, fault, request, save_result, write_files
from vitruvian.use.compare import compare
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


def test_saved_results_need_no_truth(saved):
    found = compare(request(saved("good.json"), saved("worse.json", "worse.npz")))
    good, worse = found.entries
    assert (good.result.total.value, worse.result.total.value) == (1, pytest.approx(0.75))
    assert worse.against_first is None  # figures alone cannot be paired
    assert good.notes == (NOT_SAID,)
    assert set(found.about) == {"data", "subset", "provenance"}
    assert found.protocol.name == PROTOCOL
    assert found.about["data"] == "figures"
    assert found.about["provenance"]


def test_a_saved_result_beside_files(saved, files, truth):
    old = saved("old.json", "worse.npz")
    found = compare(request(files / "good.npz", old, files / "worse.npz", truth=truth))
    assert [entry.against_first is None for entry in found.entries] == [True, True, False]
    assert found.entries[1].result.total == found.entries[2].result.total


def test_a_result_of_other_persons_is_refused(saved, files, truth, people):
    rows = people.subsets["val"]
    drawn.write_poses(files / "val.npz", people.joints[rows])
    val = saved("val.json", "val.npz", subset="val")
    said = fault(files / "good.npz", val, truth=truth)
    assert said.startswith("val cannot be compared: subset is 'val', that of the others is 'all'")
    values = json.loads(val.read_text()) | {"subset": "all", "data": "lsp"}
    write_json(val, values)
    assert "data is 'lsp', that of the others is 'figures'" in fault(
        files / "good.npz", val, truth=truth
    )
    write_json(val, values | {"data": "figures"})  # the protocol knows which persons they were
    assert "cannot be compared: data is" in fault(files / "good.npz", val, truth=truth)


@pytest.mark.parametrize(
    ("field", "other"),
    [("threshold", 0.1), ("convention", "OC"), ("comparator", "<"), ("averaging", "macro"),
     ("reference", "torso_other"), ("version", 2)],
)  # fmt: skip
def test_a_mismatch_names_the_field(saved, files, truth, field, other):
    old = saved("old.json")
    values = json.loads(old.read_text())
    values["protocol"][field] = other
    write_json(old, values)
    said = fault(files / "good.npz", old, truth=truth)
    assert f"cannot be compared: {field} is" in said
    assert f"{other!r} in the second" in said


def test_each_row_is_checked_against_each(saved, files, truth):
    """Two results that say how they were made differ, though neither differs from a file's."""
    paths = []
    for name in ("a", "b"):
        path = saved(f"{name}.json")
        values = json.loads(path.read_text())
        values["protocol"]["box"] = f"box of {name}"
        write_json(path, values)
        paths.append(path)
    for path in paths:
        compare(request(files / "good.npz", path, truth=truth))
    assert "box is 'box of a' in the first" in fault(files / "good.npz", *paths, truth=truth)


def test_saved_results_under_another_protocol_than_asked(saved):
    said = fault(saved("old.json"), protocol="mpii-pckh")
    assert said.startswith("'mpii-pckh' and 'lsp-pck-pc' cannot be compared: skeleton is 'mpii'")
    assert compare(request(saved("old.json"), protocol=PROTOCOL)).entries[0].result.n == 40


def test_a_file_that_only_looks_like_a_result(files, truth):
    (files / "odd.json").write_text(json.dumps({"protocol": {"name": "x"}, "n": 3}))
    assert "evaluate again" in fault(files / "odd.json")


@pytest.mark.parametrize(
    ("more", "option"),
    [({"subset": "all"}, "--subset"), ({"flip": True}, "--flip"), ({"base": 0}, "--base")],
)
def test_options_that_would_do_nothing_are_refused(saved, more, option):
    assert fault(saved("old.json"), **more).startswith(option)
