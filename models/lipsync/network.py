"""What the engine asks of a network that makes mouths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    from models.faces.box import Box

Frame: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Area:
    """Whole pixels of a frame: rows `top` to `bottom`, columns `left` to `right` (exclusive)."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def inside(cls, width: int, height: int, edges: tuple[float, float, float, float]) -> Self:
        """The pixels of left, top, right, bottom inside a frame of this size; 2 x 2 at least."""
        left, top, right, bottom = edges
        x = min(max(0, int(left)), width - 2)
        y = min(max(0, int(top)), height - 2)
        return cls(
            top=y,
            bottom=min(height, max(y + 2, int(bottom))),
            left=x,
            right=min(width, max(x + 2, int(right))),
        )

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def of(self, frame: Frame) -> Frame:
        """The part of a frame, not copied."""
        return frame[self.top : self.bottom, self.left : self.right]


class Lips(Protocol):
    """A network in memory. `see` and `speak` are each called by one thread at a time."""

    batch: int
    """How many faces it makes at once."""

    def length(self, voice: Path, fps: Fraction, frames: int) -> int:
        """How many frames to make: `frames`, which cover the voice, unless the authors' way is
        followed and makes another number.
        """
        ...

    def hear(self, voice: Path, fps: Fraction, frames: int, offset: Fraction) -> Iterator[Any]:
        """What each of `frames` frames hears, in order; `offset` seconds later than the picture.

        Nothing may be kept of the sound that grows fast with its length.
        """
        ...

    def area(self, face: Box, frame: Frame) -> Area:
        """The pixels that it needs of a face; at least 2 x 2, inside the frame."""
        ...

    def see(self, frame: Frame, area: Area) -> Any:
        """A face as the network wants it."""
        ...

    def mask(self, frame: Frame, area: Area) -> NDArray[np.uint8] | None:
        """How much of the made face shows in each pixel of the area, 0..255; frames in order.

        None: the usual one, the lower half with soft edges.
        """
        ...

    def paste(self, frame: Frame, area: Area, face: Frame) -> Frame:
        """A copy of the frame with a made face in the area, as the authors lay it over."""
        ...

    def speak(self, seen: Sequence[Any], heard: Sequence[Any]) -> Sequence[Frame]:
        """The same faces with their mouths moved, as BGR pictures of the network's own size."""
        ...
