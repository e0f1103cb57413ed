"""The papers' figures: who is drawn, what is said of them, and what happens where a model is absent."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import drawn
import mapped
from vitruvian import cli
from vitruvian.claims.drawing import book, deeppose, multiscale, normalized, part_heatmaps, stacks
from vitruvian.claims.drawing import scene as scenes
from vitruvian.claims.drawing.scene import Ask, Entry, Scene, chosen_rows, open_scene
from vitruvian.data.people import People
from vitruvian.data.synthetic import figures
from vitruvian.models import ModelInfo, Predict, Preprocessing
from vitruvian.skeleton import FLIC, LSP
from vitruvian.types import State, UserError
from vitruvian.use.evaluate import Found
from vitruvian.use.heatmaps import Truth

# model and stage -> how far its answers are off, in torso lengths
OFF = {"cascade@stage1": 0.3, "cascade@stage2": 0.155, "cascade": 0.105, "other": 0.055}


def entry(name: str, system: str, upto: str | None = None, **config: Any) -> Entry:
    info = ModelInfo(
        name=name, system=system, config=config, skeleton=LSP, predict=Predict(upto=upto),
        preprocessing=Preprocessing(crop=(32, 48)), parameters=1, gmacs=0.1,
    )  # fmt: skip
    return Entry(name, name, info)


CASCADE = entry("cascade", "deeppose", stages=3)
OTHER = entry("other", "resnet_fcn", head="fcn_up")


@pytest.fixture(scope="module")
def people() -> People:
    return figures(12, seed=3, side=64)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that are off by what `OFF` says, without nets."""

    def load(name: str, device: str) -> Any:
        info = entry("", "").info
        return SimpleNamespace(runner=OFF[name.replace("@stage3", "")], info=info)

    def find(off: float, people: People, crop: tuple[int, int], **more: Any) -> Found:
        return Found(drawn.off_by(people, off), people.box, ())

    monkeypatch.setattr(scenes, "load", load)
    monkeypatch.setattr(scenes, "find", find)


def scene_of(people: People, *entries: Entry, **ask: Any) -> Scene:
    return Scene(Ask(Path(), **({"examples": 2} | ask)), people, people, "all", entries)


def test_the_same_persons_and_more(people: People) -> None:
    state = people.state.copy()
    state[[2, 5], LSP.index("left_shoulder")[0]] = State.MISSING  # no torso, no score
    some = replace(people, state=state)
    five, nine = chosen_rows(some, 5, 0), chosen_rows(some, 9, 0)
    assert nine[:5].tolist() == five.tolist()
    assert sorted(chosen_rows(some, 99, 0).tolist()) == [0, 1, 3, 4, 6, 7, 8, 9, 10, 11]
    assert chosen_rows(some, 99, 0).tolist() != chosen_rows(some, 99, 1).tolist()
    state[:, 8:10] = State.MISSING
    with pytest.raises(UserError, match="nobody in this subset can be scored"):
        chosen_rows(replace(people, state=state), 5, 0)


def test_examples_are_the_best_labelled(people: People) -> None:
    state = people.state.copy()
    state[0, 0] = state[1, :2] = State.MISSING
    scene = scene_of(replace(people, state=state), examples=11)
    assert scene.examples.tolist() == [*range(2, 12), 0]


def test_a_curve_jumps_where_errors_lie(people: People, known: None) -> None:
    scene = scene_of(people, CASCADE)
    thresholds = (0.1, 0.11, 0.15, 0.16)
    assert scene.curve(CASCADE, "wrist", thresholds).tolist() == [0, 100, 100, 100]
    assert scene.curve(CASCADE, "wrist", thresholds, "stage2").tolist() == [0, 0, 0, 100]


def test_stages_are_not_exchanged(people: People, known: None) -> None:
    scene = scene_of(people, OTHER, CASCADE)
    table = deeppose.draw_stages(scene).table
    assert table[0] == ("", "elbow", "wrist", "knee", "ankle")
    assert [row[:2] for row in table[1:]] == [
        ("stage 1", "0.0 (0.0 to 0.0)"),
        ("stage 2", "100.0 (100.0 to 100.0)"),
        ("stage 3", "100.0 (100.0 to 100.0)"),
    ]
    made = deeppose.draw_poses(scene)
    assert made.seen.startswith("PCK, n = 12: stage 1 0.0 %")
    assert isinstance(made.picture, np.ndarray)
    all_models = deeppose.draw_four_limbs(scene).table
    assert [row[0] for row in all_models] == ["", "cascade", "other"]


def test_a_model_that_stopped_early_has_fewer_stages(people: People, known: None) -> None:
    first = entry("cascade", "deeppose", upto="stage1", stages=3)
    with pytest.raises(UserError, match="with two stages or more: only cascade is there"):
        deeppose.draw_two_stages(scene_of(people, first))


