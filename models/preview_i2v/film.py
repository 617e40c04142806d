"""The frames of a preview: the camera's way over one still, or from one into another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.preview_i2v.camera import DEEPEST, Move, drawn_move, eased, seen
from models.wan.request.framing import frame_image
from models.wan.request.image_fit import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from models.wan.request.resolve import ResolvedRequest

FADE_FROM: Final = 0.4
"""The share of the clip after which the last picture starts to shine through."""


@dataclass(frozen=True)
class Film:
    """A clip to be drawn. The stills are `DEEPEST` times the size of its frames."""

    size: tuple[int, int]
    count: int
    move: Move
    first: NDArray[np.uint8]
    last: NDArray[np.uint8] | None = None

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Every frame, `(height, width, 3)` BGR, drawn when it is asked for."""
        for index in range(self.count):
            yield self.frame(index / max(self.count - 1, 1))

    def frame(self, time: float) -> NDArray[np.uint8]:
        """The frame at a time from 0, the whole first picture, to 1.

        A last picture is shown whole at 1: the camera draws back while it fades in.
        """
        way = eased(time)
        first = seen(self.first, self.move.view(way), self.size)
        if self.last is None or time <= FADE_FROM:
            return first
        last = seen(self.last, self.move.view(1 - way), self.size)
        share = eased((time - FADE_FROM) / (1 - FADE_FROM))
        return np.asarray(cv2.addWeighted(first, 1 - share, last, share, 0), dtype=np.uint8)


def planned(
    image: NDArray[np.uint8], last_image: NDArray[np.uint8] | None, resolved: ResolvedRequest
) -> Film:
    """The film of a job; its seed chooses the move."""
    return Film(
        (resolved.width, resolved.height),
        resolved.total_frames,
        drawn_move(resolved.seed),
        _still(image, resolved),
        None if last_image is None else _still(last_image, resolved),
    )


def _still(picture: NDArray[np.uint8], resolved: ResolvedRequest) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    large = round(resolved.width * DEEPEST), round(resolved.height * DEEPEST)
    return draw(picture, frame_image((width, height), large, resolved.fit))
