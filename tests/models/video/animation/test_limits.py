"""Animated pictures are refused by what the decoder finds, whatever their headers say."""

from __future__ import annotations

import pytest

from models.errors import InputRejected
from models.video.probe import probe
from tests.media import large_animations

SIDE = 64


@pytest.mark.parametrize("kind", ["gif", "apng"])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, kind):
    path = tmp_path / "clip"
    path.write_bytes(getattr(large_animations, kind)(5000, 5000, 161))

    with pytest.raises(InputRejected, match="more than 160 frames of 5000 x 5000") as refusal:
        probe(path)

    assert refusal.value.code == "too_large"


@pytest.mark.parametrize("kind", ["gif", "apng"])
def test_too_many_frames_are_refused(tmp_path, kind):
    path = tmp_path / "clip"
    path.write_bytes(getattr(large_animations, kind)(SIDE, SIDE, 20_001))

    with pytest.raises(InputRejected, match="more than 20,000 frames of 64 x 64"):
        probe(path)


def test_frames_behind_the_trailer_count(tmp_path):
    """FFmpeg reads on there, where browsers and the API stop."""
    path = tmp_path / "clip"
    path.write_bytes(large_animations.gif(5000, 5000, 2) + large_animations.gif(5000, 5000, 160))

    with pytest.raises(InputRejected, match="more than 160 frames of 5000 x 5000"):
        probe(path)
