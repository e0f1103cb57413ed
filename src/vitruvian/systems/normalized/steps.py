"""How `normalized` learns: the steps of its stages, and what is measured before the first one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor

from vitruvian import geometry
from vitruvian.measure.pose_types import pose_types
from vitruvian.systems.contract import Batch, Stage
from vitruvian.systems.normalized.config import NormalizedConfig
from vitruvian.systems.normalized.detectors import FCNDetector, Maps
from vitruvian.systems.normalized.net import UNKNOWN_SHARE, Normalized
from vitruvian.systems.normalized.norm import Places
from vitruvian.systems.normalized.targets import (
    disc_classes,
    disc_radius,
    discs,
    gaussians,
    sigmoid_loss,
    softmax_loss,
    square_loss,
)
from vitruvian.types import State

Losses = dict[str, Tensor]


def located(batch: Batch) -> Tensor:
    """Joints that have a place (B, J), visible or occluded."""
    return batch.state >= State.OCCLUDED


def radius(net: Normalized, batch: Batch, stride: int) -> Tensor:
    """Of each person's discs, (B, 1) cells of `stride` px."""
    share = torch.where(net.share > 0, net.share, UNKNOWN_SHARE)
    length = share * min(net.config.crop)
    ends = net.skeleton.length("torso")
    return disc_radius(batch.joints, batch.state, ends, length, net.config.radius, stride)


def places(net: Normalized, batch: Batch) -> Places:
    """The true joints in cells."""
    return geometry.px_to_cell(batch.joints, net.config.grid), located(batch)


def angles(net: Normalized, batch: Batch) -> Places | None:
    """What angles are taken from in training, where it is not from the maps."""
    return places(net, batch) if net.config.angles == "truth" else None


# ---- losses -------------------------------------------------------------------------------------
def detector_losses(net: Normalized, maps: Maps, batch: Batch, upto: int | None = None) -> Losses:
    """One for every kind of maps, by their names; of a plain FCN for the finest alone."""
    if net.config.detector == "fcn":
        if net.config.supervision == "plain":
            name = list(maps)[-1]
            maps = {name: maps[name]}
        return {name: fcn_loss(net, logits, batch) for name, logits in maps.items()}
    return {name: joint_loss(net, logits, batch) for name, logits in maps.items()}


def fcn_loss(net: Normalized, logits: Tensor, batch: Batch) -> Tensor:
    """L_D and L_F: the softmax over joints and background; visible joints alone have a disc."""
    h, w = logits.shape[-2:]
    stride = net.config.grid if (h, w) == net.config.map_size else 1
    xy_cell = geometry.px_to_cell(batch.joints, stride)
    visible = batch.state == State.VISIBLE
    classes = disc_classes(xy_cell, visible, h, w, radius(net, batch, stride))
    return softmax_loss(logits, classes, located(batch), net.config.foreground)


def targets(net: Normalized, batch: Batch) -> Tensor:
    """Of every joint, wherever it is: discs or, with the hourglass, Gaussians; (B, J, h, w)."""
    config, (h, w) = net.config, net.config.map_size
    if config.discs:
        return discs(batch.joints, h, w, radius(net, batch, config.grid), config.grid)
    return gaussians(batch.joints, h, w, config.sigma, config.grid, config.window)


def joint_loss(
    net: Normalized, logits: Tensor, batch: Batch, joints: list[int] | None = None
) -> Tensor:
    """Of maps of `joints` (None: all), occluded ones too: discs or, with the hourglass, Gaussians."""
    chosen = slice(None) if joints is None else joints
    counted = located(batch)[:, chosen]
    loss = sigmoid_loss if net.config.discs else square_loss
    return loss(logits, targets(net, batch)[:, chosen], counted, net.config.foreground)


def body_losses(net: Normalized, logits: Tensor, number: Tensor | None, batch: Batch) -> Losses:
    """Of the body's refinement, whose outputs (B, copies, outputs, h, w) a person's type chooses from."""
    if net.config.branches != "types":
        return {"body": joint_loss(net, net.chosen(logits, number), batch)}
    assert number is not None
    config = net.config
    target = torch.where(located(batch)[..., None, None], targets(net, batch), 0)
    own = torch.nn.functional.one_hot(number, config.types)[:, None, :, None, None]
    background = 1 - target.amax(1, keepdim=True)
    target = torch.cat([(target[:, :, None] * own).flatten(1, 2), background], 1)
    counted = located(batch).repeat_interleave(config.types, 1)
    counted = torch.nn.functional.pad(counted, (0, 1), value=True)
    loss = sigmoid_loss if config.discs else square_loss
    return {"body": loss(logits[:, 0], target, counted, config.foreground)}


def stage2_losses(net: Normalized, semi: Tensor, limbs: Tensor, batch: Batch) -> Losses:
    """Of the semi-global net and the sum of the limbs' own."""
    each = [
        joint_loss(net, logits, batch, joints)
        for logits, joints in zip(limbs.unbind(1), net.anatomy.limbs, strict=True)
    ]
    return {
        "semi": joint_loss(net, semi, batch, net.anatomy.core),
        "limbs": torch.stack(each).sum(),
    }


# ---- steps --------------------------------------------------------------------------------------
def detector_maps(net: Normalized, batch: Batch, upto: int | None = None) -> tuple[Maps, Losses]:
    """The detector's maps on the grid, and its losses."""
    crop = net.normalise(batch.image)
    if net.config.loss_grid == "input" and isinstance(net.detector, FCNDetector):
        scores = net.detector.trunk(crop, upto)
        maps = net.detector.heads(scores, net.config.crop, net.config.grid)
        fine = net.detector.heads(scores, net.config.crop, 1)
        return maps, detector_losses(net, fine, batch)
    maps = net.detector(crop, upto)
    return maps, detector_losses(net, maps, batch)


