"""A face from the frame to the network and back, as the authors did it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]
    Box = tuple[int, int, int, int]

EDGE = 96


def prepare(frame: Frame, box: Box) -> NDArray[np.float32]:
    """Cut a face out of a BGR frame: `(6, 96, 96)` in 0..1, first half hidden, then whole.

    `box` is (y1, y2, x1, x2).
    """
    y1, y2, x1, x2 = box
    face = cv2.resize(frame[y1:y2, x1:x2], (EDGE, EDGE), interpolation=cv2.INTER_LINEAR)
    whole = face.transpose(2, 0, 1).astype(np.float32) / 255
    hidden = whole.copy()
    hidden[:, EDGE // 2 :] = 0
    return np.concatenate((hidden, whole))


def picture(face: NDArray[np.float32]) -> Frame:
    """A made face `(3, 96, 96)` in 0..1 as a BGR picture `(96, 96, 3)`."""
    return (face.transpose(1, 2, 0) * 255).astype(np.uint8)


def paste(frame: Frame, box: Box, face: NDArray[np.float32]) -> Frame:
    """A copy of the frame with the face over the whole box, hard edges, as upstream does."""
    return pasted(frame, box, picture(face))


def pasted(frame: Frame, box: Box, made: Frame) -> Frame:
    """The same with a face that is a picture already."""
    y1, y2, x1, x2 = box
    result = frame.copy()
    result[y1:y2, x1:x2] = cv2.resize(made, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    return result
