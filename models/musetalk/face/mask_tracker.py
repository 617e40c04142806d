"""Blending masks for the frames of a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.musetalk.face import mask
from models.musetalk.face.face_crop import FaceSquare

if TYPE_CHECKING:
    from models.arrays import Frame
    from models.lipsync.network import CropArea
    from models.musetalk.face.face_crop import Mask
    from models.musetalk.face.parser import FaceParser


class MaskTracker:
    """Masks from the labels of the face parser, or ovals without a parser.

    `mode` and `cheeks` are those of `mask.shown_region`. With `smooth` the mean over the last
    frames is used, which keeps the edge steady; call it for the frames in order then.
    """

    def __init__(
        self,
        parser: FaceParser | None,
        *,
        mode: mask.Mode = mask.Mode.JAW,
        cheeks: tuple[int, int] = mask.CHEEK_WIDTHS,
        smooth: bool = False,
    ) -> None:
        self._parser = parser
        self._mode = mode
        self._cheeks = cheeks
        self._smoother = mask.MaskSmoother() if smooth else None

    def __call__(self, frame: Frame, area: CropArea) -> Mask:
        """The mask of the area of a face."""
        square = FaceSquare.around(area)
        if self._parser is None:
            return mask.oval_mask(square, area)
        shown = mask.shown_region(self._parser(square.crop(frame)), self._mode, self._cheeks)
        return mask.mask_of_region(self._smoother(shown) if self._smoother else shown, square, area)
