"""A second search for tilted heads, in turned copies of the picture."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.faces.detection.region import whole_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.faces.box import Box
    from models.faces.detection.detector import Detector

_TILTS: Final = ((20.0, -20.0), (90.0, -90.0))
"""Degrees clockwise; a pair is searched only if the one before it showed no face."""
_LONG_SIDE: Final = 480
"""Pixels of the longer side of the picture that is turned."""
_CONFIRMING: Final = (-10.0, 10.0)
"""Degrees beside the tilt of a find at which a face is still found, but hardly anything else."""
_CLOSER: Final = (0.0, -5.0, 5.0)
"""Degrees beside the mean of those, at all of which a face is found, in a mirror, too."""
_NEAR_REACH: Final = 2.6
"""Size of the area that `detect_near` turns, in sizes of the last box."""


class TiltedDetector:
    """Finds what another detector finds, and tilted heads in a picture without an upright face.

    Those are found in copies turned by 20 degrees to either side, then by 90 degrees. They count if
    they are found beside that angle, too, and in a mirror. A picture with an upright face is
    searched once, as before. `detect_near` turns the area around a tilted face by its angle.
    """

    def __init__(self, upright: Detector) -> None:
        self._upright = upright

    @property
    def name(self) -> str:
        """That of the other detector, and the angles."""
        return f"{self._upright.name} tilted-20-90"

    def detect(self, frame: Frame, *, min_width: float = 0) -> list[Box]:
        """Search the whole frame."""
        found = self._upright.detect(frame, min_width=min_width)
        if found:
            return found
        small = whole_frame(frame, _LONG_SIDE)
        for tilts in _TILTS:
            for tilt in tilts:
                turned = self._detect_turned(small.pixels, tilt, min_width * small.scale)
                found += filter(None, [self._confirmed(small.pixels, box) for box in turned])
            if found:
                break
        return small.boxes(found)

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search around the last box, turned by its angle."""
        if not last.angle:
            return self._upright.detect_near(frame, last)
        near = _Surroundings(frame, last)
        found = self._upright.detect_near(near.picture, near.box)
        return [_turned_back(box, near.transform, last.angle) for box in found]

    def face_box(self, box: Box) -> Box:
        """Convert a box as the other detector does."""
        return self._upright.face_box(box)

    def _confirmed(self, frame: Frame, box: Box) -> Box | None:
        """The box with the mean of the angles at which it is found; None if it is no face."""
        angles = [box.angle]
        for step in _CONFIRMING:
            beside = replace(box, angle=box.angle + step)
            if self._is_found(frame, beside):
                angles.append(beside.angle)
        if len(angles) == 1:
            return None
        mean = replace(box, angle=fmean(angles))
        for step in _CLOSER:
            beside = replace(mean, angle=mean.angle + step)
            if not all(self._is_found(frame, beside, mirrored=one) for one in (True, False)):
                return None
        return mean

    def _is_found(self, frame: Frame, box: Box, *, mirrored: bool = False) -> bool:
        near = _Surroundings(frame, box)
        picture = np.ascontiguousarray(near.picture[:, ::-1]) if mirrored else near.picture
        return any(one.is_near(near.box) for one in self._upright.detect_near(picture, near.box))

    def _detect_turned(self, frame: Frame, tilt: float, min_width: float) -> list[Box]:
        height, width = frame.shape[:2]
        turn = cv2.getRotationMatrix2D((0, 0), tilt, 1)
        wide, high = (np.abs(turn[:, :2]) @ (width, height)).tolist()
        size = ceil(wide), ceil(high)
        transform = _turn((width / 2, height / 2), tilt, size)
        turned = _transformed(frame, transform, size)
        found = self._upright.detect(turned, min_width=min_width)
        return [_turned_back(box, transform, tilt) for box in found]


class _Surroundings:
    """The area around a tilted face as a picture in which it is upright, in the middle."""

    def __init__(self, frame: Frame, face: Box) -> None:
        side = ceil(_NEAR_REACH * max(face.w, face.h))
        self.transform = _turn(face.center, face.angle, (side, side))
        self.picture = _transformed(frame, self.transform, (side, side))
        self.box = face.transformed(self.transform.tolist(), 0.0)


def _turn(center: tuple[float, float], tilt: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """The affine transform that makes a tilted head upright; `center` moves to that of `size`."""
    transform = np.asarray(cv2.getRotationMatrix2D(center, tilt, 1), np.float64)
    transform[:, 2] += np.array(size) / 2 - center
    return transform


def _transformed(frame: Frame, transform: NDArray[np.float64], size: tuple[int, int]) -> Frame:
    turned = cv2.warpAffine(
        frame, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)


def _turned_back(box: Box, transform: NDArray[np.float64], tilt: float) -> Box:
    back = cv2.invertAffineTransform(transform)
    return box.transformed(np.asarray(back).tolist(), box.angle + tilt)
