"""Matching of the same person's face from frame to frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.arrays import Frame
    from models.faces.box import Box
    from models.faces.detection.detector import Detector
    from models.faces.tracking.speaker_selection import FaceSelector


class FaceMatcher:
    """Selects a face once and then returns the same face in every frame.

    The whole frame is searched every `search_every` frames and after a miss; in between only the
    area around the last box. While the face is lost, the whole frame is searched in each
    `lost_search_every`-th frame. For `max_missed` frames only a face near the last box counts as
    the lost one, so that a missed frame does not switch to a neighbor; then a face is selected
    again.
    """

    def __init__(
        self,
        detector: Detector,
        selector: FaceSelector,
        *,
        search_every: int,
        max_missed: int,
        lost_search_every: int = 3,
    ) -> None:
        self._detector = detector
        self._selector = selector
        self._search_every = search_every
        self._lost_search_every = lost_search_every
        self._max_missed = max_missed
        self.reset()

    def reset(self) -> None:
        """Start a new scene: forget the face and select one in the next frame."""
        self._last: Box | None = None
        self._missed = 0
        self._until_search = 0

    def match(self, frame: Frame) -> Box | None:
        """The face in the next frame, as a box of the detector; None if it was not detected."""
        self._until_search -= 1
        searches = (
            (self._match_near, self._match_whole)
            if self._until_search > 0
            else (self._match_whole, self._match_near)
        )
        found = searches[0](frame) or searches[1](frame)
        if found is not None:
            self._last, self._missed = found, 0
            return found
        self._missed += 1
        if self._missed > self._max_missed:
            self._last = None
        return None

    def _match_near(self, frame: Frame) -> Box | None:
        if self._last is None:
            return None
        return _same(self._detector.detect_near(frame, self._last), self._last)

    def _match_whole(self, frame: Frame) -> Box | None:
        if self._until_search > 0 and self._missed:
            return None
        height, width = frame.shape[:2]
        min_width = self._last.w / 2 if self._last else 0
        boxes = self._detector.detect(frame, min_width=min_width)
        found = _same(boxes, self._last) if self._last else self._selector(boxes, width, height)
        self._until_search = self._search_every if found else self._lost_search_every
        return found


def _same(boxes: list[Box], last: Box) -> Box | None:
    """The box that overlaps the last one most, of those near it."""
    near = [box for box in boxes if box.is_near(last)]
    return max(near, key=last.iou, default=None)
