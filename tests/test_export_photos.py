"""Every system's graph against its net in pixels, on photographs.

Photographs have flat sky, hard edges and clipped lights, where rendered crops have noise: what rounds
differently in a graph shows there. The published code of the parity check decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import vitruvian.use
from battery import SMALL
from vitruvian import geometry
from vitruvian.data.leeds import read_lspet
from vitruvian.data.loader import Skipped, plain_crops
from vitruvian.data.photos import cut, read_photo
from vitruvian.export import TOLERANCE, parity, to_onnx
from vitruvian.learn.recipes import RECIPES
from vitruvian.learn.runner import net_runner, new_net, system_and_config
from vitruvian.skeleton import LSP
from vitruvian.systems import SYSTEMS
from vitruvian.systems.contract import System
from vitruvian.types import Runner

PHOTOS = [
    Path(vitruvian.use.__file__).parent / "photos" / name
    for name in ("astronaut.jpg", "camera.jpg")
]


def photo_crops(crop: tuple[int, int], count: int) -> np.ndarray:
    """(2 count, H, W, 3): boxes from a tenth of a photograph to more than all of it."""
    rng, made = np.random.default_rng(5), []
    for path in PHOTOS:
        pixels, _ = read_photo(path)
        H, W = pixels.shape[:2]
        side = rng.uniform(0.1, 1.2, (count, 1)) * min(H, W)
        box = np.concatenate([rng.uniform(0, 1, (count, 2)) * [W, H] - side / 2, side, side], 1)
        to_image = geometry.crop_to_image(geometry.fit_aspect(box, *crop), *crop)
        made += [cut(pixels, matrix, *crop) for matrix in to_image]
    return np.stack(made)


def graph_runner(system: System, net: Any, flips: tuple[bool, ...]) -> Runner:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = {
        flip: onnxruntime.InferenceSession(
            to_onnx(system, net, flip=flip), options, providers=["CPUExecutionProvider"]
        )
        for flip in flips
    }

    def run(image: np.ndarray, flip: bool) -> tuple[np.ndarray, np.ndarray]:
        xy, score = sessions[flip and True in flips].run(["xy", "score"], {"image": image})
        return xy, score

    return run


# The detector of `part_heatmaps`: maps of its regressor are 0 everywhere before it has learnt anything.
VARIANT = {"part_heatmaps": 1}


def awake(system: System, config: Any) -> Any:
    """A new net whose answers depend on the crop.

    Last layers of `part_heatmaps` begin at 0 and answer all crops alike: its weights are moved at random.
    """
    net = new_net(system, config, LSP, seed=0).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters() if system.name == "part_heatmaps" else ():
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng)
    return net


@pytest.mark.parametrize("name", SYSTEMS)
def test_on_photographs(name: str) -> None:
    """The plain graph; the battery of systems looks at the one with the flip test."""
    system, config = system_and_config(name, SMALL[name][VARIANT.get(name, 0)], "SMALL")
    net = awake(system, config)
    plain = net_runner(system, net, torch.device("cpu"))
    run = graph_runner(system, net, (False,))
    crops = photo_crops(config.crop, 8)
    xy, score = plain(crops, False)
    assert len(np.unique(xy)) + len(np.unique(score)) > 30, (
        "answers that do not vary compare nothing"
    )
    figures = parity(lambda image, flip: plain(image, False), run, crops)
    assert figures["joints"] == 2 * 16 * 14
    assert figures["p99_px"] < 0.01
    assert figures["largest_score"] < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("/compact")])
def test_trainable_sizes_on_photographs_of_people(name: str, shared: Path) -> None:
    """Both graphs of each laptop recipe at its own input size, on LSPET."""
    recipe = RECIPES[name]()
    system, config = system_and_config(recipe.system, recipe.config, name)
    net = awake(system, config)
    people = read_lspet(shared / "data" / "lspet").subset("tune")
    chosen = people.rows(np.arange(24))
    batches = plain_crops(chosen, chosen.box, *config.crop, 24, Skipped(), 0)
    crops = np.concatenate([batch.image for batch in batches])
    reference = net_runner(system, net, torch.device("cpu"))
    figures = parity(reference, graph_runner(system, net, (False, True)), crops)
    assert figures["joints"] == 2 * 24 * 14
    assert figures["p99_px"] <= TOLERANCE


def test_every_system_has_a_trainable_size() -> None:
    compact = {RECIPES[name]().system for name in RECIPES if name.endswith("/compact")}
    assert compact == set(SYSTEMS)
