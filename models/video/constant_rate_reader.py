"""A clip read at a constant rate, forwards or backwards, from any of its frames on."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile
from math import floor
from typing import TYPE_CHECKING, Any, Final

from av.error import FFmpegError

from models.video import source
from models.video.picture import Painter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

BACKWARD_BYTES: Final = 128 * 1024 * 1024
"""What a backward reading may hold: 43 frames of 1080p, as the decoder stores them."""

_USUAL_RATES: Final = (
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 60)),
    *(Fraction(rate) for rate in (24, 25, 30, 50, 60)),
)


@dataclass(frozen=True)
class Run:
    """A decoded frame, shown as the frames `first` up to, not including, `stop`."""

    frame: VideoFrame
    first: int
    stop: int


class ConstantRateReader:
    """A clip as numbered frames of one rate, without its sound.

    Frame n shows what the file shows nearest to n / rate: a variable rate becomes constant by
    repeating and leaving out, and never drifts. Time 0 is where the file's picture and sound
    begin together. Memory does not grow with the length of the clip.
    """

    def __init__(
        self, path: Path, *, fps: Fraction | None = None, max_side: int | None = None
    ) -> None:
        self._path = path
        self._fps = fps
        self._max_side = max_side
        self._keys: list[tuple[int, int]] = []
        self.length = 0

    def forward(self, start: int = 0) -> Iterator[NDArray[np.uint8]]:
        """The frames from `start` to the end. A reading to the end learns the length."""
        keys = []
        with source.opened(self._path) as container:
            stream = required_video(container)
            painter = Painter(stream, max_side=self._max_side)
            stop = 0
            for run in self._runs(container, stream, decoded(container, stream)):
                if run.frame.key_frame and run.frame.pts is not None:
                    keys.append((run.first, run.frame.pts))
                stop = run.stop
                for _ in range(max(run.first, start), run.stop):
                    yield painter.bgr(run.frame)
        if stop == 0:
            raise source.unreadable()
        self.length, self._keys = stop, keys

    def backward(self, stop: int) -> Iterator[NDArray[np.uint8]]:
        """The frames before `stop`, last first, after a reading to the end.

        They are decoded a piece at a time from a key frame before the piece, so that at most
        `BACKWARD_BYTES` are held; a long way between key frames costs time, not memory.
        """
        while stop > 0:
            piece = self._piece(stop, seek=True) or self._piece(stop, seek=False)
            if not piece:
                raise source.unreadable()
            while piece:
                run, painter = piece.pop()
                for _ in range(run.first, min(run.stop, stop)):
                    yield painter.bgr(run.frame)
                stop = run.first

    def _piece(self, stop: int, *, seek: bool) -> deque[tuple[Run, Painter]]:
        """The last frames before `stop`, as many as may be held; none if seeking fails."""
        with source.opened(self._path) as container:
            stream = required_video(container)
            painter = Painter(stream, max_side=self._max_side)
            holdable = _holdable(stream)
            piece: deque[tuple[Run, Painter]] = deque(maxlen=holdable)
            key = max((key for key in self._keys if key[0] <= stop - holdable), default=None)
            for run in self._runs_from(container, stream, key if seek else None):
                if run.first >= stop:
                    break
                piece.append((run, painter))
            return piece

    def _runs_from(
        self, container: InputContainer, stream: VideoStream, key: tuple[int, int] | None
    ) -> Iterator[Run]:
        frames = decoded(container, stream)
        if key is None:
            return self._runs(container, stream, frames)
        first, pts = key
        container.seek(pts, stream=stream)
        frames = dropwhile(lambda frame: frame.pts != pts, frames)
        return self._runs(container, stream, frames, first=first)

    def _runs(
        self,
        container: InputContainer,
        stream: VideoStream,
        frames: Iterator[VideoFrame],
        *,
        first: int = 0,
    ) -> Iterator[Run]:
        rate = self._fps or frame_rate(stream)
        zero = source.start_seconds(stream, source.audio_stream(container))
        held: VideoFrame | None = None
        shortest = first + 1
        end = zero
        for frame in frames:
            begin = _seconds(frame, default=end)
            slot = _slot(begin - zero, rate, after=first)
            if held is not None and slot > first:
                yield Run(held, first, slot)
                first = slot
            held, end = frame, begin + _length(frame, default=1 / rate)
        stop = max(_slot(end - zero, rate, after=first), shortest)
        if held is not None and stop > first:
            yield Run(held, first, stop)


def required_video(container: InputContainer) -> VideoStream:
    """The moving picture of a file that must have one."""
    stream = source.video_stream(container)
    if stream is None:
        raise source.unreadable()
    return stream


def frame_rate(stream: VideoStream) -> Fraction:
    """The rate that the container states, exact; 1 to 120 frames a second."""
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    for usual in _USUAL_RATES:
        if abs(rate / usual - 1) < Fraction(1, 2000):
            return usual
    return min(max(rate.limit_denominator(1001), Fraction(1)), Fraction(120))


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Every frame that can be decoded; a broken packet is passed over."""
    stream.thread_type = "AUTO"
    for packet in source.packets(container, stream):
        try:
            frames: list[Any] = packet.decode()
        except FFmpegError:
            continue
        yield from frames


def _holdable(stream: VideoStream) -> int:
    bytes_a_frame = stream.width * stream.height * 3 // 2
    return max(BACKWARD_BYTES // max(bytes_a_frame, 1), 1)


def _seconds(frame: VideoFrame, *, default: Fraction) -> Fraction:
    if frame.pts is None or frame.time_base is None:
        return default
    return frame.pts * frame.time_base


def _length(frame: VideoFrame, *, default: Fraction) -> Fraction:
    return frame.duration * frame.time_base if frame.duration and frame.time_base else default


def _slot(seconds: Fraction, rate: Fraction, *, after: int) -> int:
    """The number of the first frame nearer to the moment than the one before it."""
    if seconds - after / rate > source.MAX_GAP:
        raise source.unreadable()
    return floor(seconds * rate - Fraction(1, 2)) + 1
