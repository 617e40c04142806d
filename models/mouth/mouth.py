"""The mouth of a face: its corners and the curve along which it opens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from models.mouth import lip_detection, mouth_opening
from models.mouth.lip_detection import FIRST, LAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame, Vector
    from models.faces.box import Box
    from models.mouth.lip_detection import LipMaps
    from models.mouth.mouth_opening import Interior

NARROWEST, WIDEST = 0.11, 0.25
SURE = 0.4
SURE_CONTRAST = 0.04
USUAL_HALF = 0.185


@dataclass(frozen=True)
class Mouth:
    """A mouth in a frame, in pixels.

    `x`, `y` is the center between the corners; `dx`, `dy` points from there to the right corner.
    `bow` is the depth of the curve of the lips below the line between the corners, in half widths.
    `teeth` is 1 if teeth or an open mouth show above that curve, 0 if the lips are closed.
    `guessed` marks the usual place of a mouth in a face in which none was found.
    """

    x: float
    y: float
    dx: float
    dy: float
    bow: float
    teeth: float
    guessed: bool = False

    @property
    def half(self) -> float:
        """Half the width: the unit of the opening."""
        return float(np.hypot(self.dx, self.dy))

    @property
    def vector(self) -> tuple[float, ...]:
        """All numbers in order, for smoothing over time."""
        return self.x, self.y, self.dx, self.dy, self.bow, self.teeth

    @classmethod
    def from_vector(cls, numbers: Vector, *, guessed: bool = False) -> Self:
        """The mouth of a `vector`."""
        x, y, dx, dy, bow, teeth = (float(number) for number in numbers)
        return cls(x, y, dx, dy, bow, teeth, guessed)

    def moved_with(self, before: Box, after: Box) -> Mouth:
        """The mouth, moved and scaled as the face moved from one box to the other."""
        scale, tilt = after.w / before.w, np.deg2rad(after.angle - before.angle)
        turn = scale * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        x, y = turn @ (self.x - before.center[0], self.y - before.center[1]) + after.center
        dx, dy = turn @ (self.dx, self.dy)
        return replace(self, x=float(x), y=float(y), dx=float(dx), dy=float(dy))


def detect_mouth(frame: Frame, box: Box) -> Mouth | None:
    """Detect the mouth in a face from the Haar cascade; None if no line between lips stands out."""
    maps = lip_detection.read_maps(lip_detection.cut_patch(frame, box))
    path = lip_detection.best_path(maps.line, FIRST, LAST)
    ends = _ends(maps, path)
    if ends is None:
        return None
    columns = np.arange(ends[0], ends[1] + 1)
    curve = np.polyfit(columns, path[columns - FIRST], 2)
    if mouth_opening.is_covered(maps, ends, curve):
        return None
    return _placed(box, ends, curve, mouth_opening.visible_interior(maps, ends, curve))


def default_mouth(box: Box) -> Mouth:
    """The usual position of the mouth in a face: the fallback for a beard, a mask or poor light."""
    middle = (0.5 - lip_detection.LEFT) * lip_detection.FACE
    row = (lip_detection.MOUTH_ROW - lip_detection.TOP) * lip_detection.FACE
    half = USUAL_HALF * lip_detection.FACE
    return _in_frame(box, Mouth(middle, row, half, 0.0, 0.0, 0.0, guessed=True))


def _ends(maps: LipMaps, path: NDArray[np.intp]) -> tuple[int, int] | None:
    columns = np.arange(FIRST, LAST)
    along = np.convolve(maps.line[path, columns], np.ones(5) / 5, mode="same")
    middle = int(FIRST + 20 + along[20:-20].argmax())
    level = float(np.median(along[20:-20]))
    if level < SURE or level * maps.contrast < SURE_CONTRAST:
        return None
    sure = along > 0.4 * level
    left = right = middle
    while left > FIRST and sure[left - 1 - FIRST]:
        left -= 1
    while right < LAST - 1 and sure[right + 1 - FIRST]:
        right += 1
    half = (right - left) / 2
    if half < NARROWEST * lip_detection.FACE:
        return None
    excess = max(0, round(half - WIDEST * lip_detection.FACE))
    return left + excess, right - excess


def _placed(
    box: Box,
    ends: tuple[int, int],
    curve: NDArray[np.float64],
    interior: Interior | None,
) -> Mouth:
    left, right = (float(np.polyval(curve, end)) for end in ends)
    middle = (ends[0] + ends[1]) / 2
    half = float(np.hypot(ends[1] - ends[0], right - left)) / 2
    depth = interior.depth if interior else 0.0
    sag = float(np.polyval(curve, middle)) - (left + right) / 2 + depth
    dx, dy = (ends[1] - ends[0]) / 2, (right - left) / 2
    return _in_frame(
        box, Mouth(middle, (left + right) / 2, dx, dy, sag / half, float(interior is not None))
    )


def _in_frame(box: Box, mouth: Mouth) -> Mouth:
    """A mouth in pixels of the patch as one in pixels of the frame."""
    to_frame = lip_detection.patch_transform(box)
    x, y = to_frame @ (mouth.x, mouth.y, 1)
    dx, dy = to_frame[:, :2] @ (mouth.dx, mouth.dy)
    return replace(mouth, x=float(x), y=float(y), dx=float(dx), dy=float(dy))
