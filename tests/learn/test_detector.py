"""torchvision's detectors: a stand-in for the package, with nets of one weight and a cache of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from vitruvian.learn.detector import NAMES, best_cached, torch_detector
from vitruvian.types import UserError


class Net(nn.Module):
    """Finds a person in all of each photograph, a car in it and a second, unsure person."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.zeros(()))

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        assert not self.training
        assert all(image.dtype == torch.float32 and 0 <= image.max() <= 1 for image in images)
        return [
            {
                "boxes": torch.tensor([[0, 0, i.shape[2], i.shape[1]], [1, 1, 5, 5], [2, 2, 9, 9]]).float(),
                "labels": torch.tensor([1, 3, 1]),
                "scores": torch.stack([self.score, self.score, self.score / 2]),
            }
            for i in images
        ]  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache; each detector's weights are to be NAME-1.pth in it."""
    models = SimpleNamespace(
        get_model_weights=lambda name: SimpleNamespace(
            DEFAULT=SimpleNamespace(url=f"https://there/{name}-1.pth")
        ),
        get_model=lambda name, weights, weights_backbone: Net(),
    )
    monkeypatch.setitem(sys.modules, "torchvision.models", models)  # type: ignore[arg-type]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def save(cache: Path, name: str, score: float = 0.8) -> None:
    torch.save({"score": torch.tensor(score)}, cache / f"{name}-1.pth")


def test_a_detector_whose_weights_are_there(cache: Path) -> None:
    save(cache, NAMES[3])
    detector = torch_detector(NAMES[3], 0.5, "cpu")
    assert detector is not None
    assert detector.name == NAMES[3]
    images = [np.full((40, 30, 3), 255, np.uint8), np.zeros((20, 60, 3), np.uint8)]
    (one, score), (two, _) = detector(images)
    np.testing.assert_allclose(one, [[-0.5, -0.5, 30, 40]])
    np.testing.assert_allclose(two, [[-0.5, -0.5, 60, 20]])
    np.testing.assert_allclose(score, [0.8])


def test_the_best_that_is_cached(cache: Path) -> None:
    assert torch_detector("auto", 0.5) is None
    assert best_cached() is None
    for name in (NAMES[4], NAMES[2], NAMES[6]):
        save(cache, name)
    for asked in ("auto", "torchvision"):
        detector = torch_detector(asked, 0.5, "cpu")
        assert detector is not None
        assert detector.name == NAMES[2] == best_cached()


def test_what_is_not_there(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="are not in"):
        torch_detector(NAMES[0], 0.5)
    with pytest.raises(UserError, match="are not in"):
        torch_detector("torchvision", 0.5)
    with pytest.raises(UserError, match="no detector 'yolo'"):
        torch_detector("yolo", 0.5)
    (cache / f"{NAMES[0]}-1.pth").write_bytes(b"none")
    with pytest.raises(UserError, match="is damaged"):
        torch_detector(NAMES[0], 0.5, "cpu")
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert torch_detector("auto", 0.5) is best_cached() is None
    with pytest.raises(UserError, match="needs torchvision"):
        torch_detector(NAMES[0], 0.5)
