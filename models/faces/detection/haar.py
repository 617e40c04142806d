"""Faces by OpenCV's Haar cascade: no weights to fetch, upright faces up to about 20 degrees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.faces.box import Box

if TYPE_CHECKING:
    from models.faces.detection.detector import Frame

CASCADE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
SCALE_STEP = 1.1
NEIGHBORS = 5
LONG_SIDE = 480
SMALLEST = 24
NEAR_REACH = 1.6
NEAR_SIZES = (0.7, 1.4)
NEAR_FACE = 64


class HaarDetector:
    """The frontal-face cascade `alt2` (no false hit in the pictures it was tried on).

    A whole frame is searched on a copy of at most 480 pixels; the neighborhood of a known face
    on a copy in which that face is 64 pixels wide.
    """

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(str(CASCADE))

    @property
    def name(self) -> str:
        """Kind and version: the cascade comes with OpenCV."""
        return f"haar-alt2 opencv-{cv2.__version__}"

    def detect(self, frame: Frame, *, smallest: float = 0) -> list[Box]:
        """Search the whole frame; twice the smallest face is a quarter of the work."""
        height, width = frame.shape[:2]
        scale = min(1.0, LONG_SIDE / max(height, width))
        least = max(SMALLEST, int(smallest * scale))
        return self._search(frame, scale, (least, max(height, width)))

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search about the last box, for faces of 0.7 to 1.4 times its size."""
        area = last.scaled(NEAR_REACH).clipped(frame.shape[1], frame.shape[0])
        left, top = int(area.x), int(area.y)
        part = frame[top : int(area.y + area.h), left : int(area.x + area.w)]
        if min(part.shape[:2]) < SMALLEST:
            return []
        scale = min(1.0, NEAR_FACE / last.w)
        side = last.w * scale
        found = self._search(part, scale, (int(side * NEAR_SIZES[0]), int(side * NEAR_SIZES[1])))
        return [box.moved(left, top) for box in found]

    def face(self, box: Box) -> Box:
        """The square, trimmed at the sides and led down to the chin."""
        return box.face_shaped()

    def _search(self, frame: Frame, scale: float, sides: tuple[int, int]) -> list[Box]:
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if scale < 1:
            gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._cascade.detectMultiScale(
            gray,
            scaleFactor=SCALE_STEP,
            minNeighbors=NEIGHBORS,
            minSize=(sides[0], sides[0]),
            maxSize=(sides[1], sides[1]),
        )
        boxes = [Box(x, y, w, h) for x, y, w, h in (np.asarray(found) / scale).tolist()]
        return sorted(boxes, key=lambda box: (-box.area, box.x, box.y))
