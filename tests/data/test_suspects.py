"""A file of suspect labels, and that these alone are left out of a training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posed import six_alike
from vitruvian.data.people import People
from vitruvian.data.suspects import (
    Suspect,
    Suspects,
    Suspicion,
    correct,
    leave_out,
    read_suspects,
)
from vitruvian.types import State, UserError


@pytest.fixture
def people() -> People:
    return six_alike()


def suspects(people: People, *labels: tuple[int, str]) -> Suspects:
    names, places = people.skeleton.joint_names, dict(zip(people.key, people.joints, strict=True))

    def suspect(key: int, joint: str) -> Suspect:
        known = key in places and joint in names
        x, y = places[key][names.index(joint)].tolist() if known else (0.0, 0.0)
        return Suspect(key, f"{key}.jpg", joint, 0.4, 0.9, (x, y), (7.5, key), False)

    rows = tuple(suspect(key, joint) for key, joint in labels)
    return Suspects(people.name, "train", people.convention, "m", 0.15, 0.5, 84, 6, rows)


def test_the_file_comes_back(people: People, tmp_path: Path) -> None:
    for found in (suspects(people), suspects(people, (11, "left_knee"), (12, "neck"))):
        file = tmp_path / "s.json"
        file.write_text(found.to_json())
        assert read_suspects(file) == found


def test_labels_of_training_rows_become_undefined(people: People) -> None:
    knee, neck = people.skeleton.index("left_knee", "neck")
    found = suspects(people, (11, "left_knee"), (10, "neck"), (14, "neck"))
    kept = leave_out(people, found)
    changed = np.argwhere(kept.state != people.state).tolist()
    assert changed == [[0, neck], [1, knee]]  # key 14 is of `tune`
    assert (kept.state[[0, 1], [neck, knee]] == State.UNDEFINED).all()
    assert (kept.joints[[0, 1], [neck, knee]] == 0).all()
    np.testing.assert_array_equal(kept.box, people.box)
    assert people.state[0, neck] >= State.OCCLUDED
    assert kept.provenance.startswith(f"{people.provenance}; 2 suspect labels left out (")
    other = leave_out(people, suspects(people, (11, "left_knee"), (10, "head_top")))
    assert other.provenance != kept.provenance  # a run that goes on must have left out the same


def test_answers_stand_where_labels_were(people: People) -> None:
    neck = people.skeleton.index("neck")[0]
    found = suspects(people, (11, "neck"), (14, "neck"))
    kept = correct(people, found)
    assert np.argwhere((kept.joints != people.joints).any(-1)).tolist() == [[1, neck]]
    assert kept.joints[1, neck].tolist() == [7.5, 11]
    assert kept.state is people.state
    assert "; 1 suspect labels replaced by answers of m (" in kept.provenance
    moved = replace(found, suspects=tuple(replace(s, answer=(1.0, 2.0)) for s in found.suspects))
    assert correct(people, moved).provenance != kept.provenance


def test_answers_to_another_copy_are_refused(people: People) -> None:
    """A pack's coordinates are px of its crops."""
    found = suspects(people, (11, "neck"))
    moved = replace(people, joints=people.joints * np.float32(0.5))
    with pytest.raises(
        UserError, match=r"neck of 11.jpg is labelled at .* look for suspects in this"
    ):
        correct(moved, found)
    assert (leave_out(moved, found).state != moved.state).sum() == 1  # needs no coordinates


def test_a_data_set_without_subsets_is_trained_on_as_a_whole(people: People) -> None:
    whole = replace(people, subsets={})
    neck = people.skeleton.index("neck")[0]
    assert leave_out(whole, suspects(whole, (14, "neck"))).state[4, neck] == State.UNDEFINED


def test_a_label_that_is_missing_stays_so(people: People) -> None:
    neck = people.skeleton.index("neck")[0]
    people.state[0, neck] = State.MISSING
    assert leave_out(people, suspects(people, (10, "neck"))).state[0, neck] == State.MISSING


@pytest.mark.parametrize("label", [(99, "neck"), (10, "tail")])
def test_suspects_of_other_rows_are_refused(people: People, label: tuple[int, str]) -> None:
    with pytest.raises(UserError, match=f"has '{label[1]}' of {label[0]}.jpg, not of these 6 rows"):
        leave_out(people, suspects(people, label))


def test_suspects_of_another_data_set_or_convention_are_refused(people: People) -> None:
    found = suspects(people, (10, "neck"))
    with pytest.raises(UserError, match="of data set 'other', not of these 6 rows"):
        leave_out(people, replace(found, data="other"))
    with pytest.raises(UserError, match="mean OC sides, the training PC"):
        leave_out(people, replace(found, convention="OC"))


def test_what_files_did_is_said(people: People, tmp_path: Path) -> None:
    """One label of three is of `tune`."""
    file, said = tmp_path / "s.json", list[str]()
    file.write_text(suspects(people, (10, "neck"), (11, "neck"), (14, "neck")).to_json())
    Suspicion((file,)).mend([people], said.append)
    Suspicion(correct=(file,)).mend([people], said.append)
    assert said == [
        "2 of 3 suspect labels left out (s.json)",
        "2 of 3 suspect labels replaced by answers of m (s.json)",
    ]


def test_files_find_their_data_set_by_name(people: People, tmp_path: Path) -> None:
    one, other = people, replace(people, name="other")
    file = tmp_path / "s.json"
    file.write_text(suspects(other, (10, "neck")).to_json())
    same, changed = Suspicion((file,)).mend([one, other])
    assert same is one
    assert (changed.state != other.state).sum() == 1
    assert Suspicion(correct=(file,)).mend([other])[0].joints[0].tolist().count([7.5, 10]) == 1
    assert Suspicion().mend([one]) == [one]
    with pytest.raises(UserError, match=r"s.json has suspect labels of data set 'other'.* figures"):
        Suspicion((file,)).mend([one])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "suspects": []}', "\xff"]
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="is no file of suspect labels"):
        read_suspects(file)


def test_a_suspect_of_another_form_is_refused(people: People, tmp_path: Path) -> None:
    values = json.loads(suspects(people, (10, "neck")).to_json())
    for wrong in ({"key": "ten"}, {"answer": [1]}, {"answer": "ab"}, {"hue": 3}):
        row = values["suspects"][0] | wrong
        (tmp_path / "s.json").write_text(json.dumps(values | {"suspects": [row]}))
        with pytest.raises(UserError, match="is no file of suspect labels"):
            read_suspects(tmp_path / "s.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_suspects(tmp_path / "none.json")
