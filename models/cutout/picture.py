"""Pictures as arrays: read from any image file, and saved as the result of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from models.errors import InputRejected, attribute_to_field
from models.file_type import JPEG, PNG, WEBP, FileType
from models.spec import RunResult
from models.video.still import read_still

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from models.cutout.input import PictureFormat


class _Encoding(NamedTuple):
    file_type: FileType
    options: tuple[int, ...]
    """OpenCV's flags, each with its value."""
    setting: str
    """The same in words, for the provenance."""
    max_side: int


# A cut-out of 512 x 512: 39 ms and 319 kB; with level 3 and its usual strategy 54 ms and 325 kB.
_PNG: Final = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
)
_ENCODINGS: Final[dict[PictureFormat, _Encoding]] = {
    "png": _Encoding(PNG, _PNG, "compression 1, run lengths", 2**31 - 1),
    "webp": _Encoding(WEBP, (cv2.IMWRITE_WEBP_QUALITY, 92), "quality 92", 16_383),
    "jpeg": _Encoding(JPEG, (cv2.IMWRITE_JPEG_QUALITY, 95), "quality 95", 65_500),
}


def read_rgb(path: Path, field: str) -> NDArray[np.uint8]:
    """An image file as an upright `(h, w, 3)` RGB array of uint8, on white where transparent.

    Sides from 1 pixel. Raises `InputRejected` for this field of the input.
    """
    with attribute_to_field(field):
        bgr = read_still(path, min_side=1)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def check_size(size: tuple[int, int], form: PictureFormat) -> None:
    """Raise `InputRejected` if a picture (width, height) is too large for the format."""
    limit = _ENCODINGS[form].max_side
    if max(size) > limit:
        raise InputRejected(
            "too_large",
            f"The picture is {size[0]} x {size[1]}; {form} allows {limit:,} pixels a side. "
            "Use the format png, or scale the picture down.",
            field="image",
        )


def save_picture(
    pixels: NDArray[np.uint8],
    out: Path,
    form: PictureFormat,
    *,
    notes: Mapping[str, Any] | None = None,
) -> RunResult:
    """Write `(h, w, 3)` RGB or `(h, w, 4)` RGBA with straight alpha beside `out`, a `generate`'s.

    Equal pixels give equal files where the encoder of the result is the same.
    """
    height, width, channels = pixels.shape
    check_size((width, height), form)
    encoding = _ENCODINGS[form]
    order = cv2.COLOR_RGBA2BGRA if channels == 4 else cv2.COLOR_RGB2BGR
    path = out.with_suffix(encoding.file_type.suffix)
    if not cv2.imwrite(str(path), cv2.cvtColor(pixels, order), encoding.options):
        raise OSError(f"{path.name} could not be written")
    return RunResult(
        path,
        width=width,
        height=height,
        file_type=encoding.file_type,
        encoder=f"OpenCV {cv2.__version__}: {form} {encoding.setting}",
        notes=dict(notes or {}),
    )
