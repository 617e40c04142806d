"""What finds faces in a frame. Haar today; a network may take its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.faces.box import Box

Frame: TypeAlias = NDArray[np.uint8]
"""A picture: height x width x 3, BGR, 8 bits."""


class Detector(Protocol):
    """Finds upright faces, largest first."""

    def detect(self, frame: Frame, *, smallest: float = 0) -> list[Box]:
        """Search the whole frame for faces at least `smallest` pixels wide."""
        ...

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search only about a box where a face was a moment ago: much quicker."""
        ...
