"""Faces by YuNet through OpenCV: quick, sure, with five landmarks; a file of 233 kB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.errors import WeightsInvalid
from models.faces.box import Box
from models.faces.detection import region

if TYPE_CHECKING:
    from pathlib import Path

    from models.faces.detection.detector import Frame
    from models.faces.detection.region import Region
    from models.faces.tracking.one_euro import Vector

SCORE = 0.7
OVERLAP = 0.3
MOST = 5000
LONG_SIDE = 640
SHORTEST = 16


class YunetDetector:
    """`face_detection_yunet_2023mar.onnx`, on a copy of the frame of at most 640 pixels.

    The points of a box are the person's right eye, left eye, tip of the nose, right and left
    corner of the mouth. Tried with a network made for the test, which has the same twelve outputs;
    not yet run with the published file. Raises `WeightsInvalid`.
    """

    def __init__(self, weights: Path, *, score: float = SCORE) -> None:
        self._score = score
        self._network = _opened(weights, score)

    @property
    def name(self) -> str:
        """Kind, version and threshold."""
        return f"yunet-2023mar score-{self._score} opencv-{cv2.__version__}"

    def detect(self, frame: Frame, *, smallest: float = 0) -> list[Box]:
        """Search the whole frame."""
        found = self._search(region.whole(frame, LONG_SIDE))
        return [box for box in found if box.w >= smallest]

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search about the last box, for faces of 0.6 to 1.6 times its size."""
        return region.of_like_size(self._search(region.about(frame, last)), last)

    def face(self, box: Box) -> Box:
        """The box itself: it reaches from forehead to chin."""
        return box

    def _search(self, part: Region) -> list[Box]:
        height, width = part.pixels.shape[:2]
        if min(height, width) < SHORTEST:
            return []
        self._network.setInputSize((width, height))
        _, found = self._network.detect(np.ascontiguousarray(part.pixels))
        return part.boxes(_box(row) for row in np.asarray(found if found is not None else []))


def _opened(weights: Path, score: float) -> cv2.FaceDetectorYN:
    """From bytes, not by name: OpenCV cannot open every name on every system."""
    try:
        content = np.frombuffer(weights.read_bytes(), np.uint8)
        return cv2.FaceDetectorYN.create(
            "onnx", content, np.empty(0, np.uint8), (320, 320), score, OVERLAP, MOST
        )
    except OSError as error:
        raise WeightsInvalid(f"{weights} cannot be read: {error.strerror or error}") from error
    except cv2.error as error:
        raise WeightsInvalid(f"{weights} is no network that OpenCV can read") from error


def _box(row: Vector) -> Box:
    """A row of OpenCV's answer: x, y, width, height, five points, score."""
    x, y, w, h, *points = (float(value) for value in row[:14])
    return Box(x, y, w, h, tuple(zip(points[::2], points[1::2], strict=True)))
