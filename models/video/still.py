"""Read an image file as an upright 8-bit BGR array, decoded by a process of its own."""

from __future__ import annotations

import atexit
import os
from threading import Lock
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.errors import InputRejected, unreadable_error
from models.video.guarded.decoder_process import DecoderEnded, DecoderProcess
from models.video.guarded.limits import CRASHES, OUT_OF_TIME
from runtime.media.formats import MAX_IMAGE_PIXELS, MIN_SIDE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from models.video.guarded.photo import Photo

_TOO_SLOW: Final = (
    "The image takes too long to decode. Open it in an image editor and save it again, as a PNG or "
    "as a JPEG that is not progressive, or scale it down."
)


def read_still(
    path: Path, *, max_pixels: int = MAX_IMAGE_PIXELS, min_side: int = MIN_SIDE
) -> NDArray[np.uint8]:
    """The image of `read_photo`, for those who do not place anything in it."""
    return read_photo(path, max_pixels=max_pixels, min_side=min_side).image


def read_photo(
    path: Path, *, max_pixels: int = MAX_IMAGE_PIXELS, min_side: int = MIN_SIDE
) -> Photo:
    """JPEG, PNG, WebP, AVIF, BMP, GIF (first frame) or TIFF as `(H, W, 3)` BGR of uint8.

    EXIF orientation is applied and transparency is composited on white; 16 bits are reduced to 8;
    CMYK and gray become BGR; color profiles and HDR (cICP) become sRGB; more than 40 million pixels
    are scaled to that. Raises `InputRejected`: `too_large` by the size that the decoder read,
    before it makes pixels, or for one that takes too long; `too_small` below `min_side`;
    `media_unreadable` for a damaged or truncated file.

    The decoder is a process without our secrets, with limits of memory and time. The first image
    of this process takes 0.2 s longer than the others: see `start_decoder`.
    """
    try:
        photo = _DECODERS.decode(path, max_pixels)
    except DecoderEnded as error:
        if error.status in CRASHES:
            raise unreadable_error() from error
        if error.status == OUT_OF_TIME:
            raise InputRejected("too_large", _TOO_SLOW) from error
        raise
    if min(photo.image.shape[:2]) < min_side:
        raise InputRejected(
            "too_small",
            f"The image is {photo.width} x {photo.height}. "
            f"Use one with no side below {min_side} pixels.",
        )
    return photo


def start_decoder() -> None:
    """Start what decodes images, so that the first one does not wait for it; for `warm_up`."""
    _DECODERS.start()


class _Decoders:
    """The decoder process of this process, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: DecoderProcess | None = None
        self._owner = 0

    def start(self) -> DecoderProcess:
        """The process. A fork of this one does not share it with us."""
        with self._lock:
            if self._process is None or self._owner != os.getpid():
                self._process, self._owner = DecoderProcess(MAX_IMAGE_PIXELS), os.getpid()
            return self._process

    def decode(self, path: Path, max_pixels: int) -> Photo:
        """Decode an image; once more if the process was found dead, e.g. killed for memory."""
        if max_pixels != MAX_IMAGE_PIXELS:  # OpenCV reads its limit once, when it is loaded
            with DecoderProcess(max_pixels) as process:
                return process.decode(path, max_pixels)
        process = self.start()
        try:
            return process.decode(path, max_pixels)
        except DecoderEnded as error:
            if error.status is not None:
                raise
            self.close()
            return self.start().decode(path, max_pixels)

    def close(self) -> None:
        """End the process; the next image starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.close()


_DECODERS: Final = _Decoders()
atexit.register(_DECODERS.close)


def downscale(photo: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """The photo with no side longer than `max_side`."""
    height, width = photo.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return photo
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
