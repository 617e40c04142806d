"""The format of a media file, detected from its first bytes and never from its name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES: Final = 1024
"""Bytes that the detection needs."""

# The third byte of an MPEG audio frame: neither the bad bit rate 15 nor the bad sample rate 3.
_MP3_RATES: Final = re.escape(bytes(n for n in range(256) if n >> 4 < 15 and n >> 2 & 3 < 3))

# Signature -> FFmpeg demuxer. Only these are ever opened: each holds its media in one file, so
# playlists, scripts and vector images, which name other files, have no demuxer here.
_SIGNATURES: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), demuxer)
    for pattern, demuxer in (
        (rb"....(?:ftyp(?!hei|hev|mif|msf|avif|avis)|moov|mdat|wide|free|skip|pnot)", "mov"),
        (rb"\x1aE\xdf\xa3", "matroska"),
        (rb"RIFF....AVI ", "avi"),
        (rb"(?:RIFF|RF64|BW64|RIFX)....WAVE", "wav"),
        (rb"riff\x2e\x91\xcf\x11", "w64"),
        (rb"OggS", "ogg"),
        (rb"fLaC", "flac"),
        (rb"FORM....AIF[FC]", "aiff"),
        (rb"caff\x00\x01", "caf"),
        (rb"#!AMR(?:-WB)?\n", "amr"),
        (rb"\.snd\x00\x00\x00", "au"),
        (rb"FLV\x01", "flv"),
        (rb"0&\xb2u\x8ef\xcf\x11", "asf"),
        (rb"\x00\x00\x01\xba", "mpeg"),
        (rb"G.{187}G.{187}G", "mpegts"),
        (rb"....G.{191}G.{191}G", "mpegts"),
        (rb"GIF8[79]a", "gif"),
        (rb"\xff[\xf0\xf1\xf8\xf9]", "aac"),
        (rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][" + _MP3_RATES + rb"]", "mp3"),
    )
)

_STILLS: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|BM.{8}|GIF8[79]a|II\*\x00|MM\x00\*", re.DOTALL
)


def is_image(head: bytes) -> bool:
    """Whether the bytes start an image that `still.read_still` can read."""
    return _STILLS.match(head) is not None


def demuxer(path: Path) -> str | None:
    """The FFmpeg demuxer for a file; None for anything that is neither sound nor video."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if head.startswith(b"ID3") and len(head) >= 10:
            file.seek(_id3_bytes(head))
            return _match(file.read(HEAD_BYTES)) or "mp3"
    return _match(head)


def _match(head: bytes) -> str | None:
    for pattern, name in _SIGNATURES:
        if pattern.match(head):
            return name
    return None


def _id3_bytes(head: bytes) -> int:
    """Length of an ID3v2 tag with its header; the size is four bytes of seven bits each."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10
