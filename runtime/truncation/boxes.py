"""MP4 and QuickTime: boxes one after another, of which `moov` is the index and `mdat` the media."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.truncation.missing import Missing, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.truncation.missing import Bytes

_NEEDED: Final = frozenset({b"moov", b"moof", b"mdat"})
"""Boxes that have to be complete; what other programs append does not count."""


def mp4(data: Bytes) -> Missing | None:
    """The boxes at the top level."""
    at, has_index, has_media, seconds = 0, False, False, 0.0
    while at + 8 <= data.size:
        kind, header, length = _box(data, at)
        if length < header:
            break
        beyond = at + length - data.size
        if beyond > 0 and kind in _NEEDED:
            whole = has_index and kind != b"moov"
            return share(beyond, length, seconds) if whole else Missing(beyond, has_index=False)
        has_media |= kind == b"mdat"
        if kind == b"moov":
            has_index, seconds = True, _seconds(data, at + header)
        at += length
    return Missing(0, has_index=False) if has_media and not has_index else None


def mp4_seconds(data: Bytes) -> float | None:
    """The length of the movie, as its index states it."""
    at = 0
    while at + 8 <= data.size:
        kind, header, length = _box(data, at)
        if kind == b"moov":
            return _seconds(data, at + header) or None
        if length < header:
            break
        at += length
    return None


def within(data: Bytes, at: int, end: int, kind: bytes, *path: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of the contents of each box of a kind, or of those at a path in it."""
    while at + 8 <= end:
        name, header, length = _box(data, at)
        if length < header:
            return
        contents = at + header, min(at + length, end)
        if name == kind and path:
            yield from within(data, *contents, *path)
        elif name == kind:
            yield contents
        at += length


def _box(data: Bytes, at: int) -> tuple[bytes, int, int]:
    """Kind, bytes of the header and of the whole box."""
    length, kind = data.unpack(at, ">I4s")
    if length == 1:
        return kind, 16, data.unpack(at + 8, ">Q")[0]
    return kind, 8, length or data.size - at


def _seconds(data: Bytes, at: int) -> float:
    """The length of the movie, by the first box of `moov`; 0 if it is not known."""
    kind, header, _ = _box(data, at)
    if kind != b"mvhd":
        return 0.0
    (version,) = data.unpack(at + header, "B")
    place, form = (20, ">IQ") if version == 1 else (12, ">II")
    scale, length = data.unpack(at + header + place, form)
    return length / scale if scale else 0.0
