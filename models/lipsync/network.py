"""The interface of a lip-sync network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.arrays import Frame
    from models.faces.box import Box


@dataclass(frozen=True)
class CropArea:
    """Whole pixels of a frame: rows `top` to `bottom`, columns `left` to `right` (exclusive)."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def inside(cls, width: int, height: int, edges: tuple[float, float, float, float]) -> Self:
        """The pixels within `edges` (left, top, right, bottom) and a frame of this size.

        At least 2 x 2.
        """
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
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    def of(self, frame: Frame) -> Frame:
        """A view of this part of a frame."""
        return frame[self.top : self.bottom, self.left : self.right]


class LipSyncNetwork(Protocol):
    """A loaded network. `prepare_face` and `generate` are each called by one thread at a time."""

    batch: int
    """Number of faces per call of `generate`."""

    def frame_count(self, voice: Path, fps: Fraction, frames: int) -> int:
        """Number of frames to generate.

        `frames`, which cover the voice, unless the authors' schedule gives another number.
        """
        ...

    def audio_features(
        self, voice: Path, fps: Fraction, frames: int, offset: Fraction
    ) -> Iterator[Any]:
        """The audio features of each of `frames` frames, in order, `offset` seconds later.

        Memory must not grow with the length of the voice by more than a few numbers a frame.
        """
        ...

    def crop_area(self, face: Box, frame: Frame) -> CropArea:
        """The pixels of a face that the network takes; at least 2 x 2, inside the frame."""
        ...

    def prepare_face(self, frame: Frame, area: CropArea) -> Any:
        """Convert a face to the network's input."""
        ...

    def mask(self, frame: Frame, area: CropArea) -> NDArray[np.uint8] | None:
        """Opacity of the generated face in each pixel of the area, 0..255; frames in order.

        None: the default mask, the lower half of the area with soft edges.
        """
        ...

    def paste(self, frame: Frame, area: CropArea, face: Frame) -> Frame:
        """A copy of the frame with a generated face in the area, composited as the authors do."""
        ...

    def generate(self, faces: Sequence[Any], features: Sequence[Any]) -> Sequence[Frame]:
        """The faces with their mouths moved, BGR, in the size of the network's output."""
        ...
