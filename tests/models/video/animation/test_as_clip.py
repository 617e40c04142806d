"""Animated WebP and AVIF keep the times of their frames, and are read within limits."""

from __future__ import annotations

import resource
import subprocess
import sys
from fractions import Fraction
from itertools import accumulate, pairwise

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from models.errors import InputRejected
from models.video.animation import clip_program
from models.video.animation.as_clip import PROGRAM, as_clip
from models.video.decoding.timed_frames import timed_frames
from models.video.probe import probe
from runtime.files import is_full
from tests.media import large_animations
from tests.models.video import media
from tests.waiting import until

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
    with media.av1_file(path) as container:
        stream = container.add_stream("libsvtav1", rate=30, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        for number in range(40):
            picture = np.full((96, 96, 3), 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))

    begins = [begin for begin, _ in times(path)]

    assert begins == [round(Fraction(1000 * n, 30)) for n in range(40)]
    assert {after - before for before, after in pairwise(begins)} == {33, 34}


CORNERS = np.zeros((64, 96, 3), np.uint8)
CORNERS[:20, :30] = 255


def turned_avif(path, turns, axis):
    """An animation whose sample entry has `irot` and `imir` in place of boxes of 35 bytes."""
    first, second = Image.fromarray(CORNERS), Image.new("RGB", (96, 64), "gray")
    first.save(path, save_all=True, append_images=[second], duration=40, quality=100)
    content = path.read_bytes()
    begin = content.rindex(b"colr") - 4
    mirror = b"free\0" if axis is None else b"imir" + bytes([axis])
    boxes = b"\0\0\0\x09irot" + bytes([turns]) + b"\0\0\0\x09" + mirror
    boxes += b"\0\0\0\x11free" + bytes(9)
    assert content[begin + 23 : begin + 27] == b"ccst"
    path.write_bytes(content[:begin] + boxes + content[begin + len(boxes) :])


def turned_webp(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    first, second = Image.fromarray(CORNERS), Image.new("RGB", (96, 64), "gray")
    first.save(path, save_all=True, append_images=[second], duration=40, lossless=True, exif=exif)


def assert_turned(path, shown):
    first = next(timed_frames(path)).image
    video = probe(path).video

    assert (video.height, video.width) == first.shape[:2] == shown.shape[:2]
    assert np.abs(first.astype(int) - shown).max() < 40


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("turns", range(4))
def test_an_avif_is_turned_as_its_boxes_say(tmp_path, turns, axis):
    """Counterclockwise first, then mirrored: 0 exchanges top and bottom, 1 left and right."""
    path = tmp_path / "clip.avif"
    turned_avif(path, turns, axis)
    shown = np.rot90(CORNERS, turns)

    assert_turned(path, shown if axis is None else np.flip(shown, axis))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_webp_is_turned_as_its_exif_says(tmp_path, orientation):
    path = tmp_path / "clip.webp"
    turned_webp(path, orientation)
    with Image.open(path) as picture:
        shown = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))

    assert_turned(path, shown)


def webp(path, size, count):
    path.write_bytes(large_animations.webp(*size, count))
    return path


@pytest.mark.parametrize(
    ("size", "count", "message"),
    [
        ((64, 64), 20_001, "has more than 20,000 frames of 64 x 64"),
        ((5000, 5000), 161, "has more than 160 frames of 5000 x 5000"),
        ((8000, 5001), 2, "is 8000 x 5001: use one of at most 40,000,000 pixels"),
        ((16_000, 16_000), 2, "is 16000 x 16000: use one of at most 40,000,000 pixels"),
    ],
)
def test_too_many_frames_or_pixels_are_refused_by_the_header(tmp_path, size, count, message):
    path = webp(tmp_path / "clip.webp", size, count)

    with pytest.raises(InputRejected, match=message) as refusal:
        as_clip(path)

    assert refusal.value.code == "too_large"
    assert list(tmp_path.iterdir()) == [path]


def test_the_largest_frames_fit_into_the_memory(tmp_path):
    path = webp(tmp_path / "clip.webp", (8000, 5000), 2)

    assert times(path) == [(0, 40), (40, 40)]


@pytest.mark.parametrize("name", FORMATS)
def test_too_many_bytes_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(clip_program, "MAX_BYTES", 1000)

    with pytest.raises(InputRejected, match="MP4 or WebM") as refusal:
        clip_program.convert(animation(tmp_path / name, 40), tmp_path / "clip.mov")

    assert refusal.value.code == "too_large"


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_animation_is_unreadable(tmp_path, name):
    path = animation(tmp_path / name, 40)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 :] = bytes(len(content) - len(content) // 3)
    path.write_bytes(content)

    with pytest.raises(InputRejected) as refusal:
        as_clip(path)

    assert refusal.value.code == "media_unreadable"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_frame_makes_an_animation_unreadable(tmp_path, name):
    """The header is sound; Pillow's decoder of AVIF raises another error for a frame."""
    path = animation(tmp_path / name, 40)
    path.write_bytes(path.read_bytes()[:-200] + b"\xff" * 200)

    with pytest.raises(InputRejected) as refusal:
        as_clip(path)

    assert refusal.value.code == "media_unreadable"


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_no_fault_of_the_file(tmp_path, name):
    path = animation(tmp_path / name, 40)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, most[1]))
    try:
        with pytest.raises(OSError, match="File too large") as refusal:
            as_clip(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)

    assert is_full(refusal.value)
    assert list(tmp_path.iterdir()) == [path]


SLOW = """
from models.video.animation import clip_program
clip_program.CPU_SECONDS = 1
clip_program.convert = lambda *_: all(True for _ in iter(int, 1))
clip_program.main()
"""


def test_an_animation_that_takes_too_long_is_refused_in_words(tmp_path, monkeypatch):
    (tmp_path / "slow_program.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("models.video.animation.as_clip.PROGRAM", "slow_program")

    with pytest.raises(InputRejected, match="too long to decode") as refusal:
        as_clip(animation(tmp_path / "a.webp", 40))

    assert refusal.value.code == "too_large"


def test_the_program_ends_with_its_owner(tmp_path):
    """A long animation: without its owner nobody wants the rest."""
    path = webp(tmp_path / "clip.webp", (2000, 2000), 1000)
    arguments = [path, tmp_path / "clip.mov"]
    with subprocess.Popen(
        [sys.executable, "-m", PROGRAM, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        until(lambda: (tmp_path / "clip.mov").exists())
        process.stdin.close()

        assert process.wait(30) == 1
        assert process.stdout.read() == b""
