from fractions import Fraction

import av
import numpy as np
import pytest

from models.errors import InputRejected
from models.video import constant_rate_reader
from models.video.frames import Loop, frames, looped
from models.video.probe import probe
from tests.models.video import media

KINDS = [
    ("clip.mp4", "libx264"),
    ("clip.mkv", "libx264"),
    ("clip.webm", "libvpx"),
    ("clip.avi", "mpeg4"),
    ("clip.ts", "libx264"),
    ("clip.flv", "libx264"),
]


def numbers(pictures):
    return [media.number_of(picture) for picture in pictures]


def counted(path, count, **values):
    return media.clip(path, [media.numbered(index) for index in range(count)], **values)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_a_constant_rate_gives_each_frame_once(tmp_path, name, codec, fps):
    path = counted(tmp_path / name, 40, codec=codec, fps=fps, options={"g": "12"})

    assert numbers(frames(path)) == list(range(40))


def test_a_variable_rate_becomes_constant_with_each_frame_at_its_time(tmp_path):
    times = [0, 40, 80, 200, 240, 1000, 1040, 1080, 1120, 1500]
    path = counted(tmp_path / "clip.mp4", 10, times=times, time_base=Fraction(1, 1000))

    got = numbers(frames(path, fps=Fraction(25)))

    shown = [max(i for i, time in enumerate(times) if time <= 40 * n) for n in range(len(got))]
    assert got == shown
    assert len(got) >= 38


def test_time_stamp_jitter_neither_repeats_nor_drops_frames(tmp_path):
    jitter = np.random.default_rng(5).integers(-9, 10, 60)
    times = [int(40 * n + 20 + jitter[n]) for n in range(60)]
    path = counted(
        tmp_path / "clip.mkv", 60, times=[t - times[0] for t in times], time_base=Fraction(1, 1000)
    )

    assert numbers(frames(path, fps=Fraction(25))) == list(range(60))


@pytest.mark.parametrize(
    ("fps", "wanted"),
    [
        (Fraction(50), [n // 2 for n in range(40)]),
        (Fraction(25, 2), list(range(0, 20, 2))),
    ],
)
def test_conversion_to_another_rate_repeats_or_drops_frames(tmp_path, fps, wanted):
    path = counted(tmp_path / "clip.mp4", 20)

    assert numbers(frames(path, fps=fps)) == wanted


def test_a_long_clip_does_not_drift(tmp_path):
    path = counted(
        tmp_path / "clip.mp4", 600, fps=Fraction(30000, 1001), options={"preset": "ultrafast"}
    )

    got = numbers(frames(path, fps=Fraction(25)))

    drift = [abs(Fraction(n, 25) - shown * Fraction(1001, 30000)) for n, shown in enumerate(got)]
    assert max(drift) <= Fraction(1, 25)


QUADRANTS = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0), "black": (0, 0, 0)}


def quadrants(picture):
    height, width = picture.shape[:2]
    spots = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [
        min(QUADRANTS, key=lambda name: np.abs(np.subtract(QUADRANTS[name], picture[spot])).sum())
        for spot in spots
    ]


@pytest.mark.parametrize(
    ("turn", "flipped", "wanted"),
    [
        (0, False, ["red", "green", "blue", "black"]),
        (0, True, ["green", "red", "black", "blue"]),
        (90, False, ["green", "black", "red", "blue"]),
        (180, False, ["black", "blue", "green", "red"]),
        (270, False, ["blue", "red", "black", "green"]),
    ],
)
def test_a_rotated_clip_is_decoded_upright(tmp_path, turn, flipped, wanted):
    picture = np.zeros((96, 160, 3), np.uint8)
    picture[:48, :80], picture[:48, 80:], picture[48:, :80] = (
        QUADRANTS["red"],
        QUADRANTS["green"],
        QUADRANTS["blue"],
    )
    path = media.clip(tmp_path / "clip.mp4", [picture] * 3, turn=turn, flipped=flipped)

    assert quadrants(next(frames(path))) == wanted


def test_max_side_keeps_the_aspect_ratio(tmp_path):
    path = counted(tmp_path / "clip.mp4", 3, turn=90)

    assert next(frames(path, max_side=80)).shape == (80, 48, 3)
    assert next(frames(path, max_side=500)).shape == (160, 96, 3)


