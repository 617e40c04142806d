"""The loop that recovers lost jobs and replaces lost messages. Several may run at once."""

from __future__ import annotations

import secrets
import socket
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from jobs import maintenance_beats, reaper
from jobs.batches import feeding
from jobs.fleet import worker_registry
from jobs.metrics import totals
from jobs.queue import start_deadline, wake_ups
from maintenance.periodic import FAILURES, PeriodicTask, log_and_continue
from runtime.metrics.api import MAINTENANCE_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.queue.admission import Limits
    from jobs.queue.broker import Broker
    from jobs.queue.end_hints import EndHints
    from runtime.database import SessionFactory

log = structlog.get_logger()

PERIOD_SECONDS = 1.0
"""Pause between two rounds: how long a due job waits at most for a message that was lost."""
BEAT_PERIOD = timedelta(seconds=5)
METRICS_PERIOD = timedelta(seconds=10)
"""How often samples of metrics are added up; scrapes read those that are left, too."""
METRICS_BATCHES = 4
"""Of samples at once, half a second of work: after an outage lost jobs need not wait for more."""
HELD_JOBS_PERIOD = timedelta(seconds=30)
"""How often held jobs are released whose own release was lost."""
STALE_WORKERS_PERIOD = timedelta(minutes=1)
"""How often stale workers are deleted."""


@dataclass
class MaintenanceLoop:
    """Every second: recover lost jobs, then send the messages that are missing."""

    sessions: SessionFactory
    broker: Broker
    max_worker_losses: int
    period_seconds: float = PERIOD_SECONDS
    heartbeat_file: Path | None = None
    """Touched after each round, for health checks."""
    limits: Limits | None = None
    """Limits of submissions, which rows of batches respect. None: no batch is fed."""
    hints: EndHints | None = None
    """Tells callers who wait for a job that the reaper has ended it."""

    def __post_init__(self) -> None:
        self._name = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._stopping = threading.Event()
        self._tasks = [
            PeriodicTask("beat", BEAT_PERIOD, self.beat),
            PeriodicTask("add up metrics", METRICS_PERIOD, self.add_up_metrics),
            PeriodicTask("release held jobs", HELD_JOBS_PERIOD, self.release_held_jobs),
            PeriodicTask("delete stale workers", STALE_WORKERS_PERIOD, self.delete_stale_workers),
        ]

    def stop(self, *_: object) -> None:
        """End after the current round. Can be a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Run until stopped. Waits for a database or a broker that is unavailable."""
        log.info("maintenance started", period_seconds=self.period_seconds)
        while not self._stopping.is_set():
            for task in self._tasks:
                task.run_if_due()
            with log_and_continue("round"):
                self.run_once()
            if self.heartbeat_file is not None:
                with log_and_continue("heartbeat file"):
                    self.heartbeat_file.touch()
            self._stopping.wait(self.period_seconds)
        log.info("maintenance stopped")

    def run_once(self) -> None:
        """Run one round. Raises `BrokerUnavailable`, after lost jobs were recovered."""
        with self.sessions.begin() as session:
            lost = reaper.reap(session, max_worker_losses=self.max_worker_losses)
        for job_id in lost:
            log.warning("job recovered from a lost worker", job=job_id)
        self._send_hints(lost)
        with self.sessions.begin() as session:
            late = start_deadline.fail_late(session)
        for job_id in late:
            log.info("job not started in time", job=job_id)
        self._send_hints(late)
        with log_and_continue("feed batches"):
            self._feed_batches()
        sent = wake_ups.top_up(self.sessions, self.broker)
        if sent:
            log.info("wake-ups sent", messages=sent)

    def _feed_batches(self) -> None:
        fed = 0 if self.limits is None else feeding.feed(self.sessions, self.limits)
        if fed:
            log.info("rows of batches submitted", jobs=fed)

    def _send_hints(self, job_ids: list[str]) -> None:
        if job_ids and self.hints is not None:
            self.hints.send(job_ids)

    def beat(self) -> None:
        """Record that this loop works. `doctor`, `/readyz` and `/metrics` show the last beat."""
        with self.sessions.begin() as session:
            maintenance_beats.beat(session, self._name)

    def add_up_metrics(self) -> None:
        """Add failures, and the samples of ended jobs, to the totals, a batch a transaction."""
        with FAILURES.taken() as failures, self.sessions.begin() as session:
            for cause, number in sorted(failures.items()):
                totals.count(session, MAINTENANCE_ERRORS, number, label=cause)
        for _ in range(METRICS_BATCHES):
            with self.sessions.begin() as session:
                added = totals.fold(session)
            if added < totals.BATCH or self._stopping.is_set():
                break

    def release_held_jobs(self) -> None:
        """Release held jobs whose account runs no job that could release them."""
        with self.sessions.begin() as session:
            released = wake_ups.release_idle_accounts(session)
        if released:
            log.info("held jobs released", jobs=released)

    def delete_stale_workers(self) -> None:
        """Delete workers that were killed: without a heartbeat for ten minutes."""
        with self.sessions.begin() as session:
            stale = worker_registry.delete_stale(session)
        if stale:
            log.info("stale workers deleted", workers=stale)
