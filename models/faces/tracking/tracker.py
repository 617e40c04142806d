"""One speaker's face through the frames of a clip: found, kept, bridged, and without a tremble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.faces.tracking.box_smoothing import steadied
from models.faces.tracking.cuts import CutDetector
from models.faces.tracking.gap_filling import bridged
from models.faces.tracking.matcher import Finder
from models.faces.tracking.tracked_frame import Counts, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from models.faces.detection.detector import Detector, Frame
    from models.faces.tracking.speaker_selection import Choice

__all__ = ["Counts", "Follower", "Seen"]

RULES = 1
"""Raised when the same frames would give other boxes: part of the name of a cache."""
BRIDGE_SECONDS = 0.5
PATIENCE_SECONDS = 2.0
MOST_HELD = 30


class Follower:
    """Follows the face that `choice` picks, anew after each scene cut.

    `smoothing` is 0 (boxes as found) to 1 (calmed over a second). `search_every` is the number of
    frames between two searches of the whole frame. Frames are held for half a second at a gap,
    at most 30, and for as long as the smoothing looks ahead, at most 12: memory does not depend
    on the length of the clip.
    """

    def __init__(
        self,
        detector: Detector,
        choice: Choice,
        *,
        fps: Fraction | float,
        smoothing: float = 0.5,
        search_every: int = 25,
    ) -> None:
        self._detector = detector
        self._choice = choice
        self._fps = float(fps)
        self._smoothing = smoothing
        self._search_every = search_every
        self.counts = Counts()

    @property
    def rules(self) -> str:
        """All that the boxes depend on besides the frames, for the name of a cache."""
        options = self._choice, self._fps, self._smoothing, self._search_every
        return f"{RULES} {self._detector.name} {options}"

    def follow(self, frames: Iterable[Frame]) -> Iterator[Seen]:
        """Each frame with its face, in order; `counts` tells of the frames that came out so far."""
        span = min(MOST_HELD, round(BRIDGE_SECONDS * self._fps))
        yield from self.replay(
            steadied(bridged(self._found(frames), span), self._smoothing, self._fps)
        )

    def replay(self, sights: Iterable[Seen]) -> Iterator[Seen]:
        """Frames whose faces are known already, counted as if they were followed now."""
        self.counts = Counts()
        for seen in sights:
            self.counts.add(seen)
            yield seen

    def _found(self, frames: Iterable[Frame]) -> Iterator[Seen]:
        is_cut = CutDetector()
        patience = round(PATIENCE_SECONDS * self._fps)
        finder = Finder(self._detector, self._choice, every=self._search_every, patience=patience)
        for frame in frames:
            cut = is_cut(frame)
            if cut:
                finder.reset()
            box = finder.find(frame)
            yield Seen(frame, self._detector.face(box) if box else None, cut=cut)
