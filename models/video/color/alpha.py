"""Transparency: composite images on a color."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def composite(
    image: NDArray[np.uint8], color: tuple[int, int, int] = (255, 255, 255)
) -> NDArray[np.uint8]:
    """An image `(H, W, 4)` with straight alpha on a color, as `(H, W, 3)` of uint8.

    `color` has the channels of the image in their order. On white the result is rounded once; on
    another color twice, so that it may be off by 1.
    """
    alpha = cv2.merge([image[..., 3]] * 3)
    above = cv2.multiply(np.ascontiguousarray(image[..., :3]), alpha, scale=1 / 255)
    transparency = np.arange(255, -1, -1).reshape(1, 256, 1)
    behind = cv2.LUT(alpha, np.rint(transparency * color / 255).astype(np.uint8))
    return np.asarray(cv2.add(above, behind), dtype=np.uint8)
