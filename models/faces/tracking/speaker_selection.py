"""Who speaks where several people are in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.faces.box import Box


class Choice(Protocol):
    """Picks one of the faces of a frame; its `repr` says how, also in the name of a cache."""

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The face that speaks in a frame of this size; None where it is not among them."""
        ...


@dataclass(frozen=True)
class Largest:
    """The face of the largest area."""

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The largest; of two equal ones the first."""
        return max(faces, key=lambda face: face.area, default=None)


@dataclass(frozen=True)
class Central:
    """The face whose center is closest to that of the frame."""

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The most central one."""
        return min(faces, key=lambda face: _squared(face, width / 2, height / 2), default=None)


@dataclass(frozen=True)
class Index:
    """The face that is `number` places from the left, counted from 0; nobody if there are fewer."""

    number: int

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The one at this place from the left."""
        row = sorted(faces, key=lambda face: face.center[0])
        return row[self.number] if self.number < len(row) else None


@dataclass(frozen=True)
class Within:
    """The face that overlaps a rectangle, in pixels of the frame, most; nobody if none does."""

    box: Box

    def __call__(self, faces: Sequence[Box], width: int, height: int) -> Box | None:
        """The one that overlaps most."""
        inside = [face for face in faces if face.iou(self.box) > 0]
        return max(inside, key=self.box.iou, default=None)


def _squared(face: Box, x: float, y: float) -> float:
    return (face.center[0] - x) ** 2 + (face.center[1] - y) ** 2
