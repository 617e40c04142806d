"""How far an attempt is and how fast: phases, steps, estimated end, and stall detection."""

from __future__ import annotations

import time
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Any

from jobs.states import Phase

if TYPE_CHECKING:
    from datetime import timedelta

STALL_STEPS = 20
"""An attempt may go without a report for this many of its usual steps."""
MIN_UPLOAD_BYTES_PER_SECOND = 250_000
"""An upload reports only when it is done, and may take as long as at this rate."""
_STEP_WINDOW = 101
_ETA_MIN_STEPS, _ETA_MIN_SECONDS = 3, 2.0
"""After this many steps, or seconds, the pace is known well enough to estimate the end."""
_BYTE_PHASES = frozenset({Phase.DOWNLOADING_WEIGHTS, Phase.UPLOADING})
_POLLING_PHASES = frozenset({Phase.DOWNLOADING_WEIGHTS, Phase.LOADING_MODEL})
"""Phases that report also while they wait for another thread or process, so that only a new
figure counts as progress."""
_FINAL_PHASES = frozenset({Phase.ENCODING, Phase.UPLOADING})


class ProgressTracker:
    """The progress of one attempt, from its reports."""

    def __init__(self, stall_limit: timedelta) -> None:
        self._stall_seconds = stall_limit.total_seconds()
        self.phase = Phase.STARTING
        self._done, self._total = 0, 0
        self._part: tuple[int, int] | None = None
        self._generated = (0, 0)
        self._phase_began = self._progressed = self._stepped = time.monotonic()
        self._spent: dict[Phase, float] = {}
        self._step_seconds: deque[float] = deque(maxlen=_STEP_WINDOW)

    def update(
        self,
        phase: Phase,
        done: int = 0,
        total: int | None = None,
        part: tuple[int, int] | None = None,
    ) -> None:
        """Record that `done` of `total` steps, or bytes, of this phase are done.

        `part`: the number of the clip, segment or chunk that is computed, and how many there are.
        """
        now = time.monotonic()
        if phase != self.phase:
            self._enter(phase, now)
            self._progressed = now
        if done > self._done:
            self._step_seconds.append((now - self._stepped) / (done - self._done))
            self._stepped = now
        if done != self._done or phase not in _POLLING_PHASES:
            self._progressed = now
        self._done, self._total = done, total or 0
        self._part = part or self._part
        if phase == Phase.GENERATING:
            self._generated = (done, self._total)

    def _enter(self, phase: Phase, now: float) -> None:
        self._spent[self.phase] = self._seconds_in(self.phase, now)
        self.phase, self._phase_began, self._stepped = phase, now, now
        self._done, self._part = 0, None
        self._step_seconds.clear()

    def _seconds_in(self, phase: Phase, now: float) -> float:
        current = now - self._phase_began if phase == self.phase else 0.0
        return self._spent.get(phase, 0.0) + current

    @property
    def progress(self) -> dict[str, Any]:
        """Progress as stored with the job; with a percentage only if the total is known."""
        if not self._total:
            return {"step": self._done} if self._done else {}
        percent = round(100 * min(self._done, self._total) / self._total, 1)
        steps = {"percent": percent, "step": self._done, "steps": self._total}
        if self.phase in _BYTE_PHASES:
            return steps | {"done_bytes": self._done, "total_bytes": self._total}
        return steps | self._parts | self._eta

    @property
    def _parts(self) -> dict[str, int]:
        return dict(zip(("part", "parts"), self._part or (), strict=False))

    @property
    def _eta(self) -> dict[str, Any]:
        """Estimated seconds until the model is done, once a few steps have shown the pace."""
        if self.phase != Phase.GENERATING or not self._done:
            return {}
        spent = self._seconds_in(Phase.GENERATING, time.monotonic())
        if self._done < _ETA_MIN_STEPS and spent < _ETA_MIN_SECONDS:
            return {}
        return {"eta_seconds": round(self.remaining_seconds or 0.0, 1)}

    @property
    def timings(self) -> dict[str, float]:
        """Seconds spent in each phase so far."""
        now = time.monotonic()
        return {
            phase: round(self._seconds_in(phase, now), 3) for phase in {*self._spent, self.phase}
        }

    @property
    def figures(self) -> dict[str, Any]:
        """Seconds by phase, and of a step, as `jobs.metrics.tables.MetricSample` holds them."""
        spent, (steps, _) = self.timings, self._generated
        figures: dict[str, Any] = {"phases": spent}
        if steps:
            figures["step_seconds"] = round(spent[Phase.GENERATING] / steps, 4)
        return figures

    @property
    def stall_seconds(self) -> float:
        """How long the attempt may make no progress; longer for slow steps and large uploads."""
        steps = STALL_STEPS * median(self._step_seconds) if self._step_seconds else 0.0
        uploading = self.phase == Phase.UPLOADING
        upload = self._total / MIN_UPLOAD_BYTES_PER_SECOND if uploading else 0.0
        return max(self._stall_seconds, steps, upload)

    @property
    def stalled(self) -> bool:
        """Whether there was no progress for longer than `stall_seconds`."""
        return time.monotonic() - self._progressed > self.stall_seconds

    @property
    def remaining_seconds(self) -> float | None:
        """Seconds until the model is done, at the pace so far. None: unknown."""
        done, total = self._generated
        if done and total:
            spent = self._seconds_in(Phase.GENERATING, time.monotonic())
            return spent * max(total - done, 0) / done
        return 0.0 if self.phase in _FINAL_PHASES else None
