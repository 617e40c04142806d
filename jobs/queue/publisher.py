"""Publish messages in a background thread, so that requests do not wait for the broker."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from jobs.queue.broker import Broker, BrokerUnavailable, JobMessage
from jobs.queue.wake_ups import MAX_BURST

if TYPE_CHECKING:
    from collections.abc import Sequence

log = structlog.get_logger()

MAX_BATCH = 1000
STOP_SECONDS = 1.0
"""The end waits this long for room behind the pending messages, and then for their publication."""


class Publisher:
    """One thread that publishes all messages of a moment in one round trip.

    It may drop messages: maintenance tops the queue up within a second of the broker's return.
    """

    def __init__(self, broker: Broker, *, max_pending: int = 10_000) -> None:
        self._broker = broker
        self._messages: queue.Queue[JobMessage | None] = queue.Queue(max_pending)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Publish what is pending, then end. Does not wait long for a broker that hangs."""
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._messages.put(None, timeout=STOP_SECONDS)
            self._thread.join(STOP_SECONDS)

    def publish(self, message: JobMessage) -> None:
        """Publish soon. If too many are pending, this one is dropped."""
        try:
            self._messages.put_nowait(message)
        except queue.Full:
            log.warning("publisher is full, maintenance will publish", job=message.job_id)

    def _run(self) -> None:
        stopping = False
        first = self._messages.get()
        while first is not None:
            batch, stopping = self._pending(first)
            self._publish(batch)
            first = None if stopping else self._messages.get()

    def _pending(self, first: JobMessage) -> tuple[list[JobMessage], bool]:
        """All messages that are pending, and whether the thread is to stop after them."""
        batch = [first]
        while len(batch) < MAX_BATCH:
            try:
                message = self._messages.get_nowait()
            except queue.Empty:
                break
            if message is None:
                return batch, True
            batch.append(message)
        return batch, False

    def _publish(self, batch: Sequence[JobMessage]) -> None:
        try:
            self._broker.wake(batch, MAX_BURST)
        except BrokerUnavailable:
            log.warning("broker unavailable, maintenance will publish", jobs=len(batch))
        except Exception:
            log.exception("publish failed, maintenance will publish", jobs=len(batch))
