"""Invariants of the database and of object storage, which must hold after any faults.

The checks read rows and objects only; `promises` compares them with what callers and receivers saw.
Their own tests show that they detect invalid histories.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sqlalchemy import select

from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, EventRow, Job, WebhookRow

ENDS = {
    Event.PUBLISHED: State.SUCCEEDED,
    Event.FAILED: State.FAILED,
    Event.CANCELED: State.CANCELED,
}
HISTORY = {Event.SUBMITTED, Event.CLAIMED, Event.REQUEUED}
"""Events of which each job has an exact number."""
SLACK = timedelta(seconds=15)
"""How long after the end of its lease a running job may wait for the reaper."""
BLOCKED = timedelta(seconds=5)
"""Timestamps are those of a transaction's start, and a claim may wait this long for a lock."""


REASONS = {
    Outcome.LOST: "worker_losses",
    Outcome.RETRIED: "retries",
    Outcome.PREEMPTED: "preemptions",
}
"""Which column of the job counts the attempts of an outcome."""
LAST_OUTCOMES = {
    State.SUCCEEDED: {Outcome.SUCCEEDED},
    State.FAILED: {Outcome.FAILED, Outcome.LOST},
    State.CANCELED: {*Outcome} - {Outcome.SUCCEEDED, Outcome.FAILED},
}
"""How the last attempt of a final job may have ended. A canceled job may have had none."""


@dataclass(frozen=True)
class Content:
    """A stored object: when it was created, and its bytes as they are read back."""

    created_at: datetime
    size_bytes: int
    sha256: str

    @classmethod
    def read(cls, storage, stored):
        content = b"".join(storage.open(stored.key))
        return cls(stored.created_at, len(content), hashlib.sha256(content).hexdigest())


@dataclass
class Snapshot:
    """All rows and all stored objects."""

    jobs: list[Job]
    attempts: list[Attempt]
    events: list[EventRow]
    objects: dict[str, Content] = field(default_factory=dict)
    """Stored results by key."""
    webhooks: list[WebhookRow] = field(default_factory=list)

    @classmethod
    def read(cls, session, storage):
        """Read everything now; `session` has one snapshot."""
        stored = storage.list_objects("results/")
        return cls(
            list(session.scalars(select(Job))),
            list(session.scalars(select(Attempt).order_by(Attempt.job_id, Attempt.number))),
            list(session.scalars(select(EventRow).order_by(EventRow.id))),
            {one.key: Content.read(storage, one) for one in stored},
            list(session.scalars(select(WebhookRow))),
        )


@dataclass(frozen=True)
class Breach:
    """One violation of an invariant."""

    rule: str
    subject: str
    what: str


RULES = {
    "lost": "accepted jobs without a row",
    "doubled": "submissions with more than one job",
    "altered": "jobs that differ from their submission",
    "surprises": "responses that no good request may get",
    "crashes": "programs that ended by themselves",
    "not_terminal": "jobs without an end, or with two",
    "wrong_end": "jobs whose end has no cause, or not the one of their input",
    "canceled_by_nobody": "jobs canceled without a request of their owner",
    "told_otherwise": "jobs that the API shows with another state or result",
    "published_twice": "jobs that were published more than once",
    "stale_writes": "writes of an attempt after a later claim",
    "no_result": "jobs that succeeded without a result, or have one without it",
    "missing_objects": "results whose object does not exist",
    "wrong_bytes": "results whose object has other bytes than recorded",
    "missing_events": "jobs whose history lacks a step",
    "too_many_attempts": "jobs with attempts without a reason",
    "open_attempts": "attempts without an end, or with one that does not fit their job's",
    "unreaped_leases": "running jobs with an expired lease",
    "webhooks_lost": "ended jobs whose webhook did not arrive",
    "webhooks_wrong": "webhooks that are forged, of nobody, or say something else",
    "webhooks_repeated": "webhooks delivered again without a fault in between",
    "orphans": "objects that belong to no job",
}


