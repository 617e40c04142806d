"""What a file that somebody sent really is: told by its first bytes, never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.sniffing import sniff_streams
from storage.sniffing.magic_numbers import (
    AUDIO_BRANDS,
    BARE_QUICKTIME,
    BITMAP_HEADER_BYTES,
    BMP,
    BY_FORM_TYPE,
    BY_PREFIX,
    M4A,
    MATROSKA,
    MP4,
    OGG_AUDIO,
    OGG_VIDEO,
    QUICKTIME,
    REFUSED,
    SOUND_AND_PICTURE,
    STILL_BRANDS,
    VIDEO_BRANDS,
    WEBM,
)

if TYPE_CHECKING:
    from pathlib import Path

    from storage.sniffing.magic_numbers import Form, Kind

HEAD_BYTES = 4096
"""As much of a file as `sniff` looks at."""

_ARTICLES = {"image": "an image", "video": "a video", "audio": "an audio file"}


class MediaRejected(Exception):
    """An input cannot be used: tell its owner `code` and `message`; try again if `retryable`."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True)
class Sniffed:
    """What the first bytes say."""

    kind: Kind
    mime: str
    extension: str
    """Without a dot; ours, never the sender's."""

    def serves(self, wanted: Kind) -> bool:
        """Tell whether such a file may be asked for as this kind: an MP4 may hold only sound."""
        both = self.extension in SOUND_AND_PICTURE and wanted != "image"
        return both or self.kind == wanted


def sniff(head: bytes) -> Sniffed:
    """Name the format by the first `HEAD_BYTES`.

    Raises `MediaRejected` (`unsupported_media`) for anything that is not on the list of formats.
    """
    head = head[:HEAD_BYTES]
    form = _by_prefix(head) or _boxed(head) or _matroska(head) or _ogg(head) or _bitmap(head)
    form = form or sniff_streams.form_of(head)
    if form is None:
        raise MediaRejected("unsupported_media", f"this is {_name_of(head)}, not a media file")
    return Sniffed(*form)


def check(source: Path | bytes, wanted: Kind) -> Sniffed:
    """Sniff a file, or its first bytes, and see that it may serve as the wanted kind."""
    sniffed = sniff(source if isinstance(source, bytes) else _head_of(source))
    if not sniffed.serves(wanted):
        found = f"{_ARTICLES[sniffed.kind]} ({sniffed.mime})"
        raise MediaRejected("unsupported_media", f"this is {found}, not {_ARTICLES[wanted]}")
    return sniffed


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _by_prefix(head: bytes) -> Form | None:
    for prefix, form in BY_PREFIX:
        if head.startswith(prefix):
            return form
    return BY_FORM_TYPE.get((head[:4], head[8:12]))


def _boxed(head: bytes) -> Form | None:
    """MP4 and its kin: boxes of size and type, the first one `ftyp` with its brands."""
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind in BARE_QUICKTIME and (size >= 8 or size == 1):
        return QUICKTIME
    if kind != b"ftyp" or size < 16:
        return None
    box = head[: min(size, 256)]
    brands = [box[8:12], *(box[i : i + 4] for i in range(16, len(box) - 3, 4))]
    return _by_brand(brands)


def _by_brand(brands: list[bytes]) -> Form | None:
    if brands[0] in STILL_BRANDS:
        return None
    if brands[0] in AUDIO_BRANDS:
        return M4A
    if brands[0] == b"qt  ":
        return QUICKTIME
    return MP4 if any(VIDEO_BRANDS.match(brand) for brand in brands) else None


def _matroska(head: bytes) -> Form | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    if b"webm" in head[:64]:
        return WEBM
    return MATROSKA if b"matroska" in head[:64] else None


def _ogg(head: bytes) -> Form | None:
    if not head.startswith(b"OggS\x00"):
        return None
    return OGG_VIDEO if b"theora" in head[:256] else OGG_AUDIO


def _bitmap(head: bytes) -> Form | None:
    header = int.from_bytes(head[14:18], "little")
    return BMP if head.startswith(b"BM") and header in BITMAP_HEADER_BYTES else None


def _name_of(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS:
        return "a HEIC or AVIF picture"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for pattern, name in REFUSED:
        if pattern.match(text):
            return name
    return "a text file" if _is_text(head) else "an unknown kind of file"


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", "ignore")
    return len(text) > 0.9 * len(head) and all(c.isprintable() or c.isspace() for c in text)
