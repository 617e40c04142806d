"""Progress of a run in denoising steps: the same number for each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.spec import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from models.spec import Report


class StepProgress:
    """A `Report` that counts steps instead of frames, so that a chunk shows its progress too.

    It raises between two steps what stops the run.
    """

    def __init__(self, report: Report, steps: int, frames_per_chunk: int) -> None:
        self._report = report
        self._steps = steps
        self._frames_per_chunk = frames_per_chunk
        self._written = self._frames = self._shown = 0

    def expect(self, frames: int) -> None:
        """Set the number of frames of the run."""
        self._frames = frames

    def step(self, done: int) -> None:
        """Report that `done` steps of a chunk are complete."""
        ahead = min(self._frames_per_chunk, self._frames - self._written) * done
        self._shown = max(self._shown, self._written * self._steps + ahead)
        self._report(Stage.GENERATING, self._shown, self._frames * self._steps)

    def __call__(
        self,
        stage: Stage,
        done: int = 0,
        total: int | None = None,
        *,
        preview: Callable[[], bytes] | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Report a finished frame, or another stage."""
        if stage is Stage.GENERATING and total:
            self._written, self._frames = done, total
            self._shown = max(self._shown, done * self._steps)
            done, total = self._shown, total * self._steps
        self._report(stage, done, total, preview=preview, notes=notes)
