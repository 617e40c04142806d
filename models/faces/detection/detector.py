"""The interface of the face detectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.faces.box import Box

Frame: TypeAlias = NDArray[np.uint8]
"""An image: height x width x 3, BGR, 8 bits."""


class Detector(Protocol):
    """Finds upright faces, largest first; `tilted.TiltedDetector` adds others."""

    @property
    def name(self) -> str:
        """Everything that its boxes depend on: kind, version and options. Part of cache keys."""
        ...

    def detect(self, frame: Frame, *, min_width: float = 0) -> list[Box]:
        """Search the whole frame for faces that are at least `min_width` pixels wide."""
        ...

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search only around the box of a face in an earlier frame: much faster than `detect`."""
        ...

    def face_box(self, box: Box) -> Box:
        """Convert a box of this detector to a face rectangle from forehead to chin.

        The lip-sync networks were trained with such rectangles.
        """
        ...
