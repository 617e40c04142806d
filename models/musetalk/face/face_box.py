"""MuseTalk's box of a face that is followed through a clip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.box import Box
from models.faces.tracking.alpha_beta import AlphaBetaFilter
from models.musetalk.face import box

if TYPE_CHECKING:
    from models.arrays import Vector
    from models.lipsync.network import Area, Frame
    from models.musetalk.face.landmarks import Landmarks

SAME_FACE = 0.3
"""Shared area, see `Box.iou`, below which a box is that of another face or after a cut."""


class Placer:
    """Where the box lies in the rectangle of the face, calmed over time.

    Landmarks are dear, so they are looked for every `every` frames; between, the box moves and
    grows with the rectangle, which is known for each frame. Without them a detector's five points
    serve, and without those the rectangle itself.
    """

    def __init__(self, landmarks: Landmarks | None, *, every: int = 5) -> None:
        self._landmarks = landmarks
        self._every = every if landmarks else 1
        self._smoother = AlphaBetaFilter()
        self._last: Box | None = None
        self._relation: Vector | None = None
        self._until_look = 0

    def __call__(self, frame: Frame, face: Box) -> Area:
        """The pixels of the box in the next frame, of the face's rectangle there."""
        if self._last is None or face.iou(self._last) < SAME_FACE:
            self._smoother.reset()
            self._until_look = 0
        self._last = face
        if self._relation is None or self._until_look <= 0:
            self._relation = self._smoother(_relation(self._look(frame, face), face))
            self._until_look = self._every
        self._until_look -= 1
        return box.area(_placed(self._relation, face), frame)

    def _look(self, frame: Frame, face: Box) -> Box:
        points = self._landmarks.find(frame, face) if self._landmarks else None
        found = box.by_landmarks(points) if points is not None else None
        return box.by_five(face) if found is None else found


def _relation(inner: Box, face: Box) -> tuple[float, ...]:
    return (
        (inner.center[0] - face.center[0]) / face.w,
        (inner.center[1] - face.center[1]) / face.h,
        inner.w / face.w,
        inner.h / face.h,
    )


def _placed(relation: Vector, face: Box) -> Box:
    x, y, w, h = (float(value) for value in relation)
    center = face.center[0] + x * face.w, face.center[1] + y * face.h
    return Box.centered_at(center, w * face.w, h * face.h)
