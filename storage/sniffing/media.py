"""Media formats, identified by the first bytes of a file and never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.truncation.detect import missing_end
from storage.sniffing import sniff_streams
from storage.sniffing.magic_numbers import (
    AUDIO_BRANDS,
    AUDIO_VIDEO_CONTAINERS,
    BARE_QUICKTIME,
    BITMAP_HEADER_BYTES,
    BMP,
    BY_CHUNK_TYPE,
    BY_PREFIX,
    M4A,
    MATROSKA,
    MP4,
    OGG_AUDIO,
    OGG_VIDEO,
    QUICKTIME,
    STILL_BRANDS,
    UNSUPPORTED,
    VIDEO_BRANDS,
    WEBM,
)

if TYPE_CHECKING:
    from pathlib import Path

    from storage.sniffing.magic_numbers import FormatTuple, MediaKind

HEAD_BYTES = 4096
"""How much of a file `sniff` examines."""

_ARTICLES = {"image": "an image", "video": "a video", "audio": "an audio file"}


class MediaRejected(Exception):
    """An input cannot be used; `code` and `message` are for the caller who sent it."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class MediaTruncated(MediaRejected):
    """A file ends before its own header says so."""

    def __init__(self, message: str) -> None:
        super().__init__("media_unreadable", message)

    def as_broken_download(self) -> MediaRejected:
        """The same if the connection may have broken, so that another download is worth a try."""
        return MediaRejected("fetch_failed", self.message, retryable=True)


@dataclass(frozen=True)
class MediaFormat:
    """The format of a media file."""

    kind: MediaKind
    mime: str
    extension: str
    """Without a dot; derived from the format, never from the file's name."""

    def usable_as(self, kind: MediaKind) -> bool:
        """Return whether the file may be used as this kind: an MP4 may hold only audio."""
        both = self.extension in AUDIO_VIDEO_CONTAINERS and kind != "image"
        return both or self.kind == kind


def sniff(head: bytes) -> MediaFormat:
    """Identify the format by the first `HEAD_BYTES`.

    Raises `MediaRejected` (`unsupported_media`) for any format that is not supported.
    """
    head = head[:HEAD_BYTES]
    found = _by_prefix(head) or _mp4(head) or _matroska(head) or _ogg(head) or _bmp(head)
    found = found or sniff_streams.detect(head)
    if found is None:
        raise MediaRejected("unsupported_media", f"this is {_describe(head)}, not a media file")
    return MediaFormat(*found)


def check_media(source: Path | bytes, kind: MediaKind) -> MediaFormat:
    """Identify a file, or its first bytes, and check that it is usable as `kind`.

    Raises `MediaRejected` (`unsupported_media`), of a file that is cut off `MediaTruncated`.
    """
    found = sniff(source if isinstance(source, bytes) else _read_head(source))
    if not found.usable_as(kind):
        shown = f"{_ARTICLES[found.kind]} ({found.mime})"
        raise MediaRejected("unsupported_media", f"this is {shown}, not {_ARTICLES[kind]}")
    missing = None if isinstance(source, bytes) else missing_end(source)
    if missing is not None:
        raise MediaTruncated(f"{missing}; send the complete file")
    return found


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _by_prefix(head: bytes) -> FormatTuple | None:
    for prefix, found in BY_PREFIX:
        if head.startswith(prefix):
            return found
    return BY_CHUNK_TYPE.get((head[:4], head[8:12]))


def _mp4(head: bytes) -> FormatTuple | None:
    """Detect ISO base media files: boxes of size and type; the first is `ftyp` with brands."""
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind in BARE_QUICKTIME and (size >= 8 or size == 1):
        return QUICKTIME
    if kind != b"ftyp" or size < 16:
        return None
    box = head[: min(size, 256)]
    brands = [box[8:12], *(box[i : i + 4] for i in range(16, len(box) - 3, 4))]
    return _by_brand(brands)


def _by_brand(brands: list[bytes]) -> FormatTuple | None:
    if brands[0] in STILL_BRANDS:
        return None
    if brands[0] in AUDIO_BRANDS:
        return M4A
    if brands[0] == b"qt  ":
        return QUICKTIME
    return MP4 if any(VIDEO_BRANDS.match(brand) for brand in brands) else None


def _matroska(head: bytes) -> FormatTuple | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    if b"webm" in head[:64]:
        return WEBM
    return MATROSKA if b"matroska" in head[:64] else None


def _ogg(head: bytes) -> FormatTuple | None:
    if not head.startswith(b"OggS\x00"):
        return None
    return OGG_VIDEO if b"theora" in head[:256] else OGG_AUDIO


def _bmp(head: bytes) -> FormatTuple | None:
    header = int.from_bytes(head[14:18], "little")
    return BMP if head.startswith(b"BM") and header in BITMAP_HEADER_BYTES else None


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS:
        return "a HEIC or AVIF image"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, name in UNSUPPORTED:
        if pattern.match(text):
            return name
    return "a text file" if _is_text(head) else "a file of unknown format"


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")
    return len(text) > 0.9 * len(head) and all(c.isprintable() or c.isspace() for c in text)
