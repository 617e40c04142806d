"""Face detection with YuNet in OpenCV: fast, reliable, with five landmarks; a file of 233 kB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.errors import WeightsInvalid
from models.faces.box import Box
from models.faces.detection import region

if TYPE_CHECKING:
    from pathlib import Path

    from models.arrays import Frame, Vector
    from models.faces.detection.region import SearchRegion

_MIN_SCORE = 0.7
_MAX_IOU = 0.3
_MAX_CANDIDATES = 5000
_LONG_SIDE = 640
_MIN_SIDE = 16
"""Shortest side of an input in pixels."""


class YunetDetector:
    """`face_detection_yunet_2023mar.onnx`, on a copy of the frame of at most 640 pixels.

    The points of a box are the person's right eye, left eye, tip of the nose, right and left corner
    of the mouth. Tested with a synthetic network that has the same twelve outputs; not yet run with
    the published file. Raises `WeightsInvalid`.
    """

    def __init__(self, weights: Path, *, min_score: float = _MIN_SCORE) -> None:
        self._min_score = min_score
        self._network = _load(weights, min_score)

    @property
    def name(self) -> str:
        """Kind, version and score threshold."""
        return f"yunet-2023mar score-{self._min_score} opencv-{cv2.__version__}"

    def detect(self, frame: Frame, *, min_width: float = 0) -> list[Box]:
        """Search the whole frame."""
        found = self._search(region.whole_frame(frame, _LONG_SIDE))
        return [box for box in found if box.w >= min_width]

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search around the last box for faces of 0.6 to 1.6 times its size."""
        return region.similar_in_size(self._search(region.around(frame, last)), last)

    def face_box(self, box: Box) -> Box:
        """The box itself: it spans forehead to chin."""
        return box

    def _search(self, searched: SearchRegion) -> list[Box]:
        height, width = searched.pixels.shape[:2]
        if min(height, width) < _MIN_SIDE:
            return []
        self._network.setInputSize((width, height))
        _, found = self._network.detect(np.ascontiguousarray(searched.pixels))
        return searched.boxes(_box(row) for row in np.asarray(found if found is not None else []))


def _load(weights: Path, min_score: float) -> cv2.FaceDetectorYN:
    """Load the network from memory: OpenCV cannot open every file name on every system."""
    try:
        content = np.frombuffer(weights.read_bytes(), np.uint8)
        return cv2.FaceDetectorYN.create(
            "onnx", content, np.empty(0, np.uint8), (320, 320), min_score, _MAX_IOU, _MAX_CANDIDATES
        )
    except OSError as error:
        raise WeightsInvalid(f"{weights} cannot be read: {error.strerror or error}") from error
    except cv2.error as error:
        raise WeightsInvalid(f"{weights} is not a network that OpenCV can read") from error


def _box(row: Vector) -> Box:
    """A row of OpenCV's result: x, y, width, height, five points, score."""
    x, y, w, h, *points = (float(value) for value in row[:14])
    return Box(x, y, w, h, tuple(zip(points[::2], points[1::2], strict=True)))
