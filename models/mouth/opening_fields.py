"""The opening of a mouth as smooth displacement fields on a small grid, the same for every face.

The unit of the grid is half the width of the mouth, its origin the center between the corners, its
axes run along and across the mouth. The fields are smooth, so a coarse grid suffices; only the edge
of the lips is sharp, and it is cut from a signed distance at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.mouth.lip_detection import Map
    from models.mouth.mouth import Mouth

STEP = 0.05
LEFT, RIGHT, TOP, BOTTOM = -1.9, 1.9, -0.9, 2.6
DROP = 0.43
LIFT = 0.07
CHIN = 1.25
NECK = 2.4
JAW_SHARE = 0.85
OVERLAP = 0.05

U, V = np.meshgrid(
    np.arange(LEFT, RIGHT + STEP / 2, STEP, dtype=np.float32),
    np.arange(TOP, BOTTOM + STEP / 2, STEP, dtype=np.float32),
)


@dataclass(frozen=True)
class Opening:
    """How open a mouth is: `open` 0 closed, 1 as in loud speech; `wide` -1 rounded to 1 spread."""

    open: float
    wide: float = 0.0


@dataclass(frozen=True)
class Fields:
    """An opening on the grid.

    `shift_u` and `shift_v` point from a position to its source. `upper` and `lower` are the signed
    distances below the upper lip and above the lower one: both are positive inside the mouth.
    `across` is the position between the corners, -1 to 1, and `rest` the distance below the line
    where the closed lips meet.
    """

    shift_u: Map
    shift_v: Map
    upper: Map
    lower: Map
    across: Map
    rest: Map


def open_fields(mouth: Mouth, opening: Opening) -> Fields:
    """Compute the fields: the lower lip moves down with the jaw, the upper one slightly up."""
    drop = DROP * opening.open * (1 - 0.25 * mouth.teeth)
    lift = LIFT * opening.open * (1 - mouth.teeth)
    shift_u = _rounding(opening)
    across = U + shift_u
    middle = np.clip(1 - across**2, 0, None)
    rest = V - mouth.bow * middle ** (1 + 0.4 * mouth.teeth)
    lips = middle ** (0.75 + 0.35 * mouth.teeth)
    upper, lower = rest + lift * lips, drop * lips - rest
    below = upper > (lift + drop) * lips / 2
    shift_v = np.where(below, -_fallen(rest, across, drop * lips, drop), _raised(rest, lift * lips))
    lower = lower + OVERLAP * mouth.teeth * min(1.0, 5 * opening.open) * lips
    return Fields(shift_u, shift_v.astype(np.float32), upper, lower, across, rest)


def _rounding(opening: Opening) -> Map:
    """Corners move in for a round vowel and out for a bright sound; nothing moves
    beyond the lips.
    """
    pull = 0.10 * opening.open - 0.12 * opening.wide * min(1.0, 2 * opening.open)
    return np.asarray(pull * _inwards(), dtype=np.float32)


@cache
def _inwards() -> Map:
    reach = np.exp(-((U / 1.15) ** 4)) * np.exp(-(((V - 0.1) / 0.6) ** 2))
    return np.asarray(U * reach * _faded(U, V), dtype=np.float32)


def _fallen(rest: Map, across: Map, lip_drop: Map, drop: float) -> Map:
    """How far a point below the lips has moved down; solves for its original position."""
    jaw = JAW_SHARE * drop * np.exp(-((across / 1.05) ** 4))
    fallen = lip_drop
    for _ in range(4):
        before = np.clip(rest - fallen, 0, None)
        lip = np.exp(-((before / 0.45) ** 2))
        chin = 1 - _smooth((before - CHIN) / (NECK - CHIN))
        fallen = lip * lip_drop + (1 - lip) * jaw * chin
    return fallen * _faded(across, V)


def _raised(rest: Map, lip_lift: Map) -> Map:
    return np.asarray(lip_lift * np.exp(-((rest / 0.3) ** 2)), dtype=np.float32)


def _faded(u: Map, v: Map) -> Map:
    """1 on the mouth, exactly 0 at the border of the grid."""
    sides = 1 - _smooth((np.abs(u) - 1.3) / 0.5)
    return sides * _smooth((v - TOP - 0.05) / 0.3) * _smooth((BOTTOM - 0.05 - v) / 0.2)


def _smooth(part: NDArray[np.floating[Any]]) -> Map:
    part = np.clip(part, 0, 1)
    return np.asarray(part * part * (3 - 2 * part), dtype=np.float32)
