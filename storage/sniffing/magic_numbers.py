"""The first bytes by which the media files that we take, and some that we do not, are known."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["image", "video", "audio"]
Form = tuple[Kind, str, str]
"""Kind, MIME type, extension."""

BY_PREFIX: tuple[tuple[bytes, Form], ...] = (
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

BY_FORM_TYPE: dict[tuple[bytes, bytes], Form] = {
    (b"RIFF", b"WEBP"): ("image", "image/webp", "webp"),
    (b"RIFF", b"AVI "): ("video", "video/x-msvideo", "avi"),
    (b"RIFF", b"WAVE"): ("audio", "audio/wav", "wav"),
    (b"RF64", b"WAVE"): ("audio", "audio/wav", "wav"),
    (b"FORM", b"AIFF"): ("audio", "audio/aiff", "aiff"),
    (b"FORM", b"AIFC"): ("audio", "audio/aiff", "aiff"),
}
"""Chunked files: the first four bytes, and bytes 8 to 12."""

MP4: Form = ("video", "video/mp4", "mp4")
QUICKTIME: Form = ("video", "video/quicktime", "mov")
M4A: Form = ("audio", "audio/mp4", "m4a")
WEBM: Form = ("video", "video/webm", "webm")
MATROSKA: Form = ("video", "video/matroska", "mkv")
TRANSPORT_STREAM: Form = ("video", "video/mp2t", "ts")
OGG_AUDIO: Form = ("audio", "audio/ogg", "ogg")
OGG_VIDEO: Form = ("video", "video/ogg", "ogv")
MP3: Form = ("audio", "audio/mpeg", "mp3")
AAC: Form = ("audio", "audio/aac", "aac")
BMP: Form = ("image", "image/bmp", "bmp")

SOUND_AND_PICTURE = frozenset(
    {"mp4", "mov", "m4a", "webm", "mkv", "ogg", "ogv", "avi", "ts", "mpg"}
)
"""Containers that may hold sound, pictures or both; which of them, the decoder finds out."""

AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"F4A "})
VIDEO_BRANDS = re.compile(
    rb"iso[m2-9a]|mp4[12]|avc1|hvc1|hev1|av01|M4V|dash|msdh|MSNV|f4v |F4V |mmp4|3g[2gps]"
    rb"|XAVC|NDS.|cmf[cs2]"
)
STILL_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1"})
BARE_QUICKTIME = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip"})
BITMAP_HEADER_BYTES = frozenset({12, 40, 52, 56, 64, 108, 124})

REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF-"), "a PDF document"),
    (re.compile(rb"#EXTM3U"), "a playlist (M3U/HLS)"),
    (re.compile(rb"<(!doctype html|html|head|body|script|title|meta|div)", re.I), "an HTML page"),
    (re.compile(rb"<(.*<)?svg\b", re.I | re.S), "an SVG drawing"),
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
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL picture"),
    (re.compile(rb"\x00\x00\x00\x0cjP  "), "a JPEG 2000 picture"),
)  # fmt: skip
