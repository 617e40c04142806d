"""Ringing off the request's path."""

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


QUIET_SECONDS = 1.0
"""Without a call for so long, the thread prepares for the first: a start is not held up by it."""


class Publisher:
    """One thread that rings: a dead Redis must not slow a submission."""

    def __init__(self, broker: Broker, sessions: SessionFactory, *, room: int = 10_000) -> None:
        self._broker = broker
        self._sessions = sessions
        self._calls: queue.Queue[JobMessage | None] = queue.Queue(room)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to ring."""
        self._thread.start()

    def stop(self) -> None:
        """Ring what waits, then end."""
        if self._thread.is_alive():
            self._calls.put(None)
            self._thread.join(timeout=10)

    def publish(self, call: JobMessage) -> None:
        """Ring soon. With no room left the reconciler does it: the row says when."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            log.warning("publisher is full", job=call.job_id)

    def _run(self) -> None:
        call = self._first()
        while call is not None:
            self._ring(call)
            call = self._calls.get()

    def _first(self) -> JobMessage | None:
        try:
            return self._calls.get(timeout=QUIET_SECONDS)
        except queue.Empty:
            self._broker.preload()
            return self._calls.get()

    def _ring(self, call: JobMessage) -> None:
        try:
            self._broker.publish(call)
        except BrokerUnavailable:
            log.warning("broker unavailable, the reconciler will ring", job=call.job_id)
            self._ring_soon(call)
        except Exception:
            log.exception("publish failed, the reconciler will ring", job=call.job_id)

    def _ring_soon(self, call: JobMessage) -> None:
        try:
            with self._sessions.begin() as session:
                republish_soon(session, [call.job_id])
        except Exception:
            log.exception("could not bring the next ring forward", job=call.job_id)
