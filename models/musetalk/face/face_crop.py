"""A face from the frame to the network and back into the frame. Frames are BGR of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lipsync.network import Area, Frame

EDGE: Final = 256
"""Side in pixels of the faces that the network sees and makes."""

Mask: TypeAlias = NDArray[np.uint8]
"""`(H, W)` of an area: 0 is the frame, 255 the made face."""


@dataclass(frozen=True)
class Square:
    """The surroundings of a face, one and a half times as large; it may leave the frame."""

    top: int
    left: int
    side: int

    @classmethod
    def about(cls, area: Area) -> Square:
        """The square about the middle of an area."""
        half = max(1, int(max(area.width, area.height) // 2 * 1.5))
        y, x = (area.top + area.bottom) // 2, (area.left + area.right) // 2
        return cls(y - half, x - half, 2 * half)

    def within(self, area: Area) -> Area:
        """The part of an area of the frame that lies in the square, as seen from its corner."""
        rows = np.clip((area.top - self.top, area.bottom - self.top), 0, self.side)
        columns = np.clip((area.left - self.left, area.right - self.left), 0, self.side)
        return Area(int(rows[0]), int(rows[1]), int(columns[0]), int(columns[1]))

    def cut(self, frame: Frame) -> Frame:
        """The square out of a frame; black where it leaves the frame."""
        inside = self.within(Area(0, frame.shape[0], 0, frame.shape[1]))
        top, left = self.top + inside.top, self.left + inside.left
        picture = np.zeros((self.side, self.side, 3), np.uint8)
        inside.of(picture)[:] = frame[top : top + inside.height, left : left + inside.width]
        return picture


def crop(frame: Frame, area: Area) -> Frame:
    """The face in an area as `(256, 256, 3)`."""
    return _resized(area.of(frame), EDGE, EDGE, cv2.INTER_LANCZOS4)


def hidden_and_whole(face: Frame) -> NDArray[np.float32]:
    """A crop as RGB in -1..1, `(2, 3, 256, 256)`: first its lower half black, then all of it."""
    whole = face[..., ::-1].transpose(2, 0, 1).astype(np.float32) / 255
    pair: NDArray[np.float32] = np.stack((whole, whole))
    pair[0, :, EDGE // 2 :] = 0
    pair *= 2
    pair -= 1
    return pair


def paste(frame: Frame, area: Area, face: Frame, mask: Mask) -> Frame:
    """A copy of the frame with a made face in the area, seen as far as its mask lets it."""
    shown = mask.astype(np.float32) / 255
    made = restore(face, area.width, area.height)
    result = frame.copy()
    place = area.of(result)
    place[:] = cv2.blendLinear(np.ascontiguousarray(place), made, 1 - shown, shown)
    return result


def restore(face: Frame, width: int, height: int) -> Frame:
    """A made face in this size."""
    smaller = width < face.shape[1]
    return _resized(face, width, height, cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _resized(picture: Frame, width: int, height: int, how: int) -> Frame:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)
