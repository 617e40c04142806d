"""The frame sizes of talking pictures: multiples of 64 with areas near 627² or 960²."""

from __future__ import annotations

from functools import cache
from math import log
from typing import Final

MULTIPLE: Final = 64
MAX_RATIO: Final = 3.0


def nearest(width: int, height: int, area: int) -> tuple[int, int]:
    """Width and height of the size whose aspect ratio is nearest to that of a picture."""
    ratio = log(width / height)
    return min(sizes(area), key=lambda size: (abs(log(size[0] / size[1]) - ratio), size))


@cache
def sizes(area: int) -> tuple[tuple[int, int], ...]:
    """Every size of about this area, from tall to wide."""
    found = set()
    for side in range(MULTIPLE, area // MULTIPLE + 1, MULTIPLE):
        other = round(area / side / MULTIPLE) * MULTIPLE
        if other and max(side / other, other / side) <= MAX_RATIO:
            found |= {(side, other), (other, side)}
    return tuple(sorted(found, key=lambda size: size[0] / size[1]))
