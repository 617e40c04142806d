"""Identifies a media format by the bytes of a file and never by its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from runtime.media import formats, streams, unsupported

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.media.formats import MediaFormat

HEAD_BYTES: Final = 64 * 1024
"""How much of a file is examined: recordings may begin with padding, pictures with profiles."""

_BY_PREFIX: Final[tuple[tuple[bytes, MediaFormat], ...]] = (
    (b"\xff\xd8\xff", formats.JPEG),
    (b"GIF87a", formats.GIF),
    (b"GIF89a", formats.GIF),
    (b"II*\x00", formats.TIFF),
    (b"MM\x00*", formats.TIFF),
    (b"\x00\x00\x01\xba", formats.MPEG),
    (b"\x00\x00\x01\xb3", formats.MPEG_VIDEO),
    (b"fLaC", formats.FLAC),
    (b"FLV\x01", formats.FLASH),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", formats.WINDOWS_MEDIA),
    (b"riff\x2e\x91\xcf\x11", formats.WAVE64),
    (b"caff\x00\x01", formats.CORE_AUDIO),
    (b"#!AMR\n", formats.AMR),
    (b"#!AMR-WB\n", formats.AMR),
    (b".snd\x00\x00\x00", formats.AU),
)
_BY_CHUNK_TYPE: Final[dict[tuple[bytes, bytes], MediaFormat]] = {
    (b"RIFF", b"AVI "): formats.AVI,
    **{(one, b"WAVE"): formats.WAV for one in (b"RIFF", b"RF64", b"BW64", b"RIFX")},
    (b"FORM", b"AIFF"): formats.AIFF,
    (b"FORM", b"AIFC"): formats.AIFF,
}
"""Chunked formats (RIFF, IFF): bytes 0 to 4, and the type in bytes 8 to 12."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_AUDIO_BRANDS: Final = frozenset({b"M4A ", b"M4B ", b"F4A "})
_VIDEO_BRANDS: Final = re.compile(
    rb"iso[m2-9a]|mp4[12]|avc1|hvc1|hev1|av01|M4V|dash|msdh|MSNV|f4v |F4V |mmp4|3g[2gps]"
    rb"|XAVC|NDS.|cmf[cs2]"
)
_OGG_VIDEO_CODECS: Final = (b"theora", b"OVP80")
_BARE_QUICKTIME: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
"""First box of a QuickTime file without `ftyp`."""
_BITMAP_HEADER_BYTES: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Sizes of the known BMP headers; text may begin with `BM`, too."""
_TAG_HEADER_BYTES: Final = 10
_MAX_TAGS: Final = 4


def identify(head: bytes) -> MediaFormat | None:
    """Return the format by the first `HEAD_BYTES` of a file; None for one that is not taken."""
    head, tagged = head[:HEAD_BYTES], False
    for _ in range(_MAX_TAGS):
        if after := _tag_bytes(head):
            head, tagged = head[after:], True
    found = _identify(head)
    if tagged and (found is None or found.kind != "audio"):
        return formats.MP3
    return found


def identify_file(path: Path) -> MediaFormat | None:
    """Return the format of a file; a tag before the sound, with pictures, may have any length."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        after = _tag_bytes(head)
        if after < len(head):
            return identify(head)
        file.seek(after)
        return identify(b"ID3\x04\x00\x00" + bytes(4) + file.read(HEAD_BYTES))


def _identify(head: bytes) -> MediaFormat | None:
    found = _by_prefix(head) or _png(head) or _webp(head) or _mp4(head)
    found = found or _matroska(head) or _ogg(head) or _bmp(head) or streams.detect(head)
    if found is None and unsupported.named(head) is None:
        return streams.detect_after_junk(head)
    return found


def _tag_bytes(head: bytes) -> int:
    """Length of an ID3v2 tag with its header, else 0; its size is four bytes of seven bits."""
    if not head.startswith(b"ID3") or len(head) < _TAG_HEADER_BYTES:
        return 0
    size = 0
    for byte in head[6:_TAG_HEADER_BYTES]:
        size = size << 7 | byte & 0x7F
    return size + _TAG_HEADER_BYTES


def _by_prefix(head: bytes) -> MediaFormat | None:
    for prefix, found in _BY_PREFIX:
        if head.startswith(prefix):
            return found
    return _BY_CHUNK_TYPE.get((head[:4], head[8:12]))


def _png(head: bytes) -> MediaFormat | None:
    """A PNG is animated if it says so (`acTL`) before its pixels."""
    if not head.startswith(_PNG):
        return None
    at = len(_PNG)
    while (kind := head[at + 4 : at + 8]) and kind != b"IDAT":
        if kind == b"acTL":
            return formats.APNG
        at += 12 + int.from_bytes(head[at : at + 4], "big")
    return formats.PNG


def _webp(head: bytes) -> MediaFormat | None:
    if (head[:4], head[8:12]) != (b"RIFF", b"WEBP"):
        return None
    animated = head[12:16] == b"VP8X" and head[20:21] and head[20] & 0x02
    return formats.ANIMATED_WEBP if animated else formats.WEBP


def _mp4(head: bytes) -> MediaFormat | None:
    """Detect ISO base media files: boxes of size and type; the first is `ftyp` with brands."""
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind in _BARE_QUICKTIME and (size >= 8 or size == 1):
        return formats.QUICKTIME
    if kind != b"ftyp" or size < 16:
        return None
    box = head[: min(size, 256)]
    return _by_brand([box[8:12], *(box[i : i + 4] for i in range(16, len(box) - 3, 4))])


def _by_brand(brands: list[bytes]) -> MediaFormat | None:
    if brands[0] == b"avis":
        return formats.ANIMATED_AVIF
    if brands[0] == b"avif" or (brands[0] == b"mif1" and b"avif" in brands):
        return formats.AVIF
    if brands[0] in unsupported.HEIC_BRANDS:
        return None
    if brands[0] in _AUDIO_BRANDS:
        return formats.M4A
    if brands[0] == b"qt  ":
        return formats.QUICKTIME
    return formats.MP4 if any(_VIDEO_BRANDS.match(brand) for brand in brands) else None


def _matroska(head: bytes) -> MediaFormat | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    if b"webm" in head[:64]:
        return formats.WEBM
    return formats.MATROSKA if b"matroska" in head[:64] else None


def _ogg(head: bytes) -> MediaFormat | None:
    if not head.startswith(b"OggS\x00"):
        return None
    video = any(codec in head[:256] for codec in _OGG_VIDEO_CODECS)
    return formats.OGG_VIDEO if video else formats.OGG_AUDIO


def _bmp(head: bytes) -> MediaFormat | None:
    header = int.from_bytes(head[14:18], "little")
    return formats.BMP if head.startswith(b"BM") and header in _BITMAP_HEADER_BYTES else None
