"""What finds faces in a frame: Haar, YuNet or S3FD, one behind the same three methods."""

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

    @property
    def name(self) -> str:
        """All that its boxes depend on, in a word: kind, version, options."""
        ...

    def detect(self, frame: Frame, *, smallest: float = 0) -> list[Box]:
        """Search the whole frame for faces at least `smallest` pixels wide."""
        ...

    def detect_near(self, frame: Frame, last: Box) -> list[Box]:
        """Search only about a box where a face was a moment ago: much quicker."""
        ...

    def face(self, box: Box) -> Box:
        """A box that it found as a rectangle from forehead to chin: what the networks learnt."""
        ...