def detector_step(upto: int | None, net: Normalized, batch: Batch, rng: Generator) -> Losses:
    """The detector alone, an FCN to stride `upto`."""
    return detector_maps(net, batch, upto)[1]


def refined_body(
    net: Normalized, joints: Tensor, background: Tensor, batch: Batch
) -> tuple[Tensor, Losses]:
    """What the body's refinement hands on, and its loss."""
    number = None
    if net.config.branches != 1:
        number = net.pose_type(net.peaks(joints), places(net, batch))
    logits = net.refine_body(joints, background, angles(net, batch))
    return net.squash(net.chosen(logits, number)), body_losses(net, logits, number, batch)


def body_step(net: Normalized, batch: Batch, rng: Generator) -> Losses:
    """The body's refinement on the maps of a detector that stands still."""
    with torch.no_grad():
        joints, background = net.detected(net.detect(batch.image))
    return refined_body(net, joints, background, batch)[1]


def limbs_step(net: Normalized, batch: Batch, rng: Generator) -> Losses:
    """The semi-global net and the limbs' on the maps of all that stands before them, still."""
    with torch.no_grad():
        joints, background = net.detected(net.detect(batch.image))
        joints, _ = refined_body(net, joints, background, batch)
    return _stage2(net, joints, background, batch)


def _stage2(net: Normalized, joints: Tensor, background: Tensor, batch: Batch) -> Losses:
    truth = angles(net, batch)
    semi = net.refine_core(joints, background, truth)
    return stage2_losses(net, semi, net.refine_limbs(joints, truth), batch)


def all_step(net: Normalized, batch: Batch, rng: Generator) -> Losses:
    """Everything at once, with the sum of all losses; gradients pass through the turned maps."""
    maps, total = detector_maps(net, batch)
    joints, background = net.detected(maps)
    joints, own = refined_body(net, joints, background, batch)
    total = total | own
    if net.config.refine == "st2":
        total = total | _stage2(net, joints, background, batch)
    return total


# ---- before a stage -----------------------------------------------------------------------------
def measure(net: Normalized, batches: Iterable[Batch], rng: Generator) -> None:
    """The median torso and the types of poses of the training set, where they are not known yet."""
    typed = net.config.branches != 1 and not net.told_by.any()
    sized = net.config.discs and not net.share > 0
    if not (typed or sized):
        return
    columns = [(batch.joints.cpu(), located(batch).cpu()) for batch in batches]
    xy, known = (torch.cat(column) for column in zip(*columns, strict=True))
    start, end = net.skeleton.length("torso")
    lengths = (xy[:, start] - xy[:, end]).norm(dim=-1)[known[:, start] & known[:, end]]
    if sized:
        share = lengths.median() / min(net.config.crop) if len(lengths) else UNKNOWN_SHARE
        net.share.fill_(share)
    if typed:
        seed = int(torch.randint(2**31, (), generator=rng))
        found = pose_types(xy.numpy(), known.numpy(), net.skeleton, net.config.types, seed)
        net.centroids.copy_(torch.from_numpy(found.centroids))
        net.told_by.copy_(torch.from_numpy(found.known.astype(np.float32)))


def begin_heads(net: Normalized, batches: Iterable[Batch], rng: Generator) -> None:
    """What `measure` does; and an FCN's scores and fusions forget what they have learnt."""
    measure(net, batches, rng)
    assert isinstance(net.detector, FCNDetector)
    net.detector.begin_anew(rng)


# ---- stages -------------------------------------------------------------------------------------
def detector_stages(config: NormalizedConfig) -> tuple[Stage, ...]:
    """An FCN with further losses learns scale by scale; its last stage and any other detector whole.

    `heads` trains an FCN's scores and fusions alone, from their first weights, to compare the rows of table
    11 on one trunk.
    """
    step = partial(detector_step, None)
    whole = Stage("detector", step, trains=("detector",), before=measure)
    if config.detector != "fcn":
        return (whole,)
    fusion = config.supervision == "fusion" and len(config.scales) > 1
    heads = ("detector.scores", *(("detector.fuse",) if fusion else ()))
    last = (whole, Stage("heads", step, trains=heads, before=begin_heads))
    if config.supervision == "plain":
        return last
    earlier = []
    for number, scale in enumerate(config.scales[:-1], 1):
        known = config.scales[:number]
        fused = known[1:] if config.supervision == "fusion" else ()
        trains = (
            "detector.backbone",
            *(f"detector.scores.{s}" for s in known),
            *(f"detector.fuse.{s}" for s in fused),
        )
        upto = partial(detector_step, scale)
        earlier.append(Stage(f"detector_{scale}s", upto, trains=trains, before=measure))
    return (*earlier, *last)


def stages(config: NormalizedConfig) -> tuple[Stage, ...]:
    """The detector's, then body, limbs (with the semi-global net) and all; as many as there are nets."""
    found = list(detector_stages(config))
    parts: list[str] = ["detector"]
    if config.refine != "none":
        found.append(Stage("body", body_step, trains=("body",), before=measure))
        parts.append("body")
    if config.refine == "st2":
        found.append(Stage("limbs", limbs_step, trains=("semi", "limbs"), before=measure))
        parts += ["semi", "limbs"]
    if config.refine != "none":
        found.append(Stage("all", all_step, trains=tuple(parts), before=measure))
    return tuple(found)
