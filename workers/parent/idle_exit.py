"""Ends a worker that has had nothing to run for some time, so that its GPU can be given back.

It leaves in the database first. A message that arrives later wakes it in vain: its claim gets no
job, which stays for other workers. If a message came before, its claim may have got one, so the
worker stays.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog
from celery.worker import state

from jobs.fleet import departure
from workers.parent.consumer import received_messages

if TYPE_CHECKING:
    from datetime import timedelta

    from runtime.database import SessionFactory
    from workers.parent.queue_subscriber import QueueSubscriber
    from workers.parent.readiness import Readiness

log = structlog.get_logger()


class Registered(Protocol):
    """The registration of this worker: its heartbeat."""

    name: str
    instance: str
    sessions: SessionFactory


@dataclass
class IdleExit:
    """Looks, once a second, whether the worker has been idle for `limit`; then ends it."""

    limit: timedelta
    worker: Registered
    subscriber: QueueSubscriber
    readiness: Readiness
    _received: int = field(default=-1, init=False)
    _idle_since: float = field(default=0.0, init=False)
    _ending: bool = field(default=False, init=False)

    def check(self) -> None:
        """Look, and perhaps end the worker by SIGTERM, as its platform would.

        Raises `SQLAlchemyError` if the database is unavailable: the next look tries again.
        """
        received, now = received_messages(), time.monotonic()
        if received != self._received or self.busy:
            self._received, self._idle_since = received, now
            return
        idle = now - self._idle_since
        if not self._ending and idle >= self.limit.total_seconds() and self._leave(received):
            self._ending = True
            log.info("nothing to run, ending", idle_seconds=round(idle, 1))
            os.kill(os.getpid(), signal.SIGTERM)

    @property
    def busy(self) -> bool:
        """Whether it runs a job, prepares a model, or does not hear of jobs."""
        now = self.readiness.snapshot()
        ready = now.child_alive and now.ready == set(now.weights) and not now.changing
        return not ready or not self.subscriber.settled or bool(state.reserved_requests)

    def _leave(self, received: int) -> bool:
        """Store that it takes no more jobs. False: one is due, or it may have claimed one."""
        name, instance = self.worker.name, self.worker.instance
        queues = self.subscriber.consumed
        with self.worker.sessions.begin() as session:
            left = departure.leave(session, name, instance=instance, queues=queues)
        if left is None:
            return False
        if received_messages() == received:
            return True
        with self.worker.sessions.begin() as session:
            departure.come_back(session, name, instance=instance, departure=left)
        return False
