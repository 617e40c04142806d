"""Media for tests: clips with numbered frames, sounds with clicks at known times."""

from __future__ import annotations

import os
import wave
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain

import av
import numpy as np

from models.video.writer import Writer

BITS = 10


@contextmanager
def av1_file(path, **options):
    """Open a file for AV1, whose encoder gives the threads of root a real-time priority.

    It starves everything else on the machine, so this thread gives it back.
    """
    try:
        with av.open(str(path), "w", **options) as container:
            yield container
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def numbered(number, width=160, height=96):
    """A frame with bars for the bits of a number, readable after lossy encoding."""
    bars = [255 if number >> bit & 1 else 0 for bit in range(BITS)]
    row = np.repeat(bars, -(-width // BITS))[:width].astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def number_of(frame):
    """The number of a frame from `numbered`."""
    width = frame.shape[1]
    step = width / BITS
    middles = [int((bit + 0.5) * step) for bit in range(BITS)]
    levels = frame[frame.shape[0] // 2, middles].mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(levels) if level > 127)


def clip(
    path,
    pictures,
    *,
    fps=Fraction(25),
    times=None,
    time_base=None,
    turn=0,
    flipped=False,
    sound=None,
    pauses=(),
    codec="libx264",
    options=None,
    shape=None,
    format=None,
    container_options=None,
):
    """A video of BGR frames; `times` in units of `time_base` make the rate variable."""
    with av.open(str(path), "w", format=format, options=container_options) as container:
        pictures = list(pictures)
        video = container.add_stream(codec, rate=fps, options=_options(codec) | (options or {}))
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = time_base or 1 / fps
        if shape:
            video.codec_context.sample_aspect_ratio = shape
        if turn or flipped:
            video.set_display_rotation(turn, hflip=flipped)
        audio = None
        if sound is not None:
            rate, samples = sound
            audio = container.add_stream("aac", rate=rate, layout="mono")
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = index if times is None else times[index]
            frame.time_base = video.codec_context.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            for begin, portion in _apart(samples, rate, pauses):
                container.mux(audio.encode(_audio_frame(portion, rate, begin=begin)))
            container.mux(audio.encode(None))
    return path


def _options(codec):
    """Options for small files that are soon written, and the same each time.

    The AVX-512 code of x264 is not deterministic.
    """
    of_codecs = {
        "libvpx": {"deadline": "realtime", "cpu-used": "8"},
        "libx264": {"crf": "10", "x264-params": "asm=avx2"},
    }
    return of_codecs.get(codec, {"crf": "10"}) | {"g": "12"}


def _apart(samples, rate, pauses):
    """Split the samples at each `(time, length)` in seconds, shifted by all earlier pauses."""
    begin = moved = 0
    for where, length in [*pauses, (len(samples) / rate, 0)]:
        stop = round(where * rate)
        if stop > begin:
            yield begin + moved, samples[begin:stop]
        begin, moved = stop, moved + round(length * rate)


def write(path, pictures, *, fps=Fraction(25), **values):
    """Write a file with `models.video.writer` and return its result."""
    pictures = iter(pictures)
    first = next(pictures)
    height, width = first.shape[:2]
    with Writer(path, width=width, height=height, fps=fps, **values) as writer:
        for picture in chain([first], pictures):
            writer.write(picture)
    return writer.result({"source": "test"})


def _audio_frame(samples, rate, layout="mono", begin=0):
    samples = np.atleast_2d(np.asarray(samples, np.float32))
    frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), "flt", layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
    return frame


def sound(path, samples, rate, *, codec="pcm_s16le", layout="mono", cover=None):
    """A sound file of samples `(channels, n)`, in the format of its suffix."""
    with av.open(str(path), "w") as container:
        audio = container.add_stream(codec, rate=rate, layout=layout)
        if cover is not None:
            picture = container.add_stream("mjpeg", rate=1)
            picture.height, picture.width = cover.shape[:2]
            picture.pix_fmt = "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
        resampler = av.AudioResampler(
            format=audio.codec_context.format,
            layout=layout,
            rate=rate,
            frame_size=audio.codec_context.frame_size or 1024,
        )
        for frame in (_audio_frame(samples, rate, layout), None):
            for piece in resampler.resample(frame):
                container.mux(audio.encode(piece))
        if cover is not None:
            container.mux(picture.encode(av.VideoFrame.from_ndarray(cover, "bgr24")))
            container.mux(picture.encode(None))
        container.mux(audio.encode(None))
    return path


def wav(path, samples, rate):
    """A 16-bit WAV file with one or two channels, written by the standard library."""
    samples = np.atleast_2d(np.asarray(samples))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.T * 32767).round().astype("<i2").tobytes())
    return path


def tone(seconds, rate, hertz=440, level=0.5):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def clicks(seconds, rate, at):
    """Silence with a click of 5 ms that starts at each of these times."""
    samples = np.zeros(round(seconds * rate))
    for moment in at:
        begin = round(moment * rate)
        samples[begin : begin + rate // 200] = 0.8
    return samples
