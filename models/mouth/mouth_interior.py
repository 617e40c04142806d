"""The interior of an open mouth: the dark, upper teeth, the tongue, the edges of the lips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.mouth.opening_fields import DROP

if TYPE_CHECKING:
    from models.mouth.lip_detection import Map
    from models.mouth.mouth import Mouth
    from models.mouth.opening_fields import Fields

DARK = np.array([0.09, 0.09, 0.19], dtype=np.float32)
TONGUE = np.array([0.30, 0.30, 0.55], dtype=np.float32)
TEETH = np.array([1.02, 1.12, 1.22], dtype=np.float32)
RIM = np.array([0.56, 0.55, 0.72], dtype=np.float32)
GRAY = np.array([0.114, 0.587, 0.299], dtype=np.float32)
TEETH_END = 0.105


def paint(mouth: Mouth, fields: Fields, lip_color: Map, light: float) -> Map:
    """The interior on the grid, BGR in 0..255, in the color of the lips and the brightness of the
    face.
    """
    gap = np.clip(fields.upper + fields.lower, 1e-4, None)
    depth = np.clip(fields.upper / gap, 0, 1)
    middle = np.clip(1 - fields.across**2, 0, 1)
    color = np.broadcast_to(DARK * lip_color, (*gap.shape, 3))
    tongue = np.exp(-(((depth - 1.05) / 0.42) ** 2)) * middle * np.clip(gap / DROP, 0, 1)
    color = _mixed(color, TONGUE * lip_color, 0.8 * tongue)
    color = _mixed(color, TEETH * light, _teeth(fields, middle) * (1 - mouth.teeth))
    rim = np.exp(-((np.clip(fields.lower, 0, None) / (0.045 + 0.04 * mouth.teeth)) ** 2))
    color = _mixed(color, RIM * lip_color, 0.75 * rim)
    under = np.exp(-((np.clip(fields.upper, 0, None) / 0.03) ** 2)) * (1 - mouth.teeth)
    return _as_vivid(_mixed(color, 0.8 * RIM * lip_color, 0.6 * under), lip_color)


def _teeth(fields: Fields, middle: Map) -> Map:
    """Upper teeth do not move; they show as the lips part."""
    end = TEETH_END * middle**0.5
    gap = fields.upper + fields.lower
    shown = np.clip((end - fields.rest) / 0.04 + 0.5, 0, 1) * np.clip((gap - 0.07) / 0.15, 0, 1)
    lit = np.clip(0.2 + fields.upper / 0.1, 0, 0.9) * np.clip(middle * 1.7 - 0.45, 0, 1)
    apart = 0.93 + 0.07 * np.cos(2 * np.pi * fields.across / 0.22)
    return np.asarray(shown * lit * apart, dtype=np.float32)


def _as_vivid(color: Map, lip_color: Map) -> Map:
    """Gray in a gray photo, full color where the lips have color."""
    vivid = float(np.clip(6 * np.ptp(lip_color) / max(float(lip_color.max()), 1.0), 0, 1))
    gray = color @ GRAY
    return _mixed(color, gray[..., None], np.full_like(gray, 1 - vivid))


def _mixed(under: Map, over: Map, share: Map) -> Map:
    return np.asarray(under + (over - under) * share[..., None], dtype=np.float32)
