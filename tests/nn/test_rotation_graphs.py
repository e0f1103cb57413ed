"""Graphs of turned maps know the angles, and turn as torch does."""

import numpy as np
import onnxruntime
import torch
from torch import nn

from vitruvian.export import OPSET
from vitruvian.nn.rotation import (
    blurred_peaks,
    downward_angle,
    turn,
    turn_back,
    upright_angle,
)


class Toy(nn.Module):
    """Normalise, a convolution, and back; the torso's ends are channels 0 and 1."""

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(4, 3, 5, padding=2)
        self.register_buffer("fill", torch.tensor([0.0, 0.0, 0.0, 1.0]))

    def forward(self, maps):
        centre, top = blurred_peaks(maps[:, :2], 1.0).unbind(1)
        theta = upright_angle(centre, top)
        refined = self.net(turn(maps, centre, theta, self.fill))
        back = turn_back(refined, centre, theta, 0.0, size=maps.shape[-2:])
        return back, theta, centre


def graph_of(net, **inputs):
    """A session of the net's graph, of any batch."""
    B = {0: torch.export.Dim("B")}
    program = torch.onnx.export(
        net,
        tuple(inputs.values()),
        dynamo=True,
        dynamic_shapes=(B,) * len(inputs),
        input_names=list(inputs),
        opset_version=OPSET,
        verbose=False,
    )
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString())


class Angles(nn.Module):
    def forward(self, centre, top):
        theta = torch.stack([upright_angle(centre, top), downward_angle(centre, top)], -1)
        return torch.stack([theta.cos(), theta.sin()], -1)


def test_a_graph_knows_the_angles_of_quarter_turns():
    """ONNX has no arc tangent of two sides: of -0.0 it would take the other half of the circle."""
    ends = torch.tensor([(x, y) for x in (1.0, 3.0, 5.0) for y in (2.0, 3.0, 4.0)])
    centre, top = ends.repeat(9, 1), ends.repeat_interleave(9, 0)
    session = graph_of(Angles(), centre=centre[:2], top=top[:2])
    (found,) = session.run(None, {"centre": centre.numpy(), "top": top.numpy()})
    np.testing.assert_allclose(found, Angles()(centre, top), atol=1e-6)


def test_a_graph_turns_as_torch_does():
    torch.manual_seed(0)
    net = Toy().eval()
    session = graph_of(net, maps=torch.rand(2, 4, 14, 19))
    for B in (1, 5):
        maps = torch.rand(B, 4, 14, 19)
        with torch.no_grad():
            expected = net(maps)
        assert expected[1].abs().max() > 0.1
        for ours, theirs in zip(expected, session.run(None, {"maps": maps.numpy()}), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-5)
