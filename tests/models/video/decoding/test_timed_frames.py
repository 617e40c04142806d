from fractions import Fraction

import numpy as np
import pytest

from models.errors import InputRejected
from models.video.decoding.timed_frames import timed_frames
from models.video.encoding.clip_writer import ClipFormat, clip_writer
from tests.models.video import media

TIMES = [0, 40, 80, 200, 240, 1000, 1040, 1080, 1120, 1500]


def clip(path, times, **values):
    pictures = [media.numbered(index) for index in range(len(times))]
    options = {"bf": "0"} if path.suffix != ".webm" else {}
    return media.clip(
        path, pictures, times=times, time_base=Fraction(1, 1000), options=options, **values
    )


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx")])
def test_each_frame_comes_once_at_its_time(tmp_path, name, codec):
    got = list(timed_frames(clip(tmp_path / name, TIMES, codec=codec)))

    assert [media.number_of(frame.image) for frame in got] == list(range(10))
    assert [frame.begin * 1000 for frame in got] == TIMES
    ends = [frame.begin + frame.duration for frame in got[:-1]]
    assert ends == [frame.begin for frame in got[1:]]
    assert got[-1].duration > 0


def test_a_picture_that_begins_after_the_sound_keeps_its_delay(tmp_path):
    samples = media.tone(1, 16_000)
    path = clip(tmp_path / "a.mkv", [500, 540, 580], sound=(16_000, samples))

    assert [frame.begin for frame in timed_frames(path)] == [
        Fraction(1, 2),
        Fraction(54, 100),
        Fraction(58, 100),
    ]


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("format", [ClipFormat.MOV, ClipFormat.MP4])
def test_a_clip_passes_from_the_reader_to_a_writer_with_its_times(tmp_path, format, turn):
    path = clip(tmp_path / "a.mp4", TIMES, turn=turn)
    width, height = (96, 160) if turn else (160, 96)
    with clip_writer(format, tmp_path / "out", width=width, height=height) as writer:
        for frame in timed_frames(path):
            rgb = np.ascontiguousarray(frame.image[..., ::-1])
            writer.write(rgb, frame.begin, frame.duration)

    again = list(timed_frames(tmp_path / "out"))

    assert [frame.begin * 1000 for frame in again] == TIMES
    assert again[0].image.shape == (height, width, 3)
    assert sum(frame.duration for frame in again) == sum(
        frame.duration for frame in timed_frames(path)
    )


def test_no_side_is_longer_than_asked_for(tmp_path):
    frame = next(timed_frames(clip(tmp_path / "a.mp4", TIMES), max_side=80))

    assert frame.image.shape == (48, 80, 3)


def test_a_file_without_a_frame_is_refused(tmp_path):
    path = clip(tmp_path / "a.mp4", TIMES)
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    stop = content.index(b"moov") - 4
    path.write_bytes(content[:start] + bytes(stop - start) + content[stop:])

    with pytest.raises(InputRejected):
        list(timed_frames(path))
