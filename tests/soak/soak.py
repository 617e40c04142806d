"""Many jobs, many faults, and then the question whether all is well."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import func, select

from jobs.states import Priority, State
from jobs.tables import Job
from maintenance.storage_cleanup import StorageCleaner
from tests.faults.bucket import bucket_at
from tests.faults.cluster import Crew
from tests.faults.servers import Servers
from tests.soak.invariants import SLACK, Breach, Record, check, counts
from tests.soak.nemesis import Nemesis

WORKERS = 2
WAITING = 8
"""How many jobs wait at most: a job that is called often and not taken waits long to be called."""
PAUSE_SECONDS = (0.5, 2.5)
ACCOUNTS = ("one", "other", "third")
"""Each runs one job at a time, so that jobs are parked, too."""
KINDS = {"steps": 90, "reject": 4, "die": 3, "fill_disk": 3}
"""What jobs do: nearly all work step by step, some cannot succeed."""


@dataclass
class Report:
    """What a soak found out."""

    seed: int
    seconds: float
    jobs: int
    faults: dict[str, int]
    states: dict[str, int]
    attempts: dict[str, int]
    calls: int
    orphans_swept: int
    longest_overdue_seconds: float
    broken: dict[str, int]
    breaches: list[str]

    @property
    def good(self):
        return not any(self.broken.values())


class Soak:
    """One run, from the first server to the verdict."""

    def __init__(self, *, jobs, faults, seed, seconds, say):
        self._jobs, self._faults, self.seed = jobs, faults, seed
        self._chance = Random(seed)
        self._say = say
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self._submitted = []
        self._overdue = timedelta(0)

    def run(self) -> Report:
        """Start all, break all, stop all; whatever happens, no process is left."""
        with ExitStack() as stack:
            servers = stack.enter_context(Servers())
            servers.clear()
            self._crew = stack.enter_context(Crew(servers))
            self._rented = stack.enter_context(bucket_at(self._crew.folder))
            stack.callback(self._let_everybody_go)
            self._nemesis = Nemesis(
                self._crew, self._rented.server, self._chance, self._say, hire=self._hire
            )
            self._crew.keep_house()
            for _ in range(WORKERS):
                self._hire()
            for worker in self._crew.workers:
                worker.await_ready()
            self._suffer()
            self._recover()
            return self._judge()

    def _let_everybody_go(self):
        """Before the bucket goes away: whoever still works would wait for it in vain."""
        self._nemesis.relent()
        for worker in self._crew.workers:
            worker.close()

    def _hire(self):
        self._crew.hire(
            "soak",
            ready=False,
            KINOMILL_DRAIN_WINDOW="3",
            KINOMILL_MAX_RUNNING_PER_ACCOUNT="1",
            **self._rented.variables,
        )

    def _late(self):
        return time.monotonic() > self._deadline

    def _suffer(self):
        """Submit and strike in step, until both are done."""
        while not self._late():
            struck = self._nemesis.struck.total()
            if struck >= self._faults and len(self._submitted) >= self._jobs:
                return
            self._submit(struck)
            if struck * self._jobs < len(self._submitted) * self._faults:
                self._nemesis.strike()
            self._tend()
            time.sleep(self._chance.uniform(*PAUSE_SECONDS))

    def _submit(self, struck):
        """As many jobs as the faults so far are worth, as long as not too many wait."""
        share = (struck + 1) / max(self._faults, 1)
        wanted = min(self._jobs, round(self._jobs * share) + WORKERS)
        while len(self._submitted) < wanted and self._waiting() < WAITING:
            (kind,) = self._chance.choices(list(KINDS), list(KINDS.values()))
            acts = [] if kind == "steps" else [kind]
            steps, step_seconds = self._chance.randint(1, 15), self._chance.uniform(0.02, 0.2)
            wish = {
                "account": self._chance.choice(ACCOUNTS),
                "priority": self._chance.choice(list(Priority)),
            }
            job_id = self._crew.submit(*acts, wish=wish, steps=steps, step_seconds=step_seconds)
            self._submitted.append(job_id)

    def _waiting(self):
        with self._crew.sessions() as session:
            query = select(func.count()).where(Job.state == State.QUEUED)
            return session.scalar(query)

    def _tend(self):
        """What a supervisor does, and a look at leases that nobody takes back."""
        running = [worker for worker in self._crew.workers if worker.running]
        for _ in range(WORKERS - len(running)):
            self._say("revived")
            self._hire()
        with self._crew.sessions() as session:
            lateness = func.max(func.clock_timestamp() - Job.lease_until)
            late = session.scalar(select(lateness).where(Job.state == State.RUNNING))
        self._overdue = max(self._overdue, late or timedelta(0))

    def _recover(self):
        """No more faults. The broker is emptied once more, so that every job is called anew."""
        self._nemesis.relent()
        self._crew.servers.redis.flushall()
        self._say("drain", waiting=self._unfinished())
        while self._unfinished() and not self._late():
            self._tend()
            time.sleep(0.2)
        for worker in self._crew.workers:
            if worker.running:
                worker.process.terminate()
        for worker in self._crew.workers:
            worker.process.wait(60)

    def _unfinished(self):
        with self._crew.sessions() as session:
            active = Job.state.in_([State.QUEUED, State.RUNNING])
            return session.scalar(select(func.count()).where(active))

    def _judge(self):
        sessions, store = self._crew.sessions, self._rented.store
        swept = StorageCleaner(sessions, lambda: store, orphan_age=timedelta(0)).sweep_orphans()
        with sessions() as session:
            record = Record.read(session, store)
        breaches = check(record, self._submitted)
        if self._overdue > SLACK:
            breaches.append(Breach("forgotten_leases", "while it ran", str(self._overdue)))
        return Report(
            seed=self.seed,
            seconds=round(time.monotonic() - self._start, 1),
            jobs=len(self._submitted),
            faults=dict(self._nemesis.struck.most_common()),
            states=_tally(job.state for job in record.jobs),
            attempts=_tally(attempt.outcome for attempt in record.attempts),
            calls=sum(job.dispatch_no for job in record.jobs),
            orphans_swept=swept,
            longest_overdue_seconds=round(self._overdue.total_seconds(), 1),
            broken=counts(breaches),
            breaches=[f"{breach.rule}: {breach.subject}: {breach.what}" for breach in breaches],
        )


def _tally(values) -> dict[str, Any]:
    return dict(Counter(str(value) for value in values).most_common())
