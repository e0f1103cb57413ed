"""Colours, places and marks of heatmaps in pictures; hand-made maps on crops of one grey."""

from __future__ import annotations

import numpy as np
import pytest

import mapped
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import State
from vitruvian.use.heatmap_overview import Overview, hues
from vitruvian.use.heatmap_pictures import blend, in_greys, moved, scale_end, sheet
from vitruvian.use.heatmaps import Seen, Truth

PAIR = Skeleton("pair", ("left_end", "right_end"), limbs=(("left_end", "right_end"),))
GREY = 75 + 0.65 * 100  # of a crop of 100s
SURE = np.array([240, 249, 33])  # plasma's last colour
# a crop of 24 x 48 px gives tiles of 72 x 144; x, y of the first one, and a step to the next
LEFT, TOP, ACROSS, DOWN = 342, 52, 150, 78


def tile(picture: np.ndarray, row: int, column: int) -> np.ndarray:
    y, x = TOP + row * DOWN, LEFT + column * ACROSS
    return picture[y : y + 72, x : x + 144].astype(int)


def drawn(truth: Truth | None = None, top: float = 1.0) -> tuple[np.ndarray, Seen]:
    """Two sets of 6 x 12 cells, a tile's 12 px each; the second one has the background."""
    first = mapped.spot((2, 6, 12), 1, 8, 3, top)
    second = np.concatenate([mapped.spot((2, 6, 12), 0, 3, 2, top), np.full((1, 6, 12), 0.5)])
    seen = mapped.seen_by_hand({"first": first, "second_set": second}, (24, 48))
    return sheet(seen, PAIR, ["words"], truth=truth), seen


# ---- colours -------------------------------------------------------------------------------------


def test_nothing_is_grey_and_the_end_of_the_scale_is_yellow() -> None:
    grey = np.full((4, 6), 100, np.float32)
    values = np.zeros((4, 6))
    values[1, 2], values[3, 5], values[0, 0] = 0.5, 7, -3
    picture = blend(grey, values, 0.5)
    over = np.rint(0.15 * 100 + 0.85 * SURE)
    assert picture[1, 2].tolist() == picture[3, 5].tolist() == over.tolist()
    others = np.ones((4, 6), bool)
    others[1, 2] = others[3, 5] = False
    assert (picture[others] == 100).all()


def test_colours_get_lighter_and_cover_more_from_low_to_high() -> None:
    white = np.full((1, 256), 255, np.float32)
    light = blend(white, np.linspace(0, 1, 256)[None], 1.0) @ np.array([0.3, 0.6, 0.1])
    covered = light[0, 52:]  # from the share on at which the crop is covered
    assert (np.diff(covered) > -1).all()
    assert covered[-1] - covered[0] > 100
    assert (np.diff(light[0, :52]) < 1).all()


def test_finer_and_coarser_maps_are_fitted() -> None:
    grey = np.full((8, 8), 100, np.float32)
    fine = np.zeros((32, 32))
    fine[8:12, 20:24] = 1  # exactly px (5, 2)
    coarse = np.zeros((2, 2))
    coarse[0, 1] = 1
    assert np.argwhere((blend(grey, fine, 1) != 100).any(-1)).tolist() == [[2, 5]]
    changed = (blend(grey, coarse, 1) != 100).any(-1)
    assert changed[:4, 4:].all()
    assert not changed[6:].any()
    assert not changed[:, :2].any()


@pytest.mark.parametrize(
    ("highest", "end"), [(-1, 0.25), (0, 0.25), (0.25, 0.25), (0.26, 0.5), (0.8, 1), (31, 1)]
)
def test_scales_end_at_steps(highest: float, end: float) -> None:
    maps = np.full((2, 3, 4), -1.0)
    maps[1, 2, 3] = highest
    assert scale_end(maps) == end


def test_the_scale_of_densities_ends_at_their_highest_value() -> None:
    density = np.full((2, 4, 5), 0.05)
    density[1, 0, 0], density[1, 1, 1] = 0.09, 0.01
    assert scale_end(density) == 0.09
    assert scale_end(density * 0.5) == 0.25


def test_photographs_are_lighter_in_greys() -> None:
    photo = np.zeros((6, 9, 3), np.uint8)
    photo[:, 6:] = 200
    grey = in_greys(photo, 2, 3)
    assert grey.tolist() == [[75, 75, 205]] * 2


def test_places_in_a_resized_image() -> None:
    """The corner of 20 x 10 px is the corner of 40 x 50; a centre stays a centre."""
    xy = np.array([[-0.5, -0.5], [9.5, 19.5], [0, 0]])
    assert moved(xy, (20, 10, 3), (40, 50, 3)).tolist() == [[-0.5, -0.5], [49.5, 39.5], [2, 0.5]]


