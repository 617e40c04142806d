"""The frames of a preview: a camera move over one image, or from one image to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from models.preview_i2v.camera import MAX_ZOOM, Move, random_move, render_view, smootherstep
from models.wan.request.framing import frame_image
from models.wan.request.image_fit import draw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from models.wan.request.resolve import ResolvedRequest

FADE_START: Final = 0.4
"""Share of the video after which the last image starts to fade in."""


@dataclass(frozen=True)
class CameraClip:
    """A video to draw. The images are `MAX_ZOOM` times the size of its frames."""

    size: tuple[int, int]
    count: int
    move: Move
    first: NDArray[np.uint8]
    last: NDArray[np.uint8] | None = None

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Every frame, `(height, width, 3)` BGR, drawn on demand."""
        for index in range(self.count):
            yield self.frame(index / max(self.count - 1, 1))

    def frame(self, time: float) -> NDArray[np.uint8]:
        """The frame at a time from 0 (the whole first image) to 1.

        A last image is shown whole at 1: the camera moves back while it fades in.
        """
        progress = smootherstep(time)
        first = render_view(self.first, self.move.view(progress), self.size)
        if self.last is None or time <= FADE_START:
            return first
        last = render_view(self.last, self.move.view(1 - progress), self.size)
        share = smootherstep((time - FADE_START) / (1 - FADE_START))
        return np.asarray(cv2.addWeighted(first, 1 - share, last, share, 0), dtype=np.uint8)


def plan_clip(
    image: NDArray[np.uint8], last_image: NDArray[np.uint8] | None, resolved: ResolvedRequest
) -> CameraClip:
    """The clip of a request; its seed selects the move."""
    return CameraClip(
        (resolved.width, resolved.height),
        resolved.total_frames,
        random_move(resolved.seed),
        _still(image, resolved),
        None if last_image is None else _still(last_image, resolved),
    )


def _still(image: NDArray[np.uint8], resolved: ResolvedRequest) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    large = round(resolved.width * MAX_ZOOM), round(resolved.height * MAX_ZOOM)
    return draw(image, frame_image((width, height), large, resolved.fit))
