"""The loop that keeps the record and the broker in step. Any number of them may run."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from jobs import reaper
from jobs.fleet import worker_registry
from jobs.queue import republish
from maintenance.periodic import PeriodicTask, log_and_continue

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.queue.broker import Broker
    from runtime.database import SessionFactory

log = structlog.get_logger()

PERIOD_SECONDS = 2.0
PARKED_PERIOD = timedelta(seconds=30)
"""How often to look for parked jobs that nobody will release."""
ROSTER_PERIOD = timedelta(minutes=10)
"""How often to forget the workers that are long gone."""


@dataclass
class MaintenanceLoop:
    """Every two seconds: take back lost jobs, then ring for all that are due."""

    sessions: SessionFactory
    broker: Broker
    max_worker_losses: int
    period_seconds: float = PERIOD_SECONDS
    heartbeat_file: Path | None = None
    """Touched after each round, so that others can see that it goes round."""

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._chores = [
            PeriodicTask("release parked jobs", PARKED_PERIOD, self.release),
            PeriodicTask("forget workers", ROSTER_PERIOD, self.forget),
        ]

    def stop(self, *_: object) -> None:
        """End after the sweep that is under way; may be a signal handler."""
        self._over.set()

    def run(self) -> None:
        """Sweep until stopped. A database or a broker that is away is waited for."""
        log.info("maintenance started", period_seconds=self.period_seconds)
        while not self._over.is_set():
            for chore in self._chores:
                chore.run_if_due()
            with log_and_continue("sweep"):
                self.sweep()
            if self.heartbeat_file is not None:
                self.heartbeat_file.touch()
            self._over.wait(self.period_seconds)
        log.info("maintenance stopped")

    def sweep(self) -> None:
        """One round. Raises `BrokerUnavailable`; the record is right all the same."""
        with self.sessions.begin() as session:
            lost = reaper.reap(session, max_worker_losses=self.max_worker_losses)
        if lost:
            log.warning("jobs taken back from lost workers", jobs=lost)
        self._recall()
        rung = republish.republish_due(self.sessions, self.broker, lambda: not self._over.is_set())
        if rung:
            log.info("rang again", jobs=rung)

    def release(self) -> None:
        """Let parked jobs go on whose release was lost, or is no longer to come."""
        with self.sessions.begin() as session:
            released = republish.release_idle_accounts(session)
        if released:
            log.info("parked jobs released", jobs=released)

    def forget(self) -> None:
        """Strike workers off the roster that were not seen for an hour."""
        with self.sessions.begin() as session:
            gone = worker_registry.delete_stale(session)
        if gone:
            log.info("workers forgotten", workers=gone)

    def _recall(self) -> None:
        """If the broker was emptied, every queued job is due at once."""
        if not self.broker.was_flushed():
            return
        with self.sessions.begin() as session:
            due = republish.republish_all(session)
        self.broker.mark()
        log.warning("the broker had lost its memory", jobs=due)