# ---- a person's maps -----------------------------------------------------------------------------


def test_every_map_is_in_its_row_and_column() -> None:
    picture, _ = drawn()
    over = np.rint(0.15 * GREY + 0.85 * SURE)
    lit = {(0, 1): (8, 3), (1, 0): (3, 2)}
    for row in range(2):
        for column in range(2):
            shown = tile(picture, row, column)
            if (row, column) not in lit:  # marked at the first cell, where its value is 0
                assert (shown[20:54, 40:] == GREY).all()
                continue
            x, y = lit[row, column]
            middle = shown[12 * y + 5 : 12 * y + 7, 12 * x + 5 : 12 * x + 7]
            assert np.abs(middle - over).max() <= 6  # the cross leaves it free
            away = shown.copy()
            away[12 * y - 24 : 12 * y + 36, 12 * x - 24 : 12 * x + 36] = GREY
            assert (away[:54] == GREY).all()


def test_marks_are_at_the_highest_cell_and_not_on_the_background() -> None:
    picture, _ = drawn()
    for (row, column), (x, y) in {(0, 1): (8, 3), (1, 0): (3, 2)}.items():
        shown = tile(picture, row, column)
        centre = np.array([12 * x + 5.5, 12 * y + 5.5])
        for dx, dy in ((6, 0), (-6, 0), (0, 6), (0, -6)):
            px, py = np.rint(centre + np.array([dx, dy])).astype(int)
            around = shown[py - 1 : py + 2, px - 1 : px + 2]
            assert around.max() > 180  # white, between two pixels
            assert around.min() < 60
    background = tile(picture, 1, 2)
    assert (background == background[0, 0]).all()
    assert (background[0, 0] != GREY).any()
    assert (tile(picture, 0, 2) == 255).all()  # the first set has none


def test_labelled_places_are_ringed_and_hidden_joints_framed() -> None:
    plain, _ = drawn()
    xy = np.array([[24, 12], [36, 6]])
    hidden, _ = drawn(Truth(xy, np.array([State.OCCLUDED, State.VISIBLE])))
    missing, _ = drawn(Truth(xy, np.array([State.MISSING, State.VISIBLE])))
    for column, (x, y) in enumerate(3 * (xy + 0.5) - 0.5):  # a px of the crop is 3 px of a tile
        shown, before = (tile(of, 0, column) for of in (hidden, plain))
        changed = np.argwhere((shown != before).any(-1))
        inside = (changed >= 3).all(1) & (changed < (69, 141)).all(1)
        ring = changed[inside]
        assert np.abs(ring.mean(0) - (y, x)).max() < 0.5
        radius = np.linalg.norm(ring - (y, x), axis=1)
        assert 2 < radius.min() < 6 < radius.max() < 10
        assert inside.all() == (column == 1)
    frame = tile(hidden, 1, 0)[0]
    assert {tuple(colour) for colour in frame.tolist()} == {(27, 27, 27), (255, 255, 255)}
    np.testing.assert_array_equal(tile(missing, 0, 0), tile(plain, 0, 0))


def test_sets_are_compared_on_one_scale() -> None:
    """0.7 ends at 0.75 alone, but beside 0.9 at 1."""
    seen = mapped.seen_by_hand({"one": mapped.spot((2, 6, 12), 0, 6, 3, 0.7)}, (24, 48))
    alone = tile(sheet(seen, PAIR), 0, 0)[41, 77]
    seen.maps["two"] = mapped.spot((2, 6, 12), 1, 6, 3, 0.9)
    together = tile(sheet(seen, PAIR), 0, 0)[41, 77]
    assert together[2] > alone[2]  # less yellow
    assert together[1] < alone[1]


def test_the_answer_is_drawn_on_the_crop() -> None:
    seen = mapped.seen_by_hand({"one": np.zeros((2, 6, 12))}, (24, 48))
    seen.xy_crop[:] = [[12, 6], [36, 18]]
    seen.score[:] = 1
    large = sheet(seen, PAIR)[16 : 16 + 150, 16 : 16 + 294]
    places = np.rint((seen.xy_crop + 0.5) * [294 / 48, 150 / 24] - 0.5).astype(int)
    assert large[places[0, 1], places[0, 0]].tolist() == [86, 180, 233]
    assert large[places[1, 1], places[1, 0]].tolist() == [230, 159, 0]
    assert large[140, 10].tolist() == [100, 100, 100]


