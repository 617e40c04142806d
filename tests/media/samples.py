"""A small file of each format that is taken, made by Pillow and FFmpeg's libraries."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from runtime.media import formats

SIDE = 96
FRAMES = 12
FPS = 12


def picture(number=0):
    """A picture of blocks, which move with its number."""
    blocks = np.random.default_rng(3).integers(0, 256, (8, 8, 3), np.uint8)
    return np.roll(np.kron(blocks, np.ones((SIDE // 8, SIDE // 8, 1), np.uint8)), 6 * number, 1)


def still(form, **options):
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, form, **options)
    return file.getvalue()


def animation(form):
    """Frames for a tenth of a second each."""
    first, *others = [Image.fromarray(picture(number)) for number in range(FRAMES)]
    file = io.BytesIO()
    first.save(file, form, save_all=True, append_images=others, duration=100, loop=0)
    return file.getvalue()


def container(form, video=None, sound=None, *, rate=44_100):
    """A second of moving blocks, of a tone, or of both."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as made:
        streams = []
        if video:
            clip = made.add_stream(video, rate=Fraction(25))
            clip.width = clip.height = SIDE
            clip.pix_fmt = "yuv420p"
            streams.append((clip, _frames()))
        if sound:
            tone = made.add_stream(sound, rate=rate, layout="mono")
            if sound == "wmav2":
                tone.bit_rate = 64_000
            streams.append((tone, [_tone(rate)]))
        for stream, frames in streams:
            for frame in frames:
                made.mux(stream.encode(frame))
            made.mux(stream.encode(None))
    return file.getvalue()


def _frames():
    for number in range(25):
        frame = av.VideoFrame.from_ndarray(picture(number), "rgb24")
        frame.pts = number
        frame.time_base = Fraction(1, 25)
        yield frame


def _tone(rate):
    samples = np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 8000
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.int16), "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return frame


SAMPLES = {
    formats.JPEG: lambda: still("JPEG"),
    formats.PNG: lambda: still("PNG"),
    formats.WEBP: lambda: still("WEBP"),
    formats.AVIF: lambda: still("AVIF"),
    formats.GIF: lambda: animation("GIF"),
    formats.BMP: lambda: still("BMP"),
    formats.TIFF: lambda: still("TIFF"),
    formats.MP4: lambda: container("mp4", "libx264", "aac"),
    formats.QUICKTIME: lambda: container("mov", "libx264", "aac"),
    formats.WEBM: lambda: container("webm", "libvpx", "libopus", rate=48_000),
    formats.MATROSKA: lambda: container("matroska", "libx264", "aac"),
    formats.AVI: lambda: container("avi", "mpeg4", "libmp3lame"),
    formats.WINDOWS_MEDIA: lambda: container("asf", "wmv2", "wmav2"),
    formats.FLASH: lambda: container("flv", "flv", "libmp3lame"),
    formats.TRANSPORT_STREAM: lambda: container("mpegts", "mpeg2video", "mp2"),
    formats.MPEG: lambda: container("mpeg", "mpeg2video", "mp2"),
    formats.MPEG_VIDEO: lambda: container("mpeg2video", "mpeg2video"),
    formats.OGG_VIDEO: lambda: container("ogg", "libvpx", "libopus", rate=48_000),
    formats.APNG: lambda: animation("PNG"),
    formats.ANIMATED_WEBP: lambda: animation("WEBP"),
    formats.ANIMATED_AVIF: lambda: animation("AVIF"),
    formats.WAV: lambda: container("wav", None, "pcm_s16le"),
    formats.WAVE64: lambda: container("w64", None, "pcm_s16le"),
    formats.MP3: lambda: container("mp3", None, "libmp3lame"),
    formats.M4A: lambda: container("ipod", None, "aac"),
    formats.AAC: lambda: container("adts", None, "aac"),
    formats.FLAC: lambda: container("flac", None, "flac"),
    formats.OGG_AUDIO: lambda: container("ogg", None, "libopus", rate=48_000),
    formats.AIFF: lambda: container("aiff", None, "pcm_s16be"),
    formats.CORE_AUDIO: lambda: container("caf", None, "pcm_s16le"),
    formats.AMR: lambda: container("amr", None, "libopencore_amrnb", rate=8_000),
    formats.AU: lambda: container("au", None, "pcm_s16be"),
}
