"""The one that breaks things: at random, but the same at random for the same seed."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter, deque
from contextlib import suppress

from sqlalchemy import select

from jobs import service
from jobs.errors import RequestError
from jobs.queue.broker import BrokerUnavailable
from jobs.states import State
from jobs.tables import Attempt, Job
from tests.faults.bucket import Outage
from tests.faults.cluster import LEASE_SECONDS

WEIGHTS = {
    "kill_child": 5,
    "kill_parent": 2,
    "freeze_child": 3,
    "empty_broker": 3,
    "kill_broker": 2,
    "crash_database": 2,
    "duplicate_call": 4,
    "cancel": 3,
    "drain": 2,
    "store_away": 3,
    "damage_upload": 2,
}


class Nemesis:
    """Strikes a crew; every strike is one fault, and is told to `say`."""

    def __init__(self, crew, store, chance, say, *, hire):
        self._crew, self._store, self._chance, self._say = crew, store, chance, say
        self._hire = hire
        self._frozen = {}
        self.struck = Counter()

    def strike(self):
        """One fault of a kind chosen at random; kinds that find no victim are passed over."""
        self.thaw()
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        while True:
            (name,) = self._chance.choices(names, weights)
            victim = getattr(self, f"_{name}")()
            if victim is not None:
                self.struck[name] += 1
                self._say("fault", kind=name, victim=str(victim), number=self.struck.total())
                return

    def thaw(self, *, everything=False):
        """Let frozen children go on whose time has come."""
        for pid, until in list(self._frozen.items()):
            if everything or time.monotonic() > until:
                del self._frozen[pid]
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def relent(self):
        """End all faults that last."""
        self.thaw(everything=True)
        self._store.faults.clear()

    def _child(self):
        """A child that is not frozen, at work if there is one."""
        pids = [pid for worker in self._crew.workers if worker.running for pid in worker.children()]
        free = [pid for pid in pids if pid not in self._frozen]
        with self._crew.sessions() as session:
            at_work = set(session.scalars(select(Attempt.pid).where(Attempt.ended_at.is_(None))))
        return self._one_of([pid for pid in free if pid in at_work] or free)

    def _one_of(self, things):
        return self._chance.choice(things) if things else None

    def _kill_child(self):
        pid = self._child()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid

    def _freeze_child(self):
        pid = self._child()
        if pid is not None:
            seconds = self._chance.uniform(1.2, 2.5) * LEASE_SECONDS
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
            self._frozen[pid] = time.monotonic() + seconds
        return pid

    def _kill_parent(self):
        return self._replace(signal.SIGKILL)

    def _drain(self):
        return self._replace(signal.SIGTERM)

    def _replace(self, sign):
        worker = self._one_of([worker for worker in self._crew.workers if worker.running])
        if worker is None:
            return None
        worker.process.send_signal(sign)
        self._hire()
        return worker.name

    def _empty_broker(self):
        self._crew.servers.redis.flushall()
        return "all"

    def _kill_broker(self):
        self._crew.servers.kill_broker()
        self._outlast(2)
        self._crew.servers.start_broker()
        return "valkey"

    def _crash_database(self):
        self._crew.servers.stop_database()
        self._outlast(2)
        self._crew.servers.start_database()
        return "postgres"

    def _outlast(self, most):
        time.sleep(self._chance.uniform(0, most))  # an outage has a length, not a condition

    def _duplicate_call(self):
        job_id = self._job(State.QUEUED, State.RUNNING, State.SUCCEEDED)
        if job_id is not None:
            with suppress(BrokerUnavailable):
                self._crew.publish(job_id)
        return job_id

    def _cancel(self):
        job_id = self._job(State.QUEUED, State.RUNNING)
        if job_id is not None:
            account = self._crew.job(job_id).account
            with suppress(RequestError), self._crew.sessions.begin() as session:
                service.cancel(session, account, job_id)  # it may have ended meanwhile
        return job_id

    def _job(self, *states):
        with self._crew.sessions() as session:
            query = select(Job.id).where(Job.state.in_(states)).order_by(Job.id)
            return self._one_of(list(session.scalars(query)))

    def _store_away(self):
        seconds = self._chance.uniform(0.5, 1.5) * LEASE_SECONDS
        self._store.faults["multipart"] = Outage(seconds)
        return f"{seconds:.1f} s"

    def _damage_upload(self):
        fault = self._chance.choice(["truncate", "flip", "cut", "lose_reply"])
        self._store.faults["multipart"] = deque([fault])
        return fault
