"""The mouth of one face, followed through a clip without a tremble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.tracking.alpha_beta import AlphaBetaFilter
from models.preview_lipsync.mouth import Mouth, find_mouth, usual_mouth

if TYPE_CHECKING:
    from models.faces.box import Box
    from models.faces.tracking.tracked_frame import TrackedFrame

OUTLIER = 0.12
REST = 0.4
TREND = 0.12


class MouthFollower:
    """Finds the mouth in each frame; where it cannot, the last one moves along with the face."""

    def __init__(self) -> None:
        self._smoother = AlphaBetaFilter(min_alpha=REST, max_beta=TREND)
        self._last: tuple[Mouth, Box] | None = None

    def __call__(self, seen: TrackedFrame) -> Mouth | None:
        """The mouth of the next frame; None where the frame shows no face."""
        if seen.box is None or seen.cut:
            self._smoother.reset()
            self._last = None
        if seen.box is None:
            return None
        expected = self._expected(seen.box)
        found = None if seen.interpolated else find_mouth(seen.frame, seen.box)
        if found is None or (expected is not None and _far(found, expected, seen.box)):
            found = expected or usual_mouth(seen.box)
        mouth = Mouth.of(self._smoother(found.vector, unit=seen.box.w))
        self._last = mouth, seen.box
        return mouth

    def _expected(self, box: Box) -> Mouth | None:
        return self._last[0].carried(self._last[1], box) if self._last else None


def _far(found: Mouth, expected: Mouth, box: Box) -> bool:
    jump = max(abs(found.x - expected.x), abs(found.y - expected.y))
    return jump > OUTLIER * box.w or abs(found.bow - expected.bow) > 3 * OUTLIER