def test_changing_a_frame_does_not_change_the_next_one(tmp_path):
    path = counted(tmp_path / "clip.mp4", 3)
    seen = []

    for picture in frames(path, fps=Fraction(100)):
        seen.append(media.number_of(picture))
        picture[:] = 255

    assert seen == [0] * 4 + [1] * 4 + [2] * 4


def test_a_truncated_clip_gives_its_complete_frames(tmp_path):
    path = counted(tmp_path / "clip.mkv", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    got = numbers(frames(path))

    assert got[:10] == list(range(10))
    assert got == sorted(got)
    assert len(got) < 60


def test_a_file_without_a_video_stream_is_refused(tmp_path):
    path = media.wav(tmp_path / "voice.wav", media.tone(1, 8000), 8000)

    with pytest.raises(InputRejected) as refusal:
        next(frames(path))

    assert refusal.value.code == "media_unreadable"


def test_time_stamps_that_jump_by_hours_are_refused(tmp_path):
    path = counted(tmp_path / "clip.mp4", 3, times=[0, 1, 40_000], time_base=Fraction(1, 10))

    with pytest.raises(InputRejected):
        list(frames(path, fps=Fraction(1)))


@pytest.mark.parametrize(
    ("loop", "wanted"),
    [
        (Loop.PING_PONG, [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1]),
        (Loop.REPEAT, [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]),
        (Loop.HOLD, [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_a_clip_is_looped_after_its_end(tmp_path, loop, wanted):
    path = counted(tmp_path / "clip.mp4", 4)

    assert numbers(looped(path, 12, loop=loop)) == wanted
    assert numbers(looped(path, 3, loop=loop)) == wanted[:3]


@pytest.mark.parametrize("loop", [*Loop])
def test_a_clip_of_one_frame_is_looped(tmp_path, loop):
    path = counted(tmp_path / "clip.mp4", 1)

    assert numbers(looped(path, 5, loop=loop)) == [0] * 5


@pytest.mark.parametrize(("name", "codec"), KINDS)
def test_backward_playback_reverses_the_frames_with_a_small_buffer(
    tmp_path, name, codec, monkeypatch
):
    path = counted(tmp_path / name, 50, codec=codec, options={"g": "12"})
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 9 * 160 * 96 * 3 // 2)

    got = numbers(looped(path, 98))

    assert got == [*range(50), *range(48, 0, -1)]


def test_backward_playback_keeps_the_times_of_a_variable_rate(tmp_path, monkeypatch):
    times = [0, 40, 80, 200, 240, 1000, 1040, 1080, 1120, 1500]
    path = counted(tmp_path / "clip.mp4", 10, times=times, time_base=Fraction(1, 1000))
    monkeypatch.setattr(constant_rate_reader, "BACKWARD_BYTES", 3 * 160 * 96 * 3 // 2)
    fps = Fraction(25)
    there = numbers(frames(path, fps=fps))

    got = numbers(looped(path, 2 * len(there) - 1, fps=fps))

    assert got == there + there[-2::-1]


def test_a_clip_without_a_decodable_frame_is_refused(tmp_path):
    path = counted(tmp_path / "clip.mp4", 10)
    content = path.read_bytes()
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    path.write_bytes(content[:begin] + b"\xff" * (end - begin) + content[end:])

    for look in (probe, lambda path: list(frames(path))):
        with pytest.raises(InputRejected) as refusal:
            look(path)
        assert refusal.value.code == "media_unreadable"


def test_an_untagged_clip_of_720_lines_is_decoded_as_bt709(tmp_path):
    colour = (40, 160, 90)
    yuv = av.VideoFrame.from_ndarray(np.full((720, 1280, 3), colour, np.uint8), "bgr24").reformat(
        format="yuv420p", dst_colorspace="ITU709"
    )
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        yuv.pts, yuv.time_base, yuv.colorspace = 0, Fraction(1, 25), 2
        container.mux(stream.encode(yuv))
        container.mux(stream.encode(None))

    assert np.abs(next(frames(path)).astype(int) - colour).max() <= 4
