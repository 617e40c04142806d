"""MP3: the number of bytes and frames in the first frame, as LAME and FFmpeg write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from runtime.truncation.missing import Bytes

_SEARCHED: Final = 4096
"""Bytes after the ID3 tag in which the first frame begins."""
_MIN_SHARE: Final = 0.02
"""Less is no loss: some encoders count tags."""
_HERTZ: Final = ((44_100, 48_000, 32_000), (22_050, 24_000, 16_000), (11_025, 12_000, 8_000))


def mp3(data: Bytes) -> Missing | None:
    """By the tag `Xing` or `Info`, which lies 36 bytes or less behind the head of its frame."""
    begin = _after_id3(data)
    head = data.read(begin, _SEARCHED)
    found = max(head.find(b"Xing"), head.find(b"Info"))
    frame = next((found - gap for gap in (36, 21, 13) if _is_frame(head, found - gap)), None)
    if found < 0 or frame is None:
        return None
    flags, frames, length = data.unpack(begin + found + 4, ">III")
    missing = begin + frame + length - data.size
    if flags & 3 != 3 or missing < length * _MIN_SHARE:
        return None
    return share(missing, length, frames * _frame_seconds(head[frame : frame + 4]))


def _is_frame(head: bytes, at: int) -> bool:
    return at >= 0 and head[at] == 0xFF and head[at + 1] & 0xE6 == 0xE2


def _frame_seconds(head: bytes) -> float:
    version, rate = head[1] >> 3 & 3, head[2] >> 2 & 3
    if version == 1 or rate == 3:
        return 0.0
    return (1152 if version == 3 else 576) / _HERTZ[{3: 0, 2: 1, 0: 2}[version]][rate]


def _after_id3(data: Bytes) -> int:
    head = data.read(0, 10)
    if not head.startswith(b"ID3") or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << 7 * (3 - n) for n, byte in enumerate(head[6:10]))
