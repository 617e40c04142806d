"""What is seen in the frames of a clip, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.faces.box import Box
    from models.faces.detection.detector import Frame


@dataclass(frozen=True)
class Seen:
    """A frame and the face in it.

    `box` reaches from forehead to chin, may leave the frame, and is None where nobody speaks.
    `cut` marks the first frame of a new scene (not of the clip), `bridged` a box that was not
    found but lies between two that were.
    """

    frame: Frame
    box: Box | None
    cut: bool = False
    bridged: bool = False


@dataclass
class Counts:
    """Frames by what was seen: `frames` = `with_face` + `bridged` + `faceless`."""

    frames: int = 0
    with_face: int = 0
    bridged: int = 0
    faceless: int = 0
    cuts: int = 0

    def add(self, seen: Seen) -> None:
        """Count one frame."""
        self.frames += 1
        self.with_face += seen.box is not None and not seen.bridged
        self.bridged += seen.bridged
        self.faceless += seen.box is None
        self.cuts += seen.cut
