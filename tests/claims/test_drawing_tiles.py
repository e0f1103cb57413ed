"""Tiles and panels: what is painted stands where it was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import handmade
import numpy as np
import pytest

import mapped
from vitruvian.claims.drawing import stacks
from vitruvian.claims.drawing.panels import Line, curve_panels
from vitruvian.claims.drawing.tiles import Tile, folded, map_tile, points_tile, sheet, views
from vitruvian.claims.model import RENDERED, Training
from vitruvian.claims.papers.multiscale import ONE_SCALE, REGRESSED
from vitruvian.claims.raw import Store
from vitruvian.data.synthetic import figures
from vitruvian.plots import Words, encode
from vitruvian.types import UserError
from vitruvian.use.heatmap_pictures import font

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def painted(height: int, width: int, colour: tuple[int, int, int]) -> Tile:
    return Tile(np.full((height, width, 3), colour, np.uint8))


def place(picture: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of a colour."""
    y, x = np.nonzero((picture == colour).all(-1))
    return int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1


def test_rows_of_tiles() -> None:
    rows = [[painted(30, 50, RED), painted(20, 40, GREEN)], [painted(10, 60, BLUE)]]
    picture = sheet("Title", ["caption"], rows, ["one", "two"], ["first", "second"])
    red, green, blue = (place(picture, colour) for colour in (RED, GREEN, BLUE))
    assert (red[2:], green[2:], blue[2:]) == ((50, 30), (40, 20), (60, 10))
    assert red[1] == green[1]
    assert blue[1] == red[1] + 30 + 8
    assert blue[0] == red[0]
    assert green[0] == red[0] + 60 + 8  # under the widest of its column
    assert (picture[: red[1]] != 255).any()  # the title and the heads
    assert (picture[blue[1] + 10 :] != 255).any()  # the caption


def test_lines_are_no_wider_than_asked() -> None:
    text = "PCK of the persons was 43.5 % and that is all of it"
    lines = folded(text, 14, 160)
    assert " ".join(lines) == text
    assert len(lines) > 1
    assert all(font(14).getlength(line) <= 160 for line in lines)
    narrow = folded("was 43.5 % and", 14, 40)
    assert narrow == ["was", "43.5 %", "and"]
    assert folded("", 14, 40) == []


def test_the_highest_cell_is_crossed() -> None:
    maps = mapped.spot((1, 10, 20), 0, 15, 2, 1.0)
    seen = mapped.seen_by_hand({"maps": maps}, (100, 200))
    tile = map_tile(seen, maps[0], 1.0, 120)
    assert tile.shape == (60, 120, 3)
    y, x = np.nonzero((tile > 235).all(-1))
    assert x.mean() == pytest.approx(15 * 6 + 2.5, abs=1)  # 6 px are a cell
    assert y.mean() == pytest.approx(2 * 6 + 2.5, abs=1)


def test_points_of_labels_and_answers() -> None:
    people = figures(3, seed=5, side=80)
    (view,) = views(people, np.array([1]), 160)
    xy = np.full((14, 2), np.nan)
    x, y, width, height = people.box[1]
    xy[3] = x + width / 4, y + height / 8
    tile = points_tile(view, xy)
    blue = place(tile, (0, 114, 230))
    assert (blue[0] + blue[2] / 2, blue[1] + blue[3] / 2) == pytest.approx((40, 20), abs=1)
    yellow = (tile == (240, 228, 66)).all(-1)
    true = np.rint(view.true).astype(int)
    on = [yellow[b, a] for a, b in true if 6 < a < 154 and 6 < b < 154]
    assert all(on)
    assert len(on) > 8


def test_panels() -> None:
    x = np.array([0.0, 1.0])
    one, two = Line(x, x, (x - 1, x + 1)), Line(x, 2 * x, dashed=True)
    panels = {"left": {"a": one, "b": two}, "right": {"b": two}}
    figure = curve_panels(panels, Words("Title", "x", "y"), ["caption"], x_range=(0, 1), marks=True)
    left, right = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["left", "right"]
    (line,) = right.lines
    same = next(found for found in left.lines if found.get_color() == line.get_color())
    assert same.get_linestyle() == line.get_linestyle() == "--"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert legend.get_title().get_text() == "caption"
    assert encode(figure, "png")[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="nothing to draw"):
        curve_panels({"left": {}}, Words(""))


def test_legend_and_axes_do_not_overlap() -> None:
    x = np.array([0.0, 1.0])
    names = [f"system/recipe number {k} (a run's folder)" for k in range(7)]
    figure = curve_panels(
        {"one": {name: Line(x, x) for name in names}}, Words("T", "x"), ["c" * 300]
    )
    encode(figure, "png")  # lays it out
    (axes,) = figure.axes
    (legend,) = figure.legends
    assert legend.get_window_extent().y1 < axes.get_tightbbox().y0
    assert legend.get_window_extent().y0 >= 0
    assert axes.get_window_extent().height > 150


def test_cells_of_claims(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert stacks.tiers(store) == {}
    for seed, right in enumerate(([14, 7], [0, 7])):
        store.put(handmade.raw(Training(RENDERED, ONE_SCALE, seed), right))
    store.put(handmade.raw(Training(RENDERED, REGRESSED, 0), [14, 14]))
    store.put(handmade.raw(Training(RENDERED, REGRESSED, 1), None))  # not measured yet
    found = {cell.place: cell for cell in stacks.tiers(store)["rendered"]}
    assert set(found) == {(2, 1, False), (2, 3, True)}
    one, regressed = found[2, 1, False], found[2, 3, True]
    assert (one.value, one.seeds, one.n) == (0.5, 2, 2)  # 75 % and 25 %
    assert (regressed.value, regressed.seeds) == (1, 1)
    words = stacks.absent(found.values())
    assert words.startswith("1x1, 1x2, 1x3, 2x2, 2x3, 4x1, 4x2, 4x3 without regression; 1x1,")
    assert "2x3," not in words.partition(";")[2]


def test_cells_of_a_tuning(tmp_path: Path) -> None:
    def trial(value: float, stage: str, *settings: str) -> dict[str, object]:
        about = {"low": value - 0.1, "high": value + 0.1, "n": 40}
        return {"settings": settings, "stage": stage, "value": value, **about}

    path = tmp_path / "tune.json"
    config = {"stacks": 2, "scales": 3, "regressor": "joint"}
    values = {
        "recipe": {"name": "multiscale/compact", "system": "multiscale", "config": config},
        "data": ["lspet"],
        "hold_out": 50,
        "trials": [
            trial(0.3, "stacks", "config.stacks=4", "config.regressor=none", "config.sigma=1"),
            trial(0.4, "stacks", "config.stacks=4", "config.regressor=none", "config.sigma=2"),
            trial(0.5, "regression", "config.scales=1"),
        ],
    }
    path.write_text(json.dumps(values))
    cells, name = stacks.cells_of_tune(path)
    assert {cell.place: cell.value for cell in cells} == {(4, 3, False): 0.4, (2, 1, True): 0.5}
    assert name == "multiscale/compact tuned on 50 of lspet"
    table = stacks.table({"mine": cells})
    assert table[2] == ("mine", "4", "3", "no", "40.0", "30.0 to 50.0", "40", "1")
    values["recipe"] = {"system": "deeppose"}
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match="tunes 'deeppose': give a tuning of multiscale"):
        stacks.cells_of_tune(path)
    path.write_text("{")
    with pytest.raises(UserError, match=r"is no tune\.json of this version"):
        stacks.cells_of_tune(path)
