"""Crop a face for MuseTalk and paste the result back. Frames are BGR, 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lipsync.network import CropArea

if TYPE_CHECKING:
    from models.arrays import Frame

FACE_SIZE: Final = 256
"""Side in pixels of the faces that the network takes and generates."""

Mask: TypeAlias = NDArray[np.uint8]
"""`(H, W)` of an area: opacity of the generated face, 0..255."""


@dataclass(frozen=True)
class FaceSquare:
    """The square around a face, one and a half times its size; it may extend beyond the frame."""

    top: int
    left: int
    side: int

    @classmethod
    def around(cls, area: CropArea) -> FaceSquare:
        """The square centered on an area."""
        half = max(1, int(max(area.width, area.height) // 2 * 1.5))
        y, x = (area.top + area.bottom) // 2, (area.left + area.right) // 2
        return cls(y - half, x - half, 2 * half)

    def local_area(self, area: CropArea) -> CropArea:
        """The part of an area of the frame inside the square, in coordinates of the square."""
        rows = np.clip((area.top - self.top, area.bottom - self.top), 0, self.side)
        columns = np.clip((area.left - self.left, area.right - self.left), 0, self.side)
        return CropArea(int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1]))

    def crop(self, frame: Frame) -> Frame:
        """The square of a frame; black beyond the frame."""
        inside = self.local_area(CropArea(0, frame.shape[0], 0, frame.shape[1]))
        top, left = self.top + inside.top, self.left + inside.left
        square = np.zeros((self.side, self.side, 3), np.uint8)
        inside.of(square)[:] = frame[top : top + inside.height, left : left + inside.width]
        return square


def crop_face(frame: Frame, area: CropArea) -> Frame:
    """The face in an area as `(256, 256, 3)`."""
    return _resized(area.of(frame), FACE_SIZE, FACE_SIZE, cv2.INTER_LANCZOS4)


def masked_and_whole(face: Frame) -> NDArray[np.float32]:
    """A crop as RGB in -1..1, `(2, 3, 256, 256)`: with its lower half black, then whole."""
    whole = face[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
    pair: NDArray[np.float32] = np.stack((whole, whole))
    pair[0, :, FACE_SIZE // 2 :] = 0
    pair *= 2
    pair -= 1
    return pair


def paste(frame: Frame, area: CropArea, face: Frame, mask: Mask) -> Frame:
    """A copy of the frame with a generated face in the area, blended with its mask."""
    shown = mask.astype(np.float32) / 255
    generated = resize_face(face, area.width, area.height)
    result = frame.copy()
    target = area.of(result)
    target[:] = cv2.blendLinear(np.ascontiguousarray(target), generated, 1 - shown, shown)
    return result


def resize_face(face: Frame, width: int, height: int) -> Frame:
    """A generated face in this size."""
    smaller = width < face.shape[1]
    return _resized(face, width, height, cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _resized(image: Frame, width: int, height: int, interpolation: int) -> Frame:
    return np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
