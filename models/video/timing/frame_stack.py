"""Frames that are decoded forwards and shown backwards: in memory, or on disk if they are many."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

import av
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from models.video.frame_converter import FrameConverter


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
    """Any number of frames in an unnamed file, compressed without loss and each by itself.

    A picture of 1080p takes about 2.4 MB instead of 6.2 MB, and 25 ms to be written and read.
    """

    def __init__(self, folder: Path) -> None:
        """The file is made in `folder` if that can be written to, else where the system says."""
        self._file = tempfile.TemporaryFile(  # noqa: SIM115 - closed by `__exit__`
            dir=folder if os.access(folder, os.W_OK) else None
        )
        self._places: list[tuple[int, int, int]] = []
        self._codecs: tuple[av.VideoCodecContext, av.VideoCodecContext] | None = None
        self.largest = 0
        """Bytes of the largest picture so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def free_bytes(self) -> int:
        """What others leave free on this disk."""
        disk = os.fstatvfs(self._file.fileno())
        return disk.f_bavail * disk.f_frsize

    def push(self, span: FrameSpan, converter: FrameConverter) -> None:
        """Add a frame. Raises `OSError` if the disk is full."""
        image = converter.to_bgr(span.frame)
        height, width = image.shape[:2]
        if self._codecs is None:
            self._codecs = _codec("w", width, height), _codec("r", width, height)
        encoder, _ = self._codecs
        frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="bgr24")
        frame.pts = len(self._places)
        (packet,) = encoder.encode(frame.reformat(format="gbrp"))
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


def _codec(mode: Literal["r", "w"], width: int, height: int) -> av.VideoCodecContext:
    """MagicYUV: each frame is a key frame, and comes out at once with one thread."""
    codec = av.CodecContext.create("magicyuv", mode)
    codec.width, codec.height, codec.pix_fmt = width, height, "gbrp"
    codec.thread_count = 1
    return codec
