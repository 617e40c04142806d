"""Names of what people send by mistake, for a refusal that says what the file is."""

from __future__ import annotations

import re
from typing import Final

HEIC_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
)
_HEIC: Final = (
    "a HEIC photo, which has no free decoder here: send it as JPEG "
    "(on an iPhone: Settings, Camera, Formats, Most Compatible)"
)
_PATTERNS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
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
    (re.compile(rb"MThd"), "a MIDI file"),
    (re.compile(rb"8BPS"), "a Photoshop file"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL image"),
    (re.compile(rb"\x00\x00\x00\x0cjP  "), "a JPEG 2000 image"),
)  # fmt: skip
_SOME_TEXT: Final = 4096
"""Bytes that decide whether a file is text."""


def named(head: bytes) -> str | None:
    """Return the name of a format that is not taken, or None for one that is not known here."""
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        return _HEIC
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((name for pattern, name in _PATTERNS if pattern.match(text)), None)


def describe(head: bytes) -> str:
    """Return what a file that is not taken is, as far as its first bytes show."""
    return named(head) or ("a text file" if _is_text(head) else "a file of unknown format")


def _is_text(head: bytes) -> bool:
    head = head[:_SOME_TEXT]
    text = head.decode("utf-8", "ignore")
    return len(text) > 0.9 * len(head) and all(c.isprintable() or c.isspace() for c in text)
