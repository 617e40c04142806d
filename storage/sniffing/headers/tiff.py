"""The size of a TIFF: the tags of its first page, each at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storage.sniffing.headers.byte_reader import Doubtful

if TYPE_CHECKING:
    from storage.sniffing.headers.byte_reader import ByteReader

MAX_TAGS: Final = 500

_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_SIZES: Final = {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT}
_NUMBER_TYPES: Final = {3: "H", 4: "I"}
"""Types of a number: 16 and 32 bits."""
_TILE_ALIGNMENT: Final = 16
"""A tile may exceed the image by less than this, by the specification."""


def size(data: ByteReader) -> tuple[int, int]:
    """Width and height as stored. Further pages do not count.

    Where a tag occurs twice, one program takes the first and another the last: refused. So are
    tiles larger than the image, for which a decoder would allocate memory.
    """
    order = {b"II": "<", b"MM": ">"}[data.at(0, 2)]
    (first,) = data.unpack(4, order + "I")
    (count,) = data.unpack(first, order + "H")
    if first < 8 or not 0 < count <= MAX_TAGS:
        raise Doubtful(f"it does not have 1 to {MAX_TAGS} tags")
    found: dict[int, int] = {}
    for entry in range(first + 2, first + 2 + 12 * count, 12):
        (tag,) = data.unpack(entry, order + "H")
        if tag in found:
            raise Doubtful(f"its tag {tag} occurs twice")
        found[tag] = _number(data, entry, order) if tag in _SIZES else 0
    return _agreed(found)


def _number(data: ByteReader, entry: int, order: str) -> int:
    """The value of a tag that must be one number, stored in the entry itself."""
    kind, count = data.unpack(entry + 2, order + "HI")
    if kind not in _NUMBER_TYPES or count != 1:
        raise Doubtful("its size is not one number")
    (value,) = data.unpack(entry + 8, order + _NUMBER_TYPES[kind])
    return int(value)


def _agreed(found: dict[int, int]) -> tuple[int, int]:
    if not found.keys() >= {_WIDTH, _HEIGHT}:
        raise Doubtful("it states no size")
    width, height = found[_WIDTH], found[_HEIGHT]
    if (
        found.get(_TILE_WIDTH, 0) >= width + _TILE_ALIGNMENT
        or found.get(_TILE_HEIGHT, 0) >= height + _TILE_ALIGNMENT
    ):
        raise Doubtful("its tiles are larger than the image")
    return width, height
