"""Data sets opened for a training: as one, whole, and where each is looked at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data.people import People
from vitruvian.learn.sources import Starts, open_training
from vitruvian.skeleton import LSP, MPII
from vitruvian.types import State, UserError


def test_a_data_set_alone_is_as_it_was(sets: dict[str, People]) -> None:
    people, (source,) = open_training(["mpii=x"], "lsp")
    assert people.joints is sets["mpii"].joints
    assert (people.skeleton, people.name, people.weight) == (MPII, "mpii", None)
    assert (source.rows, source.train, source.weight) == (12, 8, None)
    assert open_training(["extra=x"], "lsp")[1][0].train == 12
    said: list[str] = []
    _, (source,) = open_training(["test=x"], "lsp", say=said.append)
    assert source.train == 12  # alone, all are trained on
    assert said == ["test has no subset train: all its persons are learnt from, of test too"]
    open_training(["extra=x"], "lsp", say=said.append)
    open_training(["lsp=x", "test=x"], "lsp", say=said.append)
    assert len(said) == 1
    assert open_training(["lsp=x", "test=x"], "lsp")[1][1].train == 0


@pytest.mark.usefixtures("sets")
def test_one_convention_in_all() -> None:
    people, sources = open_training(["lsp=x", "observed=x"], "lsp", "OC")
    assert people.convention == "OC"
    assert [source.convention for source in sources] == ["OC", "OC"]
    assert "observer-centric by the torso rule" in sources[0].provenance
    assert "by the torso rule" not in sources[1].provenance
    assert open_training([], "lsp", "OC")[0].convention == "OC"  # rendered figures too


def test_the_union_of_sun_et_al(shared: Path) -> None:
    """MPII, LSPET and LSP in 14 joints, observer-centric: their pelvis and thorax are no joints there."""
    data = [f"{name}={shared / 'data' / name}" for name in ("mpii", "lspet", "lsp")]
    people, sources = open_training(data, "lsp", "OC", (2, 1, 1))
    assert (people.skeleton, people.convention) == (LSP, "OC")
    assert [(source.name, source.convention) for source in sources] == [
        ("mpii", "OC"), ("lspet", "OC"), ("lsp", "OC"),
    ]  # fmt: skip
    assert sources[1].rows == 4759  # of 9,000 whose hips, shoulders and neck are labelled
    assert sources[2].rows == 2000
    assert len(people) == len(set(people.key.tolist())) == sum(source.rows for source in sources)
    train = people.subset("train")
    assert len(train) == sum(source.train for source in sources)
    assert train.weight is not None
    drawn = train.weight * np.isfinite(train.box).all(1)
    ends = np.cumsum([source.train for source in sources])[:-1]
    np.testing.assert_allclose([part.sum() for part in np.split(drawn, ends)], [2, 1, 1])
    assert (people.state >= State.OCCLUDED).any(0).all()


def test_all_that_authors_train_on(sets: dict[str, People]) -> None:
    """`train_full` is learnt from whole, and no row of it is left to tune or score on."""
    rows = np.arange(12)
    subsets = sets["lsp"].subsets | {"train_full": rows[:11]}
    sets["lsp"] = replace(sets["lsp"], subsets=subsets)
    people, (source,) = open_training(["lsp=x"], "lsp", full=True)
    assert {name: rows.tolist() for name, rows in people.subsets.items()} == {
        "train": list(range(11)), "val": [11],
    }  # fmt: skip
    assert source.train == 11
    assert open_training(["mpii=x"], "lsp", full=True)[1][0].train == 8  # it states no other rows
    both, parts = open_training(["lsp=x", "extra=x"], "lsp", full=True)
    assert [part.train for part in parts] == [11, 12]
    assert len(both.subset("train")) == 23


def test_published_training_rows(shared: Path) -> None:
    counts = {
        "mpii": 22246, "flic": 3987, "lsp": 1000, "lspet": 9000,
    }  # fmt: skip
    for name, count in counts.items():
        people, (source,) = open_training([f"{name}={shared / 'data' / name}"], "lsp", full=True)
        assert (source.train, len(people.subset("train"))) == (count, count)
        assert "tune" not in people.subsets


def test_a_start_of_its_own(sets: dict[str, People]) -> None:
    starts = Starts.read("image", ["mpii=data"])
    people, _ = open_training(["lsp=x", "mpii=x"], "lsp", starts=starts)
    np.testing.assert_array_equal(people.box[:12], [[-0.5, -0.5, 48, 48]] * 12)
    np.testing.assert_array_equal(people.box[12:], sets["mpii"].box)
    assert people.box_words == f"whole image or {sets['mpii'].box_words}"


def test_starts_that_cannot_be(sets: dict[str, People]) -> None:
    for recipe, given, words in (
        ("image", ["mpii"], "--box-of mpii: write name=start, start data or labelled or image or"),
        ("image", ["mpii=face"], "--box-of mpii=face: write name=start"),
        ("face", ["mpii=data"], "--box-of does not go with box=face"),
    ):
        with pytest.raises(UserError, match=words):
            Starts.read(recipe, given)
    with pytest.raises(UserError, match="--box-of coco=data: the training is on lsp, mpii"):
        open_training(["lsp=x", "mpii=x"], "lsp", starts=Starts.read("image", ["coco=data"]))


def test_people_who_share_photographs_are_not_looked_for_in_whole_ones(
    sets: dict[str, People],
) -> None:
    """Each of them would have the same crop, and other truths."""
    pairs = np.repeat(np.arange(6), 2)
    sets["mpii"] = replace(sets["mpii"], image=pairs)
    whole = Starts.read("image", [])
    said = (
        "8 of 8 persons of mpii to train on share a photograph, and box=image .*--box-of mpii=data"
    )
    with pytest.raises(UserError, match=said):
        open_training(["lsp=x", "mpii=x"], "lsp", starts=whole)
    open_training(["lsp=x", "mpii=x"], "lsp", starts=Starts.read("image", ["mpii=data"]))
    open_training(["mpii=x"], "lsp", starts=Starts.read("data", []))
    sets["mpii"] = replace(sets["mpii"], image=np.arange(12))
    open_training(["lsp=x", "mpii=x"], "lsp", starts=whole)
