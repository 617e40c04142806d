"""Makes a MOV of an animation: `python -m models.video.animation.clip_program SOURCE TARGET`.

FFmpeg reads single pictures of a WebP only, and of an AVIF the cover. Pillow reads the frames one
after another, composed as they are shown; they are stored without loss, upright, with their
transparency and their times. Pillow gives the boxes `irot` and `imir` of an AVIF as EXIF.

It limits its own memory and time first. The reply is a line of JSON: empty, or the `code` and
`message` of an `InputRejected`, or the `errno` of a full disk. It ends when its input closes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av
import numpy as np
from PIL import AvifImagePlugin, Image, ImageSequence

from models.errors import InputRejected, unreadable_error
from models.video import orientation
from models.video.animation.limits import require_animation
from models.video.guarded.limits import limit_process
from runtime.files import is_full

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

MAX_BYTES: Final = 4 * 1024**3
"""Of the MOV; a byte a pixel is usual."""
MEMORY_BYTES: Final = 3 * 1024**3
"""On top of the libraries."""
CPU_SECONDS: Final = 900

_TIME_BASE: Final = Fraction(1, 1000)
_SHORTEST: Final = 11
_DEFAULT: Final = 100
"""Milliseconds. As browsers do: a frame that is stated shorter than the one is shown for the
other."""
_DAMAGED: Final = (OSError, ValueError, SyntaxError, EOFError, RuntimeError)
"""What Pillow raises on a damaged file."""
_FORMATS: Final = ("WEBP", "AVIF")


def main() -> None:
    """Write the MOV, and the reply."""
    limit_process(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    threading.Thread(target=_end_with_input, daemon=True).start()
    Image.MAX_IMAGE_PIXELS = None  # the limit is our own
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each would take memory
    sys.stdout.write(json.dumps(_reply(Path(sys.argv[1]), Path(sys.argv[2]))))


def _end_with_input() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _reply(path: Path, made: Path) -> dict[str, Any]:
    try:
        convert(path, made)
    except InputRejected as rejected:
        return {"code": rejected.code, "message": str(rejected)}
    except MemoryError:
        return {"code": "too_large", "message": "The video takes too much memory. Scale it down."}
    except OSError as error:
        return {"errno": error.errno}
    return {}


def convert(path: Path, made: Path) -> None:
    """Write the frames to a MOV, in the memory of a few.

    Raises `InputRejected`, and `OSError` for a full disk.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture, av.open(made, "w") as container:
            _check_size(picture)
            _Clip(picture, container).write()
    except _DAMAGED as error:
        if isinstance(error, OSError) and is_full(error):
            raise
        raise unreadable_error() from error


def _check_size(picture: Image.Image) -> None:
    """Raises `InputRejected` by the header, before a frame is decoded."""
    frames: int = picture.n_frames  # type: ignore[attr-defined]  # of the formats that move
    require_animation(*picture.size, frames)


class _Clip:
    """The MOV of one animation."""

    def __init__(self, picture: Image.Image, container: OutputContainer) -> None:
        self._picture = picture
        self._container = container
        self._orientation = orientation.of_exif(picture.info.get("exif", b""))
        self._mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        self._format = "rgba" if picture.mode == "RGBA" else "rgb24"
        self._bytes = 0
        self._stream = self._video_stream()

    def write(self) -> None:
        """Write all frames."""
        longer = 0
        for shown in ImageSequence.Iterator(self._picture):
            shown.load()  # sets the times in `info`
            stated = int(shown.info["duration"])
            duration = stated if stated >= _SHORTEST else _DEFAULT
            self._add(shown, int(shown.info["timestamp"]) + longer, duration)
            longer += duration - stated
        self._container.mux(self._stream.encode(None))

    def _video_stream(self) -> VideoStream:
        options = {"compression_level": "1"}
        stream = self._container.add_stream("png", rate=1000, options=options)
        width, height = self._picture.size
        sideways = orientation.sideways(self._orientation)
        stream.width, stream.height = (height, width) if sideways else (width, height)
        stream.pix_fmt = self._format
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 1  # so that each frame comes with its own packet
        return stream

    def _add(self, shown: Image.Image, begin: int, duration: int) -> None:
        pixels = orientation.upright(np.asarray(shown.convert(self._mode)), self._orientation)
        frame = av.VideoFrame.from_ndarray(pixels, self._format)
        frame.pts, frame.time_base = begin, _TIME_BASE
        for packet in self._stream.encode(frame):
            packet.duration = duration
            self._count(packet.size)
            self._container.mux(packet)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_BYTES:
            raise InputRejected(
                "too_large",
                f"The frames of the animation take more than {MAX_BYTES / 1e9:.1f} GB. "
                "Scale it down, or send it as MP4 or WebM.",
            )


if __name__ == "__main__":
    main()
