"""Magic numbers: the first bytes of supported media formats and of common unsupported files."""

from __future__ import annotations

import re
from typing import Literal

MediaKind = Literal["image", "video", "audio"]
FormatTuple = tuple[MediaKind, str, str]
"""MediaKind, MIME type, extension."""

BY_PREFIX: tuple[tuple[bytes, FormatTuple], ...] = (
    (b"\xff\xd8\xff", ("image", "image/jpeg", "jpg")),
    (b"\x89PNG\r\n\x1a\n", ("image", "image/png", "png")),
    (b"GIF87a", ("image", "image/gif", "gif")),
    (b"GIF89a", ("image", "image/gif", "gif")),
    (b"II*\x00", ("image", "image/tiff", "tiff")),
    (b"MM\x00*", ("image", "image/tiff", "tiff")),
    (b"\x00\x00\x01\xba", ("video", "video/mpeg", "mpg")),
    (b"\x00\x00\x01\xb3", ("video", "video/mpeg", "mpg")),
    (b"ID3", ("audio", "audio/mpeg", "mp3")),
    (b"fLaC", ("audio", "audio/flac", "flac")),
)

BY_CHUNK_TYPE: dict[tuple[bytes, bytes], FormatTuple] = {
    (b"RIFF", b"WEBP"): ("image", "image/webp", "webp"),
    (b"RIFF", b"AVI "): ("video", "video/x-msvideo", "avi"),
    (b"RIFF", b"WAVE"): ("audio", "audio/wav", "wav"),
    (b"RF64", b"WAVE"): ("audio", "audio/wav", "wav"),
    (b"FORM", b"AIFF"): ("audio", "audio/aiff", "aiff"),
    (b"FORM", b"AIFC"): ("audio", "audio/aiff", "aiff"),
}
"""Chunked formats (RIFF, IFF): bytes 0 to 4, and the type in bytes 8 to 12."""

MP4: FormatTuple = ("video", "video/mp4", "mp4")
QUICKTIME: FormatTuple = ("video", "video/quicktime", "mov")
M4A: FormatTuple = ("audio", "audio/mp4", "m4a")
WEBM: FormatTuple = ("video", "video/webm", "webm")
MATROSKA: FormatTuple = ("video", "video/matroska", "mkv")
TRANSPORT_STREAM: FormatTuple = ("video", "video/mp2t", "ts")
OGG_AUDIO: FormatTuple = ("audio", "audio/ogg", "ogg")
OGG_VIDEO: FormatTuple = ("video", "video/ogg", "ogv")
MP3: FormatTuple = ("audio", "audio/mpeg", "mp3")
AAC: FormatTuple = ("audio", "audio/aac", "aac")
BMP: FormatTuple = ("image", "image/bmp", "bmp")

AUDIO_VIDEO_CONTAINERS = frozenset(
    {"mp4", "mov", "m4a", "webm", "mkv", "ogg", "ogv", "avi", "ts", "mpg"}
)
"""Extensions of containers that may hold audio, video or both; only the decoder knows which."""

AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"F4A "})
VIDEO_BRANDS = re.compile(
    rb"iso[m2-9a]|mp4[12]|avc1|hvc1|hev1|av01|M4V|dash|msdh|MSNV|f4v |F4V |mmp4|3g[2gps]"
    rb"|XAVC|NDS.|cmf[cs2]"
)
STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"})
BARE_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
"""First box of a QuickTime file without `ftyp`."""
BITMAP_HEADER_BYTES = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Sizes of the known BMP headers; text may begin with `BM`, too."""

UNSUPPORTED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"#EXTM3U"), "a playlist (M3U/HLS)"),
    (re.compile(rb"<(!doctype html|html|head|body|script|title|meta|div)", re.I), "an HTML page"),
    (re.compile(rb"<(.*<)?svg\b", re.I | re.S), "an SVG image"),
    (re.compile(rb"<(.*<)?MPD\b", re.S), "a DASH manifest"),
    (re.compile(rb"<(\?xml|!--)", re.I), "an XML or HTML document"),
    (re.compile(rb"[{\[]\s*[\"{\[\d\]}]"), "a JSON document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or office document"),
    (re.compile(rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!"), "an archive"),
    (re.compile(rb"\x7fELF|MZ"), "a program"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "a Windows Media file"),
    (re.compile(rb"FLV\x01"), "a Flash video"),
    (re.compile(rb"#!AMR"), "an AMR recording"),
    (re.compile(rb"MThd"), "a MIDI file"),
    (re.compile(rb"8BPS"), "a Photoshop file"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL image"),
    (re.compile(rb"\x00\x00\x00\x0cjP  "), "a JPEG 2000 image"),
)  # fmt: skip
