"""A frame of a video with the tracked face in it, and counts of such frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.arrays import Frame
    from models.faces.box import Box


@dataclass(frozen=True)
class TrackedFrame:
    """A frame and the box of the tracked face.

    `box` spans forehead to chin, may extend beyond the frame, and is None in a frame without the
    face. `cut` marks the first frame of a new scene (not of the video). `interpolated` marks a box
    that was not detected but is between two that were.
    """

    frame: Frame
    box: Box | None
    cut: bool = False
    interpolated: bool = False


@dataclass
class FrameCounts:
    """Number of frames by kind: `frames` = `with_face` + `interpolated` + `without_face`."""

    frames: int = 0
    with_face: int = 0
    interpolated: int = 0
    without_face: int = 0
    cuts: int = 0

    def add(self, tracked: TrackedFrame) -> None:
        """Count one frame."""
        self.frames += 1
        self.with_face += tracked.box is not None and not tracked.interpolated
        self.interpolated += tracked.interpolated
        self.without_face += tracked.box is None
        self.cuts += tracked.cut
