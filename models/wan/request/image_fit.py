"""Draws an image as the first or last frame of a clip: cropped or padded, never distorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.wan.request.framing import frame_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.wan.request.framing import Framing, Rectangle
    from models.wan.request.resolve import ResolvedRequest

BLUR: Final = 1 / 24
"""Standard deviation of the blur around a padded image, as a share of the shorter side."""


def fit_image(image: NDArray[np.uint8], resolved: ResolvedRequest) -> NDArray[np.uint8]:
    """Draw an upright BGR image `(h, w, 3)` as a frame `(height, width, 3)` of the resolved size.

    The last image may have another size than the first.
    """
    height, width = image.shape[:2]
    frame_size = resolved.width, resolved.height
    return draw(image, frame_image((width, height), frame_size, resolved.fit))


def draw(image: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    """Draw the image on a frame; a blurred copy of the image fills the rest."""
    area = framing.area
    drawn = resize(_crop(image, framing.crop), area.width, area.height)
    if (area.width, area.height) == framing.frame_size:
        return drawn
    frame = _backdrop(image, framing)
    frame[_rows(area), _columns(area)] = drawn
    return frame


def resize(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize with area interpolation to fewer pixels, cubic interpolation to more."""
    grows = width * height > image.shape[0] * image.shape[1]
    method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def _backdrop(image: NDArray[np.uint8], framing: Framing) -> NDArray[np.uint8]:
    width, height = framing.frame_size
    crop = frame_image(framing.image_size, framing.frame_size, "crop").crop
    sharp = resize(_crop(image, crop), width, height)
    sigma = max(1.0, min(width, height) * BLUR)
    return np.asarray(cv2.GaussianBlur(sharp, (0, 0), sigma), dtype=np.uint8)


def _crop(image: NDArray[np.uint8], part: Rectangle) -> NDArray[np.uint8]:
    return image[_rows(part), _columns(part)]


def _rows(part: Rectangle) -> slice:
    return slice(part.top, part.top + part.height)


def _columns(part: Rectangle) -> slice:
    return slice(part.left, part.left + part.width)
