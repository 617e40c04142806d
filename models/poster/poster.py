"""Make the poster of a result: one small JPEG of a clip, a picture, or a ZIP of frames."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.file_type import JPEG, MOV, MP4, PNG, WEBM, WEBP, ZIP
from models.video import still
from models.video.decoding.still_decoder import decode
from models.video.decoding.timed_frames import timed_frames
from models.video.encoding.png_zip import FRAME_NAME
from runtime.media.formats import MAX_IMAGE_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.file_type import FileType

MAX_SIDE: Final = 640
"""Longest side in pixels; a smaller result keeps its size."""
QUALITY: Final = 82
"""JPEG quality of 100: 30 to 90 kB."""
MAX_FRAMES: Final = 48
"""Frames of a clip that are looked at: those of a fade-in, not of the whole clip."""
MIN_CONTRAST: Final = 12.0
"""Standard deviation of gray, of 255. A frame below shows next to nothing: black, or white."""


@dataclass(frozen=True)
class Poster:
    """A poster on local disk."""

    path: Path
    width: int
    height: int


def make_poster(result: Path, file_type: FileType, out: Path) -> Poster | None:
    """Write the poster of a result to `out`. None: a file of this type has none.

    The first frame that shows something; of a clip without one, the one that shows most of the
    first `MAX_FRAMES`. Transparent parts are white and HDR becomes sRGB, as in all pictures that
    are read here. Raises `InputRejected` for a file that cannot be decoded, `OSError`.
    """
    frame = _frame(result, file_type)
    if frame is None:
        return None
    small = still.downscale(frame, MAX_SIDE)
    _, file = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    out.write_bytes(file.tobytes())
    return Poster(out, width=small.shape[1], height=small.shape[0])


def _frame(result: Path, file_type: FileType) -> NDArray[np.uint8] | None:
    if file_type in {MP4, MOV, WEBM}:
        timed = timed_frames(result, max_side=MAX_SIDE, ours=True)
        return _meaningful(islice((each.image for each in timed), MAX_FRAMES))
    if file_type in {PNG, JPEG, WEBP}:
        return _decoded(result.read_bytes())
    if file_type == ZIP:
        return _first_of_zip(result)
    return None


def _decoded(picture: bytes) -> NDArray[np.uint8]:
    """A picture that a runner made, so it needs no decoder process: that takes 7 ms more."""
    return decode(picture, MAX_IMAGE_PIXELS).image


def _meaningful(frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8] | None:
    """The first frame that shows something, else the one that shows most."""
    best: NDArray[np.uint8] | None = None
    most = -1.0
    for frame in frames:
        contrast = float(np.std(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)))
        if contrast >= MIN_CONTRAST:
            return frame
        if contrast > most:
            best, most = frame, contrast
    return best


def _first_of_zip(result: Path) -> NDArray[np.uint8] | None:
    """The first frame of a ZIP of frames; None if the ZIP is of something else."""
    name = FRAME_NAME.format(1)
    with zipfile.ZipFile(result) as archive:
        if name not in archive.namelist():
            return None
        return _decoded(archive.read(name))
