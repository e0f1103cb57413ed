"""The four subnetworks of Bulat & Tzimiropoulos. Letters are the blocks of the paper's tables 1 to 4.

A detection subnetwork takes normalised crops (B, 3, H, W) and gives its maps (B, J, h, w), whose cells are
`stride` px wide, and, when it is asked to, its features of stride 4, resized to the maps. A regression
subnetwork takes what is stacked (B, C, h, w) and gives maps of the same size. In the paper `stride` is 1.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from vitruvian.nn.backbones import Backbone, undilate
from vitruvian.nn.blocks import LargeConv, cut_middle, pad_to_multiple, upsample, upsampling_deconv
from vitruvian.nn.fcn import FCN
from vitruvian.nn.hourglass import Hourglass, Residual

Seen = tuple[Tensor, Tensor | None]


class FCNDetector(nn.Module):
    """Table 1: VGG, fully convolutional, with skips to stride 8 and bilinear upsampling from there.

    The crop is padded to multiples of 32, and the maps are cut to it. `bias` is theirs before training.
    """

    def __init__(
        self,
        backbone: str,
        outputs: int,
        channels: tuple[int, ...] | None = None,
        hidden: int = 4096,
        kernel: int = 7,
        dropout: float = 0.5,
        stride: int = 1,
        features: bool = False,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        finer = (4,) if features else ()
        self.fcn = FCN(backbone, outputs, channels, hidden, kernel, dropout, finer)  # A1 to A8
        for score in self.fcn.scores:
            constant(score)
        constant(self.fcn.scores[0], bias)
        self.stride = stride
        self.features = self.fcn.backbone.channels[0] if features else 0

    def forward(self, image: Tensor) -> Seen:
        H, W = image.shape[-2:]
        features = self.fcn.backbone(pad_to_multiple(image, 32))
        maps = self.fcn.fuse(features)[0]
        maps = upsample(maps, 8 // self.stride)  # A9
        h, w = H // self.stride, W // self.stride
        seen = cut_middle(upsample(features[0], 4 // self.stride), h, w) if self.features else None
        return cut_middle(maps, h, w), seen


class ResidualDetector(nn.Module):
    """Table 3: a ResNet whose last blocks keep the stride, scores, and a 4x4 deconvolution of stride 4.

    A fixed bilinear upsampling follows where the deconvolution does not reach `stride`.

    Args:
        output_stride: of the backbone; 16 in the paper.
        dilation: 1, as the paper states, or 2: the convolutions of blocks that keep the stride are dilated.
        bias: of the maps, before training.
    """

    def __init__(
        self,
        backbone: str,
        outputs: int,
        channels: tuple[int, ...] | None = None,
        output_stride: int = 16,
        dilation: int = 1,
        stride: int = 1,
        features: bool = False,
        bias: float = 0.0,
    ) -> None:
        super().__init__()
        thinner = {"channels": channels} if channels else {}
        kept = {"output_stride": output_stride} if output_stride < 32 else {}
        strides = (4, output_stride) if features else (output_stride,)
        self.backbone = Backbone(backbone, strides, **kept, **thinner)  # B1 to B5
        if dilation == 1:
            undilate(self.backbone)
        self.scores = nn.Conv2d(self.backbone.channels[-1], outputs, 1)  # B6
        constant(self.scores, bias)
        self.grow = upsampling_deconv(outputs, 4, 4)  # B7
        self.factor, self.stride = output_stride // 4 // stride, stride
        self.features = self.backbone.channels[0] if features else 0

    def forward(self, image: Tensor) -> Seen:
        features = self.backbone(image)
        maps = self.grow(self.scores(features[-1]))
        if self.factor > 1:
            maps = upsample(maps, self.factor)
        return maps, upsample(features[0], 4 // self.stride) if self.features else None


class LargeKernels(nn.Module):
    """Table 2: seven convolutions, four of them with large kernels, of which C3 and C4 see stride 4.

    Args:
        widths: of C1 to C6; kernels: of C1 to C4.
        downsample: 2x2 pooling after C1 and after C2 (less where `stride` is 2 or 4), or the input reduced
            first.
        weights: "gaussian", the paper's N(0, 0.01), or He's.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: tuple[int, ...] = (64, 64, 128, 256, 512, 512),
        kernels: tuple[int, ...] = (9, 13, 13, 15),
        downsample: Literal["pool_c1c2", "input_quarter"] = "pool_c1c2",
        weights: Literal["gaussian", "he"] = "gaussian",
        stride: int = 1,
    ) -> None:
        super().__init__()
        factor = 4 // stride
        pools = {1: 2, 2: 1, 4: 0}[stride] if downsample == "pool_c1c2" else 0
        layers: list[nn.Module] = [nn.AvgPool2d(factor)] if downsample == "input_quarter" else []
        sizes = (*kernels, *(1 for _ in widths[len(kernels) :]))
        for number, (width, kernel) in enumerate(zip(widths, sizes, strict=True)):
            conv = LargeConv(inputs, width, kernel)
            if weights == "gaussian":
                nn.init.normal_(conv.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
            layers += [conv, nn.ReLU(inplace=True)]
            if number < pools:
                layers.append(nn.MaxPool2d(2))
            inputs = width
        self.layers = nn.Sequential(*layers)  # C1 to C6
        self.score = nn.Conv2d(inputs, outputs, 1)  # C7
        nn.init.normal_(self.score.weight, std=0.01)
        assert self.score.bias is not None
        nn.init.zeros_(self.score.bias)
        self.grow = upsampling_deconv(outputs, 2 * factor, factor) if factor > 1 else nn.Identity()

    def forward(self, stacked: Tensor) -> Tensor:
        return self.grow(self.score(self.layers(stacked)))  # C8


class HourglassRegressor(nn.Module):
    """Table 4: an hourglass with three residual blocks wherever Newell et al. have one, and deconvolutions.

    Args:
        width: channels of the hourglass; levels: its halvings, from stride 4 on.
        inner: width inside a residual block.
        merged: residual blocks after each merging; 0 in the paper's table.
        output_deconv: what is upsampled to `stride`: "maps", the scores, or "features", what they are made
            of, by 2; the rest is bilinear.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 256,
        levels: int = 4,
        inner: int = 128,
        merged: int = 0,
        stride: int = 1,
        output_deconv: Literal["maps", "features"] = "maps",
    ) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            *(nn.Conv2d(inputs, 64, 7, min(2, 4 // stride), 3), nn.BatchNorm2d(64), nn.ReLU()),
            nn.MaxPool2d(2) if stride == 1 else nn.Identity(),  # D1, which ends at stride 4
            *(Residual(64, width, inner), Residual(width, width, inner)),
            Residual(width, width, inner),  # D2
        )
        self.hourglass = Hourglass(  # D2 on the skips, D3, D4, D5
            levels, width, blocks=3, after=0, merged=merged, deconv=True, inner=inner
        )
        self.mix = nn.Sequential(  # D6
            nn.Conv2d(width, 2 * width, 1), nn.BatchNorm2d(2 * width), nn.ReLU()
        )
        self.score = nn.Conv2d(2 * width, outputs, 1)  # D7
        self.deconv, self.stride = output_deconv, stride
        factor = 4 // stride
        sizes = (width, 2, 2) if output_deconv == "features" else (outputs, factor, factor)
        self.grow = upsampling_deconv(*sizes) if factor > 1 else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                assert module.bias is not None
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, Residual):
                constant(module.branch[-1])
        constant(self.score)

    def forward(self, stacked: Tensor) -> Tensor:
        features = self.hourglass(self.entry(stacked))[0]
        if self.deconv == "maps":
            return self.grow(self.score(self.mix(features)))
        maps = self.score(self.mix(self.grow(features)))  # of stride 2
        return upsample(maps, 2) if self.stride == 1 else maps


def constant(layer: nn.Module, bias: float = 0.0) -> None:
    """Weights of 0, where the paper's "initialized with 0" does not stop every gradient."""
    weight, own = layer.parameters()
    nn.init.zeros_(weight)
    nn.init.constant_(own, bias)
