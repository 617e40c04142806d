"""How large a picture is, read from its header: a pixel bomb is refused before it is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagesize

from storage.sniffing.media import MediaRejected, check

if TYPE_CHECKING:
    from pathlib import Path

MAX_PIXELS = 40_000_000
MAX_BYTES = 20 * 1024 * 1024
MIN_SIDE = 64

_PARSER_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""All that a parser of hostile bytes may come to; the file is unreadable in each case."""


@dataclass(frozen=True)
class ImageSize:
    """Pixels as stored, before any EXIF rotation."""

    width: int
    height: int


def check_image(path: Path) -> ImageSize:
    """See that a file is an image of a size that we take, without decoding it.

    Raises `MediaRejected`: `unsupported_media`, `media_unreadable`, `too_large`, `too_small`.
    """
    check(path, "image")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise MediaRejected(
            "too_large", f"the image has {size} bytes; at most {MAX_BYTES} are taken"
        )
    return _within_limits(_measure(path))


def _measure(path: Path) -> ImageSize:
    with path.open("rb") as file:
        try:
            width, height = (int(side) for side in imagesize.get(file))
        except _PARSER_ERRORS as error:
            raise _unreadable() from error
    if width <= 0 or height <= 0:
        raise _unreadable()
    return ImageSize(width, height)


def _within_limits(size: ImageSize) -> ImageSize:
    shown = f"{size.width} x {size.height} pixels"
    if size.width * size.height > MAX_PIXELS:
        raise MediaRejected("too_large", f"the image has {shown}; at most {MAX_PIXELS} are taken")
    if min(size.width, size.height) < MIN_SIDE:
        raise MediaRejected("too_small", f"the image has {shown}; each side needs {MIN_SIDE}")
    return size


def _unreadable() -> MediaRejected:
    return MediaRejected("media_unreadable", "the header of the image is damaged or cut off")
