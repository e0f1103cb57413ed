"""Published backbones as feature maps with known strides, from timm."""

from __future__ import annotations

import difflib
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from vitruvian.types import UserError


def _timm() -> ModuleType:
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


class Backbone(nn.Module):
    """Feature maps of a timm net.

    `forward` takes images (B, 3, H, W) and returns the maps of `strides`, finest first; `channels` are
    their widths. Weights are random: a recipe's `init` says what replaces them.

    Raises:
        UserError: timm has no net of that name, it takes no such option or has no map of that stride.
    """

    def __init__(self, name: str, strides: tuple[int, ...] = (32,), **options: Any) -> None:
        super().__init__()
        timm = _timm()
        if not timm.is_model(name):
            near = difflib.get_close_matches(name, timm.list_models(), 1, 0)
            raise UserError(f"no backbone {name!r} in timm; nearest: {near[0]!r}")
        try:
            with torch.device("meta"):
                info = timm.create_model(name, features_only=True, **options).feature_info
        except TypeError as error:
            raise UserError(f"backbone {name!r} cannot be built: {error}") from None
        reductions = info.reduction()
        if lacking := [s for s in strides if s not in reductions]:
            raise UserError(f"backbone {name!r} has maps of strides {reductions}, not {lacking}")
        indices = tuple(len(reductions) - 1 - reductions[::-1].index(s) for s in strides)
        self.net = timm.create_model(name, features_only=True, out_indices=indices, **options)
        self.name, self.strides = name, strides
        self.channels = tuple(info.channels()[i] for i in indices)

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.net(image)


def published_weights(name: str) -> dict[str, Tensor]:
    """timm's published weights of a backbone, by the names that `Backbone.net` has.

    Raises:
        UserError: they are neither in timm's cache nor to be had from the network.
    """
    try:
        net = _timm().create_model(name, pretrained=True, features_only=True)
    except Exception as error:  # timm and its hub raise many kinds
        raise UserError(
            f"the published weights of {name!r} cannot be had ({type(error).__name__}); "
            "connect to the network, or set init=none or init=FILE.safetensors"
        ) from None
    return net.state_dict()
