"""What is counted of a finished training's model, with PyTorch."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitruvian import geometry
from vitruvian.claims.model import BATCH, Measure, Training
from vitruvian.claims.raw import (
    BACKGROUNDS,
    HEIGHTS,
    NONE,
    Measured,
    Persons,
    levels,
)
from vitruvian.claims.resolve import recipe_of
from vitruvian.claims.sets import held_out, open_set
from vitruvian.claims.work import Shop
from vitruvian.data.boxes import start_from
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.people import People
from vitruvian.learn.devices import choose_device
from vitruvian.learn.folder import MODEL
from vitruvian.learn.runner import load_net, net_maps, net_runner
from vitruvian.measure import baselines, metrics
from vitruvian.measure.angles import angle_bins, torso_angle
from vitruvian.measure.peaks import HEIGHT, second_peaks
from vitruvian.models import read_model
from vitruvian.recipe import Recipe, override
from vitruvian.types import Crops, State, UserError
from vitruvian.use.evaluate import by_name, protocol_of_model, truth_of
from vitruvian.use.heatmaps import MapRunner
from vitruvian.use.occluders import Occluders, occlude, occluded

SWAPPED_AT = 0.2  # reference lengths
AWAY = 0.5  # reference lengths between the background and any joint


@dataclass(frozen=True)
class Seen:
    """A net's answers for all persons."""

    xy: np.ndarray  # (N, J, 2) xy_image
    peaks: dict[
        str, np.ndarray
    ]  # set -> (N, J) height of the second peak, a share of the first one's
    height: np.ndarray  # (N, J), NaN outside of the map
    background: np.ndarray  # (N, J)


def measure(training: Training, wanted: Sequence[Measure], shop: Shop) -> dict[str, Measured]:
    """Counts what is wanted of a finished training's model.

    Raises:
        UserError: data cannot be opened, or the model has no such stage, size or heatmaps.
    """
    return {one.key: _measured(training, one, shop) for one in wanted}


def _measured(training: Training, wanted: Measure, shop: Shop) -> Measured:
    folder = shop.runs / training.id / MODEL
    recipe = recipe_of(training)
    data = wanted.data or training.arm.data or training.tier.data or _figures(recipe)
    covers = Occluders(wanted.occluders) if wanted.occluders else None
    people = occlude(held_out(start_from(open_set(data, shop.data), recipe.box)), covers)
    info = read_model(folder)
    protocol = protocol_of_model(
        people, info.skeleton, flip=wanted.flip, convention=info.convention
    )
    seen = _seen(folder, wanted, people, recipe, shop)
    xy = by_name(seen.xy, info.skeleton, people.skeleton)
    truth = truth_of(people)
    reference = truth.reference(protocol.reference)
    columns = np.isin(people.skeleton.joint_names, protocol.joints)
    located = (people.state >= State.OCCLUDED) & columns
    errors = metrics.normalized_errors(xy, truth.xy, reference)
    scored = metrics.counted(errors, located)
    rows = np.flatnonzero(scored.any(1))
    thresholds = wanted.thresholds
    planes = {"level": levels(np.where(scored, errors, np.nan), thresholds)}
    if wanted.swaps:
        planes["swapped"] = _swapped(people, xy, reference, errors, located)
    if wanted.baseline:
        mean = _mean_pose(training, recipe, people, shop)
        wrong = metrics.normalized_errors(mean, truth.xy, reference)
        planes["baseline"] = levels(np.where(scored, wrong, np.nan), thresholds)
    for name, share in seen.peaks.items():
        planes[f"peaks {name}"] = _coded(share > HEIGHT, scored)
    if wanted.heights:
        planes["height"] = _graded(seen.height, scored, HEIGHTS)
        planes["background"] = _graded(seen.background, scored, BACKGROUNDS)
    return Measured(
        wanted.persons(training.tier),
        Persons(
            people.skeleton.name,
            _checksum(people, rows),
            people.state[rows],
            _angles(people)[rows],
        ),
        occluded(protocol, covers).describe(),
        thresholds,
        {name: np.ascontiguousarray(plane[rows]) for name, plane in planes.items()},
    )


def _figures(recipe: Recipe) -> str:
    """The set that `vitruvian train` renders for a recipe."""
    return "figures of 16 joints" if recipe.skeleton == "mpii" else "figures"


def _seen(folder: Path, wanted: Measure, people: People, recipe: Recipe, shop: Shop) -> Seen:
    """Runs the net on everybody."""
    info = read_model(folder)
    changed = override(recipe, list(wanted.settings)).config
    system, net = load_net(folder, info.model_copy(update={"config": changed}))
    device = choose_device(shop.device)
    net, upto = net.to(device), wanted.stage or info.predict.upto
    runner = net_runner(system, net, device, upto)
    maps_of = net_maps(system, net, device, upto) if wanted.maps or wanted.heights else None
    found: list[Seen] = []
    for crops in plain_crops(people, people.box, *recipe.crop, BATCH, Skipped(), shop.workers):
        if maps_of is None:
            xy_crop, _ = runner(crops.image, wanted.flip)
            J = xy_crop.shape[1]
            nothing = np.full((len(xy_crop), J), np.nan)
            peaks: dict[str, np.ndarray] = {}
            height = background = nothing
        else:
            xy_crop, peaks, height, background = _looked_into(maps_of, crops, wanted, people)
        xy = geometry.apply(crops.to_image.astype(np.float64), xy_crop.astype(np.float64))
        xy[(crops.state == State.UNDEFINED).all(1)] = np.nan  # a photograph that cannot be read
        found.append(Seen(xy, peaks, height, background))
    return Seen(
        np.concatenate([s.xy for s in found]),
        {name: np.concatenate([s.peaks[name] for s in found]) for name in wanted.maps},
        np.concatenate([s.height for s in found]),
        np.concatenate([s.background for s in found]),
    )


