"""Tracking of the mouth of one face through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.tracking.alpha_beta import AlphaBetaFilter
from models.mouth.mouth import Mouth, default_mouth, detect_mouth

if TYPE_CHECKING:
    from models.faces.box import Box
    from models.faces.tracking.tracked_frame import TrackedFrame

_OUTLIER = 0.12
"""Distance from the expected position, in widths of the face, beyond which a detection
is an outlier."""
_AGREEING_OUTLIERS = 5
"""Outliers in a row that agree with each other, after which the track is wrong and they are right:
0.2 seconds at 25 fps."""
_MIN_ALPHA = 0.4
_MAX_BETA = 0.12


class MouthTracker:
    """Detects the mouth in each frame; if that fails, the last one moves with the face.

    A single outlier is ignored, but the track follows outliers that agree: a face that was found
    again in a box of another place or size would have its mouth beside the face otherwise.
    """

    def __init__(self) -> None:
        self._filter = AlphaBetaFilter(min_alpha=_MIN_ALPHA, max_beta=_MAX_BETA)
        self._outliers = _Outliers()
        self._last: tuple[Mouth, Box] | None = None

    def __call__(self, tracked: TrackedFrame) -> Mouth | None:
        """The mouth in the next frame; None if the frame has no face."""
        if tracked.box is None or tracked.cut:
            self._reset()
        if tracked.box is None:
            return None
        found = None if tracked.interpolated else detect_mouth(tracked.frame, tracked.box)
        selected = self._selected(found, tracked.box)
        numbers = self._filter(selected.vector, unit=tracked.box.w)
        mouth = Mouth.from_vector(numbers, guessed=selected.guessed)
        self._last = mouth, tracked.box
        return mouth

    def _selected(self, found: Mouth | None, box: Box) -> Mouth:
        """The detected mouth, or the expected one instead of none or an outlier."""
        expected = self._last[0].moved_with(self._last[1], box) if self._last else None
        if expected is None:
            return found or default_mouth(box)
        if found is None:
            return expected
        if _far(found, expected, box):
            if not self._outliers.agree(found, box):
                return expected
            self._reset()
        self._outliers.clear()
        return found

    def _reset(self) -> None:
        self._filter.reset()
        self._outliers.clear()
        self._last = None


class _Outliers:
    """Outliers in a row that agree with each other, each moved with the face to the next frame."""

    def __init__(self) -> None:
        self._last: tuple[Mouth, Box] | None = None
        self._count = 0

    def agree(self, found: Mouth, box: Box) -> bool:
        """Add one; whether there are now enough in a row."""
        last, self._last = self._last, (found, box)
        near = last is not None and not _far(found, last[0].moved_with(last[1], box), box)
        self._count = self._count + 1 if near else 1
        return self._count >= _AGREEING_OUTLIERS

    def clear(self) -> None:
        """Forget them: a detection was none."""
        self._last, self._count = None, 0


def _far(found: Mouth, expected: Mouth, box: Box) -> bool:
    jump = max(abs(found.x - expected.x), abs(found.y - expected.y))
    return jump > _OUTLIER * box.w or abs(found.bow - expected.bow) > 3 * _OUTLIER
