"""Animated WebP and AVIF as clips: their frames in a MOV, which FFmpeg can read.

FFmpeg reads single pictures of a WebP only, and of an AVIF the cover. Pillow reads the frames one
after another, composed as they are shown; they are stored without loss, with their transparency
and their times.
"""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from PIL import Image, ImageSequence

from models.errors import InputRejected, unreadable_error
from runtime.files import is_full
from runtime.media.formats import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_TIME_BASE: Final = Fraction(1, 1000)
_SHORTEST: Final = 11
_DEFAULT: Final = 100
"""Milliseconds. As browsers do: a frame that is stated shorter than the one is shown for the
other."""
_DAMAGED: Final = (OSError, ValueError, SyntaxError, EOFError)
"""What Pillow raises on a damaged file."""
_FORMATS: Final = ("WEBP", "AVIF")


def as_clip(path: Path) -> Path:
    """Return a MOV of the frames beside the file; made once, in the memory of two frames.

    Raises `InputRejected`: `media_unreadable`, or `too_large` for too many pixels.
    """
    made = path.with_name(f".{path.name}.frames.mov")
    if not made.exists():
        handle, name = tempfile.mkstemp(suffix=".mov", dir=path.parent)
        os.close(handle)
        try:
            _convert(path, Path(name))
            Path(name).replace(made)
        finally:
            Path(name).unlink(missing_ok=True)
    return made


def _convert(path: Path, made: Path) -> None:
    try:
        with Image.open(path, formats=_FORMATS) as picture, av.open(made, "w") as container:
            _check_size(picture)
            _write(picture, container)
    except _DAMAGED as error:
        if isinstance(error, OSError) and is_full(error):
            raise
        raise unreadable_error() from error


def _check_size(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_CLIP_PIXELS:
        raise InputRejected(
            "too_large",
            f"The video is {width} x {height}. Use one of at most {MAX_CLIP_PIXELS:,} pixels.",
        )


def _write(picture: Image.Image, container: OutputContainer) -> None:
    stream = container.add_stream("png", rate=1000, options={"compression_level": "1"})
    stream.width, stream.height = picture.size
    stream.pix_fmt = "rgba" if picture.mode == "RGBA" else "rgb24"
    stream.codec_context.time_base = _TIME_BASE
    longer = 0
    for shown in ImageSequence.Iterator(picture):
        shown.load()  # sets the times in `info`
        stated = int(shown.info["duration"])
        duration = stated if stated >= _SHORTEST else _DEFAULT
        begin = int(shown.info["timestamp"]) + longer
        _write_frame(shown, stream, container, (begin, duration))
        longer += duration - stated
    container.mux(stream.encode(None))


def _write_frame(
    shown: Image.Image, stream: VideoStream, container: OutputContainer, times: tuple[int, int]
) -> None:
    mode = "RGBA" if stream.pix_fmt == "rgba" else "RGB"
    frame = av.VideoFrame.from_ndarray(np.asarray(shown.convert(mode)), stream.pix_fmt or "rgb24")
    frame.pts, frame.time_base = times[0], _TIME_BASE
    for packet in stream.encode(frame):
        packet.duration = times[1]
        container.mux(packet)
