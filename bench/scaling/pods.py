"""Worker processes that stand for pods: started, drained within a grace, killed after it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.service.programs import Program


@dataclass
class Pod:
    """One worker, from its start to its end."""

    name: str
    program: Program
    alive_file: Path
    """Which the worker creates when it is ready for its first job."""
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    kill_at: float | None = None
    """When it is killed, after it was asked to end. None: it was not asked."""

    @property
    def ready(self) -> bool:
        return self.alive_file.exists()

    def seconds(self, until: float) -> float:
        """How long it has run until then: what its GPU costs."""
        return max(0.0, min(self.ended or until, until) - self.started)


class Pods:
    """All pods of a run. The time of each counts from its start, as a GPU is paid.

    `busy` returns the names of those that run a job now.
    """

    def __init__(
        self, start: Callable[[int], Pod], busy: Callable[[], set[str]], grace_seconds: float
    ) -> None:
        self._start = start
        self.busy = busy
        self._grace = grace_seconds
        self.all: list[Pod] = []
        self.removed_busy = 0
        """Pods that ran a job when they were asked to end."""
        self.killed = 0
        """Pods that did not end within their grace."""
        self.peak = 0
        """How many there were at most, beside those that drained."""

    @property
    def running(self) -> list[Pod]:
        """Those that have not ended."""
        return [pod for pod in self.all if pod.ended is None]

    @property
    def wanted(self) -> list[Pod]:
        """Those that run and were not asked to end."""
        return [pod for pod in self.running if pod.kill_at is None]

    def add(self, count: int) -> None:
        for _ in range(count):
            self.all.append(self._start(len(self.all)))
        self.peak = max(self.peak, len(self.wanted))

    def remove(self, pods: Sequence[Pod]) -> None:
        """Ask pods to end, as the platform does: SIGTERM, and SIGKILL after their grace."""
        busy = self.busy() if pods else set()
        for pod in pods:
            self.removed_busy += pod.name in busy
            pod.kill_at = time.monotonic() + self._grace
            pod.program.process.terminate()

    def watch(self) -> None:
        """Note which pods have ended, and kill those that are late."""
        now = time.monotonic()
        for pod in self.running:
            if pod.program.process.poll() is not None:
                pod.ended = now
            elif pod.kill_at is not None and now > pod.kill_at:
                self.killed += 1
                pod.program.process.kill()
                pod.program.process.wait()
                pod.ended = now

    def worker_seconds(self, until: float) -> float:
        return sum(pod.seconds(until) for pod in self.all)
