"""Global and local normalization: score maps are turned upright, refined and turned back, body then limbs.

Paper: Sun, Lan, Xing, Zeng, Liu & Wang, "Human pose estimation using global and local normalization" (ICCV
2017).

A detector gives a map for every joint and one for the background. Stage 1 turns the maps, not the image,
about the torso's centre until the neck is above it, refines all of them with large kernels and turns them
back. Stage 2 refines, side by side, every limb's three maps, turned about the limb's root until its first
segment points down, and head, neck, shoulders and hips from maps turned as in stage 1 (the semi-global net,
of which the paper says no more). Refinements see maps alone. In the answer elbows, wrists, knees and ankles
are the limbs', and the others the semi-global net's; joints that it does not know (pelvis, eyes) are
stage 1's.

`detector` is the improved FCN (`scale`, `supervision` name the rows of table 11), a ResNet or a stacked
hourglass. `refine`, `body_norm` and `limb_norm` name the rows of tables 9 and 10 (off: the same nets on
maps as they are), `branches` those of table 1: "types", one net with maps for each of three types of
poses; "multi", a net for each. Each switch is free of the others.

Training: the FCN scale by scale (stages detector_32s, detector_16s, detector: losses L_D1; then L_D2 and
L_F1; then L_D3 and L_F2), then body, limbs with the semi-global net, all. What a stage does not name stands
still, BatchNorm's statistics too. The stage heads, which no recipe has, trains the FCN's scores and fusions
anew on a trunk that stands still, whatever they had learnt (claim S4).

Targets are discs of `radius` torso diagonals: skeleton.references["torso"], left shoulder to right hip; for
a person without it, the median share of the crop's shorter side in the training set; at least 0.71 cells,
so that a disc has a cell. The FCN's softmax counts visible joints: an occluded one has no disc, and the map
of one that is not located is left out of its sample's softmax; of overlapping discs the nearest joint's
wins. All other losses count visible and occluded joints. The hourglass learns Gaussians by squared errors,
and so do refinements after it. All losses are means over cells (and joints), to which the recipes' rates
belong; a limbs' loss is the sum of its nets' means.

Where the paper is read one way of several:
    angles      its arc cosine loses the sign (equation 2); the arc tangent of both components has it. From
                the maps, as in use; "truth": from the true joints, in training steps. An answer has no
                truth to go by: `eval --true-angles` scores beside it what true angles would make of it
    between     probabilities travel: the FCN's softmax, a sigmoid of the ResNet's maps, the learnable
                sigmoid of refined ones; heights after the hourglass. A joint's place is the highest cell
                of its map, blurred with `blur`; gradients pass through the turned values alone
    background  where a detector has none, 1 - the highest joint; "none": the refinements see no background
    turning     on a canvas `pad` of the longer side larger all about; beyond the maps there is background.
                What the canvas does not reach stays as it was before the refinement. The semi-global net's
                maps are turned by the angles of stage 1's answer, not of the detector's
    kernels     four layers, as the text has it; kernels=(9, 15, 15, 15) has table 1's 11 M parameters
    init        He's; the paper's "variance 0.001" makes maps grow with every layer, a standard deviation
                of 0.001 makes them vanish
    root_merge  shoulders and hips are refined twice: "semi", "limb" or "mean" says whose answer counts
    loss_grid   the FCN's losses at the grid's cells; "input": at every pixel of the crop
    types       in training a person's own type, found on the augmented joints; in use the highest of the
                three maps ("types"), or the net of the type that the detector's pose is nearest to
    ResNet      its last blocks are dilated (`dilation`), but not conv5's first 3x3 convolution, which is
                timm's rule; `intermediate` adds a loss within conv4_x
    flips       its ResNet and hourglass have "the same settings" as their authors', of whom Newell et al.
                and Bulat & Tzimiropoulos average over mirrorings: `eval --flip`, which no recipe has on
    padding     340 px are no multiple of 32: zeros at the right and at the bottom, maps of 43 x 43 cells
    scores      scoring layers begin near 0, not at 0: a map of one value has no highest cell
    fixed       no field changes these: a joint that is not located sends no gradient (12 % of LSPET's, many
                in the picture, where an empty map would be wrong); the nearest disc wins; discs of 0.71
                cells at least; what fills turned maps; an angle of 0 for what is shorter than a cell;
                probabilities between stages; fusions begin as means, learnable sigmoids as the sigmoid;
                a ReLU after each large kernel

Departures, each off in the paper's recipes:
    grid        4 px a cell, for crops that are smaller; an FCN then has a fourth scale to score
    backbone    any VGG or ResNet of timm; `channels`, `width` and `kernels` make all nets thinner
    bias        the joints' maps begin below the background's: discs are rare
    foreground  errors count 1 + foreground x target times
    offset      answers between cells, from the map's values about its highest one
"""

