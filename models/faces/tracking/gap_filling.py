"""Linear interpolation of the box in short gaps in which the face was not detected."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.faces.box import Box
    from models.faces.tracking.tracked_frame import TrackedFrame


def fill_gaps(frames: Iterable[TrackedFrame], max_gap: int) -> Iterator[TrackedFrame]:
    """The same frames, with boxes in gaps of up to `max_gap` frames if the face returns nearby.

    No gap is filled across a cut. At most `max_gap` + 1 frames are held at a time.
    """
    gap: deque[TrackedFrame] = deque()
    before: Box | None = None
    for tracked in frames:
        if tracked.cut:
            before = None
            yield from _drain(gap)
        if tracked.box is None:
            gap.append(tracked)
            if before is None or len(gap) > max_gap:
                before = None
                yield from _drain(gap)
            continue
        yield from _interpolate(gap, before, tracked.box)
        yield tracked
        before = tracked.box
    yield from _drain(gap)


def _drain(gap: deque[TrackedFrame]) -> Iterator[TrackedFrame]:
    while gap:
        yield gap.popleft()


def _interpolate(
    gap: deque[TrackedFrame], before: Box | None, after: Box
) -> Iterator[TrackedFrame]:
    if before is None or not before.is_near(after):
        yield from _drain(gap)
        return
    steps = len(gap) + 1
    for step in range(1, steps):
        yield replace(gap.popleft(), box=before.lerp(after, step / steps), interpolated=True)
