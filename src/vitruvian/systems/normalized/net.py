"""The whole net: a detector, the body's refinement and, side by side, the semi-global and the limbs'."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.nn.blocks import Normalise
from vitruvian.nn.rotation import blurred_peaks, padding, turn, turn_back
from vitruvian.skeleton import Skeleton
from vitruvian.systems.normalized.config import NormalizedConfig
from vitruvian.systems.normalized.detectors import Maps, detector
from vitruvian.systems.normalized.norm import Frame, Places, anatomy, body_frame, limb_frames
from vitruvian.systems.normalized.refine import LearnableSigmoid, Refinement

SURE = 1e-4  # probabilities closer to 0 or 1 count as this close where they become logits again
UNKNOWN_SHARE = 0.25  # torso diagonal / shorter side of the crop, before it is measured


class Refined(nn.Module):
    """A refinement net and its learnable sigmoid: maps (B, I, h, w) -> logits (B, O, h, w).

    After the hourglass there is no sigmoid, and these are heights.

    Args:
        background: whether the last output is the background's, which is 1 nearly everywhere: it begins
            as far on that side as the joints' begin on the other.
    """

    def __init__(
        self, config: NormalizedConfig, inputs: int, outputs: int, background: bool = False
    ) -> None:
        super().__init__()
        bias = config.refine_bias if config.discs else 0.0
        self.net = Refinement(inputs, outputs, config.width, config.kernels, config.init, bias)
        if background:
            with torch.no_grad():
                self.net.score.get_parameter("bias")[-1] = -bias
        self.squash = LearnableSigmoid(outputs) if config.discs else None

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.net(maps).float()
        return maps if self.squash is None else self.squash.logits(maps)


class Normalized(nn.Module):
    """uint8 RGB (B, 3, H, W) -> the maps (B, J, h, w) of each stage, by name.

    The buffers are what `measure` writes before a training's first stage, 0 until then.
    """

    share: Tensor  # () torso diagonal / shorter side of the crop, median over the training set
    centroids: Tensor  # (T, J, 2) types of poses, torso units
    told_by: Tensor  # (J,) 1 for the joints that types are told by

    def __init__(self, config: NormalizedConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config, self.skeleton, J = config, skeleton, len(skeleton)
        self.anatomy = anatomy(skeleton)
        self.normalise = Normalise()
        self.detector = detector(config, J)
        inputs = J + config.has_background
        self.body, self.semi, self.limbs = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        if config.refine != "none":
            copies = config.types if config.branches == "multi" else 1
            typed = config.branches == "types"
            outputs = config.types * J + 1 if typed else J
            self.body.extend(Refined(config, inputs, outputs, typed) for _ in range(copies))
        if config.refine == "st2":
            self.semi.append(Refined(config, inputs, len(self.anatomy.core)))
            self.limbs.extend(Refined(config, 3, 3) for _ in self.anatomy.limbs)
        self.register_buffer("share", torch.tensor(0.0))
        if config.branches != 1:
            self.register_buffer("centroids", torch.zeros(config.types, J, 2))
            self.register_buffer("told_by", torch.zeros(J))

    # ---- between the stages: probabilities (heights, after the hourglass) -------------------------
    def squash(self, logits: Tensor) -> Tensor:
        """What travels on from refined maps."""
        return logits.sigmoid() if self.config.discs else logits

    def detected(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """What the detector hands on: the joints' maps (B, J, h, w), and the background (B, 1, h, w)."""
        answer = list(maps.values())[-1]
        if self.config.detector == "fcn":
            both = answer.softmax(1)
            return both[:, :-1], both[:, -1:]
        joints = self.squash(answer)
        return joints, (1 - joints.amax(1, keepdim=True)).clamp(0, 1)

    def peaks(self, maps: Tensor) -> Tensor:
        """Where the joints are, (B, J, 2) xy_cell."""
        return blurred_peaks(maps, self.config.blur)

    # ---- stages ---------------------------------------------------------------------------------
    def detect(self, image: Tensor, upto: int | None = None, mirrored: bool = False) -> Maps:
        """The detector's maps, by name.

        Args:
            mirrored: of the mirrored crop, first padded to whole cells, so that its maps are mirrored too.
        """
        crop = self.normalise(image)
        if mirrored:
            crop = F.pad(crop, (0, -crop.shape[-1] % self.config.grid)).flip(-1)
        return self.detector(crop, upto)

    def refine_body(
        self, joints: Tensor, background: Tensor, truth: Places | None = None
    ) -> Tensor:
        """Logits of all outputs of the body's refinement: (B, copies, outputs, h, w)."""
        stacked = self._stacked(joints, background)
        frame = body_frame(self.anatomy, self.peaks(joints), self.config.upright_angle, truth)
        upright = self._turned(stacked, frame, self.config.body_norm)
        outputs = torch.cat([net(upright) for net in self.body], 1)
        before = joints
        if self.config.branches == "types":
            before = joints.repeat_interleave(self.config.types, 1)
            before = torch.cat([before, background], 1)
        before = before.repeat(1, len(self.body), 1, 1)
        back = self._turned_back(outputs, before, frame, self.config.body_norm)
        return back.unflatten(1, (len(self.body), -1))

    def chosen(self, logits: Tensor, number: Tensor | None) -> Tensor:
        """The logits (B, J, h, w) that answer: over types the highest, of branches the one of a type."""
        if self.config.branches == "types":
            joints = logits[:, 0, :-1].unflatten(1, (-1, self.config.types))
            return joints.amax(2)
        if number is None:
            return logits[:, 0]
        index = number[:, None, None, None, None].expand(-1, 1, *logits.shape[2:])
        return logits.gather(1, index)[:, 0]

    def refine_core(
        self, joints: Tensor, background: Tensor, truth: Places | None = None
    ) -> Tensor:
        """Logits of the semi-global net: the joints `anatomy.core`, (B, R, h, w)."""
        stacked = self._stacked(joints, background)
        frame = body_frame(self.anatomy, self.peaks(joints), self.config.upright_angle, truth)
        outputs = self.semi[0](self._turned(stacked, frame, self.config.body_norm))
        before = joints[:, self.anatomy.core]
        return self._turned_back(outputs, before, frame, self.config.body_norm)

    def refine_limbs(self, joints: Tensor, truth: Places | None = None) -> Tensor:
        """Logits of the limbs' nets: root, middle and end of each, (B, L, 3, h, w)."""
        config, limbs = self.config, self.anatomy.limbs
        frame = limb_frames(self.anatomy, self.peaks(joints), config.upright_angle, truth)
        before = torch.cat([joints[:, limb] for limb in limbs])  # (L B, 3, h, w)
        down = self._turned(before, frame, config.limb_norm)
        parts = down.unflatten(0, (len(limbs), -1)).unbind(0)
        outputs = torch.cat([net(part) for net, part in zip(self.limbs, parts, strict=True)])
        back = self._turned_back(outputs, before, frame, config.limb_norm)
        return back.unflatten(0, (len(limbs), -1)).transpose(0, 1)

    def merged(self, body: Tensor, semi: Tensor, limbs: Tensor) -> Tensor:
        """The last answer (B, J, h, w): limbs' middles and ends from their nets, roots by `root_merge`.

        Joints that no later net has stay as they are in `body`.

        Args:
            body: (B, J, h, w), what stage 1 handed on.
            semi, limbs: logits, as `refine_core` and `refine_limbs` give them.
        """
        channels = list(body.unbind(1))
        for joint, maps in zip(self.anatomy.core, self.squash(semi).unbind(1), strict=True):
            channels[joint] = maps
        refined = self.squash(limbs)
        for number, (root, middle, end) in enumerate(self.anatomy.limbs):
            own, channels[middle], channels[end] = refined[:, number].unbind(1)
            if self.config.root_merge == "limb":
                channels[root] = own
            elif self.config.root_merge == "mean":
                channels[root] = (channels[root] + own) / 2
        return torch.stack(channels, 1)

    def forward(
        self,
        image: Tensor,
        last: str = "limbs",
        upto: int | None = None,
        truth: Places | None = None,
        mirrored: bool = False,
    ) -> Maps:
        """What `predict` averages over flips: the joints' maps after each stage.

        Args:
            last: "detector", "body" or "limbs".
            upto: an FCN's stride at which the detector answers.
            truth: joints that angles are taken from instead of the maps, for an evaluation.
            mirrored: see `detect`.
        """
        joints, background = self.detected(self.detect(image, upto, mirrored))
        answers = {"detector": joints}
        if last == "detector" or self.config.refine == "none":
            return answers
        number = self.pose_type(self.peaks(joints)) if self.config.branches == "multi" else None
        logits = self.chosen(self.refine_body(joints, background, truth), number)
        answers["body"] = joints = self.squash(logits)
        if last == "limbs" and self.config.refine == "st2":
            semi = self.refine_core(joints, background, truth)
            answers["limbs"] = self.merged(joints, semi, self.refine_limbs(joints, truth))
        return answers

    # ---- types of poses -------------------------------------------------------------------------
    def pose_type(self, xy: Tensor, truth: Places | None = None) -> Tensor:
        """The nearest centroid of poses (B, J, 2) in any unit: (B,) int64.

        `truth` are other joints, in the same unit, which decide for persons whose torso is known.
        """
        number = self._nearest(xy, torch.ones_like(xy[..., 0], dtype=torch.bool))
        if truth is None:
            return number
        xy_true, known = truth
        torso = known[:, self.anatomy.trunk].all(1)
        return torch.where(torso, self._nearest(xy_true, known), number)

    def _nearest(self, xy: Tensor, known: Tensor) -> Tensor:
        """As `measure.pose_types` tells them: centred on the torso, in means of its two diagonals."""
        left_shoulder, right_shoulder, left_hip, right_hip = self.anatomy.trunk
        centre = xy[:, self.anatomy.trunk].mean(1, keepdim=True)
        diagonals = xy[:, [left_shoulder, right_shoulder]] - xy[:, [right_hip, left_hip]]
        length = diagonals.norm(dim=-1).mean(1).clamp(min=1e-6)[:, None, None]
        apart = ((xy - centre) / length)[:, None] - self.centroids  # (B, T, J, 2)
        counted = (known & (self.told_by > 0))[:, None]
        return torch.where(counted, apart.square().sum(-1), 0).sum(-1).argmin(1)

    def alone(self, B: int) -> tuple[Callable[[], object], ...]:
        """The detector on B crops and each refinement on maps as they are turned, inputs in memory."""
        config, (h, w) = self.config, self.config.map_size
        like = next(self.parameters())

        def once(net: nn.Module, channels: int, turned: bool) -> Callable[[], object]:
            pad_y, pad_x = padding(h, w, config.pad) if turned else (0, 0)
            maps = torch.rand(B, channels, h + 2 * pad_y, w + 2 * pad_x).to(like)
            return partial(net, maps)

        crops = torch.rand(B, 3, *config.crop).to(like)
        crops = crops.contiguous(memory_format=torch.channels_last)
        inputs = len(self.skeleton) + config.has_background
        return (
            partial(self.detector, crops),
            *(once(net, inputs, config.body_norm) for net in (*self.body, *self.semi)),
            *(once(net, 3, config.limb_norm) for net in self.limbs),
        )

    # ---- warps ----------------------------------------------------------------------------------
    def _stacked(self, joints: Tensor, background: Tensor) -> Tensor:
        if not self.config.has_background:
            return joints
        return torch.cat([joints, background], 1)

    def _turned(self, maps: Tensor, frame: Frame, on: bool) -> Tensor:
        if not on:
            return maps
        fill = maps.new_zeros(maps.shape[1])
        if maps.shape[1] > len(self.skeleton):
            fill[-1] = 1  # the background's
        return turn(maps, *frame, fill, self.config.pad)

    def _turned_back(self, outputs: Tensor, before: Tensor, frame: Frame, on: bool) -> Tensor:
        """Outputs in the crop's frame; what turned maps do not reach stays as it was `before`."""
        if not on:
            return outputs
        reached = torch.ones_like(outputs[:, :1])
        back = turn_back(torch.cat([outputs, reached], 1), *frame, size=self.config.map_size)
        return back[:, :-1] + (1 - back[:, -1:]) * self._unsquashed(before)

    def _unsquashed(self, maps: Tensor) -> Tensor:
        return torch.logit(maps.detach(), SURE) if self.config.discs else maps.detach()
