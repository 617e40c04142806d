"""Draw an open mouth into a frame; pixels outside the region of the mouth do not change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.mouth import opening_fields
from models.mouth.mouth_interior import GRAY, paint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.mouth.lip_detection import Map
    from models.mouth.mouth import Mouth
    from models.mouth.opening_fields import Opening

SHUT = 0.02
GUESSED = 0.5
"""How far a guessed mouth opens."""


class MouthWarp:
    """One mouth in frames of one size. Create it once for a photo, and for each frame
    of a video.

    A guessed mouth, of a face behind a mask or a beard, only moves with the jaw, half as far: no
    open mouth is drawn where there may be none.
    """

    def __init__(self, frame: Frame, mouth: Mouth) -> None:
        self._mouth = mouth
        self._region = _region(frame, mouth)
        self._to_grid = _to_grid(mouth, self._region)
        self._lip_color, self._light = _colors(frame, mouth)

    @property
    def is_guessed(self) -> bool:
        """Whether no mouth was found: it is at its usual place in the face."""
        return self._mouth.guessed

    def __call__(self, frame: Frame, opening: Opening) -> Frame:
        """The frame with its mouth open; the same frame while the mouth is closed."""
        rows, columns = self._region
        if opening.open < SHUT or rows.stop <= rows.start or columns.stop <= columns.start:
            return frame
        drawn = frame.copy()
        drawn[rows, columns] = self._opened(frame, opening)
        return drawn

    def _opened(self, frame: Frame, opening: Opening) -> Frame:
        """The region with the mouth open."""
        if self._mouth.guessed:
            faint = replace(opening, open=GUESSED * opening.open, wide=GUESSED * opening.wide)
            return self._moved(frame, opening_fields.open_fields(self._mouth, faint))
        fields = opening_fields.open_fields(self._mouth, opening)
        inside = paint(self._mouth, fields, self._lip_color, self._light)
        return self._blended(self._moved(frame, fields), fields, inside)

    def _moved(self, frame: Frame, fields: opening_fields.Fields) -> Frame:
        rows, columns = self._region
        mouth = self._mouth
        shift_x = fields.shift_u * mouth.dx - fields.shift_v * mouth.dy
        shift_y = fields.shift_u * mouth.dy + fields.shift_v * mouth.dx
        shift = self._enlarged(np.dstack([shift_x, shift_y]))
        x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + shift[..., 0]
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + shift[..., 1]
        moved = cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, dtype=np.uint8)

    def _blended(self, moved: Frame, fields: opening_fields.Fields, inside: Map) -> Frame:
        feather = max(1.4, 0.035 * self._mouth.half) / self._mouth.half
        open_ = np.minimum(fields.upper, fields.lower) / feather
        sheet = self._enlarged(np.dstack([inside, open_]))
        alpha = np.clip(sheet[..., 3:], 0, 1)
        mixed = moved + (sheet[..., :3] - moved) * alpha
        return np.asarray(np.clip(mixed + 0.5, 0, 255), dtype=np.uint8)

    def _enlarged(self, grid: Map) -> Map:
        rows, columns = self._region
        size = (columns.stop - columns.start, rows.stop - rows.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        whole = cv2.warpAffine(grid, self._to_grid, size, flags=flags)
        return np.asarray(whole, dtype=np.float32)


def _region(frame: Frame, mouth: Mouth) -> tuple[slice, slice]:
    """Rows and columns of the frame that the grid covers."""
    u = np.array(
        [opening_fields.LEFT, opening_fields.RIGHT, opening_fields.LEFT, opening_fields.RIGHT]
    )
    v = np.array(
        [opening_fields.TOP, opening_fields.TOP, opening_fields.BOTTOM, opening_fields.BOTTOM]
    )
    x = mouth.x + u * mouth.dx - v * mouth.dy
    y = mouth.y + u * mouth.dy + v * mouth.dx
    height, width = frame.shape[:2]
    rows = slice(max(0, int(y.min())), min(height, int(y.max()) + 1))
    return rows, slice(max(0, int(x.min())), min(width, int(x.max()) + 1))


def _to_grid(mouth: Mouth, region: tuple[slice, slice]) -> NDArray[np.float64]:
    """The affine transform from pixels of the region to positions on the grid."""
    scale = 1 / (mouth.half**2 * opening_fields.STEP)
    turn = np.array([[mouth.dx, mouth.dy], [-mouth.dy, mouth.dx]]) * scale
    corner = np.array([region[1].start - mouth.x, region[0].start - mouth.y])
    origin = (
        turn @ corner - np.array([opening_fields.LEFT, opening_fields.TOP]) / opening_fields.STEP
    )
    return np.column_stack([turn, origin])


def _colors(frame: Frame, mouth: Mouth) -> tuple[Map, float]:
    """The color of the lower lip, and the brightness of lit skin."""
    lip = _part(frame, mouth, mouth.bow + 0.14, 0.3).mean(axis=0)
    light = np.percentile(_part(frame, mouth, mouth.bow, 1.2) @ GRAY, 90)
    return np.asarray(lip, dtype=np.float32), float(light)


def _part(frame: Frame, mouth: Mouth, v: float, reach: float) -> Frame:
    """The pixels around a point below the center of the mouth, `reach` to each side."""
    x, y = mouth.x - v * mouth.dy, mouth.y + v * mouth.dx
    r = max(1.0, reach * mouth.half)
    height, width = frame.shape[:2]
    left, top = int(np.clip(x - r, 0, width - 1)), int(np.clip(y - r / 2, 0, height - 1))
    part = frame[top : max(top + 1, int(y + r / 2)), left : max(left + 1, int(x + r))]
    return part.reshape(-1, 3)
