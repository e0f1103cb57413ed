"""Random changes of a person's crop: geometry as one matrix, colour as one table, pasted occluders.

Every draw comes from the generator passed in, always in the same order; `loader` seeds it from
(seed, epoch, key of the person), so that neither workers nor resuming change what is seen.
"""

from __future__ import annotations

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
    scale_sigma: float = Field(
        default=0.0, ge=0, description="box x 2^N(0, sigma), the exponent clipped at 2 sigma"
    )
    rotation: float = Field(
        default=0.0, ge=0, description="degrees: limit (uniform) or sigma (normal)"
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

    def between(limits: tuple[float, float], column: int) -> np.ndarray:
        return limits[0] + uniform[:, column] * (limits[1] - limits[0])

    factor = between(augment.scale, 0)
    factor = factor * 2 ** (augment.scale_sigma * np.clip(normal[:, 0], -2, 2))
    if augment.fill is not None:
        share = between(augment.fill, 1) * box[:, 2:].min(-1)
        factor = factor * np.where(extent > 0, extent / share, 1)
    size = box[:, 2:] * factor[:, None]
    shift = (2 * uniform[:, 2:4] - 1) * augment.translation * size
    centre = box[:, :2] + box[:, 2:] / 2 + shift
    unit = 2 * uniform[:, 5] - 1
    if augment.rotation_law == "normal":
        unit = np.clip(normal[:, 1], -augment.rotation_clip, augment.rotation_clip)
    turned = uniform[:, 4] < augment.rotation_chance
    degrees = np.where(turned, augment.rotation * unit, 0)
    seen = np.concatenate([centre - size / 2, size], -1)
    return geometry.crop_to_image(seen, height, width, degrees, uniform[:, 6] < augment.flip)


def change_colour(augment: Augment, rng: np.random.Generator, crop: np.ndarray) -> np.ndarray:
    """The crop (H, W, 3) uint8 with each channel's brightness changed."""
    gain = 1 + augment.colour * (2 * rng.random(3) - 1)
    if not augment.colour:
        return crop
    table = np.clip(np.arange(256)[:, None] * gain, 0, 255).astype(np.uint8)
    return cv2.LUT(crop, table[None])


def paste_occluders(
    augment: Augment,
    rng: np.random.Generator,
    crop: np.ndarray,
    joints: np.ndarray,
    state: np.ndarray,
) -> np.ndarray:
    """Pastes shapes on the crop, in place; the new states (J,): what was visible there is occluded.

    A shape is an ellipse or a rectangle, 10 to 40 % of the crop wide, filled with one colour or with
    another part of the crop. What hides a joint is the very mask that paints.

    Args:
        crop: (H, W, 3) uint8, changed in place.
        joints: (J, 2) xy_crop.
        state: (J,) uint8.
    """
    H, W = crop.shape[:2]
    state = state.copy()
    on_crop = (np.abs(joints - [(W - 1) / 2, (H - 1) / 2]) <= [W / 2, H / 2]).all(-1)
    for _ in range(int(rng.integers(augment.occluders + 1))):
        half = (0.05 + 0.15 * rng.random(2)) * (W, H)
        centre = rng.random(2) * (W, H) - 0.5
        power = 2 if rng.random() < 0.5 else np.inf  # an ellipse or a rectangle

        def inside(xy: np.ndarray, centre=centre, half=half, power=power) -> np.ndarray:  # type: ignore[no-untyped-def]
            u = np.abs((xy - centre) / half)
            return (u**2).sum(-1) <= 1 if power == 2 else (u <= 1).all(-1)

        x0, y0 = np.maximum(np.ceil(centre - half), 0).astype(int)
        x1, y1 = np.minimum(np.floor(centre + half) + 1, (W, H)).astype(int)
        if x1 <= x0 or y1 <= y0:
            continue
        grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), -1)  # (h, w, 2)
        target = crop[y0:y1, x0:x1]
        paint: np.ndarray = rng.integers(0, 256, 3).astype(np.uint8)
        if rng.random() < 0.5:
            x, y = rng.integers(0, (W - (x1 - x0) + 1, H - (y1 - y0) + 1))
            paint = crop[y : y + y1 - y0, x : x + x1 - x0].copy()
        np.copyto(target, paint, where=inside(grid)[..., None])
        state[(state == State.VISIBLE) & on_crop & inside(joints)] = State.OCCLUDED
    return state
