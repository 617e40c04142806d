"""Detection of headerless streams (MP3, AAC, MPEG-TS) by consecutive valid frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.media.formats import AAC, MP3, TRANSPORT_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.media.formats import MediaFormat

_KBITS_V1_L3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_V1_L2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_KBITS_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ_V1 = (44100, 48000, 32000)
_ENOUGH_FRAMES = 4
"""A tenth of a second."""
_HERTZ_DIVISOR = {3: 1, 2: 2, 0: 4}
"""Keyed by the two version bits: MPEG 1, 2 and 2.5."""


def detect(head: bytes) -> MediaFormat | None:
    """Return MP3, AAC or MPEG-TS when the head is a sequence of such frames."""
    if _is_frame_sequence(head, _mpeg_audio_frame_bytes):
        return MP3
    if _is_frame_sequence(head, _adts_frame_bytes):
        return AAC
    return TRANSPORT_STREAM if _is_transport_stream(head) else None


def detect_after_junk(head: bytes) -> MediaFormat | None:
    """Return MP3 or AAC when frames follow zeros or the rest of a cut frame.

    More frames in a row are needed than at the start of a file: junk holds a header by chance.
    """
    at = head.find(b"\xff", 1)
    while at >= 0:
        for size_of, found in ((_mpeg_audio_frame_bytes, MP3), (_adts_frame_bytes, AAC)):
            if _counts_frames(head, at, size_of) >= _ENOUGH_FRAMES:
                return found
        at = head.find(b"\xff", at + 1)
    return None


def _counts_frames(head: bytes, at: int, size_of: Callable[[bytes], int]) -> int:
    """Return how many frames of one kind follow each other from here on, up to the needed ones."""
    kind, count = head[at : at + 2], 0
    while count < _ENOUGH_FRAMES and head[at : at + 2] == kind:
        size = size_of(head[at : at + 8])
        if not size:
            break
        count += 1
        at += size
    return count


def _is_frame_sequence(head: bytes, size_of: Callable[[bytes], int]) -> bool:
    """Return whether a frame starts here, and a second one after it if the head is long enough."""
    size = size_of(head[:8])
    if not size:
        return False
    following = head[size : size + 8]
    return len(following) < 8 or size_of(following) > 0


def _mpeg_audio_frame_bytes(header: bytes) -> int:
    """Return the size in bytes of an MPEG audio frame of layer II or III, else 0."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate, hertz = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer not in {1, 2} or rate in {0, 15} or hertz == 3:
        return 0
    slots = 72 if layer == 1 and version != 3 else 144
    samples = _HERTZ_V1[hertz] // _HERTZ_DIVISOR[version]
    return slots * _kbits(version, layer, rate) * 1000 // samples + (header[2] >> 1 & 1)


def _kbits(version: int, layer: int, rate: int) -> int:
    if version != 3:
        return _KBITS_V2[rate]
    return (_KBITS_V1_L3 if layer == 1 else _KBITS_V1_L2)[rate]


def _adts_frame_bytes(header: bytes) -> int:
    """Return the size in bytes of an AAC frame with its ADTS header, else 0."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 0xF > 12:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0


def _is_transport_stream(head: bytes) -> bool:
    """Return whether three consecutive packets (188 or 192 bytes) begin with the sync byte."""
    return any(
        len(head) > offset + 2 * step and all(head[offset + step * i] == 0x47 for i in range(3))
        for offset, step in ((0, 188), (4, 192))
    )
