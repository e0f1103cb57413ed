"""The same comparison in four formats, each of which a program can read."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest

import drawn
from vitruvian.measure.intervals import Difference, Estimate
from vitruvian.types import State
from vitruvian.use.compare import Request, compare
from vitruvian.use.compare_tables import (
    FORMATS,
    below,
    gap_words,
    grid,
    markdown,
    markdown_table,
    parts_grid,
)
from vitruvian.use.scores import score_file, write_json

PROTOCOL = "lsp-pck-pc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compared")


@pytest.fixture(scope="module")
def truth(folder):
    return drawn.write_figures(folder / "figures", 40, pictures=False)


@pytest.fixture(scope="module")
def compared(folder, truth):
    """Two files, and the papers' rows."""
    people = drawn.opened(truth)
    drawn.write_poses(folder / "good.npz", people.joints)
    drawn.write_poses(folder / "worse.npz", drawn.off_by(people, 1, slice(0, 10)))
    items = (f"a | b={folder / 'good.npz'}", str(folder / "worse.npz"))
    return compare(Request(items, truth, PROTOCOL, "all", "lsp-pc"))


def test_every_format_has_every_row(compared):
    assert set(FORMATS) == {"text", "markdown", "csv", "json"}
    for name, form in FORMATS.items():
        written = form(compared)
        assert written.endswith("\n")
        for label in ("worse", "Ours(Hg+Refine)", "Rafi et al."):
            assert label in written, name


def test_text_is_not_cut(compared):
    lines = FORMATS["text"](compared).splitlines()
    drawn_lines = [line for line in lines if line[0] in "│┃"]
    rows = 1 + 2 + len(compared.published)
    for table in (drawn_lines[:rows], drawn_lines[rows:]):
        assert len({len(line) for line in table}) == 1
    assert len(drawn_lines) == rows + 1 + len(parts_grid(compared)[1])
    assert not any("…" in line for line in drawn_lines)
    assert lines[0].startswith("figures all: ")
    assert sum(PROTOCOL in line for line in lines) == 1  # the protocol, in one line


def test_markdown_has_as_many_cells_in_every_row(compared):
    lines = FORMATS["markdown"](compared).splitlines()
    found = [line for line in lines if line.startswith("|")]
    rows = 2 + 2 + len(compared.published)
    for table in (found[:rows], found[rows:]):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table}) == 1
        assert any("a \\| b" in line for line in table)
        assert set(table[1]) == set("|-:")
    assert len(found) == rows + 2 + len(parts_grid(compared)[1])
    assert not any(line.startswith("| gain") for line in markdown(compared, False).splitlines())


def test_parts_stand_in_a_table_of_their_own(folder, truth):
    """The second loses every hidden joint, the third takes left for right."""
    people = drawn.opened(truth)
    hidden = people.state == State.OCCLUDED
    lost = people.joints.astype(float)
    lost[hidden] += 1000
    drawn.write_poses(folder / "lost.npz", lost)
    drawn.write_poses(folder / "turned.npz", people.joints[:, people.skeleton.swap])
    items = tuple(str(folder / f"{name}.npz") for name in ("good", "lost", "turned"))
    found = compare(Request(items, truth, PROTOCOL, "all"))
    head, rows = parts_grid(found)
    assert head == ["against good, points", "lost", "turned"]
    shown = {row[0]: row[1:] for row in rows}
    assert shown["occlusion: visible"][0] == "+0.0 (+0.0 to +0.0)"
    assert shown["occlusion: occluded"][0] == "-100.0 (-100.0 to -100.0)"
    assert shown["gain: occluded minus visible"][0] == "-100.0 (-100.0 to -100.0)"
    others = found.entries[1].result.cuts["occlusion"]["all others"].value
    gain = found.entries[1].against_first["gain: occluded, inferable minus all others"].value
    assert gain == pytest.approx(-1 - (others - 1))
    assert shown["swapped: all pairs"][0] == "+0.0 (+0.0 to +0.0)"
    assert float(shown["swapped: all pairs"][1].split()[0]) > 50
    assert "swapped: head" not in shown
    assert shown["torso angle, degrees: 0-45"][0].startswith("-")
    assert any(line.startswith("occluded: hidden joints; inferable:") for line in below(found))
    alone = compare(Request(items[:1], truth, PROTOCOL, "all"))
    assert parts_grid(alone)[1] == []
    assert not any(line.startswith("occluded:") for line in below(alone))


def test_markdown_escapes_headers_too():
    assert markdown_table(["", "x|y"], [["a|b", "1"]]).splitlines() == [
        "|  | x\\|y |",
        "|---|---:|",
        "| a\\|b | 1 |",
    ]


def test_csv_is_read_back(compared):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](compared))))
    assert [row["row"] for row in rows[:2]] == ["a | b", "worse"]
    assert [float(row["total"]) for row in rows[:2]] == [100, 75]
    assert rows[1]["n"] == "40"
    assert rows[1]["against the first"].startswith("-25.0 (-")
    assert len(rows) == 2 + len(compared.published)
    assert all(row["protocol"].startswith(f"{PROTOCOL} version 1: PCK") for row in rows)
    assert "data: figures, 40 persons" in rows[0]["protocol"]
    assert "data: " not in rows[2]["protocol"]  # those persons were not the papers'


