"""A frame as a small JPEG, for a page that shows how far a job has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2

from models.video import still

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUALITY: Final = 70
"""Of 100: 10 to 20 kB for a frame of 320 pixels."""


def jpeg(frame_bgr: NDArray[np.uint8], max_side: int = 320) -> bytes:
    """A BGR frame, no side longer than `max_side` pixels, as a JPEG file."""
    small = still.downscale(frame_bgr, max_side)
    _, file = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(file.tobytes())