from __future__ import annotations

import torch
from torch import Tensor

from vitruvian import codecs, geometry
from vitruvian.systems.contract import Answer, Ask, Batch, System
from vitruvian.systems.normalized.config import NormalizedConfig
from vitruvian.systems.normalized.net import Normalized
from vitruvian.systems.normalized.norm import Places
from vitruvian.systems.normalized.steps import places, stages
from vitruvian.types import UserError


def predict(net: Normalized, image: Tensor, ask: Ask, truth: Places | None = None) -> Answer:
    """The highest place of the last stage's blurred maps; with `ask.flip` of the mean over mirrorings.

    Args:
        truth: see `predict_with_true_angles`.
    """
    last, upto = _asked(ask.upto)
    answers = net(image, last, upto, truth)
    if ask.flip:
        swap = net.skeleton.swap
        mirrored = net(image, last, upto, _mirrored(truth, net, swap), mirrored=True)
        answers = {
            name: (maps + codecs.flip_maps(mirrored[name], swap)) / 2
            for name, maps in answers.items()
        }
    maps = list(answers.values())[-1]
    xy_cell, score = codecs.decode_heatmaps(maps, net.config.offset, net.peaks(maps))
    xy_crop = geometry.cell_to_px(xy_cell, net.config.grid)
    return Answer(xy_crop, score.clamp(0, 1), answers if ask.maps else {})


def predict_with_true_angles(net: Normalized, batch: Batch, ask: Ask) -> Answer:
    """As `predict`, but bodies and limbs are turned by the true joints' angles, where these are known.

    What refinement can gain at most from better angles: a comparison on labelled crops, no way of use.

    Raises:
        UserError: the net turns no maps, up to the stage that is asked for.
    """
    config, (last, _) = net.config, _asked(ask.upto)
    body = config.body_norm and config.refine != "none" and last != "detector"
    limbs = config.limb_norm and config.refine == "st2" and last == "limbs"
    if not (body or limbs):
        raise UserError(
            "this net of system 'normalized' turns no maps, by its config or up to this stage: leave"
            " --true-angles out"
        )
    return predict(net, batch.image, ask, places(net, batch))


def _asked(upto: str | None) -> tuple[str, int | None]:
    """The last refinement, and an FCN's stride, of a stage's name."""
    if upto in ("detector", "heads", "body"):
        return "body" if upto == "body" else "detector", None
    if upto is not None and upto.startswith("detector_"):
        return "detector", int(upto.removeprefix("detector_").removesuffix("s"))
    return "limbs", None


def _mirrored(truth: Places | None, net: Normalized, swap: list[int]) -> Places | None:
    """True joints in the maps of the mirrored crop."""
    if truth is None:
        return None
    xy_cell, known = truth
    x, y = xy_cell[:, swap].unbind(-1)
    w = net.config.map_size[1]
    return torch.stack([geometry.flip_x(x, w), y], -1), known[:, swap]


NORMALIZED = System(
    "normalized",
    NormalizedConfig,
    Normalized,
    stages,
    predict,
    needs=("torso",),
    scores="a part's probability at its place; after the hourglass, the height of a Gaussian",
    passes=Normalized.alone,
    told=predict_with_true_angles,
)
