"""Deinterlace the frames that are flagged as interlaced."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from av.error import BlockingIOError, EOFError
from av.filter import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.video.frame import VideoFrame

_FILTER = "mode=send_frame:parity=auto:deint=interlaced"


def deinterlaced(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """The same number of frames at the same times, without combs at moving edges.

    Progressive frames stay as they are; until the first interlaced one, they pass at no cost.
    """
    filter: Deinterlacer | None = None
    for frame in frames:
        if filter is not None and not filter.takes(frame):
            yield from filter.rest()
            filter = None
        if filter is None and frame.interlaced_frame:
            filter = Deinterlacer(frame)
        if filter is None:
            yield frame
        else:
            yield from filter.feed(frame)
    if filter is not None:
        yield from filter.rest()


class Deinterlacer:
    """FFmpeg's `bwdif`, for frames of one size and format. It returns each frame one later."""

    def __init__(self, frame: VideoFrame) -> None:
        self._shape = _shape(frame)
        self._time_base = frame.time_base or Fraction(1, 1000)
        self._graph = Graph()
        self._graph.threads = 1
        frames = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._time_base
        )
        self._graph.link_nodes(
            frames, self._graph.add("bwdif", _FILTER), self._graph.add("buffersink")
        )
        self._graph.configure()

    def takes(self, frame: VideoFrame) -> bool:
        """Whether it has the size, format and time base of the first."""
        return _shape(frame) == self._shape

    def feed(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Take a frame and return those that are ready."""
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[VideoFrame]:
        """The last frame. Nothing can be fed afterwards."""
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        while True:
            try:
                frame: Any = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            self._restore_times(frame)
            yield frame

    def _restore_times(self, frame: Any) -> None:
        """In the units of the stream, by which seeking finds a frame; the filter halves them."""
        scale = frame.time_base / self._time_base
        if frame.pts is not None:
            frame.pts = round(frame.pts * scale)
        frame.duration = round(frame.duration * scale)
        frame.time_base = self._time_base


def _shape(frame: VideoFrame) -> tuple[Any, ...]:
    return frame.width, frame.height, frame.format.name, frame.time_base
