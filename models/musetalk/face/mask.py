"""The mask of a generated face: skin and mouth of the lower face, with soft edges."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.lipsync.network import CropArea
    from models.musetalk.face.face_crop import FaceSquare, Mask

LABEL_SIZE: Final = 512
"""Side in pixels of a label map and of a region."""
CHEEK_WIDTHS: Final = (90, 90)
"""Distance of the cheeks from the center of a region, left and right, in pixels."""

_SKIN, _MOUTH, _NECK = 1, (11, 12, 13), 14
"""Labels of the face parser: 11 is the inside of the mouth, 12 and 13 are the lips."""

_BLUR: Final = 0.05
"""Width of the blur in sides of the square."""
_OVAL_BLUR: Final = 0.12
"""Without a parser. The oval does not follow the contour of the face, so it fades out
more slowly."""


class Mode(StrEnum):
    """Which parts of the parsed face belong to the region."""

    JAW = "jaw"  #: skin grown at the jaw and shrunk at the cheeks, and the mouth
    RAW = "raw"  #: skin and mouth as they are
    NECK = "neck"  #: skin, mouth and neck as they are


def shown_region(
    labels: NDArray[np.uint8], mode: Mode = Mode.JAW, cheeks: tuple[int, int] = CHEEK_WIDTHS
) -> Mask:
    """Labels `(512, 512)` of the square around a face to the region that is replaced, 0 or 255."""
    if mode is Mode.JAW:
        shown = _jaw(_pixels_with(labels, _SKIN), cheeks) | _pixels_with(labels, *_MOUTH)
    elif mode is Mode.RAW:
        shown = _pixels_with(labels, _SKIN, *_MOUTH)
    else:
        shown = _pixels_with(labels, _SKIN, *_MOUTH, _NECK)
    return shown


def mask_of_region(shown: Mask, square: FaceSquare, area: CropArea) -> Mask:
    """The mask of an area from the region of its square: the lower half of the square, blurred."""
    whole = np.asarray(cv2.resize(shown, (square.side, square.side)), np.uint8)
    inner = square.local_area(area)
    bounded = np.zeros_like(whole)
    inner.of(bounded)[:] = inner.of(whole)
    bounded[: square.side // 2] = 0
    return _crop_to_area(_blurred(bounded, square, _BLUR), square, area)


def oval_mask(square: FaceSquare, area: CropArea) -> Mask:
    """The mask without a parser: the lower half of an oval in the area, fading towards its edge."""
    inner = square.local_area(area)
    margin = _kernel(square, _OVAL_BLUR) / 2
    axes = max(1, round(inner.width / 2 - margin)), max(1, round(inner.height / 2 - margin))
    center = round((inner.left + inner.right) / 2), round((inner.top + inner.bottom) / 2)
    image = np.zeros((square.side, square.side), np.uint8)
    cv2.ellipse(image, center, axes, 0, 0, 360, 255, cv2.FILLED)
    image[: square.side // 2] = 0
    return _crop_to_area(_blurred(image, square, _OVAL_BLUR), square, area)


class MaskSmoother:
    """The mean of a region over time, so that its edge is steady.

    `gain` is the weight of each new region; one that differs in more than the share `cut` of its
    area, as after a scene cut, is used unchanged.
    """

    def __init__(self, gain: float = 0.4, cut: float = 0.1) -> None:
        self._gain = gain
        self._cut = cut * 255
        self._mean: NDArray[np.float32] | None = None

    def __call__(self, shown: Mask) -> Mask:
        """The next region, smoothed."""
        new = shown.astype(np.float32)
        if self._mean is None or np.abs(new - self._mean).mean() > self._cut:
            self._mean = new
        self._mean = self._mean + self._gain * (new - self._mean)
        return self._mean.round().astype(np.uint8)


def _jaw(skin: Mask, cheeks: tuple[int, int]) -> Mask:
    grown = np.asarray(cv2.dilate(skin, _authors_kernel()), np.uint8)
    flat = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (35, 3))
    shrunk = np.asarray(cv2.erode(grown, flat, iterations=2), np.uint8)
    left, right = LABEL_SIZE // 2 - cheeks[0], LABEL_SIZE // 2 + cheeks[1]
    shrunk[:, left : right + 1] = grown[:, left : right + 1]
    return shrunk


def _authors_kernel() -> Mask:
    """The dilation kernel of the authors' code, 33 x 33: empty, from row 10 a triangle, from row 20
    a strip of its width.

    With OpenCV's dilation, skin grows 16 pixels upward and, in a tip, 6 downward.
    """
    kernel = np.zeros((33, 33), np.uint8)
    for row in range(10, 33):
        reach = min(row - 10, 10)
        kernel[row, 16 - reach : 17 + reach] = 1
    return kernel


def _pixels_with(labels: NDArray[np.uint8], *values: int) -> Mask:
    lookup = np.zeros(256, np.uint8)
    lookup[list(values)] = 255
    return lookup[labels]


def _kernel(square: FaceSquare, share: float) -> int:
    return int(share * square.side // 2 * 2) + 1


def _blurred(image: Mask, square: FaceSquare, share: float) -> Mask:
    kernel = _kernel(square, share)
    return np.asarray(cv2.GaussianBlur(image, (kernel, kernel), 0), np.uint8)


def _crop_to_area(mask: Mask, square: FaceSquare, area: CropArea) -> Mask:
    """The part of a mask inside the area; the square around a tiny area may be a pixel
    too small.
    """
    found = square.local_area(area).of(mask)
    missing = area.height - found.shape[0], area.width - found.shape[1]
    return np.pad(found, ((0, missing[0]), (0, missing[1])))
