"""Selection of the speaker's face among several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.faces.box import Box


class FaceSelector(Protocol):
    """Selects one of the faces of a frame. Its `repr` is part of cache keys."""

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The speaker's face in a frame of this size; None if it is not among `faces`."""
        ...


@dataclass(frozen=True)
class LargestFace:
    """The face with the largest area."""

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The largest; of two equal ones the first."""
        return max(faces, key=lambda face: face.area, default=None)


@dataclass(frozen=True)
class CentralFace:
    """The face whose center is closest to the center of the frame."""

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The most central one."""
        return min(
            faces, key=lambda face: _squared_distance(face, width / 2, height / 2), default=None
        )


@dataclass(frozen=True)
class FaceAtIndex:
    """The face at `number`, counted from the left and from 0; none if there are fewer."""

    number: int

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The face at this index."""
        row = sorted(faces, key=lambda face: face.center[0])
        return row[self.number] if self.number < len(row) else None


@dataclass(frozen=True)
class FaceInBox:
    """The face that overlaps a box, in pixels of the frame, most; none if no face overlaps it."""

    box: Box

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The face with the largest overlap."""
        overlapping = [face for face in faces if face.iou(self.box) > 0]
        return max(overlapping, key=self.box.iou, default=None)


def _squared_distance(face: Box, x: float, y: float) -> float:
    return (face.center[0] - x) ** 2 + (face.center[1] - y) ** 2
