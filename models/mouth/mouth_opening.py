"""What shows between the lips in a photo: nothing, teeth, or an open mouth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.mouth.lip_detection import FACE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.mouth.lip_detection import LipMaps, Map

_REACH = 34
"""Rows of the patch above and below the line that are looked at."""
_EDGES = range(4, 20)
"""Rows below the line between which teeth may end."""
_NEUTRAL = -0.05
"""Redness below which something may be white: teeth, not the highlight of a lip."""
_WHITE = 0.19
"""Light minus redness above which it is."""
_ALMOST_NEUTRAL, _CLEARLY = -0.015, 1.25
"""Redness of teeth whose color a strong compression has mixed with that of the lips, and by how
much brighter than in a gray photo they have to be."""
_BRIGHT, _SHARP = 0.145, 0.4
"""Light, and its fall over three rows in contrasts of lines, above which something in a gray photo
is teeth."""
_USUAL_CONTRAST = 0.45
"""Contrast of lines above which a photo exaggerates light and redness, too."""
_USUAL_HALF, _SMILE = 0.2, 1.2
"""Half the width of a mouth, in widths of the face, beyond which it smiles and teeth need less
light, and by how much."""
_MAX_CONTRAST = 0.63
"""Contrast beyond which it is that of the face itself."""
_CHIN = slice(12, 18)
"""Rows below the line where a face has its chin, also below an open mouth."""
_BLACK = -0.4
"""Light of what is no skin."""
_HOLLOW_ROWS = 9.5
"""Rows that are at least half as dark as the line, from which on it is the interior of a mouth."""


@dataclass(frozen=True)
class Interior:
    """Teeth or the interior of an open mouth; `depth` is the distance in rows of the patch from the
    line between the corners to where the mouth opens further, in its middle.
    """

    depth: float


def visible_interior(
    maps: LipMaps, ends: tuple[int, int], curve: NDArray[np.float64]
) -> Interior | None:
    """What shows along a line of the patch, whose rows are the polynomial `curve`; None: nothing.

    A mouth with bared teeth opens below them, and an open mouth opens further in its middle.
    """
    fifth = (ends[1] - ends[0]) // 5
    columns = np.arange(ends[0] + fifth, ends[1] - fifth)
    rows = np.polyval(curve, columns).round().astype(int)
    u = 2 * (columns - ends[0]) / (ends[1] - ends[0]) - 1
    light = _around(maps.light, rows, columns)
    hollow = _hollow(light)
    if hollow is not None:
        return Interior(hollow)
    below = light[_REACH:]
    falls = np.array([below[row - 1] - below[row + 2] for row in _EDGES])
    edge = falls.argmax(axis=0) + _EDGES.start
    smile = max(0.0, (ends[1] - ends[0]) / 2 / FACE - _USUAL_HALF)
    redness = _around(maps.redness, rows, columns)[_REACH:]
    if not _is_white(maps, below, redness, edge, smile):
        return None
    return Interior(float(np.median((edge + 1.5) / (1 - u**2) ** 1.4)))


def is_covered(maps: LipMaps, ends: tuple[int, int], curve: NDArray[np.float64]) -> bool:
    """Whether there is something dark instead of a lower lip: a microphone, or a black beard."""
    columns = np.arange(ends[0], ends[1] + 1)
    rows = np.polyval(curve, columns).round().astype(int)
    below = _around(maps.light, rows, columns)[_REACH + _CHIN.start : _REACH + _CHIN.stop]
    return bool(np.median(below) < _BLACK)


def _hollow(light: Map) -> float | None:
    """The middle of the dark rows around the line, in rows below it; None if they are few."""
    darkest = light[_REACH - 4 : _REACH + 5].min(axis=0)
    dark = light < darkest / 2
    above = np.cumprod(dark[: _REACH + 1][::-1], axis=0).sum(axis=0)
    below = np.cumprod(dark[_REACH:], axis=0).sum(axis=0)
    height, middle = np.median(above + below - 1), np.median(below - above) / 2
    return float(middle) if height >= _HOLLOW_ROWS else None


def _is_white(
    maps: LipMaps, light: Map, redness: Map, edge: NDArray[np.intp], smile: float
) -> bool:
    """Whether the rows from the line down to `edge` are teeth.

    In a gray photo they are known by their light and sharp edge, and the width of a smile (0 for
    none); contrast counts twice then.
    """
    inside = np.arange(len(light))[:, None]
    band = (inside >= 2) & (inside <= edge)
    brightest = float(np.median(np.where(band, light, -np.inf).max(axis=0)))
    contrast = min(maps.contrast, _MAX_CONTRAST)
    exaggerated = max(1.0, contrast / _USUAL_CONTRAST)
    columns = np.arange(light.shape[1])
    fall = float(np.median(light[edge - 1, columns] - light[edge + 2, columns]))
    is_sharp = fall > _SHARP * contrast
    usual = _BRIGHT * exaggerated**2 - _SMILE * smile
    if not maps.has_color:
        return is_sharp and brightest > usual
    least_red = float(np.median(np.where(band, redness, np.inf).min(axis=0)))
    is_neutral = least_red < _NEUTRAL * exaggerated
    is_white = is_neutral and brightest - least_red > _WHITE * exaggerated
    is_clear = is_sharp and brightest > _CLEARLY * usual
    return is_white or (is_clear and least_red < _ALMOST_NEUTRAL)


def _around(values: Map, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Map:
    """The values at -34 to 34 rows from the line, in each of the columns."""
    smooth = cv2.GaussianBlur(values, (0, 0), sigmaX=2, sigmaY=0.8)
    reach = np.arange(-_REACH, _REACH + 1)[:, None]
    return np.asarray(smooth[np.clip(rows + reach, 0, len(values) - 1), columns], np.float32)
