"""The mouth of one face, followed through a clip without a tremble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.smooth import Smoother
from models.preview_lipsync.mouth import Mouth, find_mouth, usual_mouth

if TYPE_CHECKING:
    from models.faces.box import Box
    from models.faces.track import Sight

OUTLIER = 0.12
REST = 0.4
TREND = 0.12


class MouthFollower:
    """Finds the mouth in each frame; where it cannot, the last one moves along with the face."""

    def __init__(self) -> None:
        self._smoother = Smoother(rest=REST, trend=TREND)
        self._last: tuple[Mouth, Box] | None = None

    def __call__(self, sight: Sight) -> Mouth | None:
        """The mouth of the next frame; None where the frame shows no face."""
        if sight.box is None:
            self._smoother.reset()
            self._last = None
            return None
        expected = self._expected(sight.box)
        found = find_mouth(sight.frame, sight.box) if sight.seen else None
        if found is None or (expected is not None and _far(found, expected, sight.box)):
            found = expected or usual_mouth(sight.box)
        mouth = Mouth.of(self._smoother(found.numbers, unit=sight.box.w))
        self._last = mouth, sight.box
        return mouth

    def _expected(self, box: Box) -> Mouth | None:
        return self._last[0].carried(self._last[1], box) if self._last else None


def _far(found: Mouth, expected: Mouth, box: Box) -> bool:
    jump = max(abs(found.x - expected.x), abs(found.y - expected.y))
    return jump > OUTLIER * box.w or abs(found.bow - expected.bow) > 3 * OUTLIER