def check(snapshot, *, now=None, orphan_age=timedelta(0)):
    """All violations of invariants."""
    now = now or datetime.now(UTC)
    events, attempts = by_job(snapshot.events), by_job(snapshot.attempts)
    breaches = []
    for job in snapshot.jobs:
        breaches += _end(job, events[job.id])
        breaches += _publications(job, events[job.id], snapshot.objects)
        breaches += _result(job, snapshot.objects)
        breaches += _history(job, events[job.id], attempts[job.id])
        breaches += _order(job, events[job.id], attempts[job.id])
        breaches += _winner(job, attempts[job.id])
        breaches += _attempts(job, attempts[job.id])
        breaches += _last_attempt(job, attempts[job.id])
        breaches += _lease(job, now)
    breaches += _orphans(snapshot, now - orphan_age)
    return in_order(breaches)


def in_order(breaches):
    """Breaches in the order of `RULES`."""
    return sorted(breaches, key=lambda breach: list(RULES).index(breach.rule))


def counts(breaches):
    """Number of violations of each rule, including zeros."""
    found = Counter(breach.rule for breach in breaches)
    return {rule: found[rule] for rule in RULES}


def by_job(rows):
    """Rows by the id of their job."""
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


def _result(job, objects):
    """(2) A job has a result if it succeeded and an error if it failed; stored as described."""
    if (job.state == State.SUCCEEDED) != (job.result is not None):
        yield Breach("no_result", job.id, f"{job.state} with the result {job.result}")
    if (job.state == State.FAILED) != (job.error is not None):
        yield Breach("wrong_end", job.id, f"{job.state} with the error {job.error}")
    if job.result:
        for file in [job.result, *job.result.get("files", [])]:
            found = objects.get(file["key"])
            recorded = file["size_bytes"], file["sha256"]
            if found is not None and (found.size_bytes, found.sha256) != recorded:
                yield Breach("wrong_bytes", job.id, f"{file['key']} is not as recorded")


def _history(job, events, attempts):
    """(2) The history tells the submission, each claim, and each return to the queue, in order."""
    told = [(event.kind, event.attempt) for event in events if event.kind in HISTORY]
    steps = [(Event.SUBMITTED, None)]
    for attempt in attempts:
        steps.append((Event.CLAIMED, attempt.number))
        if attempt is not attempts[-1] or job.state == State.QUEUED:
            steps.append((Event.REQUEUED, attempt.number))
    if told not in (steps, [*steps, (Event.REQUEUED, len(attempts))]):
        yield Breach("missing_events", job.id, f"{told} instead of {steps}")


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
    outcomes = Counter(attempt.outcome for attempt in attempts)
    for outcome, column in REASONS.items():
        if outcomes[outcome] != getattr(job, column):
            what = f"{outcomes[outcome]} attempts {outcome}, but {column} {getattr(job, column)}"
            yield Breach("too_many_attempts", job.id, what)


def _last_attempt(job, attempts):
    """(4) Attempts of a final job have ended, the last one as the job did."""
    if not State(job.state).final:
        return
    for attempt in attempts:
        if attempt.ended_at is None or attempt.outcome is None:
            yield Breach("open_attempts", job.id, f"attempt {attempt.number} has no end")
    if attempts and attempts[-1].outcome not in LAST_OUTCOMES[State(job.state)]:
        yield Breach("open_attempts", job.id, f"{job.state} after {attempts[-1].outcome}")
    if not attempts and job.state != State.CANCELED:
        yield Breach("open_attempts", job.id, f"{job.state} without an attempt")


def _lease(job, now):
    """(5) No running job outlives its lease by more than the reaper's period."""
    if job.state == State.RUNNING and (job.lease_until is None or job.lease_until < now - SLACK):
        yield Breach("unreaped_leases", job.id, f"lease ended at {job.lease_until}")


def _orphans(snapshot, youngest):
    """(6) Every object belongs to a job, or is too young to be an orphan."""
    named = set()
    for job in snapshot.jobs:
        if job.result:
            named |= {file["key"] for file in [job.result, *job.result.get("files", [])]}
    for key, content in sorted(snapshot.objects.items()):
        if key not in named and content.created_at < youngest:
            yield Breach("orphans", key, f"since {content.created_at}")
