"""The page stands alone, escapes what it is given, and is whole whenever it is closed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses, UserError
from vitruvian.use.page import Page
from vitruvian.use.poses import PhotoPoses

ARM = Skeleton("arm", ("right_elbow", "right_wrist"))
MADE = {"Model": "resnet_fcn/compact", "Command": "vitruvian predict <a & b>"}
VOID = {"meta", "img", "circle", "br"}


class Reader(HTMLParser):
    """Collects what a browser would see, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attrs.get(attribute) for name, attrs in self.tags if name == tag]


def poses(*scores: list[float]) -> Poses:
    N = len(scores)
    score = np.array(scores, np.float32).reshape(N, 2)
    return Poses(np.zeros((N, 2, 2), np.float32), score, np.zeros((N, 4), np.float32))


def test_a_page(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    with Page(path, "Poses & <more>", ARM, 0.3, MADE) as page:
        page.photo("a.jpg", tmp_path / "overlays" / "a #1.jpg", poses([0.9, 0.1], [0.5, 0.5]))
        page.photo('<b>".jpg', tmp_path / "overlays" / "b.jpg", poses())
        page.error("c.jpg", "c.jpg is <cut> short")
        assert not path.exists()
    text = path.read_text(encoding="utf-8")
    seen = Reader(text)
    assert seen.values("img", "src") == ["overlays/a%20%231.jpg", "overlays/b.jpg"]
    assert all(seen.values("img", "alt"))
    assert seen.values("html", "lang") == ["en"]
    for words in (
        "Poses & <more>", "resnet_fcn/compact", "vitruvian predict <a & b>",
        "score 0.50", "hollow: right wrist", '<b>".jpg', "No person", "c.jpg is <cut> short",
        "below 0.3", "3 photographs, 2 persons, 1 not read",
    ):  # fmt: skip
        assert words in seen.text
    assert [file.name for file in tmp_path.iterdir()] == ["index.html"]


def test_a_score_says_what_it_is_made_of(tmp_path: Path) -> None:
    plain = poses([0.9, 0.7], [0.4, 0.6])
    box_score = np.array([0.5, np.nan], np.float32)
    found = PhotoPoses(
        plain.xy, plain.score, plain.box, ARM, 0.3, ("user", "user"), box_score=box_score
    )
    with Page(tmp_path / "index.html", "Poses", ARM, 0.3, MADE) as page:
        page.photo("a.jpg", None, found)
    text = Reader((tmp_path / "index.html").read_text()).text
    assert "score 0.40 (joints 0.80, box 0.50)" in text
    assert text.count("joints 0.") == 1
    assert "score 0.50" in text


def test_heatmaps_stand_beside_their_photograph(tmp_path: Path) -> None:
    with Page(tmp_path / "index.html", "Poses", ARM, 0.3, MADE) as page:
        page.photo("a.jpg", None, poses([1, 1], [1, 1]))
        page.maps("a.jpg", tmp_path / "maps" / "a-all.jpg")
        for i in (1, 2):
            files = [tmp_path / "maps" / f"a #{i}{end}" for end in (".jpg", ".npz")]
            page.maps(f"<a>.jpg, person {i}", *files)
    seen = Reader((tmp_path / "index.html").read_text())
    assert seen.values("figure", "class") == [None, None, "wide", "wide"]
    assert seen.values("img", "src") == ["maps/a-all.jpg", "maps/a%20%231.jpg", "maps/a%20%232.jpg"]
    assert seen.values("img", "alt")[1] == "heatmaps of <a>.jpg, person 1"
    assert "maps/a%20%231.npz" in seen.values("a", "href")
    for words in ("<a>.jpg, person 2", "all joints at once", "the heatmaps as arrays"):
        assert words in seen.text
    assert "1 photograph, 2 persons, heatmaps of 2 persons." in seen.text


def test_a_page_of_heatmaps_alone(tmp_path: Path) -> None:
    with Page(tmp_path / "index.html", "Heatmaps", ARM, 0.3, MADE) as page:
        page.maps("a", "a.jpg", "a.npz")
    assert (
        Reader((tmp_path / "index.html").read_text())
        .text.rstrip()
        .endswith("heatmaps of 1 person.")
    )


def test_nothing_comes_from_elsewhere(tmp_path: Path) -> None:
    with Page(tmp_path / "p.html", "Poses", ARM, 0.3, MADE) as page:
        page.photo("a.jpg", tmp_path / "javascript:a.jpg", poses([1, 1]))
        page.photo("b.jpg", None, poses([1, 1]))
    text = (tmp_path / "p.html").read_text()
    assert not re.search(r"https?:|<script|<link|@import|url\(", text)
    assert 'src="javascript:' not in text
    assert "prefers-color-scheme: dark" in text


def test_an_interrupted_page_is_whole(tmp_path: Path) -> None:
    def run() -> None:
        with Page(tmp_path / "p.html", "Poses", ARM, 0.3, MADE) as page:
            page.photo("a.jpg", None, poses([1, 1]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    seen = Reader((tmp_path / "p.html").read_text())
    assert "1 photograph, 1 person." in seen.text


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        Page(tmp_path / "no" / "p.html", "Poses", ARM, 0.3, MADE)
