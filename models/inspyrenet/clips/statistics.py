"""What the result of a clip says about its maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.inspyrenet.saliency import sigmoid, stretched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from models.inspyrenet.clips.map_frame import MapFrame
    from models.inspyrenet.clips.stretching import Matte


class ClipStatistics:
    """Counts frames, and measures how much the opacity flickers before and after the filters."""

    def __init__(self) -> None:
        self._empty = 0
        self._cuts = 0
        self._before = _Flicker()
        self._after = _Flicker()

    def found(self, frames: Iterable[MapFrame]) -> Iterator[MapFrame]:
        """Pass frames as the network found them."""
        for frame in frames:
            self._cuts += frame.begins_scene
            values = sigmoid(frame.logits)
            alone = stretched(values, values.min(), values.max())
            self._before.add(alone, begins_scene=frame.begins_scene)
            yield frame

    def finished(self, mattes: Iterable[Matte]) -> Iterator[Matte]:
        """Pass frames with their final opacity."""
        for matte in mattes:
            self._empty += matte.empty
            self._after.add(matte.values, begins_scene=matte.frame.begins_scene)
            yield matte

    def notes(self) -> dict[str, Any]:
        """The figures, once all frames have passed."""
        return {
            "empty_frames": self._empty,
            "scene_cuts": self._cuts,
            "flicker_before": self._before.mean,
            "flicker_after": self._after.mean,
        }


class _Flicker:
    """The mean change of the opacity from one frame to the next, 0..1, cuts left out."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._sum = 0.0
        self._count = 0

    @property
    def mean(self) -> float:
        return round(self._sum / max(self._count, 1), 6)

    def add(self, values: NDArray[np.float32], *, begins_scene: bool) -> None:
        if self._last is not None and not begins_scene:
            self._sum += float(np.abs(values - self._last).mean())
            self._count += 1
        self._last = values
