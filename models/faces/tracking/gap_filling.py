"""Short gaps in which a face was not found, filled in a straight line."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.faces.box import Box
    from models.faces.tracking.tracked_frame import Seen


def bridged(sights: Iterable[Seen], span: int) -> Iterator[Seen]:
    """The same frames; gaps of up to `span` get boxes if the face returns near where it was.

    No gap is bridged over a cut. At most `span` + 1 frames are held at a time.
    """
    gap: deque[Seen] = deque()
    before: Box | None = None
    for seen in sights:
        if seen.cut:
            before = None
            yield from _emptied(gap)
        if seen.box is None:
            gap.append(seen)
            if before is None or len(gap) > span:
                before = None
                yield from _emptied(gap)
            continue
        yield from _filled(gap, before, seen.box)
        yield seen
        before = seen.box
    yield from _emptied(gap)


def _emptied(gap: deque[Seen]) -> Iterator[Seen]:
    while gap:
        yield gap.popleft()


def _filled(gap: deque[Seen], before: Box | None, after: Box) -> Iterator[Seen]:
    if before is None or not before.near(after):
        yield from _emptied(gap)
        return
    steps = len(gap) + 1
    for step in range(1, steps):
        yield replace(gap.popleft(), box=before.lerp(after, step / steps), bridged=True)
