"""Tracking of the speaker's face through the frames of a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.tracking.box_smoothing import smooth_boxes
from models.faces.tracking.cuts import CutDetector
from models.faces.tracking.gap_filling import fill_gaps
from models.faces.tracking.matcher import FaceMatcher
from models.faces.tracking.tracked_frame import FrameCounts, TrackedFrame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from models.arrays import Frame
    from models.faces.detection.detector import Detector
    from models.faces.tracking.speaker_selection import FaceSelector

_VERSION = 4
"""Part of cache keys. Increase it when the same frames would give other boxes."""
_MAX_GAP_SECONDS = 0.5
_MAX_GAP_FRAMES = 30
_MAX_MISSED_SECONDS = 2.0
"""How long a lost face may return before another one is selected."""


class FaceTracker:
    """Tracks the face that `selector` selects; after each scene cut it selects again.

    `smoothing` is 0 (boxes as detected) to 1 (smoothed over a second). `search_every` is the
    number of frames between two searches of the whole frame. Frames are held for half a second at
    a gap, at most 30, and for as long as the smoothing looks ahead, at most 12: memory does not
    depend on the length of the video.
    """

    def __init__(
        self,
        detector: Detector,
        selector: FaceSelector,
        *,
        fps: Fraction | float,
        smoothing: float = 0.5,
        search_every: int = 25,
    ) -> None:
        self._detector = detector
        self._selector = selector
        self._fps = float(fps)
        self._smoothing = smoothing
        self._search_every = search_every
        self.counts = FrameCounts()

    @property
    def fingerprint(self) -> str:
        """Everything that the boxes depend on besides the frames; part of cache keys."""
        options = self._selector, self._fps, self._smoothing, self._search_every
        return f"{_VERSION} {self._detector.name} {options}"

    def track(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        """Each frame with its face, in order; `counts` covers the frames returned so far."""
        max_gap = min(_MAX_GAP_FRAMES, round(_MAX_GAP_SECONDS * self._fps))
        filled = fill_gaps(self._match(frames), max_gap)
        yield from self.replay(smooth_boxes(filled, self._smoothing, self._fps))

    def replay(self, frames: Iterable[TrackedFrame]) -> Iterator[TrackedFrame]:
        """Return frames that were tracked before, and count them as `track` does."""
        self.counts = FrameCounts()
        for tracked in frames:
            self.counts.add(tracked)
            yield tracked

    def _match(self, frames: Iterable[Frame]) -> Iterator[TrackedFrame]:
        is_cut = CutDetector()
        matcher = FaceMatcher(
            self._detector,
            self._selector,
            search_every=self._search_every,
            max_missed=round(_MAX_MISSED_SECONDS * self._fps),
        )
        for frame in frames:
            cut = is_cut(frame)
            if cut:
                matcher.reset()
            box = matcher.match(frame)
            yield TrackedFrame(frame, self._detector.face_box(box) if box else None, cut=cut)
