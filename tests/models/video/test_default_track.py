"""The video and the sound that a file marks as default are read."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

from models.video import sound
from models.video.frames import frames
from models.video.probe import probe
from tests.models.video import media

RATE = 16_000


def two_tracks(path, default, *, mark=True):
    """Black 160 x 96 and silence, then white 128 x 96 and a tone; `default` is marked."""
    with av.open(str(path), "w") as container:
        videos, sounds = [], []
        for width in (160, 128):
            video = container.add_stream("libx264", rate=Fraction(25))
            video.width, video.height, video.pix_fmt = width, 96, "yuv420p"
            videos.append(video)
            sounds.append(container.add_stream("aac", rate=RATE, layout="mono"))
        for number in range(2):
            for streams in (videos, sounds):
                marked = mark and number == default
                streams[number].disposition = Disposition.default if marked else Disposition(0)
        for number, (video, audio) in enumerate(zip(videos, sounds, strict=True)):
            for n in range(10):
                picture = np.full((96, video.width, 3), 255 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, "bgr24")
                frame.pts, frame.time_base = n, Fraction(1, 25)
                container.mux(video.encode(frame))
            tone = media.tone(0.4, RATE, level=0.5 * number).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(audio.encode(frame))
        for stream in (*videos, *sounds):
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
@pytest.mark.parametrize("default", [0, 1])
def test_the_default_tracks_are_read(tmp_path, name, default):
    path = two_tracks(tmp_path / name, default)

    level = np.abs(np.concatenate(list(sound.blocks(path, rate=RATE)))).max()

    assert probe(path).video.width == (160, 128)[default]
    assert next(frames(path)).mean() == pytest.approx(255 * default, abs=8)
    assert level == pytest.approx(0.5 * default, abs=0.1)


def test_without_a_mark_the_first_tracks_are_read(tmp_path):
    path = two_tracks(tmp_path / "clip.mkv", 1, mark=False)

    assert probe(path).video.width == 160
