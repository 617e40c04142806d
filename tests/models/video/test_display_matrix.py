"""Clips whose frames have EXIF of their own are turned by it, as pictures are."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from models.video.decoding.timed_frames import timed_frames
from models.video.probe import probe

ORIENTATIONS = range(1, 9)


def turned(orientation):
    """A picture that looks different in each orientation, its EXIF, and how it is shown."""
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[:20, :30] = 255
    picture, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = orientation
    picture.getexif()[0x0112] = orientation
    return picture, exif, np.asarray(ImageOps.exif_transpose(picture))


def assert_shown(path, shown):
    first = next(timed_frames(path)).image
    video = probe(path).video

    assert first.shape == shown.shape
    assert np.abs(first.astype(int) - shown).max() < 40
    assert (video.height, video.width) == shown.shape[:2]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_animated_png(tmp_path, orientation):
    picture, exif, shown = turned(orientation)
    path = tmp_path / "clip.png"
    other = Image.new("RGB", picture.size)
    picture.save(path, save_all=True, append_images=[other], duration=40, exif=exif)

    assert_shown(path, shown)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_clip_of_a_camera_that_writes_jpegs(tmp_path, orientation):
    picture, exif, shown = turned(orientation)
    content = io.BytesIO()
    picture.save(content, "JPEG", exif=exif)
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 120, 80, "yuvj420p"
        for number in range(3):
            packet = av.Packet(content.getvalue())
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            container.mux(packet)

    assert_shown(path, shown)
