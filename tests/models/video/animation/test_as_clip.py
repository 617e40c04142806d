"""Animated WebP and AVIF keep the times of their frames."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise

import av
import numpy as np
import pytest
from PIL import Image

from models.video.decoding.timed_frames import timed_frames
from models.video.probe import probe
from tests.models.video import media

FORMATS = ["clip.webp", "clip.avif"]
FRAMES = 12
VARIABLE = [40, 120, 17, 33, 500, 40, 80, 1000, 40, 33, 34, 60]


def animation(path, durations):
    first, *others = (Image.fromarray(media.numbered(n)) for n in range(FRAMES))
    first.save(path, save_all=True, append_images=others, duration=durations)
    return path


def times(path):
    """When each frame begins, and how long it is shown, in ms."""
    return [(frame.begin * 1000, frame.duration * 1000) for frame in timed_frames(path)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("duration", "fps"), [(40, 25), (100, 10), (20, 50)])
def test_a_steady_animation_has_its_frame_rate(tmp_path, name, duration, fps):
    path = animation(tmp_path / name, duration)

    found = probe(path).video

    assert found.fps == fps
    assert found.frames == FRAMES
    assert found.duration_seconds == pytest.approx(FRAMES * duration / 1000)


@pytest.mark.parametrize("name", FORMATS)
def test_each_frame_keeps_its_own_time(tmp_path, name):
    path = animation(tmp_path / name, VARIABLE)

    assert times(path) == list(zip(accumulate(VARIABLE[:-1], initial=0), VARIABLE, strict=True))


def test_a_frame_of_ten_milliseconds_or_less_is_shown_as_long_as_browsers_do(tmp_path):
    path = animation(tmp_path / "clip.webp", [40, 10, 0, 11, *[40] * 8])

    assert times(path)[:5] == [(0, 40), (40, 100), (140, 100), (240, 11), (251, 40)]


def test_thirty_frames_a_second_do_not_drift(tmp_path):
    """A thirtieth has no whole number of ms: the begins are rounded, not the sum of durations."""
    path = tmp_path / "clip.avif"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libsvtav1", rate=30, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        for number in range(40):
            picture = np.full((96, 96, 3), 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))

    begins = [begin for begin, _ in times(path)]

    assert begins == [round(Fraction(1000 * n, 30)) for n in range(40)]
    assert {after - before for before, after in pairwise(begins)} == {33, 34}
