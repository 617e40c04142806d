"""Convert decoded images to 8-bit BGR in sRGB, on white."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from PIL import Image

from models.errors import unreadable_error
from models.video.color import avif_tags
from models.video.color.alpha import composite
from models.video.color.profiles import Profile
from models.video.color.transfer import PRIMARIES, is_hdr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BAND_ROWS: Final = 256
"""Rows that are converted at a time."""

_TIFF: Final = (b"II*\x00", b"MM\x00*")


@dataclass(frozen=True)
class ColorTags:
    """What a file says of its colors."""

    profile: bytes | None = None
    """ICC profile."""
    transfer: int = 2
    """Transfer and primaries as numbers of ITU-T H.273, from PNG (cICP) or AVIF (nclx); 2: none."""
    primaries: int = 2
    depth: int = 16
    """Bits of a value where OpenCV gives 16: those of AVIF stay as they are."""

    @property
    def wide(self) -> bool:
        """Whether the numbers name HDR or a wide gamut."""
        return is_hdr(self.transfer) or self.primaries in PRIMARIES


def color_tags(content: bytes, blocks: dict[int, bytes]) -> ColorTags:
    """The tags of a file, from the metadata that OpenCV found: kind -> block.

    OpenCV does not read the profile of a TIFF and of an AVIF.
    """
    cicp = blocks.get(cv2.IMAGE_METADATA_CICP, b"")
    if len(cicp) == 4:
        return ColorTags(primaries=cicp[0], transfer=cicp[1])
    profile = blocks.get(cv2.IMAGE_METADATA_ICCP)
    avif = avif_tags.is_avif(content)
    if profile is None and (content[:4] in _TIFF or avif):
        profile = _profile_by_pillow(content)
    if not avif:
        return ColorTags(profile=profile)
    transfer, primaries = avif_tags.transfer_and_primaries(content)
    return ColorTags(profile, transfer, primaries, avif_tags.bit_depth(content))


def to_bgr(image: NDArray[Any], tags: ColorTags, content: bytes) -> NDArray[np.uint8]:
    """An image as OpenCV decoded it from this file as `(H, W, 3)` of uint8 in sRGB.

    Transparency is composited on white, 16 bits are reduced to 8, gray becomes BGR. A profile for
    CMYK is applied to the inks of the file; without one, they were converted by OpenCV.
    """
    profile = Profile(tags.profile) if tags.profile is not None and not tags.wide else None
    if profile is not None and profile.mode == "CMYK":
        inks = _inks(content)
        if inks is not None:
            return profile.to_bgr(inks)
    # libtiff multiplies colors by their opacity, but only those of 8 bits.
    premultiplied = content[:4] in _TIFF and image.dtype == np.uint8
    gray = image.ndim == 2
    converted = np.empty((*image.shape[:2], 3), np.uint8)
    for rows in _bands(len(image)):
        band = _sixteen_bits(image[rows], tags.depth)
        band = _mapped(band, tags) if tags.wide else band
        converted[rows] = _on_white(_eight_bits(band), premultiplied=premultiplied)
    return _with_profile(converted, profile, gray=gray)


def _with_profile(
    image: NDArray[np.uint8], profile: Profile | None, *, gray: bool
) -> NDArray[np.uint8]:
    """The same memory. Opacity was applied before: white is white in both."""
    if profile is None or profile.is_srgb():
        return image
    if profile.mode == "L" and gray:
        return profile.to_bgr(image[..., 0], out=image)
    if profile.mode == "RGB":
        return profile.to_bgr(image[..., ::-1], out=image)
    return image


def _bands(height: int) -> Iterator[slice]:
    return (slice(top, top + _BAND_ROWS) for top in range(0, height, _BAND_ROWS))


def _sixteen_bits(image: NDArray[Any], depth: int) -> NDArray[Any]:
    """Values of 10 or 12 bits in those of 16; others stay."""
    if image.dtype != np.uint16 or not 8 < depth < 16:
        return image
    return image << (16 - depth) | image >> (2 * depth - 16)


def _eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(image, alpha=1 / 257), dtype=np.uint8)
    if image.dtype.kind == "f":
        return np.asarray(np.nan_to_num(image).clip(0, 1) * 255, dtype=np.uint8)
    raise unreadable_error()


def _on_white(image: NDArray[np.uint8], *, premultiplied: bool) -> NDArray[np.uint8]:
    if image.ndim == 2:
        return np.repeat(image[..., np.newaxis], 3, axis=2)
    if image.shape[2] == 3:
        return image
    if not premultiplied:
        return composite(image)
    transparency = 255 - image[..., 3:]
    return np.asarray(cv2.add(image[..., :3], cv2.merge([transparency] * 3)), dtype=np.uint8)


def _mapped(image: NDArray[Any], tags: ColorTags) -> NDArray[Any]:
    """Colors of HDR or of a wide gamut, of 8 or 16 bits, as sRGB of 16 bits."""
    # Only these rare images need FFmpeg, which would take 30 MB in the decoder's process.
    import av

    from models.video.color.color_table import ColorTable

    deep = image.astype(np.uint16) * 257 if image.dtype == np.uint8 else image
    if deep.ndim == 2:
        deep = np.repeat(deep[..., np.newaxis], 3, axis=2)
    format = "bgra64le" if deep.shape[2] == 4 else "bgr48le"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(deep), format=format)
    table = ColorTable(frame, transfer=tags.transfer, primaries=tags.primaries)
    return table(frame).to_ndarray()


def _profile_by_pillow(content: bytes) -> bytes | None:
    try:
        with Image.open(io.BytesIO(content), formats=("TIFF", "AVIF")) as image:
            profile: bytes | None = image.info.get("icc_profile")
            return profile
    except (OSError, SyntaxError, ValueError):
        return None


def _inks(content: bytes) -> NDArray[np.uint8] | None:
    """CMYK as the file has it, which OpenCV does not give; None if the file has other colors."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "TIFF")) as image:
            return np.asarray(image, dtype=np.uint8) if image.mode == "CMYK" else None
    except (OSError, SyntaxError, ValueError):
        return None
