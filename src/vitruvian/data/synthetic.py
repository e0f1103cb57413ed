"""Articulated figures drawn on the fly: a data set that needs no files.

A body is posed in three dimensions and projected. Everything painted, limb or occluder, is the hull
of up to four circles, in painter's order; `hulls` gives its outline to the brush and to the test of
what hides a joint, so states are exact. Body axes are (to the person's left, down, forward), all
lengths body heights; facing the viewer they are (image right, image down, towards the viewer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from vitruvian.data.kept import Kept
from vitruvian.data.people import People
from vitruvian.geometry import box_of_joints
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.types import State

Points = dict[str, np.ndarray]  # name -> (N, 3)
SIDES = (("right", -1.0), ("left", 1.0))


class Part(NamedTuple):
    """One painted piece of the body: the hull of at most four circles."""

    name: str
    cloth: str  # which of the person's colours
    circles: tuple[tuple[str, float], ...]  # centre by name, radius in body heights
    shows: tuple[str, ...] = ()  # joints that can be seen where this part lies uppermost
    nearer: float = 0.0  # body heights by which it counts as nearer when parts are put in order

    def on(self, side: str) -> Part:
        """The part of one side, from one that is named without."""
        circles = tuple((f"{side}_{centre}", radius) for centre, radius in self.circles)
        shows = tuple(f"{side}_{joint}" for joint in self.shows)
        return Part(f"{side}_{self.name}", self.cloth, circles, shows, self.nearer)


_SIDED = (  # upper arms and thighs lie on the trunk until that has turned by about 60 degrees
    Part("arm", "sleeve", (("shoulder", 0.034), ("elbow", 0.026)), ("shoulder", "elbow"), 0.08),
    Part("forearm", "cuff", (("elbow", 0.026), ("wrist", 0.019)), ("elbow", "wrist"), 0.03),
    Part("hand", "skin", (("wrist", 0.018), ("hand", 0.022)), ("wrist",), 0.031),
    Part("thigh", "trousers", (("hip", 0.052), ("knee", 0.036)), ("hip", "knee"), 0.05),
    Part("shin", "sock", (("knee", 0.035), ("ankle", 0.024)), ("knee", "ankle"), 0.02),
    Part("foot", "shoe", (("ankle", 0.026), ("heel", 0.022), ("toe", 0.018)), ("ankle",), 0.021),
    Part("eye", "ink", (("eye", 0.009),), ("eye",)),
    Part("ear", "ear", (("ear", 0.017),), ("ear",), 0.02),
)  # fmt: skip
_PACK = (("right_pack", 0.02), ("left_pack", 0.02), ("right_strap", 0.025), ("left_strap", 0.025))
_HIPS = (("right_hip", 0.05), ("left_hip", 0.05))
_COLLAR = (("right_collar", 0.008), ("left_collar", 0.008), ("sternum", 0.006))
_TORSO = (("right_shoulder", 0.038), ("left_shoulder", 0.038), *_HIPS)
PARTS = (
    Part("torso", "shirt", _TORSO, ("pelvis", "thorax", "neck")),
    Part("pelvis", "trousers", _HIPS, ("right_hip", "left_hip", "pelvis"), 0.005),
    Part("collar", "skin", _COLLAR, ("thorax", "neck")),
    Part("pack", "pack", _PACK, ("thorax", "neck")),
    Part("neck", "skin", (("thorax", 0.028), ("skull", 0.028)), ("thorax", "neck"), -0.005),
    Part("head", "skin", (("skull", 0.058), ("chin", 0.036)), ("head_top",)),
    Part("hair", "hair", (("crown", 0.061), ("nape", 0.05)), ("head_top",)),
    Part("nose", "nose", (("nose", 0.013), ("bridge", 0.006)), ("nose",)),
    Part("mouth", "lips", (("right_mouth", 0.006), ("left_mouth", 0.006))),
    *(part.on(side) for side, _ in SIDES for part in _SIDED),
)
NAMES = tuple(part.name for part in PARTS)
JOINTS = tuple(dict.fromkeys(joint for part in PARTS for joint in part.shows))


@dataclass(frozen=True)
class Scenes:
    """All that is painted of N figures, but for the backgrounds; px, (x, y, radius) per circle."""

    seed: int
    side: int  # px, width and height of a picture
    joints: np.ndarray  # (N, A, 2) float32 xy_image, in the order of JOINTS
    state: np.ndarray  # (N, A) uint8, OCCLUDED or VISIBLE
    parts: np.ndarray  # (N, P, 4, 3) float32, in the order of PARTS
    order: np.ndarray  # (N, P) int64, parts from the farthest to the nearest
    colour: np.ndarray  # (N, P, 3) uint8 RGB
    occluders: np.ndarray  # (N, 2, 4, 3) float32, nearer than every part
    occluder_colour: np.ndarray  # (N, 2, 3) uint8 RGB


class _Draws:
    """Random columns of N rows; a row's numbers depend on its seed and key alone."""

    def __init__(self, seed: int, count: int) -> None:
        rows = [np.random.default_rng([seed, key]).random(256) for key in range(count)]
        self.table = np.array(rows).reshape(count, 256)
        self.used = 0

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """(N, *shape) between `low` and `high`."""
        first, self.used = self.used, self.used + int(np.prod(shape))
        columns = self.table[:, first : self.used].reshape(len(self.table), *shape)
        return low + (high - low) * columns

    def about(self, deviation: float, *shape: int) -> np.ndarray:
        """(N, *shape) around 0, nearly normal, within three deviations."""
        return 2 * deviation * (self.uniform(0, 1, 3, *shape).sum(1) - 1.5)

    def chance(self, share: float, *shape: int) -> np.ndarray:
        """(N, *shape) bool."""
        return self.uniform(0, 1, *shape) < share