def test_the_first_that_fits(people: People) -> None:
    plain = entry("plain", "normalized", refine="st2", body_norm=False, limb_norm=False)
    one = entry("one", "normalized", refine="st1", body_norm=True, limb_norm=True)
    two = entry("two", "normalized", refine="st2", body_norm=True, limb_norm=True)
    scene = scene_of(people, plain, one, two)
    fits = normalized._normalizes
    assert scene.first("normalized", fits) is one
    heads = [[head[:3] for head, _, _ in normalized._columns(e)] for e in (one, two)]
    assert heads == [["(a)", "(c)"], ["(a)", "(c)", "(d)"]]
    alone = scene_of(people, entry("cut", "normalized", "detector", **two.info.config))
    with pytest.raises(UserError, match="needs a model of normalized: none is bundled"):
        scene_of(people).first("normalized")
    with pytest.raises(UserError, match="only cut is there; give --models RUN"):
        alone.first("normalized", fits)


@pytest.mark.parametrize("plain", [False, True])
def test_a_figure_in_part_is_counted_and_said(
    people: People, known: None, tmp_path: Path, monkeypatch: Any, capsys: Any, plain: bool
) -> None:
    whole = entry("two", "normalized", refine="st2", body_norm=True, limb_norm=True)
    other = entry("plain", "normalized", refine="st2", body_norm=False, limb_norm=False)
    for name in ("two", "two@detector", "two@body", "plain"):
        monkeypatch.setitem(OFF, name, 0.1)
    scene = scene_of(people, whole, *([other] if plain else []))
    monkeypatch.setattr(book, "open_scene", lambda ask: scene)
    assert run(monkeypatch, "sun-5", "wang-3", "--out", tmp_path) == 0
    page, said = (tmp_path / "index.md").read_text(), capsys.readouterr().out.splitlines()
    tally = "1 of 2 figures drawn" + ("" if plain else ", 1 of them in part (sun-5)")
    without = "without (b) refinement without normalization, which needs another model"
    assert said[-1] == f"{tally}: {tmp_path / 'index.md'}"
    assert f": {tally}.\n" in page
    assert page.count(f"Drawn in part, {without}.") == (not plain)
    assert said[0].endswith("sun-5.png" if plain else f"sun-5.png, {without}")