@pytest.mark.parametrize(
    ("joints", "lines", "across"), [(1, 1, 1), (9, 1, 9), (10, 2, 5), (14, 2, 7), (21, 3, 7)]
)
def test_many_joints_stand_in_several_lines(joints: int, lines: int, across: int) -> None:
    names = tuple(f"joint_{number}" for number in range(joints))
    maps = np.zeros((joints, 6, 12), np.float32)
    maps[-1, 3, 6] = 1
    seen = mapped.seen_by_hand({"one": maps}, (24, 48))
    picture = sheet(seen, Skeleton("many", names))
    assert picture.shape[1] == LEFT + across * ACROSS + 16
    y, x = TOP + (lines - 1) * (36 + DOWN + 6), LEFT + (joints - 1) % across * ACROSS
    assert (picture[y + 42, x + 78] != GREY).any()
    assert picture.shape[0] >= y + 72 + 16


@pytest.mark.parametrize("crop", [(1, 1), (300, 20), (31, 500)])
def test_any_names_and_sizes(crop: tuple[int, int]) -> None:
    words = Skeleton("words", ("a" * 300, "höft_é_膝"))
    seen = mapped.seen_by_hand({"set " * 90: np.zeros((3, 1, 1)), "": np.ones((2, 9, 4))}, crop)
    seen.xy_crop[:] = np.nan
    truth = Truth(np.full((2, 2), 1e9), np.array([State.OCCLUDED, State.VISIBLE]))
    picture = sheet(seen, words, ["title " * 99], truth=truth)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


# ---- all joints at once --------------------------------------------------------------------------


def test_the_overview_has_a_joints_hue_where_its_map_is_high() -> None:
    """Crops of 20 x 30 px in maps of 10 x 15 cells; a cell is 8 px of the photograph."""
    photo = np.full((120, 200, 3), 100, np.uint8)
    to_image = np.array([[4, 0, 40.0], [0, 4, 20]])
    first, second = mapped.spot((14, 10, 15), 3, 5, 2, 1), mapped.spot((14, 10, 15), 11, 9, 6, 0.6)
    seen = mapped.seen_by_hand({"early": first[::-1], "late": first + second}, (20, 30), to_image)
    overview = Overview(photo, LSP)
    overview.add(seen)
    picture = overview.picture().astype(int)
    assert picture.shape[1] == 200
    assert (picture[-1] == 255).all()  # under the names
    for joint, x, y in ((3, 5, 2), (11, 9, 6)):
        cell = 2 * np.array([x, y]) + 0.5  # px of the crop
        px, py = np.rint(to_image[:, :2] @ cell + to_image[:, 2]).astype(int)
        strong = 0.1 * GREY + 0.9 * hues(14)[joint]
        assert np.abs(picture[py, px] - strong).max() <= 1
    covered = (picture[:120] != int(GREY)).any(-1)
    assert covered.sum() < 2 * (5 * 8) ** 2
    assert not covered[:, :40].any()


def test_the_higher_of_two_persons_shows() -> None:
    photo = np.full((80, 80, 3), 100, np.uint8)
    pictures = []
    for order in ((0, 1), (1, 0)):
        overview = Overview(photo, LSP)
        for person in order:
            maps = mapped.spot((14, 10, 10), 2 + person, 5, 5, 1)
            maps[2 + person] *= (0.5, 1)[person]
            maps[0, 0, 0] = 1  # so that both have one scale
            overview.add(mapped.seen_by_hand({"maps": maps}, (80, 80)))
        pictures.append(overview.picture())
    np.testing.assert_array_equal(*pictures)
    assert np.abs(pictures[0][44, 44] - (0.1 * GREY + 0.9 * hues(14)[3])).max() <= 1


def test_the_overview_of_a_large_photograph_is_small() -> None:
    photo = np.full((300, 1000, 3), 100, np.uint8)
    to_image = np.array([[20.0, 0, 609.5], [0, 20, 109.5]])  # of a crop of 10 x 10 px
    far = to_image + np.array([0, 0, 5000])
    overview = Overview(photo, PAIR, longest=250)
    overview.add(
        mapped.seen_by_hand({"m": mapped.spot((2, 10, 10), 1, 4, 6, 1)}, (10, 10), to_image)
    )
    overview.add(mapped.seen_by_hand({"m": np.ones((2, 4, 4))}, (9, 9), far))
    picture = overview.picture().astype(int)
    assert picture.shape[1] == 250
    x, y = (609.5 + 80.5) / 4 - 0.5, (109.5 + 120.5) / 4 - 0.5  # cell (4, 6), four times smaller
    strong = 0.1 * GREY + 0.9 * hues(2)[1]
    assert np.abs(picture[round(y), round(x)] - strong).max() <= 3
    assert not (picture[:75, :150] != int(GREY)).any()


def test_hues_differ() -> None:
    for count in (1, 2, 17):
        colours = hues(count).astype(int)
        gaps = np.abs(colours[:, None] - colours[None]).sum(-1) + 1000 * np.eye(count)
        assert gaps.min() >= 60
        assert (colours.max(1) == 255).all()
