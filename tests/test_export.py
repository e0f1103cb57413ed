"""Graphs that stand for themselves, and graphs that point into the weights beside them."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest
import torch

from vitruvian.export import check_parity, parity, point_to_weights, to_onnx
from vitruvian.learn.runner import net_runner, new_net
from vitruvian.models import (
    FLIP_GRAPH,
    GRAPH,
    ModelInfo,
    Preprocessing,
    read_model,
    read_weights,
    write_model,
)
from vitruvian.skeleton import LSP
from vitruvian.systems.resnet_fcn import RESNET_FCN, ResNetFCNConfig
from vitruvian.types import UserError
from vitruvian.use.runners import onnx_runner
from vitruvian.weights import stored, weights_bytes

CONFIG = ResNetFCNConfig(
    crop=(64, 96),
    backbone="resnet18",
    channels=(8, 16, 24, 32),
    width=16,
    inner=8,
    lateral=True,
    loss="softmax",
    missing="mask",
    offset="local_mean",
)


@pytest.fixture(scope="module")
def net():
    net = new_net(RESNET_FCN, CONFIG, LSP, seed=3)
    with torch.no_grad():  # a head that is not nearly zero, so that peaks are distinct
        net.head.score.weight.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
    return net.eval()


def kept(net, precision):
    """What a file keeps of the net."""
    parts = [stored(name, v.numpy(), precision) for name, v in net.state_dict().items()]
    return {name: values for part in parts for name, values in part.items()}


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory):
    weights = kept(net, "half")
    flipped = to_onnx(RESNET_FCN, net, flip=True, precision="half")
    graphs = {
        GRAPH: to_onnx(RESNET_FCN, net, precision="half"),
        FLIP_GRAPH: point_to_weights(flipped, weights_bytes(weights)),
    }
    halves = sum(v.nbytes for v in weights.values() if v.dtype == np.float16)
    assert len(flipped) - len(graphs[FLIP_GRAPH]) > 0.9 * halves
    info = ModelInfo(
        name="small", system="resnet_fcn", config={}, skeleton=LSP,
        preprocessing=Preprocessing(crop=CONFIG.crop), parameters=1, gmacs=0.1,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("export") / "model"
    write_model(path, info, weights, graphs, "")
    return path


def crops(count):
    return np.random.default_rng(0).integers(0, 256, (count, *CONFIG.crop, 3), np.uint8)


def test_the_folder_answers_as_the_net_with_and_without_flip(net, folder):
    reference = net_runner(RESNET_FCN, net, torch.device("cpu"))
    figures = parity(reference, onnx_runner(folder), crops(9))
    assert figures["joints"] == 2 * 9 * 14
    assert figures["p99_px"] < 0.05
    assert figures["median_px"] < 0.01


def test_any_batch_size(folder):
    run = onnx_runner(folder)
    for count in (1, 5):
        for flip in (False, True):
            xy, score = run(crops(count), flip)
            assert xy.shape == (count, 14, 2)
            assert score.shape == (count, 14)


def test_the_plain_graph_stands_alone(folder):
    model = onnx.load(folder / GRAPH, load_external_data=False)
    assert not any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer)
    halves = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) > 20


def test_without_the_weights_the_flip_graph_says_so(folder, tmp_path):
    for name in (GRAPH, FLIP_GRAPH):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    run = onnx_runner(tmp_path)
    run(crops(1), False)
    with pytest.raises(UserError, match=r"model\.flip\.onnx"):
        run(crops(1), True)


def test_a_graph_that_answers_otherwise_is_refused(tmp_path):
    def moved(image, flip):
        return np.full((len(image), 14, 2), 0.2, np.float32), np.ones((len(image), 14), np.float32)

    def still(image, flip):
        return np.zeros((len(image), 14, 2), np.float32), np.ones((len(image), 14), np.float32)

    figures = parity(still, moved, crops(2))
    assert figures["median_px"] == pytest.approx(0.2 * 2**0.5, abs=1e-4)
    with pytest.raises(UserError, match=r"off by 0\.28"):
        check_parity(figures, tmp_path)
    check_parity(parity(still, still, crops(2)), tmp_path)


def test_weights_in_8_bits_are_the_same_for_the_graph_and_for_torch(net, folder, tmp_path):
    weights = kept(net, "int8")
    graph = point_to_weights(to_onnx(RESNET_FCN, net, precision="int8"), weights_bytes(weights))
    write_model(tmp_path / "model", read_model(folder), weights, {GRAPH: graph}, "")
    again = copy.deepcopy(net)
    again.load_state_dict(
        {name: torch.from_numpy(v) for name, v in read_weights(tmp_path / "model").items()}
    )
    reference = net_runner(RESNET_FCN, again, torch.device("cpu"))
    (xy, score), (xy_graph, score_graph) = (
        run(crops(5), False) for run in (reference, onnx_runner(tmp_path / "model"))
    )
    np.testing.assert_allclose(xy, xy_graph, atol=0.01)
    np.testing.assert_allclose(score, score_graph, atol=1e-4)
    sizes = [len(weights_bytes(kept(net, precision))) for precision in ("int8", "half", "single")]
    assert sizes[0] < 0.65 * sizes[1] < 0.4 * sizes[2]
    assert len(graph) < 0.5 * len(to_onnx(RESNET_FCN, net, precision="int8"))
