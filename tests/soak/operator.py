"""An operator who pauses, drains, purges and runs failed jobs again, by the API."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from jobs.tables import Worker

QUEUE = "/v1/queues/faulty"
PAUSE_SECONDS = (2.0, 6.0)
"""How long a queue stays paused, and a worker drained."""
LONG_AGO = timedelta(hours=1)


class Operator:
    """Acts of an operator; pauses end after a while, all of them at `resume(everything=True)`."""

    def __init__(self, callers, sessions, chance):
        self._callers, self._sessions, self._random = callers, sessions, chance
        self._pauses = {}
        self.purged = 0

    def resume(self, *, everything=False):
        """Resume what was paused for long enough."""
        for path, until in list(self._pauses.items()):
            if everything or time.monotonic() > until:
                del self._pauses[path]
                self._callers.operate(f"{path}/resume")

    def pause(self):
        """Pause the queue."""
        return self._pause(QUEUE, "pause")

    def drain(self):
        """Drain a worker that is registered."""
        with self._sessions() as session:
            names = sorted(session.scalars(select(Worker.name)))
        return self._pause(f"/v1/workers/{self._random.choice(names)}", "drain") if names else None

    def purge(self):
        """Cancel what waits; None: nothing did."""
        answer = self._callers.operate(f"{QUEUE}/purge")
        self.purged += answer["canceled"] if answer else 0
        return f"{answer['canceled']} jobs" if answer and answer["canceled"] else None

    def requeue(self):
        """Run all failed jobs again; None: there were none that were not run again before."""
        since = (datetime.now(UTC) - LONG_AGO).isoformat()
        answer = self._callers.operate(f"{QUEUE}/requeue", json={"since": since})
        return f"{len(answer['created'])} jobs" if answer and answer["created"] else None

    def _pause(self, path, act):
        if path in self._pauses:
            return None
        self._callers.operate(f"{path}/{act}")
        self._pauses[path] = time.monotonic() + self._random.uniform(*PAUSE_SECONDS)
        return path
