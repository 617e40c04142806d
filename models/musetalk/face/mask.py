"""Which part of a made face is shown: skin and mouth of the lower face, softly bounded."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.lipsync.network import Area
    from models.musetalk.face.face_crop import Mask, Square

EDGE: Final = 512
"""Side in pixels of a region: that of the map of labels."""
CHEEKS: Final = (90, 90)
"""How far from the middle, left and right, the cheeks begin on a region."""

SKIN, MOUTH, NECK = 1, (11, 12, 13), 14
"""Labels of the parser: 11 is the inside of the mouth, 12 and 13 are the lips."""

_BLUR: Final = 0.05
_BROAD_BLUR: Final = 0.12
"""Without a parser: the oval knows nothing of the face's edge, so it fades out more slowly."""


class Mode(StrEnum):
    """What of the parsed face belongs to the region."""

    JAW = "jaw"  #: skin grown at the jaw and shrunk at the cheeks, and the mouth
    RAW = "raw"  #: skin and mouth as they are
    NECK = "neck"  #: skin, mouth and neck as they are


def region(
    labels: NDArray[np.uint8], mode: Mode = Mode.JAW, cheeks: tuple[int, int] = CHEEKS
) -> Mask:
    """Labels `(512, 512)` of the square about a face to what shall be shown of it, 0 or 255."""
    if mode is Mode.JAW:
        shown = _jaw(_of(labels, SKIN), cheeks) | _of(labels, *MOUTH)
    elif mode is Mode.RAW:
        shown = _of(labels, SKIN, *MOUTH)
    else:
        shown = _of(labels, SKIN, *MOUTH, NECK)
    return shown


def parsed(shown: Mask, square: Square, area: Area) -> Mask:
    """The mask of an area by the region of its square: the lower half of the square, blurred."""
    whole = np.asarray(cv2.resize(shown, (square.side, square.side)), np.uint8)
    inner = square.within(area)
    bounded = np.zeros_like(whole)
    inner.of(bounded)[:] = inner.of(whole)
    bounded[: square.side // 2] = 0
    return _fitted(_blurred(bounded, square, _BLUR), square, area)


def oval(square: Square, area: Area) -> Mask:
    """The mask without a parser: the lower half of an oval in the area, which fades to its edge."""
    inner = square.within(area)
    margin = _kernel(square, _BROAD_BLUR) / 2
    axes = max(1, round(inner.width / 2 - margin)), max(1, round(inner.height / 2 - margin))
    middle = round((inner.left + inner.right) / 2), round((inner.top + inner.bottom) / 2)
    drawn = np.zeros((square.side, square.side), np.uint8)
    cv2.ellipse(drawn, middle, axes, 0, 0, 360, 255, cv2.FILLED)
    drawn[: square.side // 2] = 0
    return _fitted(_blurred(drawn, square, _BROAD_BLUR), square, area)


class Calm:
    """The mean of a region over time, so that its edge does not tremble.

    `share` of each new region is believed; one that differs in over `cut` of its area, as after a
    scene cut, is taken as it is.
    """

    def __init__(self, share: float = 0.4, cut: float = 0.1) -> None:
        self._share = share
        self._cut = cut * 255
        self._mean: NDArray[np.float32] | None = None

    def __call__(self, shown: Mask) -> Mask:
        """The next region, calmed."""
        new = shown.astype(np.float32)
        if self._mean is None or np.abs(new - self._mean).mean() > self._cut:
            self._mean = new
        self._mean = self._mean + self._share * (new - self._mean)
        return self._mean.round().astype(np.uint8)


def _jaw(skin: Mask, cheeks: tuple[int, int]) -> Mask:
    grown = np.asarray(cv2.dilate(skin, _tongue()), np.uint8)
    flat = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (35, 3))
    shrunk = np.asarray(cv2.erode(grown, flat, iterations=2), np.uint8)
    left, right = EDGE // 2 - cheeks[0], EDGE // 2 + cheeks[1]
    shrunk[:, left : right + 1] = grown[:, left : right + 1]
    return shrunk


def _tongue() -> Mask:
    """The authors' kernel, 33 x 33: nothing, a triangle from row 10, as wide a strip from row 20.

    OpenCV's dilation looks where the kernel is set: skin grows 16 pixels up and, in a tip, 6 down.
    """
    kernel = np.zeros((33, 33), np.uint8)
    for row in range(10, 33):
        reach = min(row - 10, 10)
        kernel[row, 16 - reach : 17 + reach] = 1
    return kernel


def _of(labels: NDArray[np.uint8], *wanted: int) -> Mask:
    values = np.zeros(256, np.uint8)
    values[list(wanted)] = 255
    return values[labels]


def _kernel(square: Square, share: float) -> int:
    return int(share * square.side // 2 * 2) + 1


def _blurred(drawn: Mask, square: Square, share: float) -> Mask:
    kernel = _kernel(square, share)
    return np.asarray(cv2.GaussianBlur(drawn, (kernel, kernel), 0), np.uint8)


def _fitted(mask: Mask, square: Square, area: Area) -> Mask:
    """What lies in the area; the square about a very small one may be a pixel too small."""
    found = square.within(area).of(mask)
    missing = area.height - found.shape[0], area.width - found.shape[1]
    return np.pad(found, ((0, missing[0]), (0, missing[1])))
