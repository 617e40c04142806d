"""Read a video at a constant rate, forwards or backwards, starting at any frame."""

from __future__ import annotations

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
from models.video.timing.frame_stack import DiskStack, FrameSpan, MemoryStack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from models.video.timing.frame_stack import FrameStack

BACKWARD_BYTES: Final = 128 * 1024 * 1024
"""Memory of backward reading: 43 frames of 1080p in the decoder's format."""
SPILL_BYTES: Final = 2 * 1024 * 1024 * 1024
"""Disk of backward reading between rare key frames: about 900 frames of 1080p."""
_MAX_FREE_SHARE: Final = 0.25
"""Share of the free disk that it takes at most."""
MAX_REDECODES: Final = 8
"""How often each frame may be decoded before a file of frames is faster."""
_SPILL_GROWTH: Final = 4
"""How much longer each window on disk is than the one before: a few frames need no long one."""


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
        self._frame_bytes = self._repeats = 1
        self._picture_bytes = 0
        self._window = 1
        self._on_end = on_end
        self.length = 0

    @cached_property
    def fps(self) -> Fraction:
        """Frames a second: as requested, or by the time stamps of the file."""
        return self._fps or frame_rate.of_file(self._path)

    def forward(self, start: int = 0) -> Iterator[NDArray[np.uint8]]:
        """The frames from `start` to the end. Reading to the end sets `length`."""
        keys, spans = [], 0
        with source.opened(self._path) as container:
            stream = required_video(container)
            converter = FrameConverter(stream, max_side=self._max_side)
            stop = 0
            for span in self._spans(container, stream, decoded(container, stream)):
                if span.frame.key_frame and span.frame.pts is not None:
                    keys.append((span.first, span.frame.pts))
                stop, spans = span.stop, spans + 1
                self._frame_bytes = max(self._frame_bytes, _bytes_of(span.frame))
                if stop > start:
                    yield from _copies(converter.to_bgr(span.frame), stop - max(span.first, start))
        if stop == 0:
            raise unreadable_error()
        if self._on_end and not self.length:
            self._on_end(stop)
        self.length, self._keys, self._repeats = stop, keys, max(stop // spans, 1)

    def backward(self, stop: int) -> Iterator[NDArray[np.uint8]]:
        """The frames before `stop`, last first. Requires that the video was read to its end before.

        They are decoded in segments from the key frame before each segment, so that at most
        `BACKWARD_BYTES` are held. Between rare key frames the segments are longer and wait on disk,
        in at most `SPILL_BYTES`, so that each frame is decoded a few times only.
        """
        self._window = self._capacity
        while stop > 0:
            frames, start = self._stack_before(stop)
            with frames:
                self._fill(frames, start, stop)
                while frames:
                    picture = frames.pop()
                    yield from _copies(picture.image, min(picture.stop, stop) - picture.first)
                    stop = picture.first

    @property
    def _capacity(self) -> int:
        """How many output frames fit in memory."""
        return self._repeats * max(BACKWARD_BYTES // self._frame_bytes, 1)

    def _stack_before(self, stop: int) -> tuple[FrameStack, int]:
        """Where the last frames before `stop` wait, and the first of them."""
        key = self._key_before(stop - self._capacity)
        if stop - (key[0] if key else 0) <= MAX_REDECODES * self._capacity:
            return MemoryStack(self._capacity // self._repeats), stop - self._capacity
        frames = DiskStack(self._path.parent, SPILL_BYTES, _MAX_FREE_SHARE)
        picture_bytes = self._picture_bytes or 2 * self._frame_bytes
        capacity = self._repeats * max(frames.room // picture_bytes, 1)
        self._window = min(_SPILL_GROWTH * self._window, capacity)
        return frames, stop - self._window

    def _fill(self, frames: FrameStack, start: int, stop: int) -> None:
        """Add the frames that are shown from `start` up to `stop`."""
        self._decode(frames, start, stop)
        if not frames and self._keys:
            self._keys = []  # seeking fails in this file: decode from its begin from now on
            self._decode(frames, start, stop)
        if not frames:
            raise unreadable_error()
        if isinstance(frames, DiskStack):
            self._picture_bytes = max(self._picture_bytes, frames.largest)

    def _decode(self, frames: FrameStack, start: int, stop: int) -> None:
        with source.opened(self._path) as container:
            stream = required_video(container)
            converter = FrameConverter(stream, max_side=self._max_side)
            for span in self._spans_from(container, stream, self._key_before(start)):
                if span.first >= stop:
                    break
                if span.stop > start:
                    frames.push(span, converter)

    def _key_before(self, start: int) -> tuple[int, int] | None:
        """Output frame and time stamp of the last key frame that is not after `start`."""
        return max((key for key in self._keys if key[0] <= start), default=None)

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


def _copies(picture: NDArray[np.uint8], count: int) -> Iterator[NDArray[np.uint8]]:
    """The picture for each of `count` output frames, whose arrays their caller may change."""
    for _ in range(1, count):
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
