"""DeepPose: a cascade of networks that regress joints, each looking closer than the one before.

Paper: Toshev & Szegedy, "DeepPose: human pose estimation via deep neural networks" (CVPR 2014).

Stage 1 sees the initial box, resized to `input` px, and regresses all joints in sizes of that box. Each
later stage cuts a window about every joint, `sigma` pose diameters wide, out of the same crop (which has
more pixels than stage 1 sees) and regresses where in it the joint lies. A pose's diameter is the distance
of a shoulder and the opposite hip. A later stage trains on windows displaced from the true joints by draws
from each joint's normal distribution, measured on the errors of the stage before over the training set in
diameters; one draw a joint and step is 40 a joint and image after 40 epochs (`draws` makes it more a step).

Where the paper is read one way of several:
    output    every stage has 2J outputs, of which a joint's window trains and reads its own pair;
              head "per_joint_net" gives every joint a network of its own instead
    equation 6  adds a position, N^-1(psi), to a position; here psi moves the joint: y + size psi
    diameter  the other diagonal where an end is missing, else the training set's median share of the
              box; at least `smallest` of the box's shorter side. A later stage's window is measured on
              the true pose in training and on the predicted one in use
    box       aspect "stretch" is the paper's: the box is resized with separate x and y scales. A crop
              comes at its own aspect, so the box is taken to be its part that is not black fill: the
              photograph when the box is the whole image, and in general the box cut to the photograph.
              Bars of pure black at a photograph's edges are cut too, in training as in use (45 of 9,000
              of LSPET lose more than 2 % of a side). "pad" takes the crop as it is. Crops are never
              stretched, so that a length in pixels of the crop is one of the photograph but for a
              factor, which ratios to the diameter lose
    inputs    normalised by ImageNet's mean and deviation of each channel; normalisation "gcn": by those of
              each view that a net sees
    shift     `translation` moves stage 1's box in training and fills with black, labels kept
    sums      every stage's loss is a sum over a person's joints and a mean over persons (equation 4). To
              equation 8 an example is one joint's window: of a later stage this is J times the mean over
              windows. The recipes' Adagrad, which starts from nothing, steps alike; it would not with
              initial_accumulator_value above 0, nor would SGD or what is clipped

Departures, each off in the paper's recipes:
    net       "compact" (BatchNorm, residual pairs) or any timm net (average of its last map, linear);
              `window`, `window_channels` and `window_hidden` make later stages smaller; `trunk` is a
              timm net whose last map replaces stage 1's convolutions, so that `init` can fill it
    loss      "l1": the sum of absolute instead of squared differences
    auxiliary  in training, each joint's cell of the last map is found by a softmax over the cells: a net
              that is trained from nothing leaves the mean pose sooner. A window finds all joints in it
    vary_size training windows vary in size as predicted diameters were measured to vary
    displacements  "predicted": windows lie where the stage before puts them, for comparison (section 4.1);
              "mixed": every other one does, by chance, since errors made are not normal
    inherit   stages from 3 on begin with the weights of the stage before
Scores: a regressor has no confidence. What stands there is how little the last stage moved a joint:
1 - 2 |psi|, which is 1 without a move and 0 for one to the window's border; 1 when stage 1 answers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from vitruvian import geometry
from vitruvian.systems.contract import Answer, Ask, Passes, Stage, System
from vitruvian.systems.deeppose.net import DeepPose, DeepPoseConfig
from vitruvian.systems.deeppose.steps import first_step, later_step, measure


def stages(config: DeepPoseConfig) -> tuple[Stage, ...]:
    later = (
        Stage(name, partial(later_step, s), (f"nets.{s - 1}",), partial(measure, s))
        for s, name in enumerate(config.names[1:], 2)
    )
    return (Stage("stage1", first_step, trains=("nets.0",)), *later)


def predict(net: DeepPose, image: Tensor, ask: Ask) -> Answer:
    """Joints after the last stage asked for; with `ask.flip` their mean with those of the mirrored crop.

    Scores as in the module's header.
    """
    names = net.config.names
    count = names.index(ask.upto or names[-1]) + 1
    poses, moved = net(image, count)
    if ask.flip:
        swap = net.skeleton.swap
        mirrored, moved_there = net(image.flip(-1), count)
        back = [_mirror(pose[:, swap], image.shape[-1]) for pose in mirrored]
        poses = [(here + there) / 2 for here, there in zip(poses, back, strict=True)]
        moved = (moved + moved_there[:, swap]) / 2
    maps = dict(zip(names, poses, strict=False)) if ask.maps else {}
    return Answer(poses[-1], (1 - 2 * moved).clamp(0, 1), maps)


def passes(net: DeepPose, B: int) -> Passes:
    """Stage 1's network on B crops, each later one on all their windows."""

    def one(stage: int) -> Callable[[], Tensor]:
        config, J = net.config, len(net.skeleton)
        count, side = (B, config.input) if stage == 1 else (B * J, config.window)
        copies = J if stage > 1 and config.head == "per_joint_net" else 1
        views = torch.rand(count // copies, 3 * copies, side, side)
        views = views.to(net.share.device).contiguous(memory_format=torch.channels_last)
        return partial(net.nets[stage - 1], views)

    return tuple(one(stage) for stage in range(1, net.config.stages + 1))


def _mirror(xy_crop: Tensor, width: int) -> Tensor:
    x, y = xy_crop.unbind(-1)
    return torch.stack([geometry.flip_x(x, width), y], -1)


DEEPPOSE = System(
    "deeppose",
    DeepPoseConfig,
    DeepPose,
    stages,
    predict,
    needs=("torso",),
    scores="no confidence, which a regressor does not have, but how little the last stage moved a joint: "
    "1 not at all, 0 to the border of its window",
    passes=passes,
)
