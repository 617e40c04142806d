"""Open a media file safely: one demuxer, selected by its bytes; no second file, no network."""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import av
from av.error import FFmpegError
from av.stream import Disposition

from models.errors import InputRejected, unreadable_error
from models.video import signature

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

MAX_PIXELS: Final = 40_000_000
"""Largest frame that is decoded; 8K UHD has 33 million pixels."""

SOUND_RATES: Final = range(1_000, 768_001)
"""Sample rates that a header may declare."""

MAX_GAP: Final = Fraction(3600)
"""Seconds. A longer gap between two timestamps means a broken file, not a pause."""


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a container for reading; every error of FFmpeg becomes `media_unreadable`."""
    demuxer = signature.demuxer(path)
    if demuxer is None:
        raise unreadable_error()
    options = {
        "format_whitelist": demuxer,
        "protocol_whitelist": "file",
        "max_pixels": str(MAX_PIXELS),
    }
    try:
        with av.open(
            f"file:{path}", "r", format=demuxer, options=options, metadata_errors="replace"
        ) as container:
            yield container
    except FFmpegError as error:
        raise unreadable_error() from error


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first video stream; the cover image of an audio file does not count."""
    for stream in container.streams.video:
        if stream.codec_context is not None and not (stream.disposition & Disposition.attached_pic):
            return _bounded(stream)
    return None


def _bounded(stream: VideoStream) -> VideoStream:
    if stream.width * stream.height > MAX_PIXELS:
        raise InputRejected(
            "too_large",
            f"The video is {stream.width} x {stream.height}. "
            f"Use one of at most {MAX_PIXELS:,} pixels a frame.",
        )
    return stream


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The first audio stream with a valid sample rate."""
    for stream in container.streams.audio:
        if stream.codec_context is not None and stream.codec_context.sample_rate in SOUND_RATES:
            return stream
    return None


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Stream]]:
    """The packets of the streams up to the end, or up to where the file is damaged."""
    wanted = {stream.index for stream in streams}
    try:
        for packet in container.demux(*streams):
            if packet.stream_index in wanted:  # a stream that begins late comes unasked
                yield packet
    except FFmpegError:
        return


def start_seconds(*streams: Stream | None) -> Fraction:
    """The time on the file's clock at which both video and sound start.

    Priming samples before 0, which a decoder drops, do not count.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in streams
        if stream is not None and stream.start_time is not None and stream.time_base
    ]
    return max(min(starts, default=Fraction(0)), Fraction(0))
