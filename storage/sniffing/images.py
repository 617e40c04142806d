"""Image size limits, checked on the header alone: a decompression bomb is never decoded.

The API has no decoder, so its reading of the header cannot be compared with one. It is strict
instead: a header that could be read in two ways is refused. A worker's decoder checks its own size
again before it makes pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.media.formats import MAX_IMAGE_PIXELS, MIN_SIDE
from storage.sniffing.headers import avif, bmp, gif, jpeg, png, tiff, webp
from storage.sniffing.headers.byte_reader import ByteReader, Doubtful
from storage.sniffing.media import MediaRejected, check_media

if TYPE_CHECKING:
    from pathlib import Path

_READERS = {
    "jpg": jpeg.size,
    "png": png.size,
    "webp": webp.size,
    "avif": avif.size,
    "gif": gif.size,
    "bmp": bmp.size,
    "tiff": tiff.size,
}
"""Reader of the header, by the extension of the format."""


@dataclass(frozen=True)
class ImageSize:
    """Width and height in pixels as stored, before any EXIF rotation."""

    width: int
    height: int


def check_image(path: Path, *, min_side: int = MIN_SIDE) -> ImageSize:
    """Check that a file is an image within the size limits, without decoding it.

    Raises `MediaRejected`: `unsupported_media`, `media_unreadable`, `too_large`, `too_small`.
    """
    found = check_media(path, "image")
    return _within_limits(_measure(path, found.extension), min_side)


def _measure(path: Path, extension: str) -> ImageSize:
    with path.open("rb") as file:
        try:
            width, height = _READERS[extension](ByteReader(file, path.stat().st_size))
        except Doubtful as error:
            raise _unreadable(extension, str(error)) from error
    if width <= 0 or height <= 0:
        raise _unreadable(extension, "it states no size")
    return ImageSize(width, height)


def _within_limits(size: ImageSize, min_side: int) -> ImageSize:
    shown = f"{size.width} x {size.height} pixels"
    if size.width * size.height > MAX_IMAGE_PIXELS:
        raise MediaRejected(
            "too_large", f"the image has {shown}; the limit is {MAX_IMAGE_PIXELS:,} pixels"
        )
    if min(size.width, size.height) < min_side:
        raise MediaRejected(
            "too_small", f"the image has {shown}; each side must have at least {min_side}"
        )
    return size


def _unreadable(extension: str, reason: str) -> MediaRejected:
    return MediaRejected(
        "media_unreadable",
        f"the header of this {extension.upper()} file cannot be trusted ({reason}): "
        "open it in an image editor and save it again",
    )
