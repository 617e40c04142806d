"""Read an image file as an upright 8-bit BGR array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import imagesize
import numpy as np

from models.errors import InputRejected
from models.video import orientation, signature, source

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MIN_SIDE: Final = 64
"""Shortest side of an image in pixels; a smaller one is rejected."""


def stated_size(path: Path) -> tuple[int, int]:
    """Width and height as displayed, from the header only; nothing is decoded."""
    with path.open("rb") as file:
        if not signature.is_image(file.read(signature.HEAD_BYTES)):
            raise source.unreadable()
        file.seek(0)
        width, height = imagesize.get(file)
    if width <= 0 or height <= 0:
        raise source.unreadable()
    return width, height


def read_still(path: Path, *, max_pixels: int = source.MAX_PIXELS) -> NDArray[np.uint8]:
    """JPEG, PNG, WebP, BMP, GIF (first frame) or TIFF as `(H, W, 3)` BGR of uint8.

    EXIF orientation is applied and transparency is composited on white; 16 bits are reduced to 8;
    CMYK and gray become BGR; color profiles are not applied. Raises `InputRejected`: `too_large` by
    the header, before decoding; `too_small` below `MIN_SIDE`; `media_unreadable` for a damaged or
    truncated file.
    """
    width, height = stated_size(path)
    if width * height > max_pixels:
        raise InputRejected(
            "too_large",
            f"The image is {width} x {height}. Use one of at most {max_pixels:,} pixels.",
        )
    content = path.read_bytes()
    # libtiff multiplies colors by their opacity, but only those of 8 bits.
    image = _bgr(_decoded(content), premultiplied=content[:2] in {b"II", b"MM"})
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


def _decoded(data: bytes) -> NDArray[Any]:
    try:
        image, kinds, blocks = cv2.imdecodeWithMetadata(
            np.frombuffer(data, np.uint8), flags=cv2.IMREAD_UNCHANGED
        )
    except cv2.error as error:
        raise source.unreadable() from error
    if image is None:
        raise source.unreadable()
    for kind, block in zip(kinds, blocks, strict=True):
        if kind == cv2.IMAGE_METADATA_EXIF:
            return orientation.upright(image, orientation.of_exif(block.tobytes()))
    return image


def _bgr(image: NDArray[Any], *, premultiplied: bool) -> NDArray[np.uint8]:
    narrow = _eight_bits(image)
    if narrow.ndim == 2:
        return np.repeat(narrow[..., np.newaxis], 3, axis=2)
    if narrow.shape[2] == 4:
        return _on_white(narrow, premultiplied=premultiplied and image.dtype == np.uint8)
    return np.ascontiguousarray(narrow)


def _eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return np.asarray(image // 257, dtype=np.uint8)
    if image.dtype.kind == "f":
        return np.asarray(np.nan_to_num(image).clip(0, 1) * 255, dtype=np.uint8)
    raise source.unreadable()


def _on_white(image: NDArray[np.uint8], *, premultiplied: bool) -> NDArray[np.uint8]:
    opacity = image[..., 3:].astype(np.float32) / np.float32(255)
    share = np.float32(1) if premultiplied else opacity
    mixed: NDArray[np.float32] = image[..., :3] * share + 255 * (1 - opacity) + 0.5
    return mixed.clip(0, 255).astype(np.uint8)
