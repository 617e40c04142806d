"""One and the same person's face, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.faces.box import Box
    from models.faces.detection.detector import Detector, Frame
    from models.faces.tracking.speaker_selection import Choice


class Finder:
    """Chooses a face once and then keeps to it.

    The whole frame is searched every `every` frames and at a loss; between, only the
    neighborhood of the last box. While the face is lost, each `lost_every`-th whole frame is
    searched. For `patience` frames only a face near the last place counts as the lost one, so
    that a missed frame does not hand the choice to a neighbor; then the choice is made anew.
    """

    def __init__(
        self, detector: Detector, choice: Choice, *, every: int, patience: int, lost_every: int = 3
    ) -> None:
        self._detector = detector
        self._choice = choice
        self._every = every
        self._lost_every = lost_every
        self._patience = patience
        self.reset()

    def reset(self) -> None:
        """A new scene: forget the face, and choose anew in the next frame."""
        self._last: Box | None = None
        self._missed = 0
        self._until_search = 0

    def find(self, frame: Frame) -> Box | None:
        """The face in the next frame, as the detector gives it."""
        self._until_search -= 1
        searches = (
            (self._near, self._whole) if self._until_search > 0 else (self._whole, self._near)
        )
        found = searches[0](frame) or searches[1](frame)
        if found is not None:
            self._last, self._missed = found, 0
            return found
        self._missed += 1
        if self._missed > self._patience:
            self._last = None
        return None

    def _near(self, frame: Frame) -> Box | None:
        if self._last is None:
            return None
        return _same(self._detector.detect_near(frame, self._last), self._last)

    def _whole(self, frame: Frame) -> Box | None:
        if self._until_search > 0 and self._missed:
            return None
        height, width = frame.shape[:2]
        smallest = self._last.w / 2 if self._last else 0
        boxes = self._detector.detect(frame, smallest=smallest)
        found = _same(boxes, self._last) if self._last else self._choice(boxes, width, height)
        self._until_search = self._every if found else self._lost_every
        return found


def _same(boxes: list[Box], last: Box) -> Box | None:
    near = [box for box in boxes if box.near(last)]
    return max(near, key=last.iou, default=None)
