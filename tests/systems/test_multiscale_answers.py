"""Multi-scale supervision: answers in pixels of the crop, of which net, of the mirrored crop."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from thin_multiscale import THIN
from vitruvian.skeleton import Skeleton
from vitruvian.systems.contract import Ask
from vitruvian.systems.multiscale import Multiscale, predict

PAIR = Skeleton("pair", ("palm", "left", "right"), (("left", "right"),))


class Fixed(nn.Module):
    """A net that has these maps, and others for any crop whose last column is white."""

    def __init__(self, config, maps, others=None):
        super().__init__()
        self.config, self.skeleton, self.maps = config, PAIR, maps
        self.regressor = nn.Identity() if "regression" in maps else None
        self.others = maps if others is None else others

    def forward(self, image, upto_stacks=False):
        chosen = self.others if image[0, 0, 0, -1] else self.maps
        return {name: m for name, m in chosen.items() if name == "stacks" or not upto_stacks}


def marked():
    """A crop whose first column is white: mirrored it is the last."""
    image = torch.zeros(1, 3, 32, 48, dtype=torch.uint8)
    image[..., 0] = 255
    return image


def test_peaks_in_pixels_with_a_quarter_cell_and_places_of_joints_without_a_peak():
    maps = torch.zeros(1, 3, 8, 12)
    maps[0, 0, 3, 5], maps[0, 0, 3, 6], maps[0, 0, 2, 5] = 0.8, 0.3, 0.1
    maps[0, 1, 4, 0], maps[0, 1, 4, 1] = 1.5, 1.0  # on the border: no offset
    maps[0, 2] = -0.5
    for nowhere, place in (("corner", [0, 0]), ("middle", [23.5, 15.5])):
        net = Fixed(replace(THIN, nowhere=nowhere), {"stacks": maps})
        answer = predict(net, marked(), Ask())
        # cells (5.25, 2.75) and (0, 4), at px 4 x + 1.5
        assert answer.xy[0].tolist() == [[22.5, 12.5], [1.5, 17.5], place]
        assert answer.score[0].tolist() == pytest.approx([0.8, 1, 0])
        assert answer.maps == {}
    plain = predict(Fixed(replace(THIN, offset="none"), {"stacks": maps}), marked(), Ask())
    assert plain.xy[0, 0].tolist() == [21.5, 13.5]


def test_the_regression_net_answers_and_upto_stacks_the_last_stack():
    stacks, regression = torch.zeros(2, 1, 3, 8, 12)
    stacks[0, :, 2, 3], regression[0, :, 5, 7] = 1, 1
    net = Fixed(THIN, {"stacks": stacks, "regression": regression})
    for upto, xy, names in (
        (None, [29.5, 21.5], ["stacks", "regression"]),
        ("regression", [29.5, 21.5], ["stacks", "regression"]),
        ("stacks", [13.5, 9.5], ["stacks"]),
    ):
        answer = predict(net, marked(), Ask(upto=upto, maps=True))
        assert answer.xy[0].tolist() == [xy] * 3
        assert list(answer.maps) == names
        assert answer.maps["stacks"].equal(stacks)


def test_maps_of_the_mirrored_crop_are_mirrored_renamed_and_averaged():
    here, there = torch.zeros(2, 1, 3, 8, 12)
    here[0, 1, 2, 3], there[0, 2, 2, 11 - 3] = 0.6, 0.4  # left, which the mirror calls right
    here[0, 2, 4, 5], there[0, 1, 6, 11 - 7] = 0.6, 0.7
    here[0, 0, 3, 4], there[0, 0, 3, 11 - 4] = -1.0, 0.5
    net = Fixed(
        replace(THIN, nowhere="middle", offset="none"),
        {"stacks": here, "regression": here},
        {"stacks": there, "regression": there},
    )
    answer = predict(net, marked(), Ask(flip=True, maps=True))
    assert answer.xy[0].tolist() == [[23.5, 15.5], [13.5, 9.5], [29.5, 25.5]]
    assert answer.score[0].tolist() == pytest.approx([0, 0.5, 0.35])
    assert answer.maps["stacks"][0, 0, 3, 4].item() == pytest.approx(-0.25)


def test_a_softmax_answers_with_probabilities():
    config = replace(THIN, loss="softmax", missing="mask", offset="local_mean")
    torch.manual_seed(0)
    net = Multiscale(config, PAIR).eval()
    image = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)
    answer = predict(net, image, Ask(flip=True, maps=True))
    for name in ("stacks", "regression"):
        torch.testing.assert_close(answer.maps[name].sum((2, 3)), torch.ones(2, 3))
    assert ((answer.score > 0) & (answer.score <= 1)).all()
