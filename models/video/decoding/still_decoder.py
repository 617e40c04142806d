"""Decodes one image: `python -m models.video.decoding.still_decoder FILE MAX_PIXELS`.

Sends a line of JSON, with the size or with an error, and then the pixels. It limits its own memory
and time first: a header can promise less than the decoder will make of the file.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from models.errors import InputRejected, unreadable_error
from models.video import orientation, signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MEMORY_BYTES: Final = 1024 * 1024 * 1024
"""On top of the libraries. 40 million pixels take 320 MB with opacity and 16 bits."""
CPU_SECONDS: Final = 60
"""40 million pixels of PNG or TIFF take 1 to 3 s."""

_BAND_ROWS: Final = 256
"""Rows that are converted at a time."""


def decode(content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """An image file as an upright `(H, W, 3)` BGR array of uint8. Raises `InputRejected`.

    OpenCV refuses more than `max_pixels` by a variable of the environment, before it makes any.
    """
    if not signature.is_image(content[: signature.HEAD_BYTES]):
        raise unreadable_error()
    image, turn = _decoded(content, max_pixels)
    # libtiff multiplies colors by their opacity, but only those of 8 bits.
    premultiplied = content[:2] in {b"II", b"MM"}
    narrow = np.empty((*image.shape[:2], 3), np.uint8)
    for rows in _bands(len(image)):
        narrow[rows] = _bgr(image[rows], premultiplied=premultiplied)
    del image
    return np.ascontiguousarray(orientation.upright(narrow, turn))


def _decoded(content: bytes, max_pixels: int) -> tuple[NDArray[Any], int]:
    """The image as stored, and its EXIF orientation."""
    try:
        image, kinds, blocks = cv2.imdecodeWithMetadata(
            np.frombuffer(content, np.uint8), flags=cv2.IMREAD_UNCHANGED
        )
    except cv2.error as error:
        raise _rejection(error, max_pixels) from error
    if image is None:
        raise unreadable_error()
    for kind, block in zip(kinds, blocks, strict=True):
        if kind == cv2.IMAGE_METADATA_EXIF:
            return image, orientation.of_exif(block.tobytes())
    return image, orientation.UPRIGHT


def _rejection(error: cv2.error, max_pixels: int) -> InputRejected:
    if "CV_IO_MAX_IMAGE" in str(error):
        return InputRejected("too_large", f"Use an image of at most {max_pixels:,} pixels.")
    if error.code == cv2.Error.StsNoMem:
        return _too_much_memory()
    return unreadable_error()


def _too_much_memory() -> InputRejected:
    megabytes = MEMORY_BYTES // 1024**2
    return InputRejected(
        "too_large",
        f"The image takes more than {megabytes} MB to decode. Scale it down.",
    )


def _bands(height: int) -> Iterator[slice]:
    return (slice(top, top + _BAND_ROWS) for top in range(0, height, _BAND_ROWS))


def _bgr(image: NDArray[Any], *, premultiplied: bool) -> NDArray[np.uint8]:
    narrow = _eight_bits(image)
    if narrow.ndim == 2:
        return np.repeat(narrow[..., np.newaxis], 3, axis=2)
    if narrow.shape[2] == 4:
        return _on_white(narrow, premultiplied=premultiplied and image.dtype == np.uint8)
    return narrow


def _eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return np.asarray(image // 257, dtype=np.uint8)
    if image.dtype.kind == "f":
        return np.asarray(np.nan_to_num(image).clip(0, 1) * 255, dtype=np.uint8)
    raise unreadable_error()


def _on_white(image: NDArray[np.uint8], *, premultiplied: bool) -> NDArray[np.uint8]:
    opacity = image[..., 3:].astype(np.float32) / np.float32(255)
    share = np.float32(1) if premultiplied else opacity
    mixed: NDArray[np.float32] = image[..., :3] * share + 255 * (1 - opacity) + 0.5
    return mixed.clip(0, 255).astype(np.uint8)


def _limit() -> None:
    """Limit this process. Memory only on Linux: macOS does not enforce it."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Decode the file that the command line names."""
    path, max_pixels = sys.argv[1:]
    cv2.setNumThreads(1)
    _limit()
    try:
        image = decode(Path(path).read_bytes(), int(max_pixels))
    except InputRejected as rejected:
        _send({"code": rejected.code, "message": str(rejected)})
    except MemoryError:
        refusal = _too_much_memory()
        _send({"code": refusal.code, "message": str(refusal)})
    else:
        _send({"height": image.shape[0], "width": image.shape[1]})
        sys.stdout.buffer.write(image.data)


def _send(header: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")


if __name__ == "__main__":
    main()
