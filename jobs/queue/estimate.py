"""Order of the jobs of a queue, and the estimates that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from jobs.states import Priority

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.fleet.warmup_status import WarmupStatus

AGING_INTERVAL = timedelta(minutes=10)
"""Each time a job has waited this long, its effective priority increases by one step."""
MAX_POSITION = 1000
"""Positions are exact up to this one."""
SAMPLE_SIZE = 200
"""Number of a model's last successful jobs whose run times an estimate uses."""


class Pause(NamedTuple):
    """Since when an operator lets no worker claim a job, and why."""

    since: datetime
    reason: str


@dataclass(frozen=True)
class QueueEstimate:
    """When a worker will start a queued job. Held jobs ahead of it are counted, too."""

    position: int
    """1 is the next job; jobs of other priorities count if they would run first."""
    position_is_lower_bound: bool
    """Whether the true position is higher than `position`."""
    workers: int
    """Live workers that serve the model and are not draining."""
    eta_p50_seconds: float | None
    """Estimate by the median run time of the model. None: no job of it has succeeded yet."""
    eta_p90_seconds: float | None
    """Estimate by the 90th percentile of the run time."""
    cold_start: bool
    """No worker is live. The estimates do not include the start of one."""
    pause: Pause | None
    """Set while an operator lets no job of the queue begin; then there is no estimate."""
    warmup: WarmupStatus | None
    """Warm-up of the worker that will be ready first. None: one is ready, or none warms up."""


@dataclass(frozen=True)
class QueueLoad:
    """Number of waiting jobs and the wait of a new one."""

    waiting: int
    """Exact below the limit to which the snapshot counts."""
    workers: int
    wait_seconds: float | None
    """Wait of a new job by the median run time. None: no job of the model has succeeded yet."""

    def with_one_more(self) -> QueueLoad:
        """The load after another job was submitted."""
        wait = self.wait_seconds
        if wait is not None:
            wait *= (self.waiting + 1) / max(self.waiting, 1)
        return QueueLoad(self.waiting + 1, self.workers, wait)


def effective_priority(priority: int, waited: timedelta) -> Priority:
    """Priority after aging: waiting raises it, so that no job starves."""
    return Priority(max(Priority.INTERACTIVE, priority - max(0, waited // AGING_INTERVAL)))