def _looked_into(
    maps_of: MapRunner, crops: Crops, wanted: Measure, people: People
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The poses in a batch of crops, second peaks, and values of heatmaps."""
    xy_crop, _, sets = maps_of(crops.image, wanted.flip)
    J = xy_crop.shape[1]
    if lacking := [name for name in (*wanted.maps, wanted.heights) if name and name not in sets]:
        raise UserError(
            f"the model has no heatmaps {lacking[0]!r}, only {', '.join(sets) or 'none'}"
        )
    peaks = {name: second_peaks(sets[name][:, :J]) for name in wanted.maps}
    height = background = np.full((len(xy_crop), J), np.nan)
    if wanted.heights:
        height, background = heights(sets[wanted.heights][:, :J], crops, people)
    return xy_crop, peaks, height, background


def heights(maps: np.ndarray, crops: Crops, people: People) -> tuple[np.ndarray, np.ndarray]:
    """Values of heatmaps at the joints, and their means away from all of a person's joints; each (B, J).

    The value at a joint is that of its cell, NaN where it lies outside of the crop; away is `AWAY`
    reference lengths from any located joint, NaN for persons without that length.
    """
    B, J, h, w = maps.shape
    stride = crops.image.shape[2] / w
    located = crops.state >= State.OCCLUDED
    xy_cell = geometry.px_to_cell(crops.joints, stride)
    x, y = np.rint(xy_cell).astype(int)[..., 0], np.rint(xy_cell).astype(int)[..., 1]
    inside = located & (x >= 0) & (y >= 0) & (x < w) & (y < h)
    b, j = np.arange(B)[:, None], np.arange(J)
    at = maps[b, j, y.clip(0, h - 1), x.clip(0, w - 1)]
    name = people.skeleton.reference
    assert name is not None
    pair = people.skeleton.length(name)
    length = metrics.reference_length(crops.joints, located, pair) / stride  # (B,) cells
    grid = np.stack(np.meshgrid(np.arange(w), np.arange(h)), -1).reshape(-1, 2)  # (h w, 2)
    distance = np.linalg.norm(xy_cell[:, :, None] - grid, axis=-1)  # (B, J, h w)
    nearest = np.where(located[..., None], distance, np.inf).min(1)  # (B, h w)
    away = (nearest > AWAY * length[:, None])[:, None]  # (B, 1, h w)
    sums = (maps.reshape(B, J, -1) * away).sum(-1)
    count = away.sum(-1)
    mean = np.divide(sums, count, out=np.full((B, J), np.nan), where=count > 0)
    return np.where(inside, at, np.nan), mean


def _checksum(people: People, rows: np.ndarray) -> str:
    """Tells other persons, other labels and other states."""
    crc = 0
    for column in (people.key.astype(np.int64), people.state, people.joints.astype(np.float32)):
        crc = zlib.crc32(np.ascontiguousarray(column[rows]).tobytes(), crc)
    return f"{crc:08x}"


def _swapped(
    people: People, xy: np.ndarray, reference: np.ndarray, errors: np.ndarray, located: np.ndarray
) -> np.ndarray:
    swap = people.skeleton.swap
    mirrored = metrics.normalized_errors(xy, people.joints[:, swap].astype(np.float64), reference)
    on_other, asked = metrics.swapped(errors, mirrored, located, swap, SWAPPED_AT)
    return _coded(on_other, asked)


def _mean_pose(training: Training, recipe: Recipe, people: People, shop: Shop) -> np.ndarray:
    """The mean pose of what was trained on, in the boxes of `people`; (N, J, 2) xy_image."""
    name = training.arm.data or training.tier.data or _figures(recipe)
    learnt = start_from(open_set(name, shop.data), recipe.box).subset("train")
    units = baselines.in_box_units(learnt.joints, learnt.box)
    mean = baselines.predict_mean_pose(baselines.mean_pose(units, learnt.state), people.box)
    return by_name(mean, learnt.skeleton, people.skeleton)


def _angles(people: People) -> np.ndarray:
    """(N,) places in `BIN_NAMES`; `NONE`: not known."""
    located = people.state >= State.OCCLUDED
    found = np.full(len(people), NONE, np.uint8)
    angle = torso_angle(people.joints.astype(np.float64), located, people.skeleton)
    for place, inside in enumerate(angle_bins(angle).values()):
        found[inside] = place
    return found


def _coded(yes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    return np.where(asked, yes, NONE).astype(np.uint8)


def _graded(value: np.ndarray, asked: np.ndarray, scale: int) -> np.ndarray:
    """Values 0 to 1 in steps of 1 / scale; `NONE` where not asked or NaN."""
    known = asked & ~np.isnan(value)
    return np.where(known, np.rint(np.clip(np.nan_to_num(value), 0, 1) * scale), NONE).astype(
        np.uint8
    )
