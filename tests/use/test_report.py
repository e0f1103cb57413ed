"""A report's files: Markdown, JSON, page, plots and pictures, none of which names this machine."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

import drawn
from vitruvian import geometry
from vitruvian.data.coco_files import write_coco
from vitruvian.data.photos import read_photo
from vitruvian.data.synthetic import figures
from vitruvian.measure.scoring import score
from vitruvian.skeleton import LSP
from vitruvian.types import State, UserError
from vitruvian.use import compare as compare_module
from vitruvian.use.compare import Comparison, Entry, Request
from vitruvian.use.evaluate import protocol_for, truth_of
from vitruvian.use.occluders import Occluders
from vitruvian.use.report import Files, make_report, own_command
from vitruvian.use.report_page import Section, page
from vitruvian.use.report_pictures import picture_sections
from vitruvian.use.scores import score_file, write_json
from vitruvian.use.worst import ANSWER, TRUTH

PROTOCOL = "lsp-pck-pc"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return drawn.write_figures(tmp_path_factory.mktemp("figures"), 20)


@pytest.fixture(scope="module")
def people(truth):
    return drawn.opened(truth)


@pytest.fixture(scope="module")
def written(truth, people, tmp_path_factory):
    """A report of two files of poses; the second has persons 3 and 8 wrong."""
    folder = tmp_path_factory.mktemp("report")
    drawn.write_poses(folder / "good.npz", people.joints)
    xy = drawn.off_by(people, 0.5, slice(8, 9))
    xy[3] = drawn.off_by(people, 0.9)[3]
    drawn.write_poses(folder / "bad.npz", xy)
    items = (str(folder / "good.npz"), f"<b>bad|={folder / 'bad.npz'}")
    return folder, report(folder, *items, truth=truth, worst=3)


def report(folder, *items, truth, worst=2, markdown=None, **more):
    more = {"protocol": PROTOCOL, "subset": "all", "workers": 0} | more
    request = Request(items=tuple(map(str, items)), truth=truth, **more)
    files = Files(folder / "page", markdown or folder / "page" / "report.md", worst)
    return make_report(request, own_command(request, files), files)


class Page(HTMLParser):
    """What a page shows and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.words.append(data)


def read_page(folder: Path) -> Page:
    return Page((folder / "page" / "index.html").read_text(encoding="utf-8"))


def tables(markdown: str) -> list[list[str]]:
    """Tables as lists of lines."""
    blocks = [block.strip().splitlines() for block in markdown.split("\n\n")]
    return [lines for lines in blocks if lines[0].startswith("|")]


