"""A frame on its way through the pipeline of a lip-sync run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.arrays import Frame
    from models.lipsync.network import CropArea


@dataclass(frozen=True)
class FrameTask:
    """A frame in the pipeline; `area` and `face` are None if it passes through unchanged.

    A face that lies on its side is made upright: `frame` is turned by `quarter_turns`.
    """

    frame: Frame
    features: Any
    """The audio features of this frame."""
    opacity: float
    """Opacity of the generated face, 0..1."""
    area: CropArea | None = None
    face: Any = None
    quarter_turns: int = 0
    """Counterclockwise, of `frame`; the finished frame is turned back."""
    cut: bool = False
    """Whether it is the first frame of a new scene."""
