"""A picture as the first or the last frame of a clip: cut or padded to it, never squashed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.wan.request.framing import placed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.wan.request.framing import Box, Placement
    from models.wan.request.resolve import Resolved

BLUR: Final = 1 / 24
"""Standard deviation of the blur around a padded picture, as a share of the shorter side."""


def fitted(picture: NDArray[np.uint8], resolved: Resolved) -> NDArray[np.uint8]:
    """An upright BGR picture `(h, w, 3)` as a frame `(height, width, 3)` of the resolved size.

    Also for the last picture, which may be of another size than the first.
    """
    height, width = picture.shape[:2]
    frame = resolved.width, resolved.height
    return drawn(picture, placed((width, height), frame, resolved.fit))


def drawn(picture: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    """The picture, placed: what the frame shows beside it is a blurred copy of itself."""
    place = placement.place
    shown = scaled(_cut(picture, placement.part), place.width, place.height)
    if (place.width, place.height) == placement.frame:
        return shown
    frame = _backdrop(picture, placement)
    frame[_rows(place), _columns(place)] = shown
    return frame


def scaled(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resampled by area where it shrinks, by cubics where it grows."""
    grows = width * height > picture.shape[0] * picture.shape[1]
    method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.uint8)


def _backdrop(picture: NDArray[np.uint8], placement: Placement) -> NDArray[np.uint8]:
    width, height = placement.frame
    part = placed(placement.picture, placement.frame, "crop").part
    sharp = scaled(_cut(picture, part), width, height)
    sigma = max(1.0, min(width, height) * BLUR)
    return np.asarray(cv2.GaussianBlur(sharp, (0, 0), sigma), dtype=np.uint8)


def _cut(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    return picture[_rows(box), _columns(box)]


def _rows(box: Box) -> slice:
    return slice(box.top, box.top + box.height)


def _columns(box: Box) -> slice:
    return slice(box.left, box.left + box.width)
