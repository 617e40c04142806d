"""Invariants of the database and of object storage, which must hold after any faults.

The checks read rows and objects only. Their own tests show that they detect invalid histories.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import select

from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, EventRow, Job

ENDS = {
    Event.PUBLISHED: State.SUCCEEDED,
    Event.FAILED: State.FAILED,
    Event.CANCELED: State.CANCELED,
}
SLACK = timedelta(seconds=15)
"""How long after the end of its lease a running job may wait for the reaper."""
BLOCKED = timedelta(seconds=5)
"""Timestamps are those of a transaction's start, and a claim may wait this long for a lock."""


@dataclass
class Snapshot:
    """All rows and all stored objects."""

    jobs: list[Job]
    attempts: list[Attempt]
    events: list[EventRow]
    objects: dict[str, datetime] = field(default_factory=dict)
    """Keys of stored results, with their creation time."""

    @classmethod
    def read(cls, session, storage):
        """Read everything now; `session` has one snapshot."""
        return cls(
            list(session.scalars(select(Job))),
            list(session.scalars(select(Attempt).order_by(Attempt.job_id, Attempt.number))),
            list(session.scalars(select(EventRow).order_by(EventRow.id))),
            {stored.key: stored.created_at for stored in storage.list_objects("results/")},
        )


@dataclass(frozen=True)
class Breach:
    """One violation of an invariant."""

    rule: str
    subject: str
    what: str


RULES = {
    "lost": "submitted jobs without a row",
    "not_terminal": "jobs without an end, or with two",
    "published_twice": "jobs that were published more than once",
    "stale_writes": "writes of an attempt after a later claim",
    "missing_objects": "results whose object does not exist",
    "too_many_attempts": "jobs with attempts without a reason",
    "unreaped_leases": "running jobs with an expired lease",
    "orphans": "objects that belong to no job",
}


def check(snapshot, submitted, *, now=None, orphan_age=timedelta(0)):
    """All violations of invariants, in the order of `RULES`."""
    now = now or datetime.now(UTC)
    events, attempts = _by_job(snapshot.events), _by_job(snapshot.attempts)
    known = {job.id for job in snapshot.jobs}
    breaches = [Breach("lost", job_id, "no row") for job_id in sorted(set(submitted) - known)]
    for job in snapshot.jobs:
        breaches += _end(job, events[job.id])
        breaches += _publications(job, events[job.id], snapshot.objects)
        breaches += _order(job, events[job.id], attempts[job.id])
        breaches += _winner(job, attempts[job.id])
        breaches += _attempts(job, attempts[job.id])
        breaches += _lease(job, now)
    breaches += _orphans(snapshot, now - orphan_age)
    return sorted(breaches, key=lambda breach: list(RULES).index(breach.rule))


def counts(breaches):
    """Number of violations of each rule, including zeros."""
    found = Counter(breach.rule for breach in breaches)
    return {rule: found[rule] for rule in RULES}


def _by_job(rows):
    grouped = defaultdict(list)
    for row in rows:
        grouped[row.job_id].append(row)
    return grouped


def _end(job, events):
    """(1) Each submitted job has one end, recorded in its history."""
    if not State(job.state).final:
        yield Breach("not_terminal", job.id, f"still {job.state}")
    ends = [event.kind for event in events if event.kind in ENDS]
    if len(ends) > 1:
        yield Breach("not_terminal", job.id, f"ended {len(ends)} times: {ends}")
    elif State(job.state).final and [ENDS[kind] for kind in ends] != [job.state]:
        yield Breach("not_terminal", job.id, f"{job.state}, but its history says {ends}")


def _publications(job, events, objects):
    """(2) Each job is published at most once, with a key whose object exists."""
    keys = [event.details["key"] for event in events if event.kind == Event.PUBLISHED]
    if len(keys) > 1:
        yield Breach("published_twice", job.id, f"as {keys}")
    named = job.result["key"] if job.result else None
    if named is not None and named not in keys:
        yield Breach("stale_writes", job.id, f"names {named}, but published {keys}")
    for key in {*keys, named} - {None} - objects.keys():
        yield Breach("missing_objects", job.id, key)


def _order(job, events, attempts):
    """(3) Nothing of an attempt is written after a newer claim."""
    newest = 0
    for event in events:
        if event.kind == Event.CLAIMED:
            newest = max(newest, event.attempt)
        elif event.attempt is not None and event.attempt < newest:
            yield Breach("stale_writes", job.id, f"{event.kind} of attempt {event.attempt}")
    for one, later in pairwise(attempts):
        if one.ended_at is None or one.ended_at > later.started_at + BLOCKED:
            yield Breach("stale_writes", job.id, f"attempt {one.number} overlaps {later.number}")


def _winner(job, attempts):
    """(3) Only the last attempt has the result."""
    winners = [attempt for attempt in attempts if attempt.outcome == Outcome.SUCCEEDED]
    if len(winners) > 1:
        yield Breach("published_twice", job.id, f"{len(winners)} attempts succeeded")
    if job.result and attempts:
        last = attempts[-1]
        rightful = f"results/{job.id}/{last.number}-{last.token.hex[:8]}.mp4"
        if job.result["key"] != rightful:
            yield Breach("stale_writes", job.id, f"names {job.result['key']}, not {rightful}")


def _attempts(job, attempts):
    """(4) Each attempt but one was lost, retried or preempted."""
    allowed = 1 + job.worker_losses + job.retries + job.preemptions
    if len(attempts) != job.attempt or len(attempts) > allowed:
        what = f"{len(attempts)} rows, {job.attempt} claims, {allowed} accounted for"
        yield Breach("too_many_attempts", job.id, what)


def _lease(job, now):
    """(5) No running job outlives its lease by more than the reaper's period."""
    if job.state == State.RUNNING and (job.lease_until is None or job.lease_until < now - SLACK):
        yield Breach("unreaped_leases", job.id, f"lease ended at {job.lease_until}")


def _orphans(snapshot, youngest):
    """(6) Every object belongs to a job, or is too young to be an orphan."""
    named = {job.result["key"] for job in snapshot.jobs if job.result}
    for key, since in sorted(snapshot.objects.items()):
        if key not in named and since < youngest:
            yield Breach("orphans", key, f"since {since}")
