"""MuseTalk's box of a face that is tracked through a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.box import Box
from models.faces.tracking.alpha_beta import AlphaBetaFilter
from models.musetalk.face import box

if TYPE_CHECKING:
    from models.arrays import Frame, Vector
    from models.lipsync.network import CropArea
    from models.musetalk.face.landmarks import LandmarkDetector

_MIN_IOU = 0.3
"""Overlap with the last box below which it is another face or another scene."""


class FaceBoxTracker:
    """The position of MuseTalk's box relative to the face rectangle, smoothed over time.

    Landmark detection is expensive, so it runs only every `every` frames; in between, the box moves
    and scales with the face rectangle, which is known for each frame. Without landmarks the five
    points of the face detector are used, and without those the rectangle itself.
    """

    def __init__(self, landmarks: LandmarkDetector | None, *, every: int = 5) -> None:
        self._landmarks = landmarks
        self._every = every if landmarks else 1
        self._filter = AlphaBetaFilter()
        self._last: Box | None = None
        self._relation: Vector | None = None
        self._until_detection = 0

    def __call__(self, frame: Frame, face: Box) -> CropArea:
        """The pixels of the box in the next frame, given the face rectangle there."""
        if self._last is None or face.iou(self._last) < _MIN_IOU:
            self._filter.reset()
            self._until_detection = 0
        self._last = face
        if self._relation is None or self._until_detection <= 0:
            self._relation = self._filter(_relation(self._detect(frame, face), face))
            self._until_detection = self._every
        self._until_detection -= 1
        return box.crop_area(_from_relation(self._relation, face), frame)

    def _detect(self, frame: Frame, face: Box) -> Box:
        points = self._landmarks.detect(frame, face) if self._landmarks else None
        found = box.from_landmarks(points) if points is not None else None
        return box.from_five_points(face) if found is None else found


def _relation(inner: Box, face: Box) -> tuple[float, ...]:
    return (
        (inner.center[0] - face.center[0]) / face.w,
        (inner.center[1] - face.center[1]) / face.h,
        inner.w / face.w,
        inner.h / face.h,
    )


def _from_relation(relation: Vector, face: Box) -> Box:
    x, y, w, h = (float(value) for value in relation)
    center = face.center[0] + x * face.w, face.center[1] + y * face.h
    return Box.centered_at(center, w * face.w, h * face.h)
