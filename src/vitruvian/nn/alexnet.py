"""Regressors of one structure: convolutions, two hidden layers, linear outputs.

Papers: Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks"
(NIPS 2012); its form for regression in Toshev & Szegedy, "DeepPose" (CVPR 2014, section 3.1):

    C(55x55x96)-LRN-P-C(27x27x256)-LRN-P-C(13x13x384)-C(13x13x384)-C(13x13x256)-P-F(4096)-F(4096)-linear

A net may hold several `copies` of itself side by side, of equal sizes and with weights of their own: all
work at once, as groups of the same convolutions. Input (N, copies 3, side, side), output
(N, copies, outputs).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitruvian.types import UserError

LRN = Literal["alexnet", "caffe"]
Weights = Literal["gaussian", "he"]


class Dense(nn.Module):
    """`copies` linear layers side by side: (N, copies, inputs) -> (N, copies, outputs)."""

    def __init__(self, inputs: int, outputs: int, copies: int = 1) -> None:
        super().__init__()
        self.copies = copies
        self.weight = nn.Parameter(torch.empty(copies * outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(copies * outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        if self.copies == 1:
            return F.linear(x, self.weight, self.bias)
        weight = self.weight.unflatten(0, (self.copies, -1))
        return torch.einsum("nci,coi->nco", x, weight) + self.bias.view(self.copies, -1)


class ResponseNorm(nn.Module):
    """Local response normalisation over 5 channels of each copy.

    Krizhevsky et al. do not divide alpha = 1e-4 by the size and have k = 2; Caffe divides and has k = 1.
    PyTorch's layer divides.
    """

    def __init__(self, flavour: LRN, copies: int = 1) -> None:
        super().__init__()
        self.copies = copies
        alpha, k = (5e-4, 2.0) if flavour == "alexnet" else (1e-4, 1.0)
        self.norm = nn.LocalResponseNorm(5, alpha=alpha, beta=0.75, k=k)

    def forward(self, x: Tensor) -> Tensor:
        if self.copies == 1:
            return self.norm(x)
        apart = x.unflatten(1, (self.copies, -1)).flatten(0, 1)
        return self.norm(apart).unflatten(0, (-1, self.copies)).flatten(1, 2)


class Regressor(nn.Module):
    """Maps, then two hidden layers with dropout and linear outputs.

    `norm` normalises the hidden layers. `places`, where there is one, scores the cells of the last map for
    things to be found; it helps maps to learn and takes no part in the outputs.
    """

    def __init__(
        self,
        maps: nn.Module,
        inputs: int,
        hidden: int,
        outputs: int,
        dropout: float,
        copies: int,
        norm: bool = False,
        places: nn.Conv2d | None = None,
    ) -> None:
        super().__init__()
        self.copies = copies
        self.maps = maps
        self.places = places
        self.hidden1 = Dense(inputs, hidden, copies)
        self.hidden2 = Dense(hidden, hidden, copies)
        self.outputs = Dense(hidden, outputs, copies)
        self.norm = nn.LayerNorm(hidden, elementwise_affine=False) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.outputs.weight, std=0.01)

    def forward(self, image: Tensor) -> Tensor:
        return self.regress(self.maps(image))

    def regress(self, maps: Tensor) -> Tensor:
        """The outputs from the last map."""
        x = maps.unflatten(1, (self.copies, -1)).flatten(2)
        x = self.dropout(torch.relu(self.norm(self.hidden1(x))))
        x = self.dropout(torch.relu(self.norm(self.hidden2(x))))
        return self.outputs(x)


def alexnet(
    side: int,
    outputs: int,
    *,
    channels: tuple[int, ...] = (96, 256, 384, 384, 256),
    hidden: int = 4096,
    groups: int = 1,
    lrn: LRN = "alexnet",
    dropout: float = 0.6,
    weights: Weights = "gaussian",
    bias: float = 1.0,
    copies: int = 1,
) -> Regressor:
    """The seven-layer net; 220 px give maps of 55, 27, 13 and 6.

    The first convolution pads 3 px at the left and top and 4 at the right and bottom, so that it uses every
    pixel of 220.

    Args:
        channels: of the five convolutions.
        groups: of convolutions 2, 4 and 5; two in the original, for its two GPUs.
        dropout: the chance that a hidden unit is dropped.
        weights: "gaussian", N(0, 0.01); "he", for rectified units (the outputs stay N(0, 0.01)).
        bias: of convolutions 2, 4 and 5 and of the hidden layers; all others start at 0.

    Raises:
        UserError: the input is too small for five convolutions and three poolings.
    """
    if len(channels) != 5:
        raise UserError(f"alexnet: channels {tuple(channels)} are not those of five convolutions")

    def conv(inputs: int, outputs: int, kernel: int, groups: int, stride: int = 1) -> nn.Conv2d:
        padding = 0 if stride > 1 else kernel // 2
        each = copies * groups
        return nn.Conv2d(copies * inputs, copies * outputs, kernel, stride, padding, groups=each)

    c1, c2, c3, c4, c5 = channels
    relu, pool = nn.ReLU(), nn.MaxPool2d(3, 2)
    maps = nn.Sequential(
        *(nn.ZeroPad2d((3, 4, 3, 4)), conv(3, c1, 11, 1, 4), relu, ResponseNorm(lrn, copies), pool),
        *(conv(c1, c2, 5, groups), relu, ResponseNorm(lrn, copies), pool),
        *(conv(c2, c3, 3, 1), relu, conv(c3, c4, 3, groups), relu),
        *(conv(c4, c5, 3, groups), relu, pool),
    )
    left = (side - 4) // 4 + 1
    for _ in range(3):
        left = (left - 3) // 2 + 1
    if left < 1:
        raise UserError(f"alexnet: an input of {side} px is too small, the least is 60")
    net = Regressor(maps, c5 * left**2, hidden, outputs, dropout, copies)
    convs = [module for module in maps if isinstance(module, nn.Conv2d)]
    layers: list[nn.Conv2d | Dense] = [*convs, net.hidden1, net.hidden2]
    for layer in layers:
        if weights == "gaussian":
            nn.init.normal_(layer.weight, std=0.01)
        else:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
    for layer in (layers[1], *layers[3:]):
        assert layer.bias is not None
        nn.init.constant_(layer.bias, bias)
    return net


class Residual(nn.Module):
    """Two 3x3 convolutions with BatchNorm, added to their input."""

    def __init__(self, channels: int, copies: int = 1) -> None:
        super().__init__()
        self.first = _conv_norm(channels, channels, 3, 1, copies)
        self.second = _conv_norm(channels, channels, 3, 1, copies)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def compact(
    side: int,
    outputs: int,
    *,
    channels: tuple[int, ...] = (24, 48, 96, 192),
    hidden: int = 256,
    dropout: float = 0.2,
    places: int = 0,
    copies: int = 1,
) -> Regressor:
    """The same structure for a CPU: every width halves the map; BatchNorm instead of LRN.

    The hidden layers are normalised for each sample before they are rectified: without it they settle on
    the mean answer at rates that the maps need.

    The first convolution is 5x5; each further width is a 3x3 convolution of stride 2 and a residual pair.
    `places` things are found in the last map, see `Regressor`.
    """
    layers = [_conv_norm(3, channels[0], 5, 2, copies), nn.ReLU()]
    left = (side + 1) // 2
    for inputs, width in pairwise(channels):
        layers += [_conv_norm(inputs, width, 3, 2, copies), nn.ReLU(), Residual(width, copies)]
        left = (left + 1) // 2
    maps = nn.Sequential(*layers)
    find = nn.Conv2d(channels[-1], places, 1) if places else None
    return Regressor(maps, channels[-1] * left**2, hidden, outputs, dropout, copies, True, find)


def _conv_norm(inputs: int, outputs: int, kernel: int, stride: int, copies: int) -> nn.Module:
    sizes = (copies * inputs, copies * outputs, kernel, stride, kernel // 2)
    conv = nn.Conv2d(*sizes, groups=copies, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(copies * outputs))
