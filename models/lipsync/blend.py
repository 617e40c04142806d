"""Compositing of a generated face on its frame, without a visible seam."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.lipsync.network import CropArea

_TOP: Final = 0.42
"""Share of the height above which the frame stays unchanged."""
_FULL: Final = 0.56
"""Share of the height below which only the generated face shows."""
_EDGE: Final = 0.12
"""Width of the soft edge at the sides and the bottom, as a share of the shorter side."""
_REFERENCE_ROWS: Final = slice(0.1, 0.4)
"""Rows that the network was given and only reproduces: there both must have the same color."""
_SHARPEN_SIGMA: Final = 1.2
"""Sigma in pixels of the blur that sharpening removes (unsharp mask)."""


@dataclass(frozen=True)
class FeatherOptions:
    """Opacity of the generated face and sharpening, 0..1 each, and its mask."""

    opacity: float = 1.0
    sharpen: float = 0.0
    mask: NDArray[np.uint8] | None = None
    """0..255 for each pixel of the area; None: the lower half with soft edges."""


def blend_feathered(frame: Frame, area: CropArea, face: Frame, options: FeatherOptions) -> Frame:
    """A copy of the frame with the lower face replaced.

    Colors are matched in the rows that the network only reproduces.
    """
    old = area.of(frame).astype(np.float32)
    new = _resized(face, area).astype(np.float32)
    new += _color_offset(old, new)
    if options.sharpen:
        new += options.sharpen * (new - cv2.GaussianBlur(new, (0, 0), _SHARPEN_SIGMA))
    shape = (
        soft_mask(area.height, area.width)
        if options.mask is None
        else options.mask / np.float32(255)
    )
    mask = options.opacity * shape
    result = frame.copy()
    mixed = old + mask[:, :, None] * (new - old)
    area.of(result)[:] = np.clip(mixed + 0.5, 0, 255)
    return result


def blend_box(frame: Frame, area: CropArea, face: Frame, opacity: float = 1.0) -> Frame:
    """A copy of the frame with the whole area replaced at this opacity (0..1), with hard edges."""
    result = frame.copy()
    target = area.of(result)
    target[:] = cv2.addWeighted(target, 1 - opacity, _resized(face, area), opacity, 0)
    return result


@lru_cache(maxsize=64)
def soft_mask(height: int, width: int) -> NDArray[np.float32]:
    """Opacity of the generated face: 0 above the nose and at the edges, 1 around the mouth."""
    rows = (np.arange(height) + 0.5) / height
    columns = np.arange(width) + 0.5
    edge = max(1.0, _EDGE * min(height, width))
    down = _smoothstep((rows - _TOP) / (_FULL - _TOP))
    up = _smoothstep((1 - rows) * height / edge)
    sides = _smoothstep(np.minimum(columns, width - columns) / edge)
    return np.outer(down * up, sides).astype(np.float32)


def _smoothstep(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, smooth in between."""
    clipped = np.clip(values, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)


def _resized(face: Frame, area: CropArea) -> NDArray[np.uint8]:
    shrinks = face.shape[0] > area.height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (area.width, area.height), interpolation=how), np.uint8)


def _color_offset(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean difference of each color channel, frame minus generated face."""
    height = old.shape[0]
    known = slice(int(_REFERENCE_ROWS.start * height), max(1, int(_REFERENCE_ROWS.stop * height)))
    offset: NDArray[np.float32] = (old[known] - new[known]).mean(axis=(0, 1))
    return offset
