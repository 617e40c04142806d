"""Frames that are decoded forwards and shown backwards: in memory, or on disk if they are many."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, Self

import av
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from models.video.frame_converter import FrameConverter

_HEADER_BYTES: Final = 4096
"""More than MagicYUV adds to noise, which it leaves as it is."""


@dataclass(frozen=True)
class FrameSpan:
    """A decoded frame and the output frames, `first` up to but not including `stop`,
    that show it.
    """

    frame: VideoFrame
    first: int
    stop: int


class Picture(NamedTuple):
    """A frame as BGR, and the output frames that show it."""

    image: NDArray[np.uint8]
    first: int
    stop: int


class FrameStack(Protocol):
    """Frames of which the last is taken first."""

    def __enter__(self) -> Self:
        """Itself; what it holds is freed at the end of the block."""
        ...

    def __exit__(self, *_: object) -> None: ...

    def __len__(self) -> int: ...

    def push(self, span: FrameSpan, converter: FrameConverter) -> None:
        """Add a frame."""
        ...

    def pop(self) -> Picture:
        """Remove and return the last frame."""
        ...


class MemoryStack:
    """The last `capacity` frames, as the decoder made them: half the size of pictures."""

    def __init__(self, capacity: int) -> None:
        self._spans: deque[tuple[FrameSpan, FrameConverter]] = deque(maxlen=capacity)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spans.clear()

    def __len__(self) -> int:
        return len(self._spans)

    def push(self, span: FrameSpan, converter: FrameConverter) -> None:
        """Add a frame, in place of the oldest if there is no room."""
        self._spans.append((span, converter))

    def pop(self) -> Picture:
        """Remove and return the last frame."""
        span, converter = self._spans.pop()
        return Picture(converter.to_bgr(span.frame), span.first, span.stop)


class DiskStack:
    """Frames in an unnamed file, compressed without loss and each by itself: the last ones for
    which there is room.

    A picture of 1080p takes about 2.4 MB instead of 6.2 MB, and 25 ms to be written and read.
    """

    def __init__(self, folder: Path, max_bytes: int, max_free_share: float) -> None:
        """The file is made in `folder` if that can be written to, else where the system says.

        It takes at most `max_bytes`, and this share of what is free now, or one picture.
        """
        self._file = tempfile.TemporaryFile(  # noqa: SIM115 - closed by `__exit__`
            dir=folder if os.access(folder, os.W_OK) else None
        )
        self._places: list[tuple[int, int, int]] = []
        self._codecs: tuple[av.VideoCodecContext, av.VideoCodecContext] | None = None
        disk = os.fstatvfs(self._file.fileno())
        self.room = min(max_bytes, int(max_free_share * disk.f_bavail * disk.f_frsize))
        """Bytes that the file may take."""
        self.largest = 0
        """Bytes to expect of a picture: those of the largest so far; once there was no room, those
        of one that cannot be compressed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    def push(self, span: FrameSpan, converter: FrameConverter) -> None:
        """Add a frame, in place of all others if there is no room.

        Raises `OSError` if the disk is full.
        """
        image = converter.to_bgr(span.frame)
        height, width = image.shape[:2]
        if self._codecs is None:
            self._codecs = _codec("w", width, height), _codec("r", width, height)
        encoder, _ = self._codecs
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="bgr24")
        frame.pts = len(self._places)
        (packet,) = encoder.encode(frame.reformat(format="gbrp"))
        if self._file.tell() + packet.size > self.room:
            self._clear()
            self.largest = max(self.largest, image.nbytes + _HEADER_BYTES)
        self._places.append((self._file.tell(), span.first, span.stop))
        self.largest = max(self.largest, self._file.write(bytes(packet)))

    def pop(self) -> Picture:
        """Remove and return the last frame; its bytes are overwritten by the next one."""
        place, first, stop = self._places.pop()
        assert self._codecs is not None  # noqa: S101 - for the type checker
        self._file.seek(place)
        (frame,) = self._codecs[1].decode(av.Packet(self._file.read()))
        self._file.truncate(place)
        return Picture(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), first, stop)

    def _clear(self) -> None:
        self._places.clear()
        self._file.seek(0)
        self._file.truncate()


def _codec(mode: Literal["r", "w"], width: int, height: int) -> av.VideoCodecContext:
    """MagicYUV: each frame is a key frame, and comes out at once with one thread."""
    codec = av.CodecContext.create("magicyuv", mode)
    codec.width, codec.height, codec.pix_fmt = width, height, "gbrp"
    codec.thread_count = 1
    return codec
