"""Where a first look goes, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from dots import MODEL, dots
from vitruvian.use import look
from vitruvian.use.look import Photo, body_of_face, poses_in


def test_a_body_by_its_face() -> None:
    """A face of 10 px at (100, 50): 60 px across about its middle, 95 px down from 5 px above."""
    faces = np.array([[100, 50, 10, 10], [-0.5, 0, 10, 10]], np.float32)
    bodies = body_of_face(faces, (400, 300))
    np.testing.assert_allclose(bodies[0], [75, 45, 60, 95])
    np.testing.assert_allclose(bodies[1], [-0.5, -0.5, 35, 90.5])
    np.testing.assert_allclose(body_of_face(faces[:1], (100, 120))[0], [75, 45, 44.5, 54.5])


@pytest.mark.parametrize("factor", [1, 2])
def test_a_face_that_is_asked_for(monkeypatch: pytest.MonkeyPatch, factor: int) -> None:
    """In px of the photograph, however finely it was decoded; and around the pose afterwards."""
    face = np.array([39.5, 19.5, 10, 10], np.float32)
    edge = np.array([0.5, 0.5, 0, 0])
    small = (face + edge) / factor - edge
    monkeypatch.setattr(look, "find_face", lambda pixels: small.astype(np.float32))
    pixels = dots((200 // factor, 100 // factor), (20, 30), (30, 34), (26, 41))
    photo = Photo(pixels, factor, (200, 100), None)
    (poses,) = poses_in(MODEL, [photo], [None], 1, False, 4, faces=True)
    assert poses.source == ("face",)
    np.testing.assert_allclose(poses.box, [[14.5, 14.5, 60, 95]], atol=1e-3)
    (poses,) = poses_in(MODEL, [photo], [None], 3, False, 4, faces=True)
    assert poses.source[0].startswith("face+pass")
    (poses,) = poses_in(MODEL, [photo], [None], 1, False, 4)
    assert poses.source == ("image",)


def test_sources_go_with_their_photographs() -> None:
    photo = Photo(dots((90, 80), (20, 30), (42, 34), (26, 61)), 1, (90, 80), None)
    box = np.array([[0, 0, 60, 80]], np.float32)
    found = poses_in(
        MODEL, [photo, photo, photo], [box.repeat(2, 0), None, box], 2, False, 2,
        sources=["detector:x", "", "user"],
    )  # fmt: skip
    assert [poses.source for poses in found] == [
        ("detector:x", "detector:x"), ("image+pass2",), ("user",)
    ]  # fmt: skip
