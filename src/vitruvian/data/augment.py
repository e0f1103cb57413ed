"""Random changes of a person's crop: geometry as one matrix, colour as one table, pasted occluders.

Every draw comes from the generator passed in, always in the same order; `loader` seeds it from
(seed, epoch, key of the person), so that neither workers nor resuming change what is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vitruvian import geometry
from vitruvian.types import State

Chance = float
Positive = Annotated[float, Field(gt=0)]


class Augment(BaseModel):
    """How training crops vary; the defaults change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fill: tuple[Positive, Positive] | None = Field(
        default=None,
        description="joints' longer extent as a share of the crop's shorter side, uniform",
    )
    scale: tuple[Positive, Positive] = Field(
        default=(1.0, 1.0), description="factor on the box, uniform"
    )
    scale_step: float = Field(
        default=0.0, ge=0, description="between the factors that `scale` draws from; 0: any"
    )
    scale_sigma: float = Field(
        default=0.0, ge=0, description="box x 2^N(0, sigma), the exponent clipped at 2 sigma"
    )
    rotation: float = Field(
        default=0.0, ge=0, description="degrees: limit (uniform) or sigma (normal)"
    )
    rotation_step: float = Field(
        default=0.0, ge=0, description="degrees between the angles of a uniform law; 0: any"
    )
    rotation_law: Literal["uniform", "normal"] = "uniform"
    rotation_clip: float = Field(
        default=2.0, gt=0, description="sigmas at which a normal draw is clipped"
    )
    rotation_chance: Chance = Field(default=1.0, ge=0, le=1)
    translation: float = Field(default=0.0, ge=0, description="box sides per axis, uniform limit")
    flip: Chance = Field(default=0.0, ge=0, le=1)
    colour: float = Field(
        default=0.0, ge=0, lt=1, description="each channel x U(1 - colour, 1 + colour)"
    )
    occluders: int = Field(default=0, ge=0, description="shapes pasted on a crop, at most")


def draw_matrices(
    augment: Augment,
    draws: list[np.random.Generator],
    box: np.ndarray,
    extent: np.ndarray,
    height: int,
    width: int,
) -> np.ndarray:
    """`to_image` (B, 2, 3) of augmented crops.

    Args:
        draws: one generator for each crop.
        box: (B, 4) image px, the persons' boxes.
        extent: (B,) px, the longer side of the located joints; what `fill` is a share of. Where it is 0
            or unknown, the box is kept.
        height, width: of the crops, px.
    """
    uniform = np.stack([rng.random(8) for rng in draws])  # (B, 8)
    normal = np.stack([rng.standard_normal(2) for rng in draws])  # (B, 2)
    box = geometry.fit_aspect(box, height, width).astype(np.float64)

    def between(limits: tuple[float, float], column: int, step: float = 0.0) -> np.ndarray:
        low, high = limits
        if step:  # the ends are as likely as all others
            return low + step * np.floor(uniform[:, column] * (round((high - low) / step) + 1))
        return low + uniform[:, column] * (high - low)

    factor = between(augment.scale, 0, augment.scale_step)
    factor = factor * 2 ** (augment.scale_sigma * np.clip(normal[:, 0], -2, 2))
    if augment.fill is not None:
        share = between(augment.fill, 1) * box[:, 2:].min(-1)
        factor = factor * np.where(extent > 0, extent / share, 1)
    size = box[:, 2:] * factor[:, None]
    shift = (2 * uniform[:, 2:4] - 1) * augment.translation * size
    centre = box[:, :2] + box[:, 2:] / 2 + shift
    angle = between((-augment.rotation, augment.rotation), 5, augment.rotation_step)
    if augment.rotation_law == "normal":
        clip = augment.rotation_clip
        angle = augment.rotation * np.clip(normal[:, 1], -clip, clip)
    degrees = np.where(uniform[:, 4] < augment.rotation_chance, angle, 0)
    seen = np.concatenate([centre - size / 2, size], -1)
    return geometry.crop_to_image(seen, height, width, degrees, uniform[:, 6] < augment.flip)


