"""ICC profiles: convert the colors of an image to sRGB."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Color space of a profile -> mode of Pillow; other spaces are not used for images."""

_BAND_ROWS: Final = 256
"""Rows that are converted at a time."""

_BARELY: Final = 2
"""Difference of 255 below which a profile counts as sRGB."""


class Profile:
    """An ICC profile. A damaged one, or one for another kind of device, has `mode` None."""

    def __init__(self, content: bytes) -> None:
        self.mode: str | None = None
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
            mode = _MODES.get(profile.profile.xcolor_space.strip())
            if mode is not None:
                self._transform = ImageCms.buildTransform(
                    profile,
                    ImageCms.createProfile("sRGB"),
                    mode,
                    "RGB",
                    ImageCms.Intent.RELATIVE_COLORIMETRIC,
                    ImageCms.Flags.BLACKPOINTCOMPENSATION,
                )
        except (ImageCms.PyCMSError, OSError, ValueError):
            return
        self.mode = mode

    def is_srgb(self) -> bool:
        """Whether it leaves colors as they are, within 2 of 255."""
        if self.mode != "RGB":
            return False
        axis = np.linspace(0, 255, 6).round().astype(np.uint8)
        colors = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(6, 36, 3)
        changed = np.abs(self._applied(colors).astype(int) - colors)
        return bool(changed.max() <= _BARELY)

    def to_bgr(
        self, image: NDArray[np.uint8], out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """RGB or CMYK `(H, W, channels)`, or gray `(H, W)`, as BGR `(H, W, 3)` in sRGB.

        `out` may be the memory of the image itself.
        """
        converted = np.empty((*image.shape[:2], 3), np.uint8) if out is None else out
        for top in range(0, len(image), _BAND_ROWS):
            rows = slice(top, top + _BAND_ROWS)
            converted[rows] = self._applied(image[rows])[..., ::-1]
        return converted

    def _applied(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        band = Image.fromarray(np.ascontiguousarray(image))
        if band.mode != self.mode:  # four channels are taken for RGBA
            band = Image.frombytes(str(self.mode), band.size, image.tobytes())
        converted = ImageCms.applyTransform(band, self._transform)
        return np.asarray(converted, dtype=np.uint8)
