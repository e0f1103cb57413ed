"""Sizes and readings of `normalized`; the header of the package says what each stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vitruvian.nn.rotation import PAD
from vitruvian.systems.contract import check_numbers
from vitruvian.systems.normalized.refine import Init
from vitruvian.types import UserError

SCALES = (32, 16, 8, 4)  # strides of an FCN's score maps, in the order in which they are added


@dataclass(frozen=True)
class NormalizedConfig:
    """The defaults are the paper's for LSP: the improved FCN and both refinements."""

    crop: tuple[int, int] = (340, 340)  # H, W px
    detector: Literal["fcn", "resnet", "hourglass"] = "fcn"
    grid: Literal[4, 8] = 8  # px per cell of all maps
    backbone: str = "vgg16"  # fcn, resnet: a net of timm
    channels: tuple[int, ...] | None = None  # of the backbone's blocks; None: as published
    scale: Literal[4, 8, 16, 32] = 8  # fcn: the finest stride that is scored
    supervision: Literal["plain", "extra", "fusion"] = "fusion"  # fcn
    loss_grid: Literal["stride8", "input"] = "stride8"  # fcn: where its losses are taken
    hidden: int = 4096  # fcn on a VGG: width of the fully connected layers
    hidden_kernel: int = 7  # fcn on a VGG: of the first of them
    dropout: float = 0.5  # fcn on a VGG: of both
    dilation: Literal[1, 2] = 2  # resnet: of the blocks that keep the stride
    intermediate: bool = False  # resnet: a second loss within conv4_x
    stacks: int = 8  # hourglass
    features: int = 256  # hourglass: channels
    levels: int = 4  # hourglass: halvings
    sigma: float = 1.75  # hourglass: of its targets, cells
    # hourglass: targets are 0 outside that many cells; it does not follow sigma, but 0 means 6 sigma + 1
    window: float | None = 7.0  # None: no edge
    radius: float = 0.15  # of a joint's disc, torso diagonals
    bias: float = 0.0  # fcn, resnet: of the joints' score maps, before training
    foreground: float = 0.0  # errors count 1 + foreground x target times
    refine: Literal["none", "st1", "st2"] = "st2"
    body_norm: bool = True
    limb_norm: bool = True
    branches: Literal[1, "types", "multi"] = 1  # of the body's refinement
    types: int = 3
    angles: Literal["predicted", "truth"] = "predicted"
    background: Literal["derived", "none"] = "derived"
    root_merge: Literal["semi", "limb", "mean"] = "semi"
    blur: float = 1.0  # sigma before a joint is looked for, cells
    pad: float = PAD  # about maps that are turned, longer sides
    upright_angle: float = 0.0  # degrees: the common orientation
    width: int = 128  # of the refinement nets
    kernels: tuple[int, ...] = (9, 15, 15)  # of the refinement nets
    init: Init = "he"
    refine_bias: float = -4.0  # not after the hourglass
    offset: Literal["none", "both_axes", "highest_neighbour", "local_mean"] = "none"

    def __post_init__(self) -> None:
        layers = (self.hidden, self.hidden_kernel, self.stacks, self.features, self.levels)
        if (
            min(*self.crop, *layers, self.width, self.types) < 1
            or min(self.sigma, self.radius) <= 0
        ):
            raise UserError("normalized: crop, widths, types, sigma and radius must be positive")
        if min(self.blur, self.pad, self.foreground) < 0:
            raise UserError("normalized: blur, pad and foreground must not be negative")
        if any(kernel % 2 == 0 for kernel in (*self.kernels, self.hidden_kernel)):
            raise UserError("normalized: kernels must be odd")
        if not 0 <= self.dropout < 1:
            raise UserError(f"normalized: dropout {self.dropout:g} must be from 0 to less than 1")
        check_numbers("normalized", self)
        if self.detector == "fcn" and self.scale < self.grid:
            raise UserError(
                f"normalized: scale {self.scale} is finer than the maps' {self.grid} px a cell; set"
                f" config.grid={self.scale}"
            )
        if self.detector == "hourglass":
            self._check_hourglass()
        if min(self.map_size) < 2:
            raise UserError(
                f"normalized: a crop of {self.crop} px makes maps of fewer than 2 cells"
            )

    def _check_hourglass(self) -> None:
        if self.grid != 4:
            raise UserError("normalized: an hourglass' maps have 4 px a cell; set config.grid=4")
        if self.window and self.window < 4 * self.sigma and self.sigma > 1.75:
            raise UserError(
                f"normalized: a window of {self.window:g} cells cuts Gaussians of sigma {self.sigma:g}"
                " within 2 sigma; set config.window=0, which is 6 sigma + 1 cells"
            )
        multiple = 4 * 2**self.levels
        for name, side in zip(("height", "width"), self.crop, strict=True):
            if side % multiple:
                raise UserError(
                    f"normalized: crop {name} {side} must be a multiple of {multiple} px"
                )

    @property
    def map_size(self) -> tuple[int, int]:
        """(h, w) cells of all maps; the last row and column may reach beyond the crop."""
        H, W = self.crop
        return -(-H // self.grid), -(-W // self.grid)

    @property
    def scales(self) -> tuple[int, ...]:
        """The strides that an FCN scores, coarsest first."""
        return tuple(s for s in SCALES if s >= self.scale)

    @property
    def discs(self) -> bool:
        """Whether targets are discs and maps probabilities; else Gaussians and their heights."""
        return self.detector != "hourglass"

    @property
    def has_background(self) -> bool:
        """Whether the refinements see a background map after the joints'."""
        return self.background == "derived"
