"""Face detection with OpenCV's Haar cascade: no weights, upright faces, tilted up to 20 degrees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.faces.box import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame

CASCADE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
_SCALE_STEP = 1.1
_MIN_NEIGHBORS = 5
_LONG_SIDE = 480
"""Pixels of the longer side of the copy that `detect` searches."""
_MIN_SIDE = 24
"""Smallest face in the copy that is searched, in pixels."""
_NEAR_REACH = 1.6
"""Size of the area that `detect_near` searches, in sizes of the last box."""
_NEAR_SIZES = (0.7, 1.4)
"""Smallest and largest face that `detect_near` finds, in sizes of the last box."""
_NEAR_FACE = 64
"""Pixels of the last face in the copy that `detect_near` searches."""
_DARK = 32
"""Mean level of 255 below which a picture is lightened before the search."""
_MAX_GAIN = 8.0


class HaarDetector:
    """OpenCV's frontal-face cascade `alt2`: the one without false positives in our test images.

    `detect` searches a copy of at most 480 pixels; `detect_near` a copy in which the face is 64
    pixels wide.
    """

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(str(CASCADE))

    @property
    def name(self) -> str:
        """Kind and version; the cascade is part of OpenCV."""
        return f"haar-alt2 opencv-{cv2.__version__}"

    def detect(self, frame: Frame, *, min_width: float = 0) -> list[Box]:
        """Search the whole frame; doubling `min_width` cuts the work to a quarter."""
        height, width = frame.shape[:2]
        scale = min(1.0, _LONG_SIDE / max(height, width))
        if min(height, width) * scale < _MIN_SIDE:
            return []
        min_side = max(_MIN_SIDE, int(min_width * scale))
        return self._search(frame, scale, (min_side, max(height, width)))

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search around the last box for faces of 0.7 to 1.4 times its size."""
        area = last.expanded(_NEAR_REACH).clipped(frame.shape[1], frame.shape[0])
        left, top = int(area.x), int(area.y)
        part = frame[top : int(area.y + area.h), left : int(area.x + area.w)]
        if min(part.shape[:2]) < _MIN_SIDE:
            return []
        scale = min(1.0, _NEAR_FACE / last.w)
        side = last.w * scale
        found = self._search(part, scale, (int(side * _NEAR_SIZES[0]), int(side * _NEAR_SIZES[1])))
        return [box.moved(left, top) for box in found]

    def face_box(self, box: Box) -> Box:
        """The square, narrowed at the sides and extended to the chin."""
        return box.haar_to_face()

    def _search(self, frame: Frame, scale: float, sides: tuple[int, int]) -> list[Box]:
        gray = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8)
        if scale < 1:
            small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            gray = np.asarray(small, np.uint8)
        found = self._cascade.detectMultiScale(
            _lightened(gray),
            scaleFactor=_SCALE_STEP,
            minNeighbors=_MIN_NEIGHBORS,
            minSize=(sides[0], sides[0]),
            maxSize=(sides[1], sides[1]),
        )
        boxes = [Box(x, y, w, h) for x, y, w, h in (np.asarray(found) / scale).tolist()]
        return sorted(boxes, key=lambda box: (-box.area, box.x, box.y))


def _lightened(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same picture, or a dark one with its whites white: few levels hide a face in the dark."""
    if gray.mean() >= _DARK:
        return gray
    white = max(float(np.percentile(gray, 99)), 255 / _MAX_GAIN)
    return np.asarray(cv2.convertScaleAbs(gray, alpha=255 / white), np.uint8)