def test_what_a_figure_is_without(people: People, known: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(deeppose, "curve_panels", lambda *told, **more: None)
    stopped = entry("cascade", "deeppose", upto="stage2", stages=3)
    assert deeppose.draw_poses(scene_of(people, CASCADE)).without == ""
    for draw in (deeppose.draw_poses, deeppose.draw_stages):
        made = draw(scene_of(people, stopped))
        assert made.without == "stage 3, which cascade does not have"
    assert deeppose.draw_four_limbs(scene_of(people, CASCADE)).without == ""
    arms = SimpleNamespace(people=SimpleNamespace(name="arms", skeleton=FLIC))
    assert (
        deeppose._lost_joints(arms, deeppose.LIMBS) == "knee and ankle, which arms does not label"
    )
    one = entry("one", "normalized", refine="st1", body_norm=True, limb_norm=True)
    assert normalized._lost(normalized._columns(one)).endswith(
        " and (d) body and limb normalization, which need other models"
    )


@pytest.mark.parametrize("places", [stacks.WANTED, stacks.WANTED[1:]])
def test_sizes_that_are_absent(people: People, monkeypatch: Any, places: Any) -> None:
    cells = [stacks.Cell(place, 0.5, 0.4, 0.6, 9) for place in places]
    monkeypatch.setattr(stacks, "tiers", lambda store: {"rendered": cells, "LSPET": cells[1:]})
    made = multiscale.draw_cells(scene_of(people))
    assert bool(made.without) == (places != stacks.WANTED)


def two_peaks(second: float) -> np.ndarray:
    """Maps (14, 12, 24) of which the first has two peaks, the others one."""
    maps = sum(mapped.spot((14, 12, 24), j, 4, 3 + j % 6, 1.0) for j in range(14))
    return maps + mapped.spot((14, 12, 24), 0, 18, 8, second)


def test_second_peaks_before_and_after(people: People, monkeypatch: Any) -> None:
    net = entry("net", "multiscale", regressor="joint")
    scene = scene_of(people, net)

    def see(self: Scene, of: Entry) -> Any:
        for row in range(4):
            sets = {"stacks": two_peaks(0.9 - row / 10), "regression": two_peaks(0.3)}
            truth = Truth(np.zeros((14, 2)), np.full(14, State.VISIBLE, np.uint8))
            yield row, mapped.seen_by_hand(sets, (48, 96)), truth

    monkeypatch.setattr(Scene, "see", see)
    doubts, said = multiscale._doubts(scene, net)
    assert [(d.row, d.joint) for d in doubts] == [(0, 0), (1, 0)]  # the highest two
    assert [d.second[0] for d in doubts] == pytest.approx([0.9, 0.8])
    assert [d.second[1] for d in doubts] == [0, 0]
    assert "n = 56: 7.1 % (7.1 to 7.1) before regression, 0.0 % (0.0 to 0.0) after" in said


def test_values_at_visible_and_hidden_joints(people: People) -> None:
    maps = mapped.spot((14, 12, 24), 0, 20, 3, 0.8) + mapped.spot((14, 12, 24), 1, 5, 9, 0.2)
    xy, state = np.zeros((14, 2)), np.full(14, State.MISSING, np.uint8)
    xy[:2] = [[81.5, 13.5], [21.5, 37.5]]  # centres of cells of 4 px
    state[:2] = State.VISIBLE, State.OCCLUDED
    seen = mapped.seen_by_hand({"detection": maps}, (48, 96))
    visible, hidden, _ = part_heatmaps._heights(seen, Truth(xy, state), "detection", people)
    assert visible == pytest.approx([0.8])
    assert hidden == pytest.approx([0.2])
    both = np.array([[2, 2, 2, 3], [2, 3, 3, 2], [3, 3, 3, 3]])
    assert part_heatmaps._half_hidden(both).tolist() == [1, 0, 2]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["vitruvian", "claims", "figures", *map(str, arguments)])
    try:
        cli.main()
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Labels and a part-heatmaps net of random weights; nothing else is there."""
    model = mapped.write_parts(tmp_path / "parts" / "model")
    data, out = drawn.write_figures(tmp_path / "data"), tmp_path / "out"
    told = ("--data", data, "--out", out, "--models", model, "--no-bundled", "--examples", 3)
    names = ("sun-1-4", "sun-5", "ke-4", "bulat-2", "bulat-7")
    assert (
        run(monkeypatch, *names, *told, "--subset", "all", "--raw", tmp_path, "--persons", 9) == 0
    )
    said = capsys.readouterr().out.splitlines()
    assert said[1] == (
        "Sun et al., ICCV 2017, Figure 5: needs a model of normalized that refines with normalization: "
        "none is given; give --models RUN"
    )
    assert "run `vitruvian claims run K1 K2 K5` or give --tune FILE" in said[2]
    assert said[-2] == f"3 of 5 figures drawn: {out / 'index.md'}"
    page = (out / "index.md").read_text()
    assert "9 persons of figures all, seed 0" in page
    assert "`parts (parts)` (part_heatmaps, 7 parameters)" in page
    assert page.count("Not drawn: ") == 2
    assert page.count("In the paper: ") == 5
    assert "![Bulat & Tzimiropoulos, ECCV 2016, Figure 7](bulat-7.png)" in page
    assert "hidden" in page.split("Figure 2")[1]
    files = {path.name for path in out.iterdir()}
    assert files == {"sun-1-4.png", "sun-1-4.svg", "bulat-2.png", "bulat-7.png", "index.md"}
    height, width, _ = cv2.imread(str(out / "bulat-7.png")).shape
    assert width > 5 * 200  # five failures beside each other
    assert height > 2 * 200


def test_nothing_to_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert run(monkeypatch, "bulat-3", "--out", tmp_path) == 1
    assert capsys.readouterr().err.endswith("wang-4, bulat-2, bulat-7\n")
    data = drawn.write_figures(tmp_path / "data")
    told = ("--data", data, "--subset", "all", "--no-bundled", "--out", tmp_path / "out")
    assert run(monkeypatch, "wang-3", *told) == 1
    assert "error: nothing could be drawn; Wang & Hao, Figure 3: needs" in capsys.readouterr().err
    assert not (tmp_path / "out" / "index.md").exists()


def test_given_models_come_first(tmp_path: Path) -> None:
    given = str(mapped.write_parts(tmp_path / "mine" / "model").parent)
    found = scenes.entries(Ask(tmp_path, models=(given, given)))
    assert found[0].label == "parts (mine)"
    assert len({e.label for e in found}) == len(found)
    assert [e.label for e in scenes.entries(Ask(tmp_path, bundled=False))] == []


def test_no_torch_is_imported() -> None:
    code = "import sys; sys.modules['torch'] = None; import vitruvian.claims.drawing.book"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_names_of_files_differ() -> None:
    assert len({figure.name for figure in book.FIGURES}) == len(book.FIGURES) == 13


def test_rendered_figures_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "figures", lambda: figures(16, side=48))
    scene = open_scene(Ask(Path(), persons=3, bundled=False))
    assert scene.words == "3 persons of figures val, seed 0"
    assert len(scene.labels) == 4
