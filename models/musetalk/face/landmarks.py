"""Detection of 68 facial landmarks with DWPose, a whole-body pose network, in OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.errors import WeightsInvalid
from models.output_checks import check_finite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.faces.box import Box

WIDTH, HEIGHT = 288, 384
"""Of the network's input in pixels."""
_FACE: Final = slice(23, 91)
"""The landmarks of the face among the 133 of the whole body."""

_SIMCC_SPLIT: Final = 2
"""Bins of an output per pixel of the input (SimCC)."""
_CONTEXT: Final = 3.0
"""Width of the network's input in widths of the face; an estimate."""
_MIN_SCORE: Final = 0.3
"""Mean score of the landmarks below which they are not used."""
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_STD = np.array([58.395, 57.12, 57.375], np.float32)


class LandmarkDetector:
    """`dw-ll_ucoco_384.onnx`. Raises `WeightsInvalid` if OpenCV cannot read it."""

    def __init__(self, path: Path) -> None:
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            reason = error.err or str(error)
            raise WeightsInvalid(
                f"{path} is not an ONNX file that OpenCV can read: {reason}"
            ) from error
        self._outputs = self._network.getUnconnectedOutLayersNames()

    def detect(self, frame: Frame, face: Box) -> NDArray[np.float32] | None:
        """The landmarks `(68, 2)` as x, y in the frame; None if their scores are low."""
        transform = _transform(face)
        self._network.setInput(_input(frame, transform))
        found = self._network.forward(self._outputs)
        for output in found:
            check_finite(output, "the landmark detector")
        across, down = sorted((output.squeeze(0)[_FACE] for output in found), key=np.size)
        if np.minimum(across.max(1), down.max(1)).mean() < _MIN_SCORE:
            return None
        points = np.stack((across.argmax(1), down.argmax(1)), 1) / _SIMCC_SPLIT
        back = cv2.invertAffineTransform(transform)
        return (points @ back[:, :2].T + back[:, 2]).astype(np.float32)


def _transform(face: Box) -> NDArray[np.float32]:
    """The affine transform that centers the face with its context in the network's input."""
    scale = min(WIDTH / (face.w * _CONTEXT), HEIGHT / (face.h * _CONTEXT))
    x, y = face.center
    return np.array(
        [[scale, 0, WIDTH / 2 - scale * x], [0, scale, HEIGHT / 2 - scale * y]], np.float32
    )


def _input(frame: Frame, transform: NDArray[np.float32]) -> NDArray[np.float32]:
    image = cv2.warpAffine(frame, transform, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    rgb = (image[..., ::-1].astype(np.float32) - _MEAN) / _STD
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None])
