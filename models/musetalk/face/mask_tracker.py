"""The masks of one clip, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.musetalk.face import mask
from models.musetalk.face.face_crop import Square

if TYPE_CHECKING:
    from models.lipsync.network import Area, Frame
    from models.musetalk.face.face_crop import Mask
    from models.musetalk.face.parser import Parser


class Outline:
    """Masks of the parser's labels, or ovals without a parser.

    `mode` and `cheeks` are those of `mask.region`; `calm` takes the mean over the last frames, so
    that the edge does not tremble: give it frames in their order then.
    """

    def __init__(
        self,
        parser: Parser | None,
        *,
        mode: mask.Mode = mask.Mode.JAW,
        cheeks: tuple[int, int] = mask.CHEEKS,
        calm: bool = False,
    ) -> None:
        self._parser = parser
        self._mode = mode
        self._cheeks = cheeks
        self._calm = mask.Calm() if calm else None

    def __call__(self, frame: Frame, area: Area) -> Mask:
        """The mask of the area of a face."""
        square = Square.about(area)
        if self._parser is None:
            return mask.oval(square, area)
        shown = mask.region(self._parser(square.cut(frame)), self._mode, self._cheeks)
        return mask.parsed(self._calm(shown) if self._calm else shown, square, area)
