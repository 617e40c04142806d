"""Run many jobs under many faults, then check the invariants."""

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
from tests.faults.cluster import Cluster
from tests.faults.servers import Servers
from tests.soak.invariants import SLACK, Breach, Snapshot, check, counts
from tests.soak.nemesis import Nemesis

WORKERS = 2
MAX_WAITING = 8
"""Maximum number of waiting jobs, so that faults meet running ones."""
PAUSE_SECONDS = (0.5, 2.5)
ACCOUNTS = ("one", "other", "third")
"""Each account runs one job at a time, so that some jobs are held."""
KINDS = {"steps": 90, "reject": 4, "die": 3, "fill_disk": 3}
"""What jobs do, with weights: most run in steps, some cannot succeed."""


@dataclass
class Report:
    """The result of a soak."""

    seed: int
    seconds: float
    jobs: int
    faults: dict[str, int]
    states: dict[str, int]
    attempts: dict[str, int]
    orphans_swept: int
    longest_overdue_seconds: float
    broken: dict[str, int]
    breaches: list[str]

    @property
    def good(self):
        return not any(self.broken.values())


class Soak:
    """One run, from starting the servers to the report."""

    def __init__(self, *, jobs, faults, seed, seconds, say):
        self._jobs, self._faults, self.seed = jobs, faults, seed
        self._random = Random(seed)
        self._say = say
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self._submitted = []
        self._overdue = timedelta(0)

    def run(self) -> Report:
        """Run the soak. No process is left at the end, even after an error."""
        with ExitStack() as stack:
            servers = stack.enter_context(Servers())
            servers.clear()
            self._cluster = stack.enter_context(Cluster(servers))
            self._bucket = stack.enter_context(bucket_at(self._cluster.folder))
            stack.callback(self._stop_workers)
            self._nemesis = Nemesis(
                self._cluster,
                self._bucket.server,
                self._random,
                self._say,
                start_worker=self._start_worker,
            )
            self._cluster.start_maintenance()
            for _ in range(WORKERS):
                self._start_worker()
            for worker in self._cluster.workers:
                worker.await_ready()
            self._run_jobs_with_faults()
            self._recover()
            return self._report()

    def _stop_workers(self):
        """Stop the workers before the bucket, for which their uploads would wait."""
        self._nemesis.stop()
        for worker in self._cluster.workers:
            worker.close()

    def _start_worker(self):
        self._cluster.start_worker(
            "soak",
            ready=False,
            KINOMILL_DRAIN_WINDOW="3",
            KINOMILL_MAX_RUNNING_PER_ACCOUNT="1",
            **self._bucket.variables,
        )

    def _late(self):
        return time.monotonic() > self._deadline

    def _run_jobs_with_faults(self):
        """Submit jobs and inject faults at proportional rates, until both are done."""
        while not self._late():
            injected = self._nemesis.injected.total()
            if injected >= self._faults and len(self._submitted) >= self._jobs:
                return
            self._submit(injected)
            if injected * self._jobs < len(self._submitted) * self._faults:
                self._nemesis.inject_fault()
            self._replace_workers()
            time.sleep(self._random.uniform(*PAUSE_SECONDS))

    def _submit(self, injected):
        """Submit jobs in proportion to the faults so far, up to the limit of waiting jobs."""
        share = (injected + 1) / max(self._faults, 1)
        wanted = min(self._jobs, round(self._jobs * share) + WORKERS)
        while len(self._submitted) < wanted and self._waiting() < MAX_WAITING:
            (kind,) = self._random.choices(list(KINDS), list(KINDS.values()))
            acts = [] if kind == "steps" else [kind]
            steps, step_seconds = self._random.randint(1, 15), self._random.uniform(0.02, 0.2)
            options = {
                "account": self._random.choice(ACCOUNTS),
                "priority": self._random.choice(list(Priority)),
            }
            job_id = self._cluster.submit(
                *acts, options=options, steps=steps, step_seconds=step_seconds
            )
            self._submitted.append(job_id)

    def _waiting(self):
        with self._cluster.sessions() as session:
            query = select(func.count()).where(Job.state == State.QUEUED)
            return session.scalar(query)

    def _replace_workers(self):
        """Restart workers as a supervisor does, and measure how long expired leases last."""
        running = [worker for worker in self._cluster.workers if worker.running]
        for _ in range(WORKERS - len(running)):
            self._say("restarted")
            self._start_worker()
        with self._cluster.sessions() as session:
            lateness = func.max(func.clock_timestamp() - Job.lease_until)
            late = session.scalar(select(lateness).where(Job.state == State.RUNNING))
        self._overdue = max(self._overdue, late or timedelta(0))

    def _recover(self):
        """End all faults and flush the broker once more, so that every message is replaced."""
        self._nemesis.stop()
        self._cluster.servers.redis.flushall()
        self._say("drain", waiting=self._unfinished())
        while self._unfinished() and not self._late():
            self._replace_workers()
            time.sleep(0.2)
        for worker in self._cluster.workers:
            if worker.running:
                worker.process.terminate()
        for worker in self._cluster.workers:
            worker.process.wait(60)

    def _unfinished(self):
        with self._cluster.sessions() as session:
            active = Job.state.in_([State.QUEUED, State.RUNNING])
            return session.scalar(select(func.count()).where(active))

    def _report(self):
        sessions, store = self._cluster.sessions, self._bucket.store
        swept = StorageCleaner(sessions, lambda: store, orphan_age=timedelta(0)).sweep_orphans()
        with sessions() as session:
            snapshot = Snapshot.read(session, store)
        breaches = check(snapshot, self._submitted)
        if self._overdue > SLACK:
            breaches.append(Breach("unreaped_leases", "while it ran", str(self._overdue)))
        return Report(
            seed=self.seed,
            seconds=round(time.monotonic() - self._start, 1),
            jobs=len(self._submitted),
            faults=dict(self._nemesis.injected.most_common()),
            states=_counts(job.state for job in snapshot.jobs),
            attempts=_counts(attempt.outcome for attempt in snapshot.attempts),
            orphans_swept=swept,
            longest_overdue_seconds=round(self._overdue.total_seconds(), 1),
            broken=counts(breaches),
            breaches=[f"{breach.rule}: {breach.subject}: {breach.what}" for breach in breaches],
        )


def _counts(values) -> dict[str, Any]:
    return dict(Counter(str(value) for value in values).most_common())