# ---- what is written -----------------------------------------------------------------------------
def test_markdown_is_tables_of_equal_rows(written):
    folder, _ = written
    text = (folder / "page" / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# good, <b>bad|\n\nWritten by `vitruvian report ")
    assert text.endswith("\n")
    found = tables(text)
    assert len(found) == 5  # totals, joints, other thresholds, parts, differences
    for lines in found:
        cells = {len(re.split(r"(?<!\\)\|", line)) for line in lines}
        assert len(cells) == 1
        assert len(lines) > 2
    assert "| neck | 100.0 (100.0 to 100.0) | 90.0 (" in text
    assert "| torso angle, degrees: 0-45 |" in text
    assert "| swapped: all pairs |" in text
    assert "| PCK@0.1: wrist |" in text
    assert "## Against good, points" in text
    assert "| AUC 0-0.2 | -10.0 (" in text
    assert text.count("| gain: occluded minus visible |") == 1
    assert "| occlusion: occluded, inferable |" in text


def test_json_lies_beside_the_markdown(written):
    folder, made = written
    values = json.loads((folder / "page" / "report.json").read_text(encoding="utf-8"))
    assert values == {"command": made.command} | json.loads(
        json.dumps(made.comparison.to_dict(), allow_nan=False)
    )


def test_the_page_needs_nothing_else(written):
    folder, _ = written
    shown = read_page(folder)
    assert shown.fetched
    for name in shown.fetched:
        assert (folder / "page" / name).is_file(), name
    text = (folder / "page" / "index.html").read_text(encoding="utf-8")
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert "url(" not in text


def test_what_is_shown_is_escaped(written):
    folder, _ = written
    shown = read_page(folder)
    assert "b" not in shown.tags
    assert "<b>bad|" in shown.words
    text = page(
        '<i>"x"',
        "a & b",
        [Section("<u>", ["", "<s>"], [["<p>", "&"]], {"<a>": "a b.jpg"}, ["<q>"])],
    )
    found = Page(text)
    assert not {"i", "u", "s", "q", "a"} & set(found.tags)
    assert {'<i>"x"', "a & b", "<u>", "<s>", "<p>", "&", "<a>", "<q>"} <= set(found.words)
    assert found.fetched == ["a%20b.jpg"]


def test_the_page_says_data_and_protocol(written):
    folder, made = written
    words = read_page(folder).words
    assert made.comparison.protocol.describe() in words
    assert any(made.comparison.about["provenance"] in word for word in words)
    assert made.command in words


def test_no_file_names_this_machine(written):
    folder, made = written
    for file in (folder / "page").iterdir():
        if file.suffix in (".md", ".json", ".html", ".svg"):
            text = file.read_text(encoding="utf-8")
            assert str(folder) not in text, file
            assert "/tmp/" not in text, file
    assert made.command == (
        "vitruvian report good.npz '<b>bad|=bad.npz' --truth coco=PATH --protocol lsp-pck-pc "
        "--subset all --worst 3 --out page"
    )


# ---- curves --------------------------------------------------------------------------------------
def test_curves_end_at_the_figures_of_the_table(tmp_path):
    """Some joints are labelled in few persons, so that a mean over joints is another number."""
    people = figures(30, seed=2, side=64)
    state = people.state.copy()
    state[5:, :4] = State.MISSING
    write_coco(replace(people, state=state), tmp_path / "labels.json")
    xy = people.joints.astype(float)
    xy[:, :4] += 1000  # wrong wherever they are scored
    drawn.write_poses(tmp_path / "p.npz", xy)
    truth = f"coco={tmp_path / 'labels.json'}"
    made = report(tmp_path, tmp_path / "p.npz", truth=truth, worst=0)
    (entry,) = made.comparison.entries
    thresholds, share = made.curves["all joints"]["p"]
    np.testing.assert_allclose(thresholds, np.arange(21) / 100)
    assert share[-1] == pytest.approx(100 * entry.result.total.value)
    assert share[0] == pytest.approx(100 * entry.result.total.value)  # the rest is exact
    for group, estimate in entry.result.groups.items():
        assert made.curves[group]["p"][1][-1] == pytest.approx(100 * estimate.value), group
    assert entry.result.groups["ankle"].value != entry.result.total.value


def test_plots_are_drawn(written):
    folder, made = written
    names = {file.name for file in (folder / "page").glob("*.svg")}
    assert {"all-joints-by-threshold.svg", "torso-angle-degrees.svg", "swapped.svg"} <= names
    assert len(names) == len(made.curves) + len(made.comparison.entries[0].result.cuts)


# ---- the worst -----------------------------------------------------------------------------------
def test_the_worst_persons_are_shown(written, people):
    folder, _ = written
    shown = read_page(folder)
    second = [name for name in shown.fetched if name.startswith("worst-1-")]
    assert second[:2] == ["worst-1-3.jpg", "worst-1-8.jpg"]
    assert len(second) == 3
    assert "f3.png (row 3)" in shown.words
    assert "truth green, prediction red" in shown.words


def test_truth_is_green_and_prediction_red(written, people):
    folder, _ = written
    tile = cv2.imread(str(folder / "page" / "worst-1-3.jpg"))[..., ::-1]
    side = len(tile)
    box = geometry.grow(geometry.fit_aspect(people.box[3][None].astype(float), 1, 1), 1.3)
    to_tile = geometry.invert(geometry.crop_to_image(box, side, side)[0])
    xy = drawn.off_by(people, 0.9)[3]
    for poses, colour in ((people.joints[3].astype(float), TRUTH), (xy, ANSWER)):
        at = np.rint(geometry.apply(to_tile, poses)).astype(int)
        at = at[((at > 2) & (at < side - 3)).all(1)]
        near = np.array([np.abs(tile[y, x].astype(int) - colour).max() for x, y in at])
        assert len(at) > 8
        assert np.median(near) < 40  # a JPEG, and limbs cross


def test_without_photographs_the_figures_are_written_all_the_same(tmp_path):
    truth = drawn.write_figures(tmp_path, 20, pictures=False)
    people = drawn.opened(truth)
    drawn.write_poses(tmp_path / "p.npz", people.joints)
    report(tmp_path, tmp_path / "p.npz", truth=truth)
    shown = read_page(tmp_path)
    assert not [name for name in shown.fetched if name.endswith(".jpg")]
    assert "photographs that cannot be read: f0.png, f1.png" in shown.words
    assert str(tmp_path) not in " ".join(shown.words)


# ---- models and runs -----------------------------------------------------------------------------
LOG = """fit,step,seconds,rate,images_per_second,loss,parts,tune
0,10,1.0,0.001,9.0,2,a=2,
0,20,2.0,0.001,9.0,1,a=1,0.2500
1,10,1.0,0.001,9.0,0.5,b=0.5,
1,30,2.0,0.001,9.0,0.25,b=0.25,0.5000
"""


def test_training_curves_run_on_over_the_fits(monkeypatch, people, truth, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "log.csv").write_text(LOG)
    model = drawn.model_of(drawn.answering(people, people.joints))
    monkeypatch.setattr(compare_module, "load", lambda name, device: model)
    made = report(tmp_path, f"{run}@first", f"whole={run}", "elsewhere", truth=truth, worst=0)
    loss, tune = (made.training[name]["run@first"] for name in ("loss", "tune"))
    assert loss[0].tolist() == [10, 20, 30, 50]
    assert loss[1].tolist() == [2, 1, 0.5, 0.25]
    assert tune[0].tolist() == [20, 50]
    assert tune[1].tolist() == [25, 50]
    assert set(made.training["loss"]) == {"run@first"}  # one run, one training
    assert (tmp_path / "page" / "training-loss.svg").is_file()
    text = (tmp_path / "page" / "report.md").read_text()
    assert str(tmp_path) not in text
    assert "run@first whole=run elsewhere" in text


def test_shapes_are_shown_where_they_are_pasted(monkeypatch, people, truth, tmp_path):
    """Of a model that knows every joint, on the same persons with and without them."""
    model = drawn.model_of(drawn.answering(people, people.joints))
    monkeypatch.setattr(compare_module, "load", lambda name, device: model)
    pictures = []
    for name, pasted in (("plain", None), ("pasted", Occluders(4))):
        made = report(tmp_path / name, "a", truth=truth, worst=20, occluders=pasted)
        assert made.comparison.protocol.occluders == ("none" if pasted is None else str(pasted))
        found = sorted((tmp_path / name / "page").glob("worst-0-*.jpg"))
        assert len(found) == 20
        pictures.append([cv2.imread(str(path)).astype(int) for path in found])
    changed = [(np.abs(a - b).max(-1) > 60).mean() for a, b in zip(*pictures, strict=True)]
    assert np.mean(changed) > 0.03


# ---- other protocols and items -------------------------------------------------------------------
def test_sticks(people, truth, tmp_path):
    drawn.write_poses(tmp_path / "p.npz", people.joints)
    made = report(tmp_path, tmp_path / "p.npz", truth=truth, protocol="lsp-pcp-strict")
    assert made.curves == {}
    text = (tmp_path / "page" / "report.md").read_text()
    assert "## Sticks, %" in text
    assert "| right upper arm | 100.0 (" in text
    assert "mirrored" not in text


def test_object_keypoint_similarity(shared, tmp_path):
    truth = shared / "data" / "coco" / "test_coco.json"
    rows = [r for r in json.loads(truth.read_text())["annotations"] if r["num_keypoints"]]
    keys = ("image_id", "keypoints")
    results = [{key: row[key] for key in keys} | {"score": 1} for row in rows if not row["iscrowd"]]
    (tmp_path / "p.json").write_text(json.dumps(results))
    (tmp_path / "half.json").write_text(json.dumps(results[:5]))
    (tmp_path / "few.json").write_text(json.dumps(results[:3]))
    files = [tmp_path / f"{name}.json" for name in ("p", "half", "few")]
    report(tmp_path, *files, truth=f"coco={truth}", protocol="coco-oks")
    text = (tmp_path / "page" / "report.md").read_text()
    assert "| AP | 100.0 (100.0 to 100.0) |" in text
    assert text.count("\n| AR50 | -") == 2  # against the first, and against the one before


def test_a_saved_result_among_files(people, truth, tmp_path):
    """It has neither poses to draw nor persons to pair."""
    drawn.write_poses(tmp_path / "a.npz", people.joints)
    drawn.write_poses(tmp_path / "b.npz", drawn.off_by(people, 1))
    write_json(
        tmp_path / "old.json", score_file(tmp_path / "a.npz", truth, PROTOCOL, "all").to_dict()
    )
    made = report(
        tmp_path, *(tmp_path / name for name in ("a.npz", "old.json", "b.npz")), truth=truth
    )
    assert set(made.curves["all joints"]) == {"a", "b"}
    text = (tmp_path / "page" / "report.md").read_text()
    assert "| total | - | -100.0 (-100.0 to -100.0) |" in text
    made = report(tmp_path, tmp_path / "old.json", truth=truth)
    assert made.curves == {}


# ---- the command that is named -------------------------------------------------------------------
def test_the_command_has_every_option_and_no_path():
    request = Request(
        items=("/a/run@s", "my run=runs/b", "/a/p.npz"), truth="lsp=/data/lsp", protocol="lsp-pck-oc",
        subset="test", published="lsp-oc", flip=True, skeleton=LSP, base=0,
    )  # fmt: skip
    files = Files(Path("/out/page"), Path("docs/results/x.md"), worst=5)
    assert own_command(request, files) == (
        "vitruvian report run@s 'my run=runs/b' p.npz --truth lsp=PATH --protocol lsp-pck-oc "
        "--subset test --published lsp-oc --skeleton lsp --base 0 --worst 5 --out page "
        "--markdown docs/results/x.md --flip"
    )
    files = Files(Path("/out/page"), Path("/elsewhere/x.md"))
    pasted = Request(items=("default",), truth="lspet=/d", occluders=Occluders(4, 2))
    assert "--occluders 4 --occluders-seed 2 " in own_command(pasted, files)
    short = own_command(Request(items=("default",), truth="lspet=/d"), files)
    assert short == "vitruvian report default --truth lspet=PATH --out page --markdown x.md"


def test_markdown_goes_where_it_is_asked_for(people, truth, tmp_path):
    drawn.write_poses(tmp_path / "p.npz", people.joints)
    asked = tmp_path / "docs" / "results" / "p.md"
    report(
        tmp_path,
        f"one, two={tmp_path / 'p.npz'}",
        "three=" + str(tmp_path / "p.npz"),
        truth=truth,
        markdown=asked,
        worst=0,
    )
    assert asked.read_text().startswith("# one, two; three\n")
    assert asked.with_suffix(".json").is_file()
    assert not (tmp_path / "page" / "report.md").exists()


def test_what_cannot_be_written_is_an_error(people, truth, tmp_path):
    drawn.write_poses(tmp_path / "p.npz", people.joints)
    (tmp_path / "page").write_text("")
    for markdown in (None, tmp_path / "x.md"):
        with pytest.raises(UserError, match="page cannot be made"):
            report(tmp_path, tmp_path / "p.npz", truth=truth, markdown=markdown)


def test_the_same_persons_are_drawn_side_by_side(tmp_path: Path) -> None:
    persons = figures(9, seed=3, side=64)
    labels = truth_of(persons)
    result = score(protocol_for(persons), labels, labels.xy, np.random.default_rng(0))
    entries = tuple(
        Entry(name, result, xy=labels.xy + shift) for name, shift in (("a", 0), ("b", 5))
    )
    comparison = Comparison(result.protocol, {}, entries)
    same, *worst = picture_sections(comparison, persons, labels, tmp_path, 4)
    assert same.title == "The same persons, left to right: a, b"
    assert [section.title for section in worst] == [f"Where {name} errs most" for name in "ab"]
    assert len(same.pictures) == 4
    strip = read_photo(tmp_path / next(iter(same.pictures.values())))[0]
    assert strip.shape == (256, 512, 3)
    assert (strip[:, :256] != strip[:, 256:]).any()  # the answers differ
    alone = picture_sections(replace(comparison, entries=entries[:1]), persons, labels, tmp_path, 4)
    assert [section.title for section in alone] == ["Where a errs most"]
    assert picture_sections(comparison, persons, labels, tmp_path, 0) == []
