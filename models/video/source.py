"""Open a media file safely: one demuxer, selected by its bytes; no second file, no network."""

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeVar

from av.error import FFmpegError
from av.stream import Disposition

from models.errors import InputRejected, unreadable_error
from models.video import signature
from models.video.animation.as_clip import as_clip
from models.video.animation.limits import FrameCounter
from models.video.guarded.container import MAX_PIXELS, open_container
from models.video.guarded.demuxing import require_small_index
from runtime.media.formats import CONVERTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from av.audio.codeccontext import AudioCodecContext
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

AnyStream = TypeVar("AnyStream", bound="Stream")

SOUND_RATES: Final = range(1_000, 768_001)
"""Sample rates that a header may declare."""

MAX_CHANNELS: Final = 32
"""Channels of sound; 22.2 surround has 24."""

MAX_SAMPLES: Final = 1 << 20
"""Samples in one frame of sound; a second at the highest rate has 768,000."""

MAX_GAP: Final = Fraction(3600)
"""Seconds. A longer gap between two timestamps means a broken file, not a pause."""


@contextmanager
def opened(path: Path, *, ours: bool = False) -> Iterator[InputContainer]:
    """Open a container for reading; every error of FFmpeg becomes `media_unreadable`.

    A process with limits reads it first, unless a runner made it: then it is `ours`.
    """
    found = signature.of_file(path)
    if found is None or found.demuxer is None:
        raise unreadable_error()
    if found in CONVERTED:
        path = as_clip(path)
    elif not ours:
        require_small_index(path, found)
    try:
        with open_container(str(path), found.demuxer) as container:
            yield container
    except FFmpegError as error:
        raise unreadable_error() from error


def video_stream(container: InputContainer) -> VideoStream | None:
    """The default video stream; the cover image of an audio file does not count."""
    stream = _default(
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not (stream.disposition & Disposition.attached_pic)
    )
    if stream is not None:
        require_pixels(stream.width, stream.height)
        limit_decoder(stream.codec_context)
    return stream


def require_pixels(width: int, height: int) -> None:
    """Raise `InputRejected` for frames above `MAX_PIXELS`."""
    if width * height > MAX_PIXELS:
        raise InputRejected(
            "too_large",
            f"The video is {width} x {height}. Use one of at most {MAX_PIXELS:,} pixels a frame.",
        )


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The default audio stream of those with a valid sample rate."""
    stream = _default(
        stream
        for stream in container.streams.audio
        if stream.codec_context is not None and stream.codec_context.sample_rate in SOUND_RATES
    )
    if stream is not None:
        limit_decoder(stream.codec_context)
    return stream


def _default(streams: Iterable[AnyStream]) -> AnyStream | None:
    """The first stream that the file marks as default, else the first."""
    found = list(streams)
    marked = (stream for stream in found if stream.disposition & Disposition.default)
    return next(marked, found[0] if found else None)


def limit_decoder(context: VideoCodecContext | AudioCodecContext) -> None:
    """Let the decoder check the sizes that it reads itself, before it makes a frame.

    Those in the container are another program's statement: a Matroska of 64 x 64 pixels may hold
    frames of 8192 x 8192, and the size may change from one frame to the next. By one thread: with
    several, each holds frames, and what FFmpeg makes of a damaged one depends on their timing.
    """
    if not context.is_open:
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS), "max_samples": str(MAX_SAMPLES)}


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Stream]]:
    """The packets of the streams up to the end, or up to where the file is damaged.

    Raises `InputRejected` in an animated picture after as many as it may have.
    """
    wanted = {stream.index for stream in streams}
    counter = FrameCounter(container)
    try:
        for packet in container.demux(*streams):
            if packet.stream_index in wanted:  # a stream that begins late comes unasked
                counter.add(packet)
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
