"""DeepLabCut's CSV, by hand: a white pixel, headers of three and four rows, what is not labelled."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.data.check import check
from vitruvian.data.coco import read_coco
from vitruvian.data.coco_files import write_coco
from vitruvian.data.deeplabcut import read_deeplabcut
from vitruvian.types import State, UserError

ONE = """\
scorer,Ann,Ann,Ann,Ann,Ann,Ann
bodyparts,snout,snout,leftear,leftear,rightear,rightear
coords,x,y,x,y,x,y
labeled-data/film/img1.png,7.0,3.0,,,2.5,1
labeled-data/film/img2.png,NaN,nan,4,5,6,6
labeled-data/film/img3.png,,,,,,
"""
TWO = """\
scorer,,,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann,Ann
individuals,,,mus1,mus1,mus1,mus1,mus2,mus2,mus2,mus2,single,single
bodyparts,,,snout,snout,tail,tail,snout,snout,tail,tail,corner,corner
coords,,,x,y,x,y,x,y,x,y,x,y
labeled-data,film,img1.png,7,3,8,4,1,1,,,11,7
labeled-data,film,img2.png,,,,,5,5,2,2,11,7
"""


def project(
    tmp_path: Path, text: str = ONE, film: str = "film", scorer: str = "Ann", count: int = 3
) -> Path:
    """A project of one film; in its frames of 12 x 8 px the pixel 7, 3 is white."""
    folder = tmp_path / "labeled-data" / film
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"CollectedData_{scorer}.csv").write_text(text)
    frame = np.zeros((8, 12, 3), np.uint8)
    frame[3, 7] = 255
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"img{number}.png"), frame)
    return tmp_path


def test_a_label_lies_on_the_white_pixel(tmp_path: Path) -> None:
    people = read_deeplabcut(project(tmp_path))
    assert people.joints[0].tolist() == [[7, 3], [0, 0], [2.5, 1]]
    photo, _ = people.photo(0, 1)
    assert photo[3, 7].tolist() == [255, 255, 255]
    assert people.state[0].tolist() == [State.VISIBLE, State.MISSING, State.VISIBLE]
    assert people.state[1].tolist() == [State.MISSING, State.VISIBLE, State.VISIBLE]
    assert [people.label(row) for row in (0, 1)] == [
        "labeled-data/film/img1.png", "labeled-data/film/img2.png",
    ]  # fmt: skip
    assert people.skeleton.flip_pairs == (("rightear", "leftear"),)
    assert "2 figures in 2 photographs" in people.provenance
    assert "left out: 1 photograph without a label" in people.provenance
    assert people.box_words == "labelled joints x1.25, square"
    assert check(people).ok


def test_it_comes_back_from_the_coco_file(tmp_path: Path) -> None:
    given = read_deeplabcut(project(tmp_path))
    write_coco(given, tmp_path / "labels.json")
    read = read_coco(tmp_path / "labels.json")
    assert np.array_equal(read.joints, given.joints)
    assert np.array_equal(read.state, given.state)
    assert read.skeleton == given.skeleton
    assert read.box == pytest.approx(given.box)
    assert {name: rows.tolist() for name, rows in read.subsets.items()} == {
        name: rows.tolist() for name, rows in given.subsets.items()
    }
    assert read.photo(0, 1)[0][3, 7].tolist() == [255, 255, 255]


def test_several_animals_in_one_photograph(tmp_path: Path) -> None:
    people = read_deeplabcut(project(tmp_path, TWO))
    assert people.joints.tolist() == [
        [[7, 3], [8, 4]], [[1, 1], [0, 0]], [[5, 5], [2, 2]],
    ]  # fmt: skip
    assert people.images[0] == people.images[1] != people.images[2]
    assert people.skeleton.joint_names == ("snout", "tail")
    assert "bodyparts of the scene left out: corner" in people.provenance
    assert people.convention == ""


def test_one_individual_called_single_is_the_animal(tmp_path: Path) -> None:
    text = (
        "scorer,A,A\nindividuals,single,single\nbodyparts,nose,nose\ncoords,x,y\na/b/img1.png,7,3\n"
    )
    assert read_deeplabcut(project(tmp_path, text)).joints.tolist() == [[[7, 3]]]


@pytest.mark.parametrize(
    "what", ["", "labeled-data/film", "labeled-data/film/CollectedData_Ann.csv"]
)
def test_a_project_a_film_or_a_file(what: str, tmp_path: Path) -> None:
    people = read_deeplabcut(project(tmp_path) / what)
    assert people.label(0) == ("img1.png" if what else "labeled-data/film/img1.png")
    assert people.photo(0, 1)[0][3, 7].tolist() == [255, 255, 255]


def test_a_file_of_several_films_elsewhere_in_the_project(tmp_path: Path) -> None:
    file = project(tmp_path) / "sets" / "shuffle1" / "CollectedData_Ann.csv"
    file.parent.mkdir(parents=True)
    file.write_text(ONE.replace("/", "\\"))
    people = read_deeplabcut(file)
    assert people.photo(0, 1)[0][3, 7].tolist() == [255, 255, 255]


def test_films_with_other_bodyparts_and_likelihoods(tmp_path: Path) -> None:
    project(tmp_path)
    text = (
        "scorer,B,B,B,B,B,B\nbodyparts,tail,tail,tail,snout,snout,snout\n"
        "coords,x,y,likelihood,x,y,likelihood\nlabeled-data/second/img1.png,1,2,0.9,7,3,\n"
    )
    people = read_deeplabcut(project(tmp_path, text, "second"))
    assert people.skeleton.joint_names == ("snout", "leftear", "rightear", "tail")
    assert people.state[2].tolist() == [3, State.UNDEFINED, State.UNDEFINED, 3]
    assert people.state[0].tolist() == [3, State.MISSING, 3, State.UNDEFINED]
    assert people.joints[2, [0, 3]].tolist() == [[7, 3], [1, 2]]
    assert "2 files" in people.provenance


def test_limbs_of_the_project(tmp_path: Path) -> None:
    where = project(tmp_path)
    limbs = "skeleton:\n- [snout, leftear]\n- [objectA, bodypart3]\n- [snout, snout]\n- x\n"
    (where / "config.yaml").write_text(f"Task: reach\n{limbs}")
    assert read_deeplabcut(where).skeleton.limbs == (("snout", "leftear"),)
    (where / "config.yaml").write_text("- of another tool\n")
    assert read_deeplabcut(where).skeleton.limbs == ()
    (where / "config.yaml").write_text("skeleton: 5\n")
    assert read_deeplabcut(where).skeleton.limbs == ()


def test_a_cut_that_other_photographs_do_not_move(tmp_path: Path) -> None:
    def frames(numbers: range) -> str:
        rows = "".join(f"labeled-data/film/img{n}.png,7,3\n" for n in numbers)
        return "scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\n" + rows

    def where(text: str) -> dict[str, str]:
        people = read_deeplabcut(project(tmp_path, text, count=1))
        return {people.label(r): name for name, rows in people.subsets.items() for r in rows}

    few, many = where(frames(range(50, 150))), where(frames(range(200)))
    assert set(few.values()) == {"train", "tune", "val"}
    assert all(many[name] == subset for name, subset in few.items())


def test_five_films_are_cut_whole(tmp_path: Path) -> None:
    """So that no model is scored on frames of a film that it has learnt from."""
    rows = "".join(f"labeled-data/film/img{n}.png,7,3\n" for n in range(1, 9))
    text = "scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\n" + rows
    for number in range(4):
        project(tmp_path, text, f"film{number}", count=8)
    few = read_deeplabcut(tmp_path)
    assert "cut by photographs" in few.provenance
    many = read_deeplabcut(project(tmp_path, text, "film4", count=8))
    assert "5 films, cut by films" in many.provenance
    films = {
        name: {many.label(row).rpartition("/")[0] for row in rows}
        for name, rows in many.subsets.items()
    }
    assert all(films[name] for name in ("train", "tune", "val"))
    assert sum(len(found) for found in films.values()) == 5


def test_photographs_that_are_gone_are_counted(tmp_path: Path) -> None:
    where = project(tmp_path)
    (where / "labeled-data/film/img2.png").unlink()
    people = read_deeplabcut(where)
    assert "1 of 2 photographs are not there, e.g. labeled-data/film/img2.png" in people.provenance
    report = check(people)
    assert report.missing == ("labeled-data/film/img2.png",)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (ONE.replace("2.5,1\n", "2.5\n"), r"csv, line 4: 6 values, not 7 as in the header"),
        (ONE.replace("2.5,1\n", "2.5,1,1\n"), r"csv, line 4: 8 values, not 7"),
        (ONE.replace("2.5,1\n", "2.5,b\n"), r"csv, line 4: rightear at .*'b'.* is no place in px"),
        (ONE.replace("2.5,1\n", "2.5,\n"), r"csv, line 4: rightear .* has x or y alone"),
        (ONE.replace("2.5,1\n", "inf,1\n"), r"csv, line 4: rightear .* is no place in px"),
        (ONE.replace("labeled-data/film/img1.png", "17"), r"csv, line 4: '17' is a frame's number"),
        (ONE.replace("labeled-data/film/img1.png", ""), r"csv, line 4: '' is no path"),
        (ONE.replace("film/img1", "../img1"), r"csv, line 4: .* is no path"),
        (ONE.replace("leftear,leftear", "snout,snout"), r"x of 'snout' stands in two columns"),
        (ONE.replace("coords,x,y,x,y,x,y", "coords,x,y,x,y,x,z"), r"coords has 'z'"),
        (ONE.replace("coords,x,y", "coords,y,x,"), r"different lengths"),
        (ONE.replace("bodyparts", "parts"), r"does not begin with rows scorer"),
        ("a,b\n1,2\n", r"does not begin with rows scorer"),
        ("", r"does not begin with rows scorer"),
        ("".join(ONE.splitlines(True)[:3]), r"no labelled bodypart in 1 file"),
    ],
)
def test_files_that_are_refused(wrong: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=words) as raised:
        read_deeplabcut(project(tmp_path, wrong))
    assert "\n" not in str(raised.value)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no CollectedData_"):
        read_deeplabcut(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        read_deeplabcut(tmp_path / "absent")
    project(project(tmp_path), ONE, scorer="Bob")
    with pytest.raises(UserError, match=r"2 files of labels, CollectedData_Ann\.csv and"):
        read_deeplabcut(tmp_path)
