"""Crop a face for Wav2Lip and paste the result back, as the authors' code does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame

    Edges = tuple[int, int, int, int]

FACE_SIZE = 96


def prepare(frame: Frame, box: Edges) -> NDArray[np.float32]:
    """Crop a face out of a BGR frame: `(6, 96, 96)` in 0..1, with its lower half zero, then whole.

    `box` is (y1, y2, x1, x2).
    """
    y1, y2, x1, x2 = box
    face = cv2.resize(frame[y1:y2, x1:x2], (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_LINEAR)
    whole = face.transpose(2, 0, 1).astype(np.float32) / 255
    masked = whole.copy()
    masked[:, FACE_SIZE // 2 :] = 0
    return np.concatenate((masked, whole))


def to_image(face: NDArray[np.float32]) -> Frame:
    """A generated face `(3, 96, 96)` in 0..1 as a BGR image `(96, 96, 3)`."""
    return (face.transpose(1, 2, 0) * 255).astype(np.uint8)


def paste(frame: Frame, box: Edges, face: NDArray[np.float32]) -> Frame:
    """A copy of the frame with the face over the whole box, with hard edges."""
    return paste_image(frame, box, to_image(face))


def paste_image(frame: Frame, box: Edges, image: Frame) -> Frame:
    """The same for a face that is an image already."""
    y1, y2, x1, x2 = box
    result = frame.copy()
    result[y1:y2, x1:x2] = cv2.resize(image, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    return result
