"""The frames of an animated picture, counted in its headers; nothing is decoded."""

from __future__ import annotations

import struct
from itertools import islice, repeat
from typing import TYPE_CHECKING, Final

from runtime.media import formats
from runtime.media.animations import MAX_FRAMES, excess
from runtime.truncation.animation import IMAGE, gif_blocks, png_chunks
from runtime.truncation.boxes import within
from runtime.truncation.missing import Bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runtime.media.formats import MediaFormat

    Size = tuple[int, int]
    """Width and height."""


def frames_excess(path: Path, found: MediaFormat) -> str | None:
    """Why an animated picture of this format is too large; None if it is not, or no such picture.

    Counts the frames up to the first that is too much, or to the place where the headers are
    damaged or more than `missing.MAX_READS`: a decoder counts again.
    """
    reader = _READERS.get(found)
    if reader is None:
        return None
    count, size = 0, (0, 0)
    with path.open("rb") as file:
        try:
            for each in islice(reader(Bytes(file, path.stat().st_size)), MAX_FRAMES + 1):
                count, size = count + 1, each
        except struct.error:
            pass
    return excess(*size, count)


def _gif(data: Bytes) -> Iterator[Size]:
    size = data.unpack(6, "<HH")
    for kind, _ in gif_blocks(data):
        if kind == IMAGE:
            yield size


def _png(data: Bytes) -> Iterator[Size]:
    size = data.unpack(16, ">II")
    for name, _ in png_chunks(data):
        if name == b"fcTL":
            yield size


def _webp(data: Bytes) -> Iterator[Size]:
    width, height = (int.from_bytes(data.read(at, 3), "little") + 1 for at in (24, 27))
    at = 12
    while at + 8 <= data.size:
        name, length = data.unpack(at, "<4sI")
        at += 8 + length + length % 2
        if name == b"ANMF":
            yield width, height


def _avif(data: Bytes) -> Iterator[Size]:
    """The longest track: another one is opacity."""
    longest = 0, (0, 0)
    for track in within(data, 0, data.size, b"moov", b"trak"):
        for _, end in within(data, *track, b"tkhd"):
            width, height = data.unpack(end - 8, ">II")
            for at, _ in within(data, *track, b"mdia", b"minf", b"stbl", b"stsz"):
                (count,) = data.unpack(at + 8, ">I")
                longest = max(longest, (count, (width >> 16, height >> 16)))
    count, size = longest
    return repeat(size, count)


_READERS: Final[dict[MediaFormat, Callable[[Bytes], Iterator[Size]]]] = {
    formats.GIF: _gif,
    formats.APNG: _png,
    formats.ANIMATED_WEBP: _webp,
    formats.ANIMATED_AVIF: _avif,
}
