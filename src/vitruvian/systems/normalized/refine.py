"""The refinement net: score maps in, score maps out, no image features (Sun et al., ICCV 2017).

Convolved directly: by torch.fft the whole net's forward and backward pass (fp32, one thread) was about 1.25
times as fast at 32x32 cells, width 32, kernels 9, 11, 11 (batch 16), and 0.95 times at the paper's sizes on
43x43 (batch 8).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vitruvian.nn.blocks import LargeConv

Init = Literal["he", "gauss_std0.001", "gauss_var0.001"]


class Refinement(nn.Module):
    """Large kernels that see most of a body, a ReLU after each, then 1x1: (B, inputs, h, w) to outputs.

    The defaults are the paper's text: four layers, 37 cells seen. Table 1's 11 M parameters are those of
    one more 15x15 layer, kernels=(9, 15, 15, 15).

    Args:
        width: channels between the layers.
        kernels: odd sides of the large kernels, in order.
        init: of every weight: He's; or Gaussian, "variance 0.001" as it is printed (each 15x15 layer of 128
            channels then makes its input 3.8 times larger) or read as the standard deviation (0.12 times).
        bias: of the last layer; -4 knows that one cell in a hundred or fewer is positive, 0 suits maps that
            are not probabilities. All others begin at 0.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 128,
        kernels: tuple[int, ...] = (9, 15, 15),
        init: Init = "he",
        bias: float = -4.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for kernel in kernels:
            layers += [LargeConv(inputs, width, kernel), nn.ReLU(inplace=True)]
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.score = nn.Conv2d(inputs, outputs, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _begin(module, init)
        assert self.score.bias is not None
        nn.init.constant_(self.score.bias, bias)

    def forward(self, maps: Tensor) -> Tensor:
        return self.score(self.layers(maps))


def _begin(layer: nn.Conv2d, init: Init) -> None:
    if init == "he":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    else:
        nn.init.normal_(layer.weight, std=0.001 if init == "gauss_std0.001" else 0.001**0.5)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)


class LearnableSigmoid(nn.Module):
    """sigmoid(w x + b) with a trained w and b for each map: (B, outputs, h, w) -> probabilities.

    It begins as the sigmoid. The paper gives refined maps one because they need not span the reals.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))

    def logits(self, maps: Tensor) -> Tensor:
        """w x + b, for losses that take logits."""
        return maps * self.scale[:, None, None] + self.shift[:, None, None]

    def forward(self, maps: Tensor) -> Tensor:
        return self.logits(maps).sigmoid()
