"""Streams without a header: known by frames that follow each other where they should."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.sniffing.magic_numbers import AAC, MP3, TRANSPORT_STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.sniffing.magic_numbers import Form

_KBITS_V1_L3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_V1_L2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_KBITS_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ_V1 = (44100, 48000, 32000)
_HERTZ_DIVISOR = {3: 1, 2: 2, 0: 4}
"""By the two version bits: MPEG 1, 2 and 2.5."""


def form_of(head: bytes) -> Form | None:
    """Return MP3, AAC or MPEG-TS when the head is a run of their frames."""
    if _follows(head, _mpeg_audio_bytes):
        return MP3
    if _follows(head, _adts_bytes):
        return AAC
    return TRANSPORT_STREAM if _is_transport_stream(head) else None


def _follows(head: bytes, size_of: Callable[[bytes], int]) -> bool:
    """Tell whether a frame starts here, and another one behind it if the head reaches that far."""
    size = size_of(head[:8])
    if not size:
        return False
    following = head[size : size + 8]
    return len(following) < 8 or size_of(following) > 0


def _mpeg_audio_bytes(header: bytes) -> int:
    """Return the size of an MPEG audio frame of layer II or III, 0 for anything else."""
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


def _adts_bytes(header: bytes) -> int:
    """Return the size of an AAC frame with its ADTS header, 0 for anything else."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    if header[2] >> 2 & 0xF > 12:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size > 7 else 0


def _is_transport_stream(head: bytes) -> bool:
    """Tell whether three packets in a row begin with the sync byte (188 or 192 bytes each)."""
    return any(
        len(head) > offset + 2 * step and all(head[offset + step * i] == 0x47 for i in range(3))
        for offset, step in ((0, 188), (4, 192))
    )
