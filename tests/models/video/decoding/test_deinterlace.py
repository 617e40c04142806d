from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from models.video.frames import Loop, frames, looped

WIDTH, HEIGHT = 160, 120


def moving(moment):
    """BGR: soft vertical bars that move to the right, by 3 pixels a moment."""
    x = np.arange(WIDTH) - 3 * moment
    row = 128 + 100 * np.tanh(4 * np.sin(2 * np.pi * x / 40))
    image = np.repeat(row[None, :, None], 3, axis=2).repeat(HEIGHT, axis=0)
    return image.round().astype(np.uint8)


def fields(number, *, top_first):
    """A frame of two moments: its lines in turn."""
    image = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    first, second = (0, 1) if top_first else (1, 0)
    image[first::2] = moving(2 * number)[first::2]
    image[second::2] = moving(2 * number + 1)[second::2]
    return image


class FieldOrder:
    """Flags frames as interlaced, which PyAV itself cannot."""

    def __init__(self, video, order):
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=video.width,
            height=video.height,
            format=video.format,
            time_base=Fraction(1, 25),
        )
        sink = self._graph.add("buffersink")
        self._graph.link_nodes(source, self._graph.add("setfield", order), sink).configure()

    def __call__(self, frame):
        self._graph.push(frame)
        return self._graph.pull()


def clip(path, pictures, *, flags="", tff=True, codec="libx264", pixels="yuv420p", color=None):
    options = {"crf": "8", "g": "6"} if codec == "libx264" else {"qscale": "2", "g": "6"}
    if flags:
        options["flags"] = flags
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, pixels
        if color:
            video.codec_context.colorspace = video.codec_context.color_primaries = color
        field_order = FieldOrder(video, "tff" if tff else "bff")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame = frame.reformat(format=pixels, dst_colorspace=color or 5, dst_color_range=1)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(field_order(frame) if flags else frame))
        container.mux(video.encode(None))
    return path


INTERLACED = "+ilme+ildct"


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p"])
@pytest.mark.parametrize("top_first", [True, False])
def test_interlaced_frames_are_those_of_the_first_field(tmp_path, top_first, pixels):
    stored = [fields(number, top_first=top_first) for number in range(12)]
    path = clip(tmp_path / "clip.mp4", stored, flags=INTERLACED, tff=top_first, pixels=pixels)

    pictures = list(frames(path))

    assert len(pictures) == len(stored)
    for number, (picture, combed) in enumerate(zip(pictures, stored, strict=True)):
        wanted = moving(2 * number).astype(int)
        assert np.abs(picture - wanted).mean() < 6
        assert np.abs(combed - wanted).mean() > 9


def test_reading_backwards_finds_the_same_frames(tmp_path):
    stored = [fields(number, top_first=True) for number in range(20)]
    path = clip(tmp_path / "clip.mp4", stored, flags=INTERLACED)

    pictures = list(looped(path, 39, loop=Loop.PING_PONG))

    for number in range(20):
        assert np.abs(pictures[38 - number] - moving(2 * number).astype(int)).mean() < 6


def test_the_flags_of_the_color_stay(tmp_path):
    color = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    color[:] = (30, 60, 220)
    path = clip(tmp_path / "clip.mp4", [color] * 4, flags=INTERLACED, color=1)

    for picture in frames(path):
        assert np.abs(picture.astype(int) - color).max() <= 4


def test_progressive_frames_pass_unchanged(tmp_path):
    stored = [fields(number, top_first=True) for number in range(4)]
    path = clip(tmp_path / "clip.mp4", stored)

    for picture, combed in zip(frames(path), stored, strict=True):
        assert np.abs(picture.astype(int) - combed).mean() < 3


def test_an_old_avi_in_fields_is_deinterlaced(tmp_path):
    stored = [fields(number, top_first=True) for number in range(12)]
    path = clip(tmp_path / "clip.avi", stored, flags=INTERLACED, codec="mpeg4")

    pictures = list(frames(path))

    assert len(pictures) == 12
    lines = np.abs(np.diff(pictures[6].astype(int), axis=0)).mean()
    assert lines < 0.3 * np.abs(np.diff(stored[6].astype(int), axis=0)).mean()
