"""Published backbones as feature maps with known strides, from timm."""

from __future__ import annotations

import difflib
import logging
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from vitruvian.types import UserError


def timm_package() -> ModuleType:
    """timm, also where torchvision's compiled operators do not fit the installed torch.

    timm imports torchvision but needs none of its operators; a CPU build of torch beside the package
    index's torchvision fails at import only because these two names are not declared.
    """
    try:
        import timm
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] in ("timm", "torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)
        import timm
    return timm


_KEPT: list[Any] = []  # a Library withdraws its names when it is collected


VGGS = {
    f"{name}{norm}": layers
    for name, layers in {
        "vgg11": (1, 1, 2, 2, 2),
        "vgg13": (2, 2, 2, 2, 2),
        "vgg16": (2, 2, 3, 3, 3),
        "vgg19": (2, 2, 4, 4, 4),
    }.items()
    for norm in ("", "_bn")
}  # convolutions of 3x3 before each pooling


class VGG(nn.Module):
    """Simonyan & Zisserman's nets: maps after each pooling. Its tensors have timm's names.

    Args:
        channels: of the five blocks.
        hidden: width of the fully connected layers, which follow the last block as a `kernel` x `kernel`
            convolution ("same" padding) and one of 1x1, each with dropout; None: there are none.
    """

    def __init__(
        self,
        name: str,
        strides: tuple[int, ...],
        channels: tuple[int, ...] = (64, 128, 256, 512, 512),
        hidden: int | None = None,
        kernel: int = 7,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.pools: list[int] = []
        inputs = 3
        for count, outputs in zip(VGGS[name], channels, strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
                if name.endswith("_bn"):
                    layers.append(nn.BatchNorm2d(outputs))
                layers.append(nn.ReLU(inplace=True))
                inputs = outputs
            self.pools.append(len(layers))
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.strides = strides
        self.pre_logits: nn.ModuleDict | None = None
        if hidden is not None:
            first = nn.Conv2d(inputs, hidden, kernel, padding=kernel // 2)
            self.pre_logits = nn.ModuleDict({"fc1": first, "fc2": nn.Conv2d(hidden, hidden, 1)})
        self.dropout = nn.Dropout(dropout)
        widths = (*channels[:-1], hidden or inputs)
        self.channels = tuple(widths[(2, 4, 8, 16, 32).index(s)] for s in strides)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        maps, x, stride = [], image, 1
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.pools:
                stride *= 2
                if stride == 32 and self.pre_logits is not None:
                    x = self.dropout(torch.relu(self.pre_logits["fc1"](x)))
                    x = self.dropout(torch.relu(self.pre_logits["fc2"](x)))
                if stride in self.strides:
                    maps.append(x)
        return maps


class Backbone(nn.Module):
    """Feature maps of a timm net, or of a VGG.

    `forward` takes images (B, 3, H, W) and returns the maps of `strides`, finest first; `channels` are
    their widths. Weights are random: a recipe's `init` says what replaces them.

    Args:
        name: a net of timm. A VGG's maps are those after each pooling.
        options: of timm's net (channels, output_stride), or of `VGG`.

    Raises:
        UserError: timm has no net of that name, it takes no such option or has no map of that stride.
    """

    def __init__(self, name: str, strides: tuple[int, ...] = (32,), **options: Any) -> None:
        super().__init__()
        self.name, self.strides = name, strides
        build = _vgg if name in VGGS else _timm_net
        try:
            self.net, self.channels = build(name, strides, options)
        except (TypeError, AssertionError, ValueError, IndexError) as error:
            why = str(error) or f"not with {options}"
            raise UserError(f"backbone {name!r} cannot be built: {why}") from None

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.net(image)


def undilate(net: nn.Module) -> None:
    """Takes away the dilation that timm puts in place of a stride.

    With it and output_stride=16, a ResNet's last layer has stride 1 and is otherwise as published. An even
    kernel, which others have there, gets its odd pixel of padding at the right and at the bottom.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.dilation != (1, 1):
            module.dilation = (1, 1)
            if any(side % 2 == 0 for side in module.kernel_size):
                module.padding = "same"
            else:
                module.padding = (module.kernel_size[0] // 2, module.kernel_size[1] // 2)


def _vgg(
    name: str, strides: tuple[int, ...], options: dict[str, Any]
) -> tuple[nn.Module, tuple[int, ...]]:
    _check_strides(name, [2, 4, 8, 16, 32], strides)
    if len(options.get("channels", range(5))) != 5:
        raise UserError(f"backbone {name!r} has five blocks: give five channels")
    net = VGG(name, strides, **options)
    return net, net.channels


def _timm_net(
    name: str, strides: tuple[int, ...], options: dict[str, Any]
) -> tuple[nn.Module, tuple[int, ...]]:
    timm = timm_package()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 1, 0)
        raise UserError(f"no backbone {name!r} in timm; nearest: {near[0]!r}")
    if len(options.get("channels", range(4))) != 4:
        raise UserError(f"backbone {name!r} has four layers: give four channels")
    with torch.device("meta"):
        info = timm.create_model(name, features_only=True, **options).feature_info
    reductions = info.reduction()
    _check_strides(name, reductions, strides)
    indices = tuple(len(reductions) - 1 - reductions[::-1].index(s) for s in strides)
    net = timm.create_model(name, features_only=True, out_indices=indices, **options)
    return net, tuple(info.channels()[i] for i in indices)


def _check_strides(name: str, known: list[int], wanted: tuple[int, ...]) -> None:
    if lacking := [s for s in wanted if s not in known]:
        raise UserError(f"backbone {name!r} has maps of strides {known}, not {lacking}")


def published_name(name: str) -> str:
    """The backbone with the tag of its weights: those of the papers' time where timm has them.

    Which are torchvision's first; of a ResNet timm itself takes weights of a later, longer training. A
    name that has a tag, such as resnet50.a1_in1k, stays.
    """
    first = f"{name}.tv_in1k"
    return first if timm_package().is_model_pretrained(first) else name


def published_weights(name: str) -> dict[str, Tensor]:
    """timm's published weights of a backbone, see `published_name`, by the names that `Backbone.net` has.

    Raises:
        UserError: they are neither in timm's cache nor to be had from the network.
    """
    hub = logging.getLogger("huggingface_hub")  # which tells of every attempt
    level = hub.level
    try:
        hub.setLevel(logging.ERROR)
        features = {} if name in VGGS else {"features_only": True}
        net = timm_package().create_model(published_name(name), pretrained=True, **features)
    except Exception as error:  # timm and its hub raise many kinds
        raise UserError(
            f"the published weights of {name!r} cannot be had ({type(error).__name__}); "
            "connect to the network, or set init=none, init=FILE.safetensors or init=MODEL"
        ) from None
    finally:
        hub.setLevel(level)
    return net.state_dict()
