"""Fault injection: random, and the same for the same seed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, deque
from contextlib import contextmanager, suppress

from sqlalchemy import select

from jobs.queue.broker import BrokerUnavailable
from jobs.states import State
from jobs.tables import Attempt, Job
from tests.faults.bucket import Outage
from tests.faults.cluster import LEASE_SECONDS
from tests.soak.operator import Operator

WEIGHTS = {
    "kill_child": 5,
    "kill_parent": 2,
    "freeze_child": 3,
    "flush_broker": 3,
    "kill_broker": 2,
    "crash_database": 2,
    "duplicate_message": 4,
    "cancel": 3,
    "drain": 2,
    "store_outage": 3,
    "damage_upload": 2,
    "kill_api": 4,
    "restart_api": 1,
    "kill_maintenance": 3,
    "refuse_webhooks": 2,
    "pause_queue": 3,
    "drain_worker": 3,
    "purge_queue": 1,
    "requeue_failed": 2,
}
POOLER_WEIGHTS = {"kill_pooler": 3}
"""Also, if there is one. Apart, so that a seed without one repeats the same faults as ever."""
REFUSALS = (500, 503)
"""What the receiver answers to the next delivery."""


class Nemesis:
    """Injects faults into a cluster, and reports each to `say`."""

    def __init__(self, service, chance, say):
        self._service, self._random, self._say = service, chance, say
        self._cluster, self._store = service.cluster, service.bucket.server
        self._programs, self._receiver = service.programs, service.receiver
        self._operator = Operator(service.callers, service.cluster.sessions, chance)
        self._frozen = {}
        self.injected = Counter()
        self.interruptions = []
        """Times between which maintenance or the database was not running."""

    def inject_fault(self):
        """Inject one fault of a random kind; kinds without a victim are skipped.

        A pooler is killed first: by chance alone a short run might spare it.
        """
        pooled = self._cluster.servers.pooler is not None
        chances = WEIGHTS | (POOLER_WEIGHTS if pooled else {})
        names, weights = list(chances), list(chances.values())
        while True:
            (name,) = self._random.choices(names, weights)
            if pooled and not self.injected:
                name = "kill_pooler"
            victim = getattr(self, f"_{name}")()
            if victim is not None:
                self.injected[name] += 1
                self._say("fault", kind=name, victim=str(victim), number=self.injected.total())
                return

    def resume(self):
        """Resume what was frozen, paused or drained for long enough."""
        self.resume_frozen()
        self._operator.resume()

    def resume_frozen(self, *, everything=False):
        """Resume frozen children whose time is over."""
        for pid, until in list(self._frozen.items()):
            if everything or time.monotonic() > until:
                del self._frozen[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def stop(self):
        """End all faults that are still active."""
        self.resume_frozen(everything=True)
        self._operator.resume(everything=True)
        self._store.faults.clear()
        self._receiver.statuses = self._receiver.statuses[-1:]

    def _child(self):
        """A child that is not frozen, preferably a busy one."""
        pids = [
            pid for worker in self._cluster.workers if worker.running for pid in worker.children()
        ]
        free = [pid for pid in pids if pid not in self._frozen]
        with self._cluster.sessions() as session:
            busy = set(session.scalars(select(Attempt.pid).where(Attempt.ended_at.is_(None))))
        return self._one_of([pid for pid in free if pid in busy] or free)

    def _one_of(self, things):
        return self._random.choice(things) if things else None

    def _kill_child(self):
        pid = self._child()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid

    def _freeze_child(self):
        pid = self._child()
        if pid is not None:
            seconds = self._random.uniform(1.2, 2.5) * LEASE_SECONDS
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            self._frozen[pid] = time.monotonic() + seconds
        return pid

    def _kill_parent(self):
        return self._replace(signal.SIGKILL)

    def _drain(self):
        return self._replace(signal.SIGTERM)

    def _replace(self, sign):
        worker = self._one_of([worker for worker in self._cluster.workers if worker.running])
        if worker is None:
            return None
        worker.process.send_signal(sign)
        self._service.start_worker()
        return worker.name

    def _flush_broker(self):
        self._cluster.servers.redis.flushall()
        return "all"

    def _kill_broker(self):
        self._cluster.servers.kill_broker()
        self._wait_at_most(2)
        self._cluster.servers.start_broker()
        return "valkey"

    def _crash_database(self):
        with self._interruption():
            self._cluster.servers.stop_database()
            self._wait_at_most(2)
            self._cluster.servers.start_database()
        return "postgres"

    def _kill_pooler(self):
        with self._interruption():
            self._cluster.servers.pooler.kill()
            self._wait_at_most(2)
            self._cluster.servers.pooler.start()
        return "pgbouncer"

    def _kill_maintenance(self):
        with self._interruption():
            self._programs.maintenance.end()
            self._wait_at_most(3)
            self._programs.maintenance.keep()
        return "maintenance"

    def _kill_api(self):
        return self._end_api(signal.SIGKILL)

    def _restart_api(self):
        return self._end_api(signal.SIGTERM)

    def _end_api(self, sign):
        self._programs.api.end(sign)
        self._wait_at_most(1)
        self._programs.api.keep()
        return self._programs.port

    def _refuse_webhooks(self):
        self._receiver.statuses.insert(0, self._random.choice(REFUSALS))
        return self._receiver.statuses[0]

    @contextmanager
    def _interruption(self):
        start = time.time()
        yield
        self.interruptions.append((start, time.time()))

    def _wait_at_most(self, most):
        time.sleep(self._random.uniform(0, most))  # an outage has a length, not a condition

    def _duplicate_message(self):
        job_id = self._job(State.QUEUED, State.RUNNING, State.SUCCEEDED)
        if job_id is not None:
            with suppress(BrokerUnavailable):
                self._cluster.publish(job_id)
        return job_id

    def _cancel(self):
        job_id = self._job(State.QUEUED, State.RUNNING)
        if job_id is not None:
            self._service.callers.cancel(job_id)
        return job_id

    def _pause_queue(self):
        return self._operator.pause()

    def _drain_worker(self):
        return self._operator.drain()

    def _purge_queue(self):
        return self._operator.purge()

    def _requeue_failed(self):
        return self._operator.requeue()

    @property
    def purged(self):
        """How many jobs the operator has canceled."""
        return self._operator.purged

    def _job(self, *states):
        """A job that a caller has submitted."""
        known = {job_id for one in self._service.callers.submissions for job_id in one.ids}
        with self._cluster.sessions() as session:
            query = select(Job.id).where(Job.state.in_(states), Job.id.in_(known)).order_by(Job.id)
            return self._one_of(list(session.scalars(query)))

    def _store_outage(self):
        seconds = self._random.uniform(0.5, 1.5) * LEASE_SECONDS
        self._store.faults["multipart"] = Outage(seconds)
        return f"{seconds:.1f} s"

    def _damage_upload(self):
        fault = self._random.choice(["truncate", "flip", "cut", "lose_reply"])
        self._store.faults["multipart"] = deque([fault])
        return fault
