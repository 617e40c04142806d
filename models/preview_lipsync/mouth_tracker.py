"""Tracking of the mouth of one face through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.tracking.alpha_beta import AlphaBetaFilter
from models.preview_lipsync.mouth import Mouth, default_mouth, detect_mouth

if TYPE_CHECKING:
    from models.faces.box import Box
    from models.faces.tracking.tracked_frame import TrackedFrame

_OUTLIER = 0.12
"""Distance from the expected position, in widths of the face, beyond which a detection
is ignored."""
_MIN_ALPHA = 0.4
_MAX_BETA = 0.12


class MouthTracker:
    """Detects the mouth in each frame; if that fails, the last one moves with the face."""

    def __init__(self) -> None:
        self._filter = AlphaBetaFilter(min_alpha=_MIN_ALPHA, max_beta=_MAX_BETA)
        self._last: tuple[Mouth, Box] | None = None

    def __call__(self, tracked: TrackedFrame) -> Mouth | None:
        """The mouth in the next frame; None if the frame has no face."""
        if tracked.box is None or tracked.cut:
            self._filter.reset()
            self._last = None
        if tracked.box is None:
            return None
        expected = self._expected(tracked.box)
        found = None if tracked.interpolated else detect_mouth(tracked.frame, tracked.box)
        if found is None or (expected is not None and _far(found, expected, tracked.box)):
            found = expected or default_mouth(tracked.box)
        mouth = Mouth.from_vector(self._filter(found.vector, unit=tracked.box.w))
        self._last = mouth, tracked.box
        return mouth

    def _expected(self, box: Box) -> Mouth | None:
        return self._last[0].moved_with(self._last[1], box) if self._last else None


def _far(found: Mouth, expected: Mouth, box: Box) -> bool:
    jump = max(abs(found.x - expected.x), abs(found.y - expected.y))
    return jump > _OUTLIER * box.w or abs(found.bow - expected.bow) > 3 * _OUTLIER
