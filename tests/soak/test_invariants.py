"""The invariants of the soak detect each kind of violation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, EventRow, Job
from tests.soak.invariants import RULES, Snapshot, check, counts

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(hours=1)
TOKENS = [UUID(int=number << 96) for number in range(4)]


def key(number):
    return f"results/job_1/{number}-{TOKENS[number].hex[:8]}.mp4"


def at(seconds):
    return START + timedelta(seconds=seconds)


def event(kind, attempt=None, **details):
    return EventRow(job_id="job_1", kind=kind, attempt=attempt, details=details)


def attempt(number, outcome, start, end):
    return Attempt(
        job_id="job_1",
        number=number,
        token=TOKENS[number],
        outcome=outcome,
        started_at=at(start),
        ended_at=at(end),
    )


@pytest.fixture
def snapshot():
    """A valid history: a job lost with its first worker and completed by its second."""
    job = Job(
        id="job_1",
        state=State.SUCCEEDED,
        attempt=2,
        worker_losses=1,
        retries=0,
        preemptions=0,
        result={"key": key(2)},
    )
    events = [
        event(Event.SUBMITTED),
        event(Event.CLAIMED, 1),
        event(Event.REQUEUED, 1),
        event(Event.CLAIMED, 2),
        event(Event.PUBLISHED, 2, key=key(2)),
    ]
    attempts = [attempt(1, Outcome.LOST, 0, 10), attempt(2, Outcome.SUCCEEDED, 11, 20)]
    return Snapshot([job], attempts, events, {key(2): at(19)})


def broken(snapshot, submitted=("job_1",)):
    """Rules that this snapshot violates."""
    found = counts(check(snapshot, submitted, now=NOW))
    return {rule for rule, number in found.items() if number}


def test_a_good_history_breaks_no_rule(snapshot):
    assert check(snapshot, ["job_1"], now=NOW) == []
    assert counts([]) == dict.fromkeys(RULES, 0)


def test_a_submitted_job_without_a_row_is_lost(snapshot):
    assert broken(snapshot, ["job_1", "job_2"]) == {"lost"}


def test_a_job_that_still_waits_is_not_terminal(snapshot):
    snapshot.jobs[0].state = State.QUEUED
    snapshot.jobs[0].result = None
    snapshot.events.pop()
    snapshot.objects.clear()

    assert broken(snapshot) == {"not_terminal"}


def test_a_job_that_ended_twice_is_not_terminal(snapshot):
    snapshot.events.append(event(Event.CANCELED, 2))

    assert broken(snapshot) == {"not_terminal"}


def test_an_end_without_an_event_is_not_terminal(snapshot):
    snapshot.jobs[0].state = State.CANCELED

    assert broken(snapshot) == {"not_terminal"}


def test_two_published_events_are_found(snapshot):
    snapshot.events.insert(2, event(Event.PUBLISHED, 1, key=key(1)))
    snapshot.objects[key(1)] = at(9)

    assert {"published_twice", "not_terminal"} <= broken(snapshot)


def test_two_succeeded_attempts_are_found(snapshot):
    snapshot.attempts[0].outcome = Outcome.SUCCEEDED

    assert broken(snapshot) == {"published_twice"}


def test_a_publication_after_a_newer_claim_is_stale(snapshot):
    snapshot.events[-1] = event(Event.PUBLISHED, 1, key=key(1))
    snapshot.jobs[0].result = {"key": key(1)}
    snapshot.objects = {key(1): at(9)}

    assert broken(snapshot) == {"stale_writes"}


def test_an_attempt_that_ends_after_the_next_began_is_stale(snapshot):
    snapshot.attempts[0].ended_at = at(18)

    assert broken(snapshot) == {"stale_writes"}


def test_a_result_that_was_never_published_is_stale(snapshot):
    snapshot.jobs[0].result = {"key": key(3)}
    snapshot.objects[key(3)] = at(3)

    assert "stale_writes" in broken(snapshot)


def test_a_result_without_its_object_is_missing(snapshot):
    snapshot.objects.clear()

    assert broken(snapshot) == {"missing_objects"}


def test_an_attempt_without_a_reason_is_found(snapshot):
    snapshot.jobs[0].worker_losses = 0

    assert broken(snapshot) == {"too_many_attempts"}


def test_a_claim_without_its_row_is_found(snapshot):
    snapshot.attempts.pop(0)

    assert broken(snapshot) == {"too_many_attempts"}


def test_an_expired_lease_that_was_not_reaped_is_found(snapshot):
    snapshot.jobs[0].state = State.RUNNING
    snapshot.jobs[0].lease_until = NOW - timedelta(minutes=1)

    assert "unreaped_leases" in broken(snapshot)


def test_an_object_that_belongs_to_no_job_is_an_orphan(snapshot):
    snapshot.objects[key(1)] = at(9)

    assert broken(snapshot) == {"orphans"}


def test_a_young_object_is_not_an_orphan(snapshot):
    snapshot.objects[key(1)] = at(9)

    assert check(snapshot, ["job_1"], now=at(10), orphan_age=timedelta(minutes=1)) == []
