"""Pairs by names that are glued, known skeletons, and where a converted file finds its photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

import drawn
from vitruvian.data import open_data
from vitruvian.data.foreign import (
    below_one_folder,
    pairs_by_name,
    read_yaml,
    skeleton_by_names,
    where_photographs_are,
)
from vitruvian.skeleton import LSP
from vitruvian.types import UserError


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["snout", "leftear", "rightear"], {("rightear", "leftear")}),
        (["EarLeft", "EarRight"], {("EarRight", "EarLeft")}),
        (["L1A", "R1A", "L1B"], {("R1A", "L1A")}),
        (["LPaw", "RPaw", "left_hip", "right_hip"], {("RPaw", "LPaw"), ("right_hip", "left_hip")}),
        (["LIP", "RIP", "lip", "rip", "leftear"], set()),
    ],
)
def test_pairs_by_name(names: list[str], pairs: set[tuple[str, str]]) -> None:
    assert set(pairs_by_name(names)) == pairs


def test_known_joints_with_other_pairs_are_another_skeleton() -> None:
    names = LSP.joint_names[::-1]
    skeleton, columns = skeleton_by_names("lsp", names, LSP.flip_pairs)
    assert skeleton == LSP
    assert [names[column] for column in columns] == list(LSP.joint_names)
    skeleton, columns = skeleton_by_names("lsp", names, LSP.flip_pairs[1:])
    assert (skeleton.name, skeleton.joint_names) == ("own lsp", names)
    assert columns == list(range(14))


def test_the_folder_that_all_are_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [tmp_path / "a/x/1.jpg", tmp_path / "a/2.jpg"]
    assert below_one_folder(tmp_path / "b/..", inside) == (tmp_path, ["a/x/1.jpg", "a/2.jpg"])
    assert below_one_folder(tmp_path / "b", inside) == (tmp_path / "a", ["x/1.jpg", "2.jpg"])
    monkeypatch.chdir(tmp_path)
    mixed = [Path("a/x/1.jpg"), inside[1]]
    assert below_one_folder(Path("a"), mixed) == (tmp_path / "a", ["x/1.jpg", "2.jpg"])
    assert below_one_folder(Path(), mixed) == (tmp_path, ["a/x/1.jpg", "a/2.jpg"])


@pytest.mark.parametrize("text", ["a: [", "- a", "", "\x00"])
def test_yaml_that_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"a\.yaml (is no YAML|has no keys)") as raised:
        read_yaml(tmp_path / "a.yaml")
    assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)


def test_what_to_do_with_a_file_that_lies_elsewhere(tmp_path: Path) -> None:
    people = open_data(drawn.write_figures(tmp_path / "set"))
    source = tmp_path / "set"
    assert where_photographs_are(people, source, source / "labels.json") == ""
    for given in (source, source / "labels.json"):
        said = where_photographs_are(people, given, tmp_path / "labels.json")
        assert f"--images {source / 'images'} --labels {tmp_path / 'labels.json'}" in said
    (source / "images").rename(source / "gone")
    assert where_photographs_are(people, source, tmp_path / "labels.json") == ""