def change_colour(augment: Augment, rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """The crop (H, W, 3) uint8 with each channel's brightness changed."""
    gain = 1 + augment.colour * (2 * rng.random(3) - 1)
    if not augment.colour:
        return crop
    table = np.clip(np.arange(256)[:, None] * gain, 0, 255).astype(np.uint8)
    return cv2.LUT(crop, table[None])


@dataclass(frozen=True)
class Occluder:
    """A shape that hides what lies behind it; px of the picture that it is painted on."""

    centre: np.ndarray  # (2,) x, y
    half: np.ndarray  # (2,) half of its width and height
    ellipse: bool  # else a rectangle
    colour: np.ndarray  # (3,) uint8 RGB
    shift: np.ndarray | None  # (2,) to the part of the picture that fills it; None: the colour does

    def hides(self, xy: np.ndarray) -> np.ndarray:
        """Whether points (..., 2) lie within it: (...,) bool."""
        u = np.abs((xy - self.centre) / self.half)
        return (u**2).sum(-1) <= 1 if self.ellipse else (u <= 1).all(-1)

    def moved(self, matrix: np.ndarray) -> Occluder:
        """The shape in px of another picture: `matrix` (2, 3) scales and moves, and turns nothing."""
        scale = np.array([matrix[0, 0], matrix[1, 1]])
        shift = None if self.shift is None else self.shift * scale
        return replace(
            self, centre=scale * self.centre + matrix[:, 2], half=scale * self.half, shift=shift
        )

    def pixels(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Columns and rows of a picture that it may cover: left, top, right, bottom, ends excluded."""
        x0, y0 = np.maximum(np.ceil(self.centre - self.half), 0).astype(int).tolist()
        x1, y1 = np.minimum(np.floor(self.centre + self.half) + 1, (width, height)).astype(int)
        return x0, y0, int(x1), int(y1)


def draw_occluders(rng: np.random.Generator, count: int, height: int, width: int) -> list[Occluder]:
    """Ellipses and rectangles, 10 to 40 % of a picture wide, filled with a colour or a part of it."""
    drawn = []
    for _ in range(count):
        half = (0.05 + 0.15 * rng.random(2)) * (width, height)
        centre = rng.random(2) * (width, height) - 0.5
        ellipse = bool(rng.random() < 0.5)
        shape = Occluder(centre, half, ellipse, np.zeros(3, np.uint8), None)
        x0, y0, x1, y1 = shape.pixels(height, width)
        if x1 <= x0 or y1 <= y0:
            continue
        colour = rng.integers(0, 256, 3).astype(np.uint8)
        shift = None
        if rng.random() < 0.5:
            place = rng.integers(0, (width - (x1 - x0) + 1, height - (y1 - y0) + 1))
            shift = (place - (x0, y0)).astype(np.float64)
        drawn.append(replace(shape, colour=colour, shift=shift))
    return drawn


def paint_occluder(shape: Occluder, picture: np.ndarray) -> None:
    """Paints a shape over a picture (H, W, 3) uint8, in place: the pixels whose centre it hides.

    Where the part that fills it would lie outside, the nearest part inside is taken.
    """
    H, W = picture.shape[:2]
    x0, y0, x1, y1 = shape.pixels(H, W)
    if x1 <= x0 or y1 <= y0:
        return
    grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), -1)  # (h, w, 2)
    paint = shape.colour
    if shape.shift is not None:
        last = W - (x1 - x0), H - (y1 - y0)
        x, y = np.clip(np.rint(shape.shift) + np.array([x0, y0]), 0, last).astype(int)
        paint = picture[y : y + y1 - y0, x : x + x1 - x0].copy()
    np.copyto(picture[y0:y1, x0:x1], paint, where=shape.hides(grid)[..., None])


def paste_occluders(
    augment: Augment,
    rng: np.random.Generator,
    crop: np.ndarray,
    joints: np.ndarray,
    state: np.ndarray,
) -> np.ndarray:
    """Pastes shapes on the crop, in place; the new states (J,): what was visible there is occluded.

    What hides a joint is the very shape that is painted; see `draw_occluders`.

    Args:
        crop: (H, W, 3) uint8, changed in place.
        joints: (J, 2) xy_crop.
        state: (J,) uint8.
    """
    shapes = draw_occluders(rng, int(rng.integers(augment.occluders + 1)), *crop.shape[:2])
    for shape in shapes:
        paint_occluder(shape, crop)
    return hidden(shapes, joints, state, *crop.shape[:2])


def hidden(
    shapes: list[Occluder], joints: np.ndarray, state: np.ndarray, height: int, width: int
) -> np.ndarray:
    """The states (J,) of joints (J, 2) px of a picture that shapes are painted on.

    A visible joint within a shape is occluded; outside of the picture nothing is painted.
    """
    on_picture = (
        np.abs(joints - [(width - 1) / 2, (height - 1) / 2]) <= [width / 2, height / 2]
    ).all(-1)
    under = np.zeros(len(joints), bool)
    for shape in shapes:
        under |= shape.hides(joints)
    state = state.copy()
    state[(state == State.VISIBLE) & on_picture & under] = State.OCCLUDED
    return state
