"""Fully convolutional VGG with skips: Long, Shelhamer & Darrell, CVPR 2015 (FCN-8s)."""

from __future__ import annotations

from torch import Tensor, nn

from vitruvian.nn.backbones import Backbone
from vitruvian.nn.blocks import upsample


class FCN(nn.Module):
    """Scores on a VGG's last three poolings, added from coarse to fine.

    Upsampling is bilinear and fixed. The input's sides are multiples of 32 (see `blocks.pad_to_multiple`);
    cell j of a map of stride s covers the pixels from s j on, so that no offset arises.

    Args:
        name: a VGG of timm.
        outputs: score maps, K.
        channels: of the VGG's five blocks; None: as published.
        hidden, kernel, dropout: of the fully connected layers, which are convolutions here.
        finer: strides of further maps that `features` gives, before those of 8, 16 and 32.
    """

    def __init__(
        self,
        name: str,
        outputs: int,
        channels: tuple[int, ...] | None = None,
        hidden: int = 4096,
        kernel: int = 7,
        dropout: float = 0.5,
        finer: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        thinner = {"channels": channels} if channels else {}
        self.backbone = Backbone(
            name, (*finer, 8, 16, 32), hidden=hidden, kernel=kernel, dropout=dropout, **thinner
        )
        self.scores = nn.ModuleList(
            nn.Conv2d(width, outputs, 1) for width in self.backbone.channels[-3:]
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> the score maps (B, K, H / s, W / s) of strides s 8, 16 and 32."""
        return self.fuse(self.backbone(image))

    def fuse(self, features: list[Tensor]) -> list[Tensor]:
        """The score maps of strides 8, 16 and 32, from the backbone's maps."""
        stride8, stride16, stride32 = (
            score(maps) for score, maps in zip(self.scores, features[-3:], strict=True)
        )
        stride16 = stride16 + upsample(stride32, 2)
        return [stride8 + upsample(stride16, 2), stride16, stride32]
