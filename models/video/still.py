"""Read an image file as an upright 8-bit BGR array, decoded by a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from models.errors import InputRejected, unreadable_error
from models.settings import library_path
from models.video import source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MIN_SIDE: Final = 64
"""Shortest side of an image in pixels; a smaller one is rejected."""

DECODER: Final = "models.video.decoding.still_decoder"
_CRASHES: Final = {
    -number
    for number in (
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE),
        signal.SIGXCPU,
    )
}
"""Ends of the decoder that the image caused: by a fault of its library, or the time limit."""


def read_still(path: Path, *, max_pixels: int = source.MAX_PIXELS) -> NDArray[np.uint8]:
    """JPEG, PNG, WebP, BMP, GIF (first frame) or TIFF as `(H, W, 3)` BGR of uint8.

    EXIF orientation is applied and transparency is composited on white; 16 bits are reduced to 8;
    CMYK and gray become BGR; color profiles are not applied. Raises `InputRejected`: `too_large` by
    the size that the decoder read, before it makes pixels; `too_small` below `MIN_SIDE`;
    `media_unreadable` for a damaged or truncated file.

    The decoder is a process without our secrets, with limits of memory and time; starting it takes
    0.2 s.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-m", DECODER, path, str(max_pixels)],
        env=_environment(max_pixels),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the worker, which ends the job in order
    ) as process:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        image = _received(process.stdout)
    if image is None:
        raise _failure(process.returncode)
    if min(image.shape[:2]) < MIN_SIDE:
        raise InputRejected(
            "too_small",
            f"The image is {image.shape[1]} x {image.shape[0]}. "
            f"Use one with no side below {MIN_SIDE} pixels.",
        )
    return image


def downscale(photo: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """The photo with no side longer than `max_side`."""
    height, width = photo.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return photo
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _environment(max_pixels: int) -> dict[str, str]:
    """The first variable is OpenCV's: it refuses a larger image by the decoder's own size."""
    return {
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels),
        "OPENCV_LOG_LEVEL": "SILENT",
        "OPENBLAS_NUM_THREADS": "1",  # its buffers would count as memory of the image
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        **library_path(),
    }


def _received(stream: IO[bytes]) -> NDArray[np.uint8] | None:
    """The image that the decoder sends, or None if it sends less. Raises `InputRejected`."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    header: dict[str, Any] = json.loads(line)
    if "code" in header:
        raise InputRejected(header["code"], header["message"])
    image = np.empty((header["height"], header["width"], 3), np.uint8)
    received: int = stream.readinto(image)  # type: ignore[attr-defined]  # it is buffered
    return image if received == image.nbytes else None


def _failure(status: int) -> Exception:
    if status in _CRASHES:
        return unreadable_error()
    return RuntimeError(f"the image decoder ended with status {status}; see the worker log")
