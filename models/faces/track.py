"""One face followed through the frames of a clip."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.faces.box import Box
from models.faces.smooth import Smoother

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from models.faces.detector import Detector, Frame

SAME_FACE = 0.3


class Tracker:
    """Follows one face: the largest at first, then the one that overlaps its last box.

    The whole frame is searched every `every` frames and at a loss; between, only the
    neighborhood of the last box. While no face is known each third frame is searched, so a
    faceless stretch costs a third. Smoothing starts anew at each loss.
    """

    def __init__(self, detector: Detector, *, every: int = 25, lost_every: int = 3) -> None:
        self._detector = detector
        self._every = every
        self._lost_every = lost_every
        self._smoother = Smoother()
        self._last: Box | None = None
        self._until_search = 0

    def update(self, frame: Frame) -> Box | None:
        """The face's box in the next frame; None where no face is found."""
        found = self._find(frame)
        if found is None or self._last is None or found.iou(self._last) < SAME_FACE:
            self._smoother.reset()
        self._last = found
        if found is None:
            return None
        steady = self._smoother((*found.center, found.w, found.h), unit=found.w)
        x, y, w, h = (float(value) for value in steady)
        return Box.about((x, y), w, h)

    def _find(self, frame: Frame) -> Box | None:
        self._until_search -= 1
        if self._until_search > 0:
            if self._last is None:
                return None
            near = _closest(self._detector.detect_near(frame, self._last), self._last)
            if near is not None:
                return near
        smallest = self._last.w / 2 if self._last else 0
        found = self._detector.detect(frame, smallest=smallest)
        self._until_search = self._every if found else self._lost_every
        if not found:
            return None
        return _closest(found, self._last) or found[0]


def _closest(boxes: list[Box], last: Box | None) -> Box | None:
    if last is None:
        return None
    best = max(boxes, key=last.iou, default=None)
    return best if best is not None and best.iou(last) >= SAME_FACE else None


@dataclass(frozen=True)
class Sight:
    """A frame and the face in it; `seen` is False where the box is only bridged."""

    frame: Frame
    box: Box | None
    seen: bool


def follow(frames: Iterable[Frame], tracker: Tracker, *, bridge: int = 5) -> Iterator[Sight]:
    """Pair each frame with its face; a gap of up to `bridge` frames is bridged in a straight line.

    Frames of a longer gap have no box. At most `bridge` + 1 frames are held at a time.
    """
    gap: deque[Frame] = deque()
    last: Box | None = None
    for frame in frames:
        box = tracker.update(frame)
        if box is None:
            gap.append(frame)
            if last is None or len(gap) > bridge:
                last = None
                yield from _faceless(gap)
            continue
        yield from _bridged(gap, last, box)
        yield Sight(frame, box, seen=True)
        last = box
    yield from _faceless(gap)


def _faceless(gap: deque[Frame]) -> Iterator[Sight]:
    while gap:
        yield Sight(gap.popleft(), None, seen=False)


def _bridged(gap: deque[Frame], before: Box | None, after: Box) -> Iterator[Sight]:
    if before is None or before.iou(after) < SAME_FACE:
        yield from _faceless(gap)
        return
    steps = len(gap) + 1
    for step in range(1, steps):
        yield Sight(gap.popleft(), before.lerp(after, step / steps), seen=False)
