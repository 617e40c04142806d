"""The invariants of the soak detect each kind of violation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, EventRow, Job
from tests.soak.invariants import RULES, Content, Snapshot, check, counts

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


def stored(seconds, size_bytes=5, sha256="5a"):
    return Content(at(seconds), size_bytes, sha256)


def result(number):
    return {"key": key(number), "size_bytes": 5, "sha256": "5a", "files": []}


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
        result=result(2),
    )
    events = [
        event(Event.SUBMITTED),
        event(Event.CLAIMED, 1),
        event(Event.REQUEUED, 1),
        event(Event.CLAIMED, 2),
        event(Event.PUBLISHED, 2, key=key(2)),
    ]
    attempts = [attempt(1, Outcome.LOST, 0, 10), attempt(2, Outcome.SUCCEEDED, 11, 20)]
    return Snapshot([job], attempts, events, {key(2): stored(19)})


def broken(snapshot):
    """Rules that this snapshot violates."""
    found = counts(check(snapshot, now=NOW))
    return {rule for rule, number in found.items() if number}


def test_a_good_history_breaks_no_rule(snapshot):
    assert check(snapshot, now=NOW) == []
    assert counts([]) == dict.fromkeys(RULES, 0)


def test_a_job_that_still_waits_is_not_terminal(snapshot):
    snapshot.jobs[0].state = State.QUEUED
    snapshot.jobs[0].result = None
    snapshot.events.pop()
    snapshot.objects.clear()

    assert "not_terminal" in broken(snapshot)


def test_a_job_that_ended_twice_is_not_terminal(snapshot):
    snapshot.events.append(event(Event.CANCELED, 2))

    assert broken(snapshot) == {"not_terminal"}


def test_an_end_without_an_event_is_not_terminal(snapshot):
    snapshot.jobs[0].state = State.CANCELED

    assert "not_terminal" in broken(snapshot)


def test_two_published_events_are_found(snapshot):
    snapshot.events.insert(2, event(Event.PUBLISHED, 1, key=key(1)))
    snapshot.objects[key(1)] = stored(9)

    assert {"published_twice", "not_terminal"} <= broken(snapshot)


def test_two_succeeded_attempts_are_found(snapshot):
    snapshot.attempts[0].outcome = Outcome.SUCCEEDED

    assert "published_twice" in broken(snapshot)


def test_a_publication_after_a_newer_claim_is_stale(snapshot):
    snapshot.events[-1] = event(Event.PUBLISHED, 1, key=key(1))
    snapshot.jobs[0].result = result(1)
    snapshot.objects = {key(1): stored(9)}

    assert broken(snapshot) == {"stale_writes"}


def test_an_attempt_that_ends_after_the_next_began_is_stale(snapshot):
    snapshot.attempts[0].ended_at = at(18)

    assert broken(snapshot) == {"stale_writes"}


def test_a_result_that_was_never_published_is_stale(snapshot):
    snapshot.jobs[0].result = result(3)
    snapshot.objects[key(3)] = stored(3)

    assert "stale_writes" in broken(snapshot)


def test_a_result_without_its_object_is_missing(snapshot):
    snapshot.objects.clear()

    assert broken(snapshot) == {"missing_objects"}


def test_an_attempt_without_a_reason_is_found(snapshot):
    snapshot.jobs[0].worker_losses = 0

    assert broken(snapshot) == {"too_many_attempts"}


def test_a_claim_without_its_row_is_found(snapshot):
    snapshot.attempts.pop(0)

    assert "too_many_attempts" in broken(snapshot)


def test_an_expired_lease_that_was_not_reaped_is_found(snapshot):
    snapshot.jobs[0].state = State.RUNNING
    snapshot.jobs[0].lease_until = NOW - timedelta(minutes=1)

    assert "unreaped_leases" in broken(snapshot)


def test_an_object_that_belongs_to_no_job_is_an_orphan(snapshot):
    snapshot.objects[key(1)] = stored(9)

    assert broken(snapshot) == {"orphans"}


def test_a_young_object_is_not_an_orphan(snapshot):
    snapshot.objects[key(1)] = stored(9)

    assert check(snapshot, now=at(10), orphan_age=timedelta(minutes=1)) == []


def test_a_success_without_a_result_is_found(snapshot):
    snapshot.jobs[0].result = None
    snapshot.objects.clear()

    assert "no_result" in broken(snapshot)


def test_a_failure_without_an_error_is_found(snapshot):
    snapshot.jobs[0].state, snapshot.jobs[0].result = State.FAILED, None
    snapshot.events[-1] = event(Event.FAILED, 2)
    snapshot.attempts[-1].outcome = Outcome.FAILED
    snapshot.objects.clear()

    assert broken(snapshot) == {"wrong_end"}


@pytest.mark.parametrize("content", [stored(19, 4), stored(19, 5, "00")])
def test_other_bytes_than_recorded_are_found(snapshot, content):
    snapshot.objects[key(2)] = content

    assert broken(snapshot) == {"wrong_bytes"}


def test_other_bytes_of_a_further_file_are_found(snapshot):
    file = {"name": "a.txt", "key": "results/job_1/2-x/a.txt", "size_bytes": 1, "sha256": "aa"}
    snapshot.jobs[0].result["files"] = [file]
    snapshot.objects[file["key"]] = stored(19, 1, "bb")

    assert broken(snapshot) == {"wrong_bytes"}


@pytest.mark.parametrize("number", range(4))
def test_each_missing_event_is_found(snapshot, number):
    del snapshot.events[number]

    assert "missing_events" in broken(snapshot)


def test_an_attempt_that_never_ended_is_found(snapshot):
    snapshot.attempts[-1].ended_at = None

    assert broken(snapshot) == {"open_attempts"}


def test_an_end_that_is_not_that_of_the_last_attempt_is_found(snapshot):
    snapshot.attempts[-1].outcome = Outcome.FAILED

    assert broken(snapshot) == {"open_attempts"}


def test_an_outcome_that_was_counted_as_another_is_found(snapshot):
    snapshot.jobs[0].worker_losses, snapshot.jobs[0].retries = 0, 1

    assert broken(snapshot) == {"too_many_attempts"}
