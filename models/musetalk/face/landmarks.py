"""The 68 points of a face by DWPose, a network for the whole body, through OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.errors import WeightsInvalid

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.faces.box import Box
    from models.lipsync.network import Frame

WIDTH, HEIGHT = 288, 384
"""Of the network's input in pixels."""
FACE: Final = slice(23, 91)
"""Which of the 133 points of a body are those of the face."""

_SPLIT: Final = 2
"""Places of an output for each pixel of the input."""
_REACH: Final = 3.0
"""How many times as wide as the face the picture is that the network sees: an estimate."""
_SURE: Final = 0.3
"""Mean score from which on points are believed."""
_MEAN = np.array([123.675, 116.28, 103.53], np.float32)
_DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)


class Landmarks:
    """`dw-ll_ucoco_384.onnx`; raises `WeightsInvalid` where OpenCV cannot read it."""

    def __init__(self, path: Path) -> None:
        try:
            self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            reason = error.err or str(error)
            raise WeightsInvalid(f"{path} is no ONNX file for OpenCV: {reason}") from error
        self._outputs = self._network.getUnconnectedOutLayersNames()

    def find(self, frame: Frame, face: Box) -> NDArray[np.float32] | None:
        """The points `(68, 2)` as x, y of the frame; None where the network is not sure of them."""
        place = _place(face)
        self._network.setInput(_input(frame, place))
        found = self._network.forward(self._outputs)
        across, down = sorted((output.squeeze(0)[FACE] for output in found), key=np.size)
        if np.minimum(across.max(1), down.max(1)).mean() < _SURE:
            return None
        seen = np.stack((across.argmax(1), down.argmax(1)), 1) / _SPLIT
        back = cv2.invertAffineTransform(place)
        return (seen @ back[:, :2].T + back[:, 2]).astype(np.float32)


def _place(face: Box) -> NDArray[np.float32]:
    """How the frame is moved and scaled so that the face and what is about it fill the input."""
    scale = min(WIDTH / (face.w * _REACH), HEIGHT / (face.h * _REACH))
    x, y = face.center
    return np.array(
        [[scale, 0, WIDTH / 2 - scale * x], [0, scale, HEIGHT / 2 - scale * y]], np.float32
    )


def _input(frame: Frame, place: NDArray[np.float32]) -> NDArray[np.float32]:
    seen = cv2.warpAffine(frame, place, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    rgb = (seen[..., ::-1].astype(np.float32) - _MEAN) / _DEVIATION
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None])