def test_json_is_read_back(compared):
    values = json.loads(FORMATS["json"](compared))
    assert values["data"] == "figures"
    assert len(values["published"]) == len(compared.published)


def test_every_table_says_its_protocol_and_its_data(compared):
    for name in ("text", "markdown"):
        written = FORMATS[name](compared)
        assert written.count(compared.protocol.describe()) == 1
        assert compared.about["provenance"] in written


def test_published_rows_and_their_marks(compared, folder, truth):
    head, rows = grid(compared)
    by_name = {(row[0], row[-1]): dict(zip(head, row, strict=True)) for row in rows[2:]}
    ours = by_name["Ours(FCN+Refine)", "sun2017 T4"]
    assert (ours["total"], ours["AUC 0-0.2"], ours["wrist"]) == ("77.9", "50.7", "65.3")
    assert ours["against the first"] == "-22.1"
    assert ours["PCK@0.1"] == "-"
    lines = below(compared)
    assert any(line.startswith("sun2017 T4: Sun et al., ICCV 2017, Table 4; own") for line in lines)
    assert "published rows are of lsp, the rows above of figures" in lines
    total = Estimate(0.785, 0.78, 0.79, 560)
    first = compared.entries[0]
    near = replace(first, result=replace(first.result, total=total))
    _, rows = grid(replace(compared, entries=(near, *compared.entries[1:])))
    marks = {(row[0], row[-1]): row[-3] for row in rows}
    assert marks["Ours(FCN+Refine)", "sun2017 T4"] == "-0.6"
    assert marks["Ours(FCN)", "sun2017 T4"] == "-1.3"
    wide = replace(first, result=replace(first.result, total=replace(total, low=0.7794)))
    _, rows = grid(replace(compared, entries=(wide, *compared.entries[1:])))
    marks = {(row[0], row[-1]): row[-3] for row in rows}
    assert marks["Ours(FCN+Refine)", "sun2017 T4"] == "-0.6 ="  # 77.9 may be 77.94


def test_sticks_are_marked_by_the_average_that_is_printed(shared):
    lsp = shared / "oracles" / "lsp"
    item = str(lsp / "pred_keypoints_lsp_pc.mat")
    found = compare(Request((item,), f"lsp={lsp}", "lsp-pcp-strict", None, "lsp-pcp"))
    head, rows = grid(found)
    named = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert named["DeepPose-st3"]["arms and legs"] == "61.0"
    assert named["DeepPose-st3"]["total"] == "-"
    assert named["DeepPose-st3"]["against the first"] == "arms and legs -10.1"
    assert named["Wang et al."]["against the first"] == ""  # loose, and not to be compared
    assert any("T1, Wang et al.: Loose PCP" in line for line in below(found))
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](found))))
    protocols = {row["row"]: row["protocol"].split(" version")[0] for row in rows}
    assert protocols["Wang et al."] == "lsp-pcp-loose"
    assert protocols["DeepPose-st3"] == "lsp-pcp-strict"


def test_without_a_pair_it_is_said_why(folder, truth, compared):
    write_json(
        folder / "old.json", score_file(folder / "good.npz", truth, PROTOCOL, "all").to_dict()
    )
    found = compare(
        Request((str(folder / "worse.npz"), str(folder / "old.json")), truth, PROTOCOL, "all")
    )
    assert any(line.startswith("not held against worse: old") for line in below(found))
    assert not any(line.startswith("not held") for line in below(compared))
    head, rows = grid(found)
    assert dict(zip(head, rows[1], strict=True))["p"] == ""
    assert "source" not in head


def test_notes_stand_once_with_all_their_rows(compared):
    lines = below(compared)
    assert sum("joints unnamed" in line for line in lines) == 1
    assert any(line.startswith("a | b, worse: joints unnamed") for line in lines)


def test_what_a_row_does_not_state_is_said(compared):
    box = "labelled joints x1.25, square"
    made = replace(compared.protocol, box=box, flip_test=False, decoding="x")
    first, second = compared.entries
    first = replace(first, result=replace(first.result, protocol=made))
    mixed = replace(compared, protocol=made, entries=(first, second))
    said = "worse: not stated of these predictions: box, flip test, decoding"
    (line,) = [line for line in below(mixed) if line.startswith(said)]
    assert line.endswith(
        "(where they are not as above, differences and p are not of the models alone)"
    )
    alone = replace(mixed, entries=(first, replace(second, against_first=None)))
    assert said in below(alone)  # without a p to doubt
    assert not any("not stated of these" in line for line in below(compared))


def test_no_minus_zero():
    assert gap_words(Difference(-0.0004, -0.0004, 0.01, 1.0)) == "+0.0 (+0.0 to +1.0)"
    assert gap_words(None) == ""
    assert gap_words(Difference(*[float("nan")] * 4)) == ""
