"""Read the sound of an audio or video file as a stream of samples, on the file's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from av.error import FFmpegError

from models.errors import InputRejected, unreadable_error
from models.video import downmix, source
from models.video.resampler import Resampler
from models.video.timing import completeness

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

_MAX_JITTER: Final = Fraction(1, 10)
"""Seconds. Timestamps of streams jitter; only a longer gap is filled with silence."""

_MAX_DELAY: Final = Fraction(1, 1000)
"""Seconds that the sound may start after the video without silence in front of it."""

_PIECE_SAMPLES: Final = 48_000
"""Samples of silence per chunk, and samples that are resampled at a time: at the lowest rate 48 s,
which become 18 MB at 48 kHz in stereo."""


@dataclass(frozen=True)
class Chunk:
    """Samples `(channels, n)` of float32 within -1..1 at one rate."""

    samples: NDArray[np.float32]
    rate: int


def blocks(path: Path, *, rate: int = 16_000, block: int = 1_600) -> Iterator[NDArray[np.float32]]:
    """Mono float32 within -1..1 in arrays of `block` samples; the last may be shorter.

    All blocks together are as long as the sound, to the nearest sample. NaN and infinite samples
    become silence.
    """
    rest = np.empty(0, np.float32)
    for samples in pcm(path, rate=rate, channels=1):
        rest = np.concatenate((rest, samples[0]))
        complete = len(rest) - len(rest) % block
        for start in range(0, complete, block):
            yield rest[start : start + block]
        rest = rest[complete:]
    if len(rest):
        yield rest


def duration(path: Path) -> Fraction:
    """Exact seconds of sound, from the decoded samples and not from the header."""
    completeness.require_end(path)
    with source.opened(path) as container:
        return sum(
            (
                Fraction(chunk.samples.shape[1], chunk.rate)
                for chunk in _chunks(container, required_audio(container), channels=1)
            ),
            Fraction(0),
        )


def channels(path: Path) -> int:
    """Number of channels that the file declares."""
    with source.opened(path) as container:
        return required_audio(container).codec_context.layout.nb_channels


def pcm(path: Path, *, rate: int, channels: int) -> Generator[NDArray[np.float32]]:
    """Float32 arrays `(channels, n)` at `rate`, with one or two channels, of varying length.

    Raises `InputRejected` for a file that is cut off, before or after the samples that it has.
    """
    completeness.require_end(path)
    with source.opened(path) as container:
        chunks = _chunks(container, required_audio(container), channels=channels)
        resampler: Resampler | None = None
        for chunk in chunks:
            if resampler is not None and resampler.source_rate != chunk.rate:
                yield resampler.rest()
                resampler = None
            resampler = resampler or Resampler(chunk.rate, rate, channels)
            for start in range(0, chunk.samples.shape[1], _PIECE_SAMPLES):
                yield resampler.feed(chunk.samples[:, start : start + _PIECE_SAMPLES])
        if resampler is not None:
            yield resampler.rest()


def required_audio(container: InputContainer) -> AudioStream:
    """The audio stream of a file; `InputRejected` if it has none."""
    stream = source.audio_stream(container)
    if stream is None:
        if source.video_stream(container) is None:
            raise unreadable_error()
        raise InputRejected("no_sound", "The file has no audio track. Use a file with a voice.")
    return stream


def _chunks(container: InputContainer, stream: AudioStream, *, channels: int) -> Iterator[Chunk]:
    """Decoded and mixed sound, with silence in gaps between timestamps."""
    video = source.video_stream(container)
    clock = source.start_seconds(stream, video) if video is not None else None
    allowed = _MAX_DELAY
    for frame in _decoded(container, stream):
        begin = _seconds(frame, default=clock)
        clock = begin if clock is None else clock
        if begin - clock > allowed:
            yield from _silence(begin - clock, frame.sample_rate, channels)
            clock = begin
        allowed = _MAX_JITTER
        samples = downmix.mix(frame, channels)[:, : _valid_samples(frame, container)]
        clock += Fraction(samples.shape[1], frame.sample_rate)
        yield Chunk(samples, frame.sample_rate)
    completeness.require_length(container, stream, clock or Fraction(0))


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    for packet in source.packets(container, stream):
        try:
            frames: list[Any] = packet.decode()
        except FFmpegError:
            continue
        for frame in frames:
            if frame.samples and frame.sample_rate:
                _check(frame)
                yield frame


def _check(frame: AudioFrame) -> None:
    """Refuse what the decoder found if the container would be refused with it.

    A frame of FLAC may state a rate of 1 Hz: 16 bytes would become 18 hours of sound.
    """
    usable = frame.sample_rate in source.SOUND_RATES
    if not usable or frame.layout.nb_channels > source.MAX_CHANNELS:
        raise unreadable_error()


def _valid_samples(frame: AudioFrame, container: InputContainer) -> int:
    """Number of valid samples: in MP4 the last frame is padded, and its duration is shorter."""
    exact = container.format.name == "mov" and frame.time_base == Fraction(1, frame.sample_rate)
    return min(frame.samples, frame.duration or frame.samples) if exact else frame.samples


def _seconds(frame: AudioFrame, *, default: Fraction | None) -> Fraction:
    if frame.pts is None or frame.time_base is None:
        return default or Fraction(0)
    return frame.pts * frame.time_base


def _silence(seconds: Fraction, rate: int, channels: int) -> Iterator[Chunk]:
    if seconds > source.MAX_GAP:
        raise unreadable_error()
    left = round(seconds * rate)
    while left > 0:
        portion = min(left, _PIECE_SAMPLES)
        yield Chunk(np.zeros((channels, portion), np.float32), rate)
        left -= portion
