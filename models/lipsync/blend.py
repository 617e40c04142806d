"""A made face laid over the frame so that nobody sees where it begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.lipsync.network import Area, Frame

_BEGINS: Final = 0.42
"""Above this share of the height the frame stays as it is."""
_FULL: Final = 0.56
"""From here down the made face counts wholly."""
_EDGE: Final = 0.12
"""Width of the soft edge at the sides and below, as a share of the shorter side."""
_KNOWN: Final = slice(0.1, 0.4)
"""Rows that the network has seen and only repeats: there the two must have the same colour."""
_SOFT: Final = 1.2
"""Sigma in pixels of the blur that sharpening takes away."""


@dataclass(frozen=True)
class Feather:
    """How a made face shows: `strength` 0..1 of it, only where `mask` lets it, 0..1 sharpened."""

    strength: float = 1.0
    sharpen: float = 0.0
    mask: NDArray[np.uint8] | None = None
    """0..255 for each pixel of the area; None: the lower half with soft edges."""


def feathered(frame: Frame, area: Area, face: Frame, how: Feather) -> Frame:
    """A copy of the frame with the lower face replaced.

    Colours are matched where the network only repeats what it saw.
    """
    old = area.of(frame).astype(np.float32)
    new = _fitted(face, area).astype(np.float32)
    new += _offset(old, new)
    if how.sharpen:
        new += how.sharpen * (new - cv2.GaussianBlur(new, (0, 0), _SOFT))
    shape = soft_mask(area.height, area.width) if how.mask is None else how.mask / np.float32(255)
    mask = how.strength * shape
    result = frame.copy()
    mixed = old + mask[:, :, None] * (new - old)
    area.of(result)[:] = np.clip(mixed + 0.5, 0, 255)
    return result


def pasted(frame: Frame, area: Area, face: Frame, strength: float = 1.0) -> Frame:
    """A copy of the frame with the whole area replaced by `strength` 0..1, with hard edges."""
    result = frame.copy()
    place = area.of(result)
    place[:] = cv2.addWeighted(place, 1 - strength, _fitted(face, area), strength, 0)
    return result


@lru_cache(maxsize=64)
def soft_mask(height: int, width: int) -> NDArray[np.float32]:
    """How much of the made face shows: 0 above the nose and at the edges, 1 about the mouth."""
    rows = (np.arange(height) + 0.5) / height
    columns = np.arange(width) + 0.5
    edge = max(1.0, _EDGE * min(height, width))
    down = _eased((rows - _BEGINS) / (_FULL - _BEGINS))
    up = _eased((1 - rows) * height / edge)
    sides = _eased(np.minimum(columns, width - columns) / edge)
    return np.outer(down * up, sides).astype(np.float32)


def _eased(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, and no kink in between."""
    clipped = np.clip(values, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def _fitted(face: Frame, area: Area) -> NDArray[np.uint8]:
    shrinks = face.shape[0] > area.height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (area.width, area.height), interpolation=how), np.uint8)


def _offset(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much lighter each colour of the frame is than that of the made face."""
    height = old.shape[0]
    known = slice(int(_KNOWN.start * height), max(1, int(_KNOWN.stop * height)))
    offset: NDArray[np.float32] = (old[known] - new[known]).mean(axis=(0, 1))
    return offset
