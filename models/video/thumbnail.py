"""Small JPEG previews of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2

from models.video import still

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_QUALITY: Final = 70
"""JPEG quality of 100; a frame of 320 pixels takes 10 to 20 kB."""


def jpeg(frame_bgr: NDArray[np.uint8], max_side: int = 320) -> bytes:
    """A BGR frame, no side longer than `max_side` pixels, as a JPEG file."""
    small = still.downscale(frame_bgr, max_side)
    _, file = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(file.tobytes())
