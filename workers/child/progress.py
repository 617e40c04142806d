"""How far an attempt is, and how fast it goes: phases, steps and seconds."""

from __future__ import annotations

import time
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Any

from jobs.states import Phase

if TYPE_CHECKING:
    from datetime import timedelta

STALL_STEPS = 20
"""An attempt stands still when it says nothing for so many of its usual steps."""
MIN_UPLOAD_BYTES_PER_SECOND = 250_000
"""Bytes a second: an upload says nothing until it is done, and may take as long as this."""
_STEP_WINDOW = 101
_ETA_MIN_STEPS, _ETA_MIN_SECONDS = 3, 2.0
"""After so many steps, or so long, the pace says when the model will have done its part."""
_BYTE_PHASES = frozenset({Phase.DOWNLOADING_WEIGHTS, Phase.UPLOADING})
_POLLED_PHASES = frozenset({Phase.DOWNLOADING_WEIGHTS, Phase.LOADING_MODEL})
"""Phases that report while they wait for others, too: only a new figure is progress."""
_FINAL_PHASES = frozenset({Phase.ENCODING, Phase.UPLOADING})


class ProgressTracker:
    """What the reports of an attempt tell. Any counts as progress, or any that tells of more."""

    def __init__(self, stall_limit: timedelta) -> None:
        self._stall_seconds = stall_limit.total_seconds()
        self.phase = Phase.STARTING
        self._done, self._total = 0, 0
        self._generated = (0, 0)
        self._phase_began = self._moved = self._stepped = time.monotonic()
        self._spent: dict[Phase, float] = {}
        self._steps: deque[float] = deque(maxlen=_STEP_WINDOW)

    def update(self, phase: Phase, done: int = 0, total: int | None = None) -> None:
        """`done` of `total` steps, or bytes, of this phase are behind us."""
        now = time.monotonic()
        if phase != self.phase:
            self._enter(phase, now)
            self._moved = now
        if done > self._done:
            self._steps.append((now - self._stepped) / (done - self._done))
            self._stepped = now
        if done != self._done or phase not in _POLLED_PHASES:
            self._moved = now
        self._done, self._total = done, total or 0
        if phase == Phase.GENERATING:
            self._generated = (done, self._total)

    def _enter(self, phase: Phase, now: float) -> None:
        self._spent[self.phase] = self._seconds_in(self.phase, now)
        self.phase, self._phase_began, self._stepped = phase, now, now
        self._done = 0
        self._steps.clear()

    def _seconds_in(self, phase: Phase, now: float) -> float:
        current = now - self._phase_began if phase == self.phase else 0.0
        return self._spent.get(phase, 0.0) + current

    @property
    def progress(self) -> dict[str, Any]:
        """Progress as callers see it: with a percentage only where the end is known."""
        if not self._total:
            return {"step": self._done} if self._done else {}
        percent = round(100 * min(self._done, self._total) / self._total, 1)
        steps = {"percent": percent, "step": self._done, "steps": self._total}
        if self.phase in _BYTE_PHASES:
            return steps | {"done_bytes": self._done, "total_bytes": self._total}
        return steps | self._eta

    @property
    def _eta(self) -> dict[str, Any]:
        """Seconds until the model has done its part, once a few steps have shown the pace."""
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
    def stall_seconds(self) -> float:
        """How long this attempt may be silent: slow steps and large uploads give it longer."""
        usual = STALL_STEPS * median(self._steps) if self._steps else 0.0
        upload = self._total / MIN_UPLOAD_BYTES_PER_SECOND if self.phase == Phase.UPLOADING else 0.0
        return max(self._stall_seconds, usual, upload)

    @property
    def stalled(self) -> bool:
        """Whether nothing was heard for longer than that."""
        return time.monotonic() - self._moved > self.stall_seconds

    @property
    def remaining_seconds(self) -> float | None:
        """How long until the model has done its part, at the pace so far. None: nobody knows."""
        done, total = self._generated
        if done and total:
            spent = self._seconds_in(Phase.GENERATING, time.monotonic())
            return spent * max(total - done, 0) / done
        return 0.0 if self.phase in _FINAL_PHASES else None
