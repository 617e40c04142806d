"""Progress of a run in denoising steps: the same number for each frame."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from models.spec import Part, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from models.lipsync.chunks import Chunking
    from models.spec import Report


class StepProgress:
    """A `Report` that counts steps instead of frames, so that a chunk shows its progress too.

    It raises between two steps what stops the run.
    """

    def __init__(self, report: Report, steps: int, chunking: Chunking) -> None:
        self._report = report
        self._steps = steps
        self._chunking = chunking
        self._written = self._frames = self._shown = self._chunk = 0

    def expect(self, frames: int) -> None:
        """Set the number of frames of the run."""
        self._frames = frames

    def begin_chunk(self) -> None:
        """Count the chunk of which the next steps are."""
        self._chunk += 1

    def step(self, done: int) -> None:
        """Report that `done` steps of a chunk are complete."""
        new = self._chunking.size - self._chunking.overlap
        ahead = min(new, self._frames - self._written) * done
        self._shown = max(self._shown, self._written * self._steps + ahead)
        expected = max(1, ceil((self._frames - self._chunking.overlap) / new))
        part = Part(self._chunk, max(expected, self._chunk))
        self._report(Stage.GENERATING, self._shown, self._frames * self._steps, part=part)

    def __call__(
        self,
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
        part: Part | None = None,
    ) -> None:
        """Report a finished frame, or another stage."""
        if stage is Stage.GENERATING and total:
            self._written, self._frames = done, total
            self._shown = max(self._shown, done * self._steps)
            done, total = self._shown, total * self._steps
        self._report(stage, done, total, preview=preview, notes=notes, part=part)
