"""What is drawn is what was given, words do not overlap, and matplotlib's state is left alone."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import matplotlib
import numpy as np
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from vitruvian.plots import (
    Cloud,
    Words,
    bars,
    curves,
    encode,
    histogram,
    scatter,
    scatter_grid,
    write,
)
from vitruvian.types import UserError

WORDS = Words("PCK on val, n = 720", "threshold, torso lengths", "joints within it, %")
THRESHOLDS = np.arange(51) * 0.01


def rising(count: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {f"curve {k}": (THRESHOLDS, 100 * THRESHOLDS ** (1 / (k + 1))) for k in range(count)}


def cloud(N: int = 200) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 2)) * (0.3, 0.6) + (0.5, -1)


def grid() -> Figure:
    none = Cloud(cloud(0), "no labels")
    rows = {
        "first\nfrom root": [
            none,
            Cloud(cloud(900), "n = 900, RMS 1.234"),
            Cloud(cloud() / 3, "b"),
        ],
        "second": [Cloud(cloud(), "RMS 2.000"), none, none],
    }
    return scatter_grid(["one\nafter", "two\nafter", "three\nafter"], rows, "some title " * 9)


def figures() -> dict[str, Figure]:
    losses = np.geomspace(4000, 0.02, 40)
    names = [f"some_joint_{k}" for k in range(5)]
    return {
        "one curve": curves(rising(1), WORDS),
        "nine curves": curves(rising(9), WORDS, x_range=(0, 0.5), y_range=(0, 100)),
        "loss": curves({"loss": (np.arange(40), losses)}, Words("a"), logarithmic=True),
        "scatter": scatter({"a": cloud(), "b": cloud() / 2}, WORDS, {"a": "RMS distance 1"}),
        "cloud": scatter({"all": cloud()}, Words("a long title " * 12, "x / torso", "y / torso")),
        "grid": grid(),
        "bars": bars(names[:3], {"PCK": [3, 4, 5]}, WORDS),
        "grouped bars": bars(names, {"a": np.arange(5), "b": np.arange(5)}, WORDS),
        "histogram": histogram(np.arange(9), [3, 0, 12345, 7, 8, 999, 1.5, 2], WORDS),
    }


@pytest.mark.parametrize("name", figures())
def test_words_do_not_overlap(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    figure, drawn, draw = figures()[name], [], Text.draw
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the layout is now made

    def record(text: Text, renderer: RendererBase) -> None:
        tilted = text.get_rotation() % 90 != 0  # its rectangle is mostly empty
        if text.get_visible() and text.get_text().strip() and not tilted:
            drawn.append((text.get_text(), text.get_window_extent(renderer)))
        draw(text, renderer)

    monkeypatch.setattr(Text, "draw", record)
    canvas.draw()
    assert len(drawn) >= 5
    for word, box in drawn:
        assert figure.bbox.padded(1).contains(box.x0, box.y0), word
        assert figure.bbox.padded(1).contains(box.x1, box.y1), word
    for (word, box), (other, its) in itertools.combinations(drawn, 2):
        assert not box.padded(-1).overlaps(its.padded(-1)), (word, other)


def test_curves() -> None:
    given = rising(9)
    (axes,) = curves(given, WORDS, x_range=(0, 0.5), y_range=(None, 90)).axes
    for line, (name, (x, y)) in zip(axes.lines, given.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xydata(), np.stack([x, y], 1))
    assert axes.get_xlim() == (0, 0.5)
    assert axes.get_ylim()[1] == 90
    looks = {(to_hex(line.get_color()), str(line.get_linestyle())) for line in axes.lines}
    assert len(looks) == 9
    assert axes.get_title("left") == WORDS.title
    assert (axes.get_xlabel(), axes.get_ylabel()) == (WORDS.x, WORDS.y)


def test_a_curve_of_one_point_is_seen() -> None:
    (axes,) = curves({"step": ([3], [4.5])}, WORDS).axes
    assert axes.lines[0].get_marker() == "o"


def test_scatter_has_one_scale_and_y_downwards() -> None:
    near = cloud(1000)
    near[:3] = (90, 0), (np.nan, 1), (0, np.inf)
    left, right = scatter({"far": near, "near": near / 2}, WORDS).axes
    for axes in (left, right):
        assert axes.get_aspect() == 1
        low, high = axes.get_xlim()
        assert low == -high
        assert axes.get_ylim() == (high, low)
        assert high < 4  # one far point in a thousand does not decide
    assert left.get_xlim() == right.get_xlim()
    assert len(left.collections[0].get_offsets()) == 998
    outside = (np.abs(near[3:]) > high).any(1).sum() + 1
    assert [text.get_text() for text in left.texts] == [f"{outside} outside"]


def test_scatter_draws_mean_and_rms() -> None:
    square = np.array([[0.0, 0], [2, 0], [0, 2], [2, 2]])
    (axes,) = scatter({"square": square}, WORDS).axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(lines["mean"], [[1, 1]])
    radius = np.linalg.norm(lines["RMS distance from the mean"] - 1, axis=1)
    np.testing.assert_allclose(radius, np.sqrt(2))


def test_scatter_grid() -> None:
    first, far, near, low, *empty = grid().axes
    assert [axes.get_title() for axes in (first, far, near)] == [
        "one\nafter\nno labels", "two\nafter\nn = 900, RMS 1.234", "three\nafter\nb",
    ]  # fmt: skip
    assert [axes.get_title() for axes in (low, *empty)] == ["RMS 2.000", "no labels", "no labels"]
    assert [axes.get_ylabel() for axes in (first, low)] == ["first\nfrom root", "second"]
    assert far.get_xlim() == near.get_xlim() == low.get_xlim() == far.get_ylim()[::-1]
    assert all(axes.get_aspect() == 1 for axes in grid().axes)
    drawn = far.collections[0].get_offsets()
    assert len(drawn) == len({tuple(point) for point in drawn.tolist()}) == 700
    np.testing.assert_array_equal(drawn[[0, -1]], cloud(900)[[0, -1]])
    np.testing.assert_allclose(far.lines[0].get_xydata(), [cloud(900).mean(0)])  # of all
    for axes in (first, *empty):
        assert not [*axes.lines, *axes.collections]
        assert not any(spine.get_visible() for spine in axes.spines.values())
    (legend,) = grid().legends
    assert len(legend.get_texts()) == 3
    with pytest.raises(ValueError, match="'row' has 1 panels, expected 2"):
        scatter_grid(["a", "b"], {"row": [Cloud(cloud())]}, "")
    for heads, rows in (([], {"row": []}), (["a"], {})):
        with pytest.raises(ValueError, match="nothing to draw"):
            scatter_grid(heads, rows, "")


def test_bars() -> None:
    heights = {"a": [1.0, 2.0, np.nan], "b": [4.0, 5.0, 6.0]}
    ends = ([3.5, 4.0, 5.8], [4.1, 7.0, 6.0])
    (axes,) = bars(["x", "y", "z"], heights, WORDS, intervals={"b": ends}, y_range=(0, 8)).axes
    a, b = (group for group in axes.containers if hasattr(group, "patches"))
    np.testing.assert_array_equal([bar.get_height() for bar in a], heights["a"])
    assert a[0].get_x() + a[0].get_width() < b[0].get_x() + 1e-9 < 0.5
    whiskers = axes.collections[0].get_segments()
    assert [segment[:, 1].tolist() for segment in whiskers] == [[3.5, 4.1], [4, 7], [5.8, 6]]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["x", "y", "z"]
    assert axes.get_ylim() == (0, 8)


def test_histogram() -> None:
    (axes,) = histogram([0, 1, 4, 6], [5, 0, 2.5], WORDS, ticks=[0, 6]).axes
    spans = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in axes.patches]
    assert spans == [(0, 1, 5), (1, 3, 0), (4, 2, 2.5)]
    assert [text.get_text() for text in axes.texts] == ["5", "0", "2.5"]
    assert axes.get_xticks().tolist() == [0, 6]


def test_nothing_to_draw() -> None:
    for draw in (curves, scatter):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw({}, WORDS)
    with pytest.raises(ValueError, match="nothing to draw"):
        bars([], {"a": []}, WORDS)
    with pytest.raises(ValueError, match=r"'a' has shape \(2,\), expected \(3,\)"):
        bars(["x", "y", "z"], {"a": [1, 2]}, WORDS)
    with pytest.raises(ValueError, match="2 counts need 3 edges, not 2"):
        histogram([0, 1], [5, 6], WORDS)


def test_an_empty_panel_is_drawn_empty() -> None:
    figure = scatter({"none": np.zeros((0, 2)), "some": cloud()}, WORDS)
    assert encode(figure, "png").startswith(b"\x89PNG")


def test_files_by_suffix(tmp_path: Path) -> None:
    figure = curves(rising(2), WORDS)
    written = write(figure, tmp_path / "a.svg", str(tmp_path / "b.PNG"))
    assert written == [tmp_path / "a.svg", tmp_path / "b.PNG"]
    assert ElementTree.parse(written[0]).getroot().tag.endswith("svg")
    picture = cv2.imread(str(written[1]))
    width, height = figure.get_size_inches() * 150
    assert picture.shape == (round(height), round(width), 3)
    assert picture.min() < 50
    assert (picture[[0, -1]] == 255).all()
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) <= 256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.PNG"]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_plot_is_the_same_file(kind: str) -> None:
    first, second = (encode(figures()["scatter"], kind) for _ in range(2))
    assert first == second


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    figure = curves(rising(1), WORDS)
    with pytest.raises(UserError, match=r"'pdf': name it \.svg or \.png"):
        write(figure, tmp_path / "a.pdf")
    with pytest.raises(UserError, match=r"a\.svg cannot be written: No such file"):
        write(figure, tmp_path / "absent" / "a.svg")
    (tmp_path / "b.svg").mkdir()
    with pytest.raises(UserError, match=r"b\.svg cannot be written"):
        write(figure, tmp_path / "b.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["b.svg"]


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"needs? matplotlib: install .* extra \[plots\]"):
        curves(rising(1), WORDS)


def test_global_state_is_left_alone() -> None:
    before = dict(matplotlib.rcParams)
    encode(curves(rising(2), WORDS), "svg")
    assert dict(matplotlib.rcParams) == before
    script = (
        "import sys, vitruvian.plots as p; assert 'matplotlib' not in sys.modules;"
        "p.encode(p.curves({'a': ([0, 1], [0, 1])}, p.Words('t')), 'png');"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
