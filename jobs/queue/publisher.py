"""Publish messages in a background thread, so that requests do not wait for the broker."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import structlog

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage
from jobs.queue.republish import republish_soon

if TYPE_CHECKING:
    from runtime.database import SessionFactory

log = structlog.get_logger()

PRELOAD_AFTER_SECONDS = 1.0
"""Celery is imported this long after the start, unless a message comes first: the import does not
delay the start of the program."""


class Publisher:
    """One thread that publishes: a broker that is down does not slow submissions."""

    def __init__(
        self, broker: Broker, sessions: SessionFactory, *, max_pending: int = 10_000
    ) -> None:
        self._broker = broker
        self._sessions = sessions
        self._messages: queue.Queue[JobMessage | None] = queue.Queue(max_pending)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what is pending, then end. Waits at most 10 seconds."""
        if self._thread.is_alive():
            self._messages.put(None)
            self._thread.join(timeout=10)

    def publish(self, message: JobMessage) -> None:
        """Publish soon. If the queue is full, maintenance publishes at `next_dispatch_at`."""
        try:
            self._messages.put_nowait(message)
        except queue.Full:
            log.warning("publisher is full", job=message.job_id)

    def _run(self) -> None:
        message = self._first()
        while message is not None:
            self._publish(message)
            message = self._messages.get()

    def _first(self) -> JobMessage | None:
        try:
            return self._messages.get(timeout=PRELOAD_AFTER_SECONDS)
        except queue.Empty:
            self._broker.preload()
            return self._messages.get()

    def _publish(self, message: JobMessage) -> None:
        try:
            self._broker.publish(message)
        except BrokerUnavailable:
            log.warning("broker unavailable, maintenance will publish", job=message.job_id)
            self._republish_soon(message)
        except Exception:
            log.exception("publish failed, maintenance will publish", job=message.job_id)

    def _republish_soon(self, message: JobMessage) -> None:
        try:
            with self._sessions.begin() as session:
                republish_soon(session, [message.job_id])
        except Exception:
            log.exception("could not bring the next publication forward", job=message.job_id)
