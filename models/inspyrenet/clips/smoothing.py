"""Steady maps: a median and an average over time, where the picture allows it.

Both are of logits, so that a frame that is sure counts more than one that is not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from models.inspyrenet.clips.map_frame import MapFrame

    Map = NDArray[np.float32]

STILL: Final = 4.0
"""Gray levels of change that are noise: the filters work in full."""
MOVING: Final = 12.0
"""Gray levels of change from which a pixel is left as it is."""
SHARE: Final = 0.5
"""Of the new frame, in the average over time of a pixel that stands still."""
FLOW_SHRINK: Final = 4
"""Optical flow is computed at this part of the map's size."""
_BLUR: Final = (5, 5)


@dataclass(frozen=True)
class _Moment:
    frame: MapFrame
    luma: Map


def smooth(frames: Iterable[MapFrame], *, flow: bool) -> Iterator[MapFrame]:
    """The frames with steadier logits, one frame later; nothing crosses a cut.

    Of each pixel the median over three frames is taken, then an average with the smoothed frame
    before. A pixel whose gray changes is left as it is, so that a small thing that moves fast is
    not erased. With `flow`, the other frames are first moved onto this one by optical flow.
    """
    smoother = _Smoother(_Flow() if flow else None)
    moments: deque[_Moment | None] = deque([None] * 3, maxlen=3)
    for frame in frames:
        moments.append(_Moment(frame, frame.luma()))
        if moments[1] is not None:
            yield smoother.step(moments[0], moments[1], moments[2])
    if moments[2] is not None:
        yield smoother.step(moments[1], moments[2], None)


class _Smoother:
    def __init__(self, flow: _Flow | None) -> None:
        self._flow = flow
        self._last: Map | None = None

    def step(self, before: _Moment | None, now: _Moment, after: _Moment | None) -> MapFrame:
        if now.frame.begins_scene:
            before = None
        if after is not None and after.frame.begins_scene:
            after = None
        logits = self._median(before, now, after)
        if before is not None and self._last is not None:
            last, change = self._aligned(before, now, self._last)
            share = SHARE + (1 - SHARE) * change
            logits = share * logits + (1 - share) * last
        self._last = logits
        return replace(now.frame, logits=logits)

    def _median(self, before: _Moment | None, now: _Moment, after: _Moment | None) -> Map:
        own = now.frame.logits
        if before is None or after is None:
            return own
        first, first_change = self._aligned(before, now, before.frame.logits)
        last, last_change = self._aligned(after, now, after.frame.logits)
        middle = np.maximum(np.minimum(first, own), np.minimum(np.maximum(first, own), last))
        change = np.maximum(first_change, last_change)
        result: Map = change * own + (1 - change) * middle
        return result

    def _aligned(self, other: _Moment, now: _Moment, values: Map) -> tuple[Map, Map]:
        """`values` of another frame as they lie in this one, and where the picture changes, 0..1.

        A frame that is no neighbor of this one in the clip is never asked for.
        """
        luma = other.luma
        if self._flow is not None:
            grid = self._flow.grid(now.luma, luma)
            values, luma = _warped(values, grid), _warped(luma, grid)
        difference = cv2.blur(cv2.absdiff(now.luma, luma), _BLUR)
        change = ((np.asarray(difference) - STILL) / (MOVING - STILL)).clip(0, 1)
        return values, change.astype(np.float32)


class _Flow:
    """Where each pixel of a frame was in another one, by DIS optical flow."""

    def __init__(self) -> None:
        create: Any = cv2.DISOpticalFlow.create
        self._dis = create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def grid(self, now: Map, other: Map) -> NDArray[np.float32]:
        """Positions `(H, W, 2)`, column and row, in the other frame."""
        height, width = now.shape
        size = max(16, width // FLOW_SHRINK), max(16, height // FLOW_SHRINK)
        small = [
            cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
            for luma in (now, other)
        ]
        flow = cv2.resize(self._dis.calc(small[0], small[1], None), (width, height))
        flow *= np.array([width / size[0], height / size[1]], np.float32)
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        return np.asarray(flow + np.dstack([columns, rows]), np.float32)


def _warped(values: Map, grid: NDArray[np.float32]) -> Map:
    rows, columns = grid[..., 1], grid[..., 0]
    moved = cv2.remap(values, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
