"""Read a video at a constant rate, forwards or backwards, starting at any frame."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import dropwhile
from math import floor
from typing import TYPE_CHECKING, Final

from models.errors import unreadable_error
from models.video import source
from models.video.decoding.video_decoder import decoded, required_video
from models.video.frame_converter import FrameConverter
from models.video.timing import frame_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

BACKWARD_BYTES: Final = 128 * 1024 * 1024
"""Memory of backward reading: 43 frames of 1080p in the decoder's format."""


@dataclass(frozen=True)
class FrameSpan:
    """A decoded frame and the output frames, `first` up to but not including `stop`,
    that show it.
    """

    frame: VideoFrame
    first: int
    stop: int


class ConstantRateReader:
    """A video as numbered frames at one rate, without its sound.

    Frame n shows what the file shows nearest to n / rate: a variable rate becomes constant by
    repeating and dropping frames, without drift. Time 0 is where video and sound of the file
    start. Memory does not grow with the length of the video. `on_end` is called with the number of
    frames when they were first read to the end.
    """

    def __init__(
        self,
        path: Path,
        *,
        fps: Fraction | None = None,
        max_side: int | None = None,
        on_end: Callable[[int], None] | None = None,
    ) -> None:
        self._path = path
        self._fps = fps
        self._max_side = max_side
        self._keys: list[tuple[int, int]] = []
        self._frame_bytes = 1
        self._on_end = on_end
        self.length = 0

    @cached_property
    def fps(self) -> Fraction:
        """Frames a second: as requested, or by the time stamps of the file."""
        return self._fps or frame_rate.of_file(self._path)

    def forward(self, start: int = 0) -> Iterator[NDArray[np.uint8]]:
        """The frames from `start` to the end. Reading to the end sets `length`."""
        keys = []
        with source.opened(self._path) as container:
            stream = required_video(container)
            converter = FrameConverter(stream, max_side=self._max_side)
            stop = 0
            for span in self._spans(container, stream, decoded(container, stream)):
                if span.frame.key_frame and span.frame.pts is not None:
                    keys.append((span.first, span.frame.pts))
                stop = span.stop
                self._frame_bytes = max(self._frame_bytes, _bytes_of(span.frame))
                yield from _repeated(span, converter, max(span.first, start), span.stop)
        if stop == 0:
            raise unreadable_error()
        if self._on_end and not self.length:
            self._on_end(stop)
        self.length, self._keys = stop, keys

    def backward(self, stop: int) -> Iterator[NDArray[np.uint8]]:
        """The frames before `stop`, last first. Requires that the video was read to its end before.

        They are decoded in segments from the key frame before each segment, so that at most
        `BACKWARD_BYTES` are held; a long distance between key frames costs time, not memory.
        """
        while stop > 0:
            segment = self._segment(stop, seek=True) or self._segment(stop, seek=False)
            if not segment:
                raise unreadable_error()
            while segment:
                span, converter = segment.pop()
                yield from _repeated(span, converter, span.first, min(span.stop, stop))
                stop = span.first

    def _segment(self, stop: int, *, seek: bool) -> deque[tuple[FrameSpan, FrameConverter]]:
        """The last frames before `stop`, as many as fit in memory; none if seeking fails."""
        with source.opened(self._path) as container:
            stream = required_video(container)
            converter = FrameConverter(stream, max_side=self._max_side)
            capacity = max(BACKWARD_BYTES // self._frame_bytes, 1)
            segment: deque[tuple[FrameSpan, FrameConverter]] = deque(maxlen=capacity)
            key = max((key for key in self._keys if key[0] <= stop - capacity), default=None)
            for span in self._spans_from(container, stream, key if seek else None):
                if span.first >= stop:
                    break
                segment.append((span, converter))
            return segment

    def _spans_from(
        self, container: InputContainer, stream: VideoStream, key: tuple[int, int] | None
    ) -> Iterator[FrameSpan]:
        frames = decoded(container, stream)
        if key is None:
            return self._spans(container, stream, frames)
        first, pts = key
        container.seek(pts, stream=stream)
        frames = dropwhile(lambda frame: frame.pts != pts, frames)
        return self._spans(container, stream, frames, first=first)

    def _spans(
        self,
        container: InputContainer,
        stream: VideoStream,
        frames: Iterator[VideoFrame],
        *,
        first: int = 0,
    ) -> Iterator[FrameSpan]:
        rate = self.fps
        zero = source.start_seconds(stream, source.audio_stream(container))
        pending: VideoFrame | None = None
        shortest = first + 1
        end = zero
        for frame in frames:
            begin = _seconds(frame, default=end)
            slot = _slot(begin - zero, rate, after=first)
            if pending is not None and slot > first:
                yield FrameSpan(pending, first, slot)
                first = slot
            pending, end = frame, begin + _length(frame, default=1 / rate)
        stop = max(_slot(end - zero, rate, after=first), shortest)
        if pending is not None and stop > first:
            yield FrameSpan(pending, first, stop)


def _repeated(
    span: FrameSpan, converter: FrameConverter, first: int, stop: int
) -> Iterator[NDArray[np.uint8]]:
    """The picture of a frame for each output frame that shows it; converted once."""
    if first >= stop:
        return
    picture = converter.to_bgr(span.frame)
    for _ in range(first + 1, stop):
        yield picture.copy()
    yield picture


def _bytes_of(frame: VideoFrame) -> int:
    """Bytes of a decoded frame, whose size is not always the one that the container states."""
    return sum(plane.buffer_size for plane in frame.planes)


def _seconds(frame: VideoFrame, *, default: Fraction) -> Fraction:
    if frame.pts is None or frame.time_base is None:
        return default
    return frame.pts * frame.time_base


def _length(frame: VideoFrame, *, default: Fraction) -> Fraction:
    return frame.duration * frame.time_base if frame.duration and frame.time_base else default


def _slot(seconds: Fraction, rate: Fraction, *, after: int) -> int:
    """The number of the first frame that is nearer to this time than the one before it."""
    if seconds - after / rate > source.MAX_GAP:
        raise unreadable_error()
    return floor(seconds * rate - Fraction(1, 2)) + 1
