"""Part heatmaps: answers in pixels of the crop, peaks, the flip test, padding."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from thin_parts import KINDS, THIN, stirred
from vitruvian.skeleton import LSP, Skeleton
from vitruvian.systems.contract import Ask
from vitruvian.systems.part_heatmaps import PartHeatmaps, predict
from vitruvian.systems.part_heatmaps.nets import FCNDetector


class Fixed(nn.Module):
    """A net that has these maps, and others for any crop but the black one."""

    def __init__(self, config, maps, others=None):
        super().__init__()
        self.config, self.skeleton, self.maps = config, HAND_PAIR, maps
        self.others = maps if others is None else others

    def forward(self, image, upto_first=False):
        chosen = self.others if image[0, 0, 0, -1] else self.maps
        keep = 1 if upto_first else len(chosen)
        return dict(list(chosen.items())[:keep])


HAND_PAIR = Skeleton("pair", ("palm", "left", "right"), (("left", "right"),))


def marked():
    """A crop whose first column is white: mirrored it is the last."""
    image = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    image[..., 0] = 255
    return image


def test_answers_are_pixels_of_the_crop():
    maps = torch.zeros(1, 3, 64, 96)
    maps[0, 0, 20, 31] = 0.75
    maps[0, 1] = -torch.rand(64, 96) - 1
    maps[0, 2, 5, 7], maps[0, 2, 6, 8] = 1.5, 1.4
    net = Fixed(replace(THIN, stride=1), {"detection": maps, "regression": maps})
    answer = predict(net, marked(), Ask(maps=True))
    assert answer.xy[0].tolist() == [[31, 20], [47.5, 31.5], [7, 5]]  # without a peak: the middle
    assert answer.score[0].tolist() == [0.75, 0, 1]
    assert set(answer.maps) == {"detection", "regression"}
    assert answer.maps["regression"].equal(maps)


def test_coarser_maps_are_upsampled_first():
    maps = torch.zeros(1, 3, 32, 48)
    maps[0, :, 10, 15], maps[0, :, 10, 16], maps[0, :, 11, 15] = 1.0, 0.5, 0.25
    answer = predict(Fixed(THIN, {"regression": maps}), marked(), Ask())
    # of the cell's four pixels (30, 31) x (20, 21) the one nearest to the higher neighbours
    assert answer.xy[0].tolist() == [[31, 21]] * 3
    assert answer.score[0, 0].item() == pytest.approx(0.75 * 0.75 + 0.5 * 0.1875 + 0.25 * 0.1875)


def test_maps_of_the_mirrored_crop_are_mirrored_renamed_and_averaged():
    here, there = torch.zeros(2, 1, 3, 64, 96)
    here[0, 1, 10, 20], there[0, 2, 10, 95 - 20] = 0.6, 0.4  # left, which the mirror calls right
    here[0, 2, 30, 50], there[0, 1, 40, 95 - 60] = 0.6, 0.7
    here[0, 0, 3, 4], there[0, 0, 3, 95 - 4] = -1.0, 0.5
    config = replace(THIN, stride=1)
    net = Fixed(config, {"regression": here}, {"regression": there})
    answer = predict(net, marked(), Ask(flip=True, maps=True))
    assert answer.xy[0].tolist() == [[47.5, 31.5], [20, 10], [60, 40]]
    assert answer.score[0].tolist() == pytest.approx([0, 0.5, 0.35])
    assert answer.maps["regression"][0, 0, 3, 4].item() == pytest.approx(-0.25)


def test_the_first_of_the_highest_pixels():
    maps = torch.zeros(1, 3, 64, 96)
    maps[0, :, 20:23, 30:35] = 0.75
    for highest, xy in (("first", [30, 20]), ("middle", [32, 21])):
        net = Fixed(replace(THIN, stride=1, highest=highest), {"regression": maps})
        answer = predict(net, marked(), Ask())
        assert answer.xy[0].tolist() == [xy] * 3
        assert answer.score[0].tolist() == [0.75] * 3


def test_upto_the_first_stage_is_the_detector_alone():
    first, second = torch.zeros(2, 1, 3, 32, 48)
    first[0, :, 5, 5], second[0, :, 8, 8] = 1, 1
    net = Fixed(THIN, {"detection": first, "regression": second})
    for upto, pixel in (("detect", 10.5), ("regress", 16.5), ("joint", 16.5), (None, 16.5)):
        answer = predict(net, marked(), Ask(upto=upto, maps=True))
        assert answer.xy[0, 0].tolist() == [pixel, pixel]
        assert ("regression" in answer.maps) == (upto != "detect")


def test_padding_of_the_fcn_moves_nothing():
    """A cell of stride 8 of the padded crop lies where its pixels do: 60 x 92 is padded by 2 and 2."""
    detector = FCNDetector("vgg11", 1, (4, 4, 4, 4, 4), 6, 3, stride=2).eval()
    maps = torch.zeros(1, 1, 8, 12)
    maps[0, 0, 3, 5] = 1
    detector.fcn.fuse = lambda features: [maps]
    answer, _ = detector(torch.zeros(1, 3, 60, 92))
    assert answer.shape == (1, 1, 30, 46)
    y, x = torch.meshgrid(torch.arange(30.0), torch.arange(46.0), indexing="ij")
    centre = [(answer[0, 0] * axis).sum().item() / answer.sum().item() for axis in (x, y)]
    px = [2 * cell + 0.5 for cell in centre]
    assert px == pytest.approx([8 * 5 + 3.5 - 2, 8 * 3 + 3.5 - 2])


@KINDS
@pytest.mark.parametrize("variant", ["detection_regression", "detection", "regression"])
def test_flip_test_commutes_with_the_mirror(config, variant):
    torch.manual_seed(0)
    net = stirred(PartHeatmaps(replace(config, variant=variant), LSP))
    image = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    with torch.no_grad():
        one = predict(net, image, Ask(flip=True))
        other = predict(net, image.flip(-1), Ask(flip=True))
        single = predict(net, image, Ask())
    mirrored = torch.stack([95 - other.xy[..., 0], other.xy[..., 1]], -1)[:, LSP.swap]
    torch.testing.assert_close(one.xy, mirrored, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.score, other.score[:, LSP.swap])
    assert not torch.allclose(one.xy, single.xy)
    assert one.xy.unique().numel() > 5
