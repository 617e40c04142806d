"""Image size limits, checked on the header alone: a decompression bomb is never decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagesize

from storage.sniffing.media import MediaRejected, check_media

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
"""Whatever the parser raises on hostile bytes; the image is unreadable in each case."""


@dataclass(frozen=True)
class ImageSize:
    """Width and height in pixels as stored, before any EXIF rotation."""

    width: int
    height: int


def check_image(path: Path) -> ImageSize:
    """Check that a file is an image within the size limits, without decoding it.

    Raises `MediaRejected`: `unsupported_media`, `media_unreadable`, `too_large`, `too_small`.
    """
    check_media(path, "image")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise MediaRejected(
            "too_large", f"the image has {size} bytes; the limit is {MAX_BYTES} bytes"
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
        raise MediaRejected("too_large", f"the image has {shown}; the limit is {MAX_PIXELS} pixels")
    if min(size.width, size.height) < MIN_SIDE:
        raise MediaRejected(
            "too_small", f"the image has {shown}; each side must have at least {MIN_SIDE}"
        )
    return size


def _unreadable() -> MediaRejected:
    return MediaRejected("media_unreadable", "the image header is damaged or truncated")