def _turn(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Rotations (N, 3, 3) about an axis by angles (N,)."""
    a, b, angle = (axis + 1) % 3, (axis + 2) % 3, np.deg2rad(degrees)
    matrix = np.zeros((len(degrees), 3, 3))
    matrix[:, axis, axis] = 1
    matrix[:, a, a] = matrix[:, b, b] = np.cos(angle)
    matrix[:, b, a], matrix[:, a, b] = np.sin(angle), -np.sin(angle)
    return matrix


def _offset(frame: np.ndarray, left: Any, down: Any, forward: Any) -> np.ndarray:
    """A vector (N, 3) given in a body part's frame (N, 3, 3)."""
    vector = np.stack(np.broadcast_arrays(left, down, forward, frame[:, 0, 0])[:3], -1)  # (N, 3)
    return (frame * vector[:, None]).sum(-1)


def _frames(draw: _Draws) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where pelvis, chest and head point: rotations (N, 3, 3)."""
    away = 180.0 * draw.chance(0.35) + draw.about(28)
    facing = np.where(draw.chance(0.3), draw.uniform(-180, 180), away)
    tumbling = draw.chance(0.25)  # gymnasts, and people who lie
    roll = np.where(tumbling, draw.uniform(-180, 180), draw.about(9))
    pitch = np.where(tumbling, draw.about(30), draw.about(9))
    pelvis = _turn(2, roll) @ _turn(0, pitch) @ _turn(1, facing)
    stoop = np.where(draw.chance(0.3), draw.uniform(0, 75), draw.about(8))
    chest = pelvis @ _turn(0, -stoop) @ _turn(1, draw.about(14)) @ _turn(2, draw.about(8))
    nod = draw.about(14) + 0.4 * stoop  # who stoops still looks ahead
    head = chest @ _turn(0, nod) @ _turn(1, draw.about(22)) @ _turn(2, draw.about(9))
    return pelvis, chest, head


def _trunk(draw: _Draws, pelvis: np.ndarray, chest: np.ndarray, head: np.ndarray) -> Points:
    """Trunk and head; the pelvis is the origin."""
    spine, hips = draw.uniform(0.27, 0.3), draw.uniform(0.05, 0.065)
    shoulders = draw.uniform(0.1, 0.125)
    thorax = _offset(pelvis, 0, -0.4 * spine, 0) + _offset(chest, 0, -0.6 * spine, 0)
    neck = thorax + _offset(chest, 0, -0.022, 0)
    skull = neck + _offset(chest, 0, -0.03, 0.005) + _offset(head, 0, -0.08, 0.01)
    points = {"pelvis": 0 * thorax, "thorax": thorax, "neck": neck, "skull": skull}
    hair = np.where(draw.chance(0.35), draw.uniform(0.03, 0.12), 0)
    on_chest: dict[str, tuple[Any, Any, Any]] = {"sternum": (0, 0.085, 0.03)}
    on_head: dict[str, tuple[Any, Any, Any]] = {
        "head_top": (0, -0.065, -0.005), "crown": (0, -0.012, -0.016), "nape": (0, hair, -0.024),
        "chin": (0, 0.04, 0.022), "nose": (0, 0.012, 0.066), "bridge": (0, -0.006, 0.06),
    }  # fmt: skip
    for side, sign in SIDES:
        points[f"{side}_hip"] = _offset(pelvis, sign * hips, 0, 0)
        points[f"{side}_shoulder"] = thorax + _offset(chest, sign * shoulders, 0.01, 0)
        on_head[f"{side}_eye"] = (sign * 0.025, -0.01, 0.052)
        on_head[f"{side}_ear"] = (sign * 0.062, 0.004, 0)
        on_head[f"{side}_mouth"] = (sign * 0.013, 0.045, 0.055)
        on_chest[f"{side}_collar"] = (sign * 0.035, -0.015, 0.03)
        on_chest[f"{side}_pack"] = (sign * 0.5 * shoulders, 0.04, -0.035)
        on_chest[f"{side}_strap"] = (sign * 0.45 * shoulders, 0.62 * spine, -0.035)
    points |= {name: skull + _offset(head, *at) for name, at in on_head.items()}
    points |= {name: thorax + _offset(chest, *at) for name, at in on_chest.items()}
    return points


def _bones(frame: np.ndarray, sign: float, degrees: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The directions of two bones, and the one to which the second would fold on; each (N, 3).

    `sign` is that of a side. Of the four angles (N,), two swing the first bone from hanging down,
    forward and outward; one folds the second bone forward, or inward when the last one is 90.
    """
    (fs, ss, bs, ts), (fc, sc, bc, tc) = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    first = np.stack([sign * ss, sc * fc, sc * fs])  # (3, N)
    ahead = np.stack([0 * fs, -fs, fc])
    inward = np.stack([-sign * sc, ss * fc, ss * fs])
    across = tc * ahead + ts * inward
    second, folds = bc * first + bs * across, bc * across - bs * first
    return [_offset(frame, *direction) for direction in (first, second, folds)]


def _limbs(draw: _Draws, points: Points, pelvis: np.ndarray, chest: np.ndarray) -> None:
    """Add arms and legs to `points`."""
    upper, fore = draw.uniform(0.155, 0.18, 1), draw.uniform(0.135, 0.155, 1)
    thigh, shin = draw.uniform(0.225, 0.26, 1), draw.uniform(0.22, 0.25, 1)
    sport = draw.chance(0.5)
    for side, sign in SIDES:
        lively = draw.chance(0.6)
        swing = np.where(lively, draw.uniform(-45, 185), 5 + draw.about(20))
        spread = np.where(lively, draw.uniform(-12, 85), draw.uniform(2, 24))
        bend = np.where(lively, draw.uniform(0, 140), draw.uniform(3, 60))
        angles = (swing, spread, bend, draw.uniform(-35, 100))
        first, second, folds = _bones(chest, sign, angles)
        elbow = points[f"{side}_elbow"] = points[f"{side}_shoulder"] + upper * first
        wrist = points[f"{side}_wrist"] = elbow + fore * second
        points[f"{side}_hand"] = wrist + 0.045 * (second + draw.about(0.25, 1) * folds)

        lively = sport & draw.chance(0.75)
        swing = np.where(lively, draw.uniform(-45, 115), draw.about(13))
        spread = np.where(lively, draw.uniform(-6, 55), draw.uniform(-1, 12))
        stiff = np.abs(draw.about(10)) + 0.5 * np.abs(swing)
        bend = -np.where(lively, draw.uniform(0, 130), stiff)  # knees fold backward
        first, second, folds = _bones(pelvis, sign, (swing, spread, bend, 0 * bend))
        knee = points[f"{side}_knee"] = points[f"{side}_hip"] + thigh * first
        ankle = points[f"{side}_ankle"] = knee + shin * second
        points[f"{side}_toe"] = ankle + 0.085 * (folds + draw.uniform(0.3, 0.9, 1) * second)
        points[f"{side}_heel"] = ankle + 0.02 * (second - 0.8 * folds)


def _project(draw: _Draws, points: Points, side: int) -> np.ndarray:
    """Turn `points` to (x, y) px and depth in body heights; returns px per body height (N,)."""
    joints = np.stack([points[name] for name in JOINTS], 1)[..., :2]  # (N, A, 2)
    low, high = joints.min(1), joints.max(1)
    fill = draw.uniform(0.45, 0.96)
    scale = fill * side / np.maximum((high - low).max(-1), 0.5)
    slack = (side - scale[:, None] * (high - low)) / 2 + 0.03 * side
    centre = (side - 1) / 2 + draw.uniform(-1, 1, 2) * np.clip(slack, 0, 0.25 * side)
    shift = centre - scale[:, None] * (low + high) / 2
    for name, xyz in points.items():
        points[name] = np.concatenate([scale[:, None] * xyz[:, :2] + shift, xyz[:, 2:]], -1)
    return scale


def _parts(draw: _Draws, points: Points, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Circles (N, P, 4, 3) in px and depth (N, P) in body heights of all parts."""
    four = [(part.circles * 4)[:4] for part in PARTS]
    centre = np.stack([np.stack([points[name] for name, _ in row], 1) for row in four], 1)
    sizes = [[size for _, size in row] for row in four]
    radius = (scale * draw.uniform(0.88, 1.2))[:, None, None] * sizes
    depth = np.stack([centre[:, i, : len(p.circles), 2].mean(1) for i, p in enumerate(PARTS)], 1)
    return np.concatenate([centre[..., :2], radius[..., None]], -1).astype(np.float32), depth


def _painters_order(depth: np.ndarray) -> np.ndarray:
    """Parts from the farthest to the nearest: (N, P) indices."""
    nearness = depth + [part.nearer for part in PARTS]
    torso, collar, pack = (NAMES.index(name) for name in ("torso", "collar", "pack"))
    front = np.where(depth[:, collar] > depth[:, pack], 0.004, -0.004)
    nearness[:, collar] = nearness[:, torso] + front  # a garment's faces, whatever their depth
    nearness[:, pack] = nearness[:, torso] - front
    return nearness.argsort(1)


def hulls(circles: np.ndarray) -> np.ndarray:
    """Outlines (..., 16, 2) of the convex hulls of circles (..., C, 3), clockwise on the screen."""
    angle = np.arange(16, dtype=np.float32) * np.float32(np.pi / 8)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y, r = (circles[..., i, None] for i in range(3))  # (..., C, 1)
    outermost = (x * cos + y * sin + r).argmax(-2)[..., None]  # (..., 16, 1)
    chosen = np.take_along_axis(circles, outermost, -2)  # (..., 16, 3)
    return chosen[..., :2] + chosen[..., 2:] * np.stack([cos, sin], -1)


def covered(outline: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Whether points (N, A, 2) lie within convex outlines (N, V, 2); (N, A) bool."""
    edge = np.roll(outline, -1, 1) - outline
    x, y = (xy[:, :, None, i] - outline[:, None, :, i] for i in range(2))  # (N, A, V)
    return (edge[:, None, :, 0] * y >= edge[:, None, :, 1] * x).all(-1)


def _state(xy: np.ndarray, parts: np.ndarray, order: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """VISIBLE where the uppermost thing on a joint is a part that shows it; (N, A) uint8."""
    rank = order.argsort(1)  # (N, P)
    shows = np.array([[joint in part.shows for part in PARTS] for joint in JOINTS])  # (A, P)
    shown_at = np.where(shows, rank[:, None], -1).max(-1)  # (N, A)
    hidden = np.zeros(shown_at.shape, bool)
    for part in range(len(PARTS)):
        hidden |= covered(hulls(parts[:, part]), xy) & (rank[:, part, None] > shown_at)
    for shape in range(shapes.shape[1]):
        hidden |= covered(hulls(shapes[:, shape]), xy)
    return np.where(hidden, State.OCCLUDED, State.VISIBLE).astype(np.uint8)


def _colours(draw: _Draws, depth: np.ndarray) -> np.ndarray:
    """One colour per part, a little darker where it lies farther away; (N, P, 3) uint8."""
    tone, blond = draw.uniform(0, 1, 1), draw.uniform(0, 1, 1) ** 2
    skin = (1 - tone) * [238, 200, 175] + tone * [92, 58, 40] + draw.about(8, 3)
    colour = {cloth: draw.uniform(15, 245, 3) for cloth in ("shirt", "trousers", "shoe", "pack")}
    colour |= {
        "skin": skin, "ear": 0.9 * skin, "nose": 0.8 * skin, "lips": 0.6 * skin + [60, 0, 5],
        "hair": blond * [215, 175, 100] + (1 - blond) * [38, 26, 20], "ink": 0 * skin + 20,
    }  # fmt: skip
    bare, short_sleeves, shorts, pack = (draw.chance(p, 1) for p in (0.2, 0.5, 0.4, 0.6))
    colour["sleeve"] = np.where(bare, skin, colour["shirt"])
    colour["cuff"] = np.where(bare | short_sleeves, skin, colour["shirt"])
    colour["sock"] = np.where(shorts, skin, colour["trousers"])
    colour["pack"] = np.where(pack, colour["pack"], 0.85 * colour["shirt"])
    light = np.clip(1 + 0.9 * depth, 0.72, 1.2)[..., None]  # (N, P, 1)
    painted = np.stack([colour[part.cloth] for part in PARTS], 1) * light
    return np.clip(painted, 0, 255).astype(np.uint8)


def _occluders(draw: _Draws, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Shapes in front of the figure, none for most: circles (N, 2, 4, 3) px, colours (N, 2, 3)."""
    centre = draw.uniform(0.15, 0.85, 2, 1, 2)
    angle = np.arange(4) * np.pi / 2 + np.deg2rad(draw.uniform(0, 90, 2, 1) + draw.about(12, 2, 4))
    half = draw.uniform(0.03, 0.15, 2, 1, 2)
    corner = centre + np.stack([np.cos(angle), np.sin(angle)], -1) * half  # (N, 2, 4, 2)
    radius = np.where(draw.chance(0.5, 2, 1), draw.uniform(0, 0.05, 2, 1), 0.002)
    corner = np.where(draw.chance(0.3, 2, 1, 1), corner, -10.0)  # most far outside the picture
    radius = np.broadcast_to(radius, corner.shape[:-1])[..., None]
    circles = side * np.concatenate([corner, radius], -1)
    return circles.astype(np.float32), draw.uniform(10, 245, 2, 3).astype(np.uint8)


def scenes(count: int, seed: int, side: int) -> Scenes:
    """The figures of keys 0 to `count` - 1, posed but not yet painted."""
    draw = _Draws(seed, count)
    pelvis, chest, head = _frames(draw)
    points = _trunk(draw, pelvis, chest, head)
    _limbs(draw, points, pelvis, chest)
    scale = _project(draw, points, side)
    joints = np.stack([points[name][:, :2] for name in JOINTS], 1).astype(np.float32)  # (N, A, 2)
    parts, depth = _parts(draw, points, scale)
    colour, order = _colours(draw, depth), _painters_order(depth)
    shapes, shape_colour = _occluders(draw, side)
    state = _state(joints, parts, order, shapes)
    return Scenes(seed, side, joints, state, parts, order, colour, shapes, shape_colour)


def _fill(picture: np.ndarray, circles: np.ndarray, colours: np.ndarray, edge: float = 1.0) -> None:
    """Paint hulls of circles (K, 4, 3) in colours (K, 3), the first one lowest."""
    outlines = np.rint(hulls(circles) * 16).astype(np.int32)
    for outline, colour in zip(outlines, colours.tolist(), strict=True):
        cv2.fillConvexPoly(picture, outline, colour, cv2.LINE_AA, 4)
        if edge < 1:
            cv2.polylines(picture, [outline], True, [edge * c for c in colour], 1, cv2.LINE_AA, 4)


def _background(rng: np.random.Generator, side: int) -> np.ndarray:
    """Smooth colours, a texture and shapes that may look like limbs; (side, side, 3) uint8."""
    vivid = rng.uniform(0.1, 0.9)
    coarse = vivid * rng.integers(0, 256, (*rng.integers(2, 7, 2), 3))
    coarse += (1 - vivid) * rng.integers(30, 225, coarse.shape[:2])[..., None]
    fine = rng.integers(0, 256, (*rng.integers(6, 70, 2), 1), np.uint8)
    smooth = cv2.resize(coarse.astype(np.uint8), (side, side), interpolation=cv2.INTER_LINEAR)
    texture = cv2.merge([cv2.resize(fine, (side, side), interpolation=cv2.INTER_LINEAR)] * 3)
    share = rng.uniform(0.05, 0.4)
    picture = cv2.addWeighted(smooth, 1 - share, texture, share, 0)
    count = int(rng.integers(3, 14))
    circles = np.empty((count, 4, 3), np.float32)
    reach = rng.uniform(0.05, 0.3, (count, 1, 1))
    circles[..., :2] = rng.random((count, 1, 2)) + reach * rng.uniform(-1, 1, (count, 4, 2))
    circles[..., 2] = rng.uniform(0.002, 0.05, (count, 1))
    circles[::2, 2:] = circles[::2, :2]  # every other one has the shape of a limb
    tone = vivid * rng.integers(0, 256, (count, 3)) + (1 - vivid) * rng.integers(0, 256, (count, 1))
    _fill(picture, side * circles, tone, rng.choice([1.0, 0.7]))
    return picture


def paint(figures: Scenes, row: int, body: bool = True, occluders: bool = True) -> np.ndarray:
    """The picture (side, side, 3) uint8 RGB of a row; body or occluders can be left off."""
    side, rng = figures.side, np.random.default_rng([figures.seed, row, 1])
    picture = _background(rng, side)
    grain = np.frombuffer(rng.bytes(side * side * 3), np.uint8).reshape(side, side, 3)
    if body:
        order = figures.order[row]
        _fill(picture, figures.parts[row, order], figures.colour[row, order], 0.7)
    if occluders:
        _fill(picture, figures.occluders[row], figures.occluder_colour[row])
    return cv2.addWeighted(picture, 1 - (share := rng.uniform(0, 0.1)), grain, share, 0)


def figures(
    count: int = 4000, seed: int = 0, skeleton: Skeleton = LSP, side: int = 192, missing: float = 0
) -> People:
    """Rendered figures as a data set; joints that a figure does not have are UNDEFINED.

    Args:
        count: number of figures; the last quarter is "val", an eighth before it "tune".
        seed: with the key of a row it decides everything about it.
        side: width and height of the pictures in px.
        missing: share of labels that are withheld (MISSING).
    """
    made = scenes(count, seed, side)
    have = np.isin(skeleton.joint_names, JOINTS)
    source = [JOINTS.index(name) if name in JOINTS else 0 for name in skeleton.joint_names]
    state = np.where(have, made.state[:, source], State.UNDEFINED).astype(np.uint8)  # (N, J)
    withheld = np.random.default_rng([seed, 2**32 - 1]).random(state.shape) < missing
    state[withheld & have] = State.MISSING
    joints = np.where((have & ~withheld)[..., None], made.joints[:, source], np.float32(0))
    val, tune = count - count // 4, count - count // 4 - count // 8
    rows = np.arange(count)
    return People(
        name="figures",
        skeleton=skeleton,
        joints=joints,
        state=state,
        box=box_of_joints(joints, state >= State.OCCLUDED),
        key=rows.astype(np.int64),
        photo=Kept(lambda row: paint(made, row)).photo,
        label=lambda row: f"figure {row}",
        size=lambda row: (side, side),
        subsets={"train": rows[:tune], "tune": rows[tune:val], "val": rows[val:]},
        provenance=f"{count} rendered figures, seed {seed}, made on the fly",
    )
