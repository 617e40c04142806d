"""Run many jobs under many faults, then check invariants and promises."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from sqlalchemy import func, select, update

from jobs.states import Priority, State
from jobs.supervision import GIVEN_UP
from jobs.tables import Job, WebhookRow
from maintenance.storage_cleanup import StorageCleaner
from tests.faults.bucket import bucket_at
from tests.faults.cluster import Cluster
from tests.faults.servers import Servers
from tests.maintenance.receiver import receiving
from tests.soak import invariants, promises
from tests.soak.callers import Callers, Submission
from tests.soak.invariants import SLACK, Breach, Snapshot
from tests.soak.nemesis import Nemesis
from tests.soak.programs import Programs, create_keys
from tests.workers.conftest import SECRET

WORKERS = 2
MAX_WAITING = 8
"""Maximum number of waiting jobs, so that faults meet running ones."""
PAUSE_SECONDS = (0.5, 2.5)
ACCOUNTS = ("one", "other", "third")
"""Each account runs one job at a time, so that some jobs are held."""
KINDS = {"steps": 90, "reject": 4, "die": 3, "fill_disk": 3}
"""What jobs do, with weights: most run in steps, some cannot succeed."""
WITH_WEBHOOK, SENT_TWICE = 0.7, 0.1
"""Shares of the submissions."""
MINUTES = timedelta(minutes=2)
"""A message that is due later than this waits for a retry: no sender holds it."""


@dataclass
class Report:
    """The result of a soak."""

    seed: int
    seconds: float
    jobs: int
    webhooks: int
    """Deliveries that the receiver accepted."""
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

    def __init__(self, *, jobs, faults, seed, seconds, say, pooled=False):
        self._pooled = pooled
        self._jobs, self._faults, self.seed = jobs, faults, seed
        self._random = Random(seed)
        self._say = say
        self._start = time.monotonic()
        self._deadline = self._start + seconds
        self._overdue = timedelta(0)

    def run(self) -> Report:
        """Run the soak. No process is left at the end, even after an error."""
        with ExitStack() as stack:
            self._start_programs(stack)
            self._run_jobs_with_faults()
            self._recover()
            return self._report()

    def _start_programs(self, stack):
        servers = stack.enter_context(Servers(pooled=self._pooled))
        self.cluster = stack.enter_context(Cluster(servers))
        self.bucket = stack.enter_context(bucket_at(self.cluster.folder))
        self.receiver = stack.enter_context(receiving())
        self.programs = stack.enter_context(Programs(self.cluster, self.bucket.variables))
        self.programs.keep()
        self.programs.await_ready()
        keys = create_keys(self.cluster.sessions, ACCOUNTS)
        self.callers = stack.enter_context(Callers(self.programs.url, keys, self._deadline))
        self._nemesis = Nemesis(self, self._random, self._say)
        stack.callback(self._stop_workers)
        for _ in range(WORKERS):
            self.start_worker()
        for worker in self.cluster.workers:
            worker.await_ready()

    def _stop_workers(self):
        """Stop the workers before the bucket, for which their uploads would wait."""
        self._nemesis.stop()
        for worker in self.cluster.workers:
            worker.close()

    def start_worker(self):
        """Start one more worker, without waiting until it is ready."""
        self.cluster.start_worker(
            "soak",
            ready=False,
            KINOMILL_DRAIN_WINDOW="3",
            KINOMILL_MAX_RUNNING_PER_ACCOUNT="1",
            **self.bucket.variables,
        )

    def _late(self):
        return time.monotonic() > self._deadline

    def _run_jobs_with_faults(self):
        """Submit jobs and inject faults at proportional rates, until both are done."""
        while not self._late():
            injected = self._nemesis.injected.total()
            submitted = len(self.callers.submissions)
            if injected >= self._faults and submitted >= self._jobs:
                return
            self._nemesis.resume()
            self._submit(injected)
            if injected * self._jobs < submitted * self._faults:
                self._nemesis.inject_fault()
            self._restart_programs()
            time.sleep(self._random.uniform(*PAUSE_SECONDS))

    def _submit(self, injected):
        """Submit jobs in proportion to the faults so far, up to the limit of waiting jobs."""
        share = (injected + 1) / max(self._faults, 1)
        wanted = min(self._jobs, round(self._jobs * share) + WORKERS)
        room = MAX_WAITING - self._waiting() - self.callers.unanswered
        for _ in range(min(room, wanted - len(self.callers.submissions))):
            twice = self._random.random() < SENT_TWICE
            self.callers.submit(self._submission(), twice=twice)

    def _submission(self):
        chance, key = self._random, f"soak-{len(self.callers.submissions)}"
        (kind,) = chance.choices(list(KINDS), list(KINDS.values()))
        body = {
            "model": "faulty",
            "input": {
                "acts": [] if kind == "steps" else [kind],
                "steps": chance.randint(1, 15),
                "step_seconds": chance.uniform(0.02, 0.2),
                "files": chance.choice([[], ["mask.png"], ["a.txt", "b.txt"]]),
            },
            "priority": chance.choice(list(Priority)).name.lower(),
            "labels": {"submission": key},
        }
        if chance.random() < WITH_WEBHOOK:
            body["webhook"] = {"url": self.receiver.url}
        return Submission(key, chance.choice(ACCOUNTS), kind, body)

    def _waiting(self):
        return self._count(Job.state == State.QUEUED)

    def _count(self, condition):
        with self.cluster.sessions() as session:
            return session.scalar(select(func.count()).where(condition))

    def _restart_programs(self):
        """Restart what has ended as a supervisor does; measure how long expired leases last."""
        self.programs.keep()
        running = [worker for worker in self.cluster.workers if worker.running]
        for _ in range(WORKERS - len(running)):
            self._say("restarted")
            self.start_worker()
        with self.cluster.sessions() as session:
            lateness = func.max(func.clock_timestamp() - Job.lease_until)
            leased = (Job.state == State.RUNNING, Job.lease_until > GIVEN_UP)
            late = session.scalar(select(lateness).where(*leased))
        self._overdue = max(self._overdue, late or timedelta(0))

    def _recover(self):
        """End all faults and flush the broker once more, so that every message is replaced."""
        self._nemesis.stop()
        self.cluster.servers.redis.flushall()
        self._say("drain", waiting=self._unfinished())
        while self._unfinished() and not self._late():
            self._restart_programs()
            time.sleep(0.2)
        self._hurry_webhooks()
        while self._count(WebhookRow.next_attempt_at.is_not(None)) and not self._late():
            time.sleep(0.2)
        for worker in self.cluster.workers:
            if worker.running:
                worker.process.terminate()
        for worker in self.cluster.workers:
            worker.process.wait(60)

    def _hurry_webhooks(self):
        """Let the messages that wait for a later retry be due now."""
        waiting = WebhookRow.next_attempt_at > func.now() + MINUTES
        with self.cluster.sessions.begin() as session:
            session.execute(update(WebhookRow).where(waiting).values(next_attempt_at=func.now()))

    def _unfinished(self):
        return self.callers.unanswered + self._count(Job.state.in_([State.QUEUED, State.RUNNING]))

    def _report(self):
        sessions, store = self.cluster.sessions, self.bucket.store
        swept = StorageCleaner(sessions, lambda: store, orphan_age=timedelta(0)).sweep_orphans()
        with sessions() as session:
            snapshot = Snapshot.read(session, store)
        breaches = invariants.check(snapshot) + promises.check(snapshot, self._observations())
        breaches += [Breach("crashes", "a program", crash) for crash in self.programs.crashes]
        if self._overdue > SLACK:
            breaches.append(Breach("unreaped_leases", "while it ran", str(self._overdue)))
        breaches = invariants.in_order(breaches)
        return Report(
            seed=self.seed,
            seconds=round(time.monotonic() - self._start, 1),
            jobs=len(self.callers.submissions),
            webhooks=sum(one.accepted for one in self.receiver.deliveries),
            faults=dict(self._nemesis.injected.most_common()),
            states=_counts(job.state for job in snapshot.jobs),
            attempts=_counts(attempt.outcome for attempt in snapshot.attempts),
            orphans_swept=swept,
            longest_overdue_seconds=round(self._overdue.total_seconds(), 1),
            broken=invariants.counts(breaches),
            breaches=[f"{breach.rule}: {breach.subject}: {breach.what}" for breach in breaches],
        )

    def _observations(self):
        ids = sorted({job_id for one in self.callers.submissions for job_id in one.ids})
        return promises.Observations(
            self.callers.submissions,
            self.callers.surprises,
            {job_id: self.callers.read(job_id) for job_id in ids},
            self.receiver.deliveries,
            self._nemesis.interruptions,
            self._nemesis.purged,
            SECRET,
        )


def _counts(values) -> dict[str, Any]:
    return dict(Counter(str(value) for value in values).most_common())
