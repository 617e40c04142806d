"""The stored frames of a video, each once, with its own time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from models.errors import unreadable_error
from models.video import source
from models.video.decoding.video_decoder import decoded, required_video
from models.video.frame_converter import FrameConverter
from models.video.timing import completeness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

_DEFAULT_DURATION: Final = Fraction(1, 25)
"""Seconds of a frame where the file says nothing."""


@dataclass(frozen=True)
class TimedFrame:
    """A frame and when it is shown."""

    image: NDArray[np.uint8]
    """Upright BGR `(H, W, 3)`, which the caller owns."""
    begin: Fraction
    """Seconds after the start of picture and sound."""
    duration: Fraction
    """Seconds up to the next frame; for the last one, as the file says."""


def timed_frames(
    path: Path, *, max_side: int | None = None, ours: bool = False
) -> Iterator[TimedFrame]:
    """The frames of a video with its own, possibly variable, rate; no side above `max_side`.

    Times rise strictly: of frames at the same time, and of those before 0, the last is returned.
    `ours` as of `source.opened`. Raises `InputRejected` for a file without a frame, or one that is
    cut off.
    """
    completeness.require_end(path)
    with source.opened(path, ours=ours) as container:
        stream = required_video(container)
        converter = FrameConverter(stream, max_side=max_side)
        count = 0
        for frame, begin, duration in _shown(container, stream):
            count += 1
            yield TimedFrame(converter.to_bgr(frame), begin, duration)
        if not count:
            raise unreadable_error()


def _shown(
    container: InputContainer, stream: VideoStream
) -> Iterator[tuple[VideoFrame, Fraction, Fraction]]:
    zero = source.start_seconds(stream, source.audio_stream(container))
    pending: VideoFrame | None = None
    shown = end = Fraction(0)
    for frame in decoded(container, stream):
        begin = max(_begin(frame, default=zero + end) - zero, Fraction(0))
        if begin - end > source.MAX_GAP:
            raise unreadable_error()
        if pending is not None and begin > shown:
            yield pending, shown, begin - shown
        shown = begin if pending is None else max(begin, shown)
        pending, end = frame, shown + _duration(frame)
    if pending is not None:
        yield pending, shown, end - shown


def _begin(frame: VideoFrame, *, default: Fraction) -> Fraction:
    if frame.pts is None or frame.time_base is None:
        return default
    return frame.pts * frame.time_base


def _duration(frame: VideoFrame) -> Fraction:
    if not frame.duration or frame.time_base is None:
        return _DEFAULT_DURATION
    return frame.duration * frame.time_base
