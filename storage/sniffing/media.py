"""What a file is, by its bytes, and whether the field takes it: the sentences of a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runtime.media import unsupported
from runtime.media.detection import HEAD_BYTES, identify, identify_file
from runtime.media.formats import MediaFormat, taken_for
from runtime.truncation.detect import missing_end
from runtime.truncation.frame_count import frames_excess

if TYPE_CHECKING:
    from runtime.media.formats import MediaKind

__all__ = ["HEAD_BYTES", "MediaFormat", "MediaRejected", "MediaTruncated", "check_media", "sniff"]

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


def sniff(head: bytes) -> MediaFormat:
    """Identify the format by the first `HEAD_BYTES`.

    Raises `MediaRejected` (`unsupported_media`) for any format that is not supported.
    """
    found = identify(head)
    if found is None:
        raise _unknown(head)
    return found


def check_media(source: Path | bytes, kind: MediaKind) -> MediaFormat:
    """Identify a file, or its first bytes, and check that it is usable as `kind`.

    Raises `MediaRejected`: `unsupported_media`, which names what such a field takes, or
    `too_large` for an animation of too many frames or pixels; and `MediaTruncated` for a file that
    is cut off.
    """
    found = identify_file(source) if isinstance(source, Path) else identify(source)
    if found is None:
        head = _read_head(source) if isinstance(source, Path) else source
        raise for_field(_unknown(head), kind)
    if not found.usable_as(kind):
        shown = f"{_ARTICLES[found.kind]} ({found.name}, {found.mime})"
        refusal = MediaRejected("unsupported_media", f"this is {shown}, not {_ARTICLES[kind]}")
        raise for_field(refusal, kind)
    if isinstance(source, Path):
        _check_headers(source, found, kind)
    return found


def _check_headers(path: Path, found: MediaFormat, kind: MediaKind) -> None:
    """Raise `MediaRejected` for what the headers of the whole file say."""
    missing = missing_end(path)
    if missing is not None:
        raise MediaTruncated(f"{missing}; send the complete file")
    excess = frames_excess(path, found) if kind == "video" else None
    if excess is not None:
        raise MediaRejected("too_large", excess)


def for_field(error: MediaRejected, kind: MediaKind) -> MediaRejected:
    """Add what a field of this kind takes to the refusal of a format."""
    if error.code != "unsupported_media":
        return error
    message = f"{error.message}; this field takes {taken_for(kind)}"
    return MediaRejected(error.code, message, retryable=error.retryable)


def _unknown(head: bytes) -> MediaRejected:
    description = unsupported.describe(head)
    return MediaRejected("unsupported_media", f"this is {description}, not a media file")


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
