"""A database that crashes under a running job."""

from __future__ import annotations

import pytest

from jobs.states import Event, Outcome, State
from tests.faults.cluster import BEAT_SECONDS, LEASE_SECONDS
from tests.waiting import until


@pytest.fixture
def stopped(crew):
    """PostgreSQL crashes; whatever the test does, it is there afterwards."""
    yield crew.servers.stop_database
    crew.servers.start_database()


def refused(worker):
    """How many beats this worker could not write."""
    return worker.log.read_text().count("beat failed")


def test_f14_a_job_outlives_a_short_crash_of_the_database(crew, stopped):
    """F14: `immediate` restart, shorter than the lease."""
    worker = crew.hire()
    job_id = crew.submit("wait")
    crew.running(job_id)

    stopped()
    until(lambda: refused(worker) >= 1, what="a beat to fail")
    crew.servers.start_database()
    crew.gate.touch()
    job = crew.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert crew.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert crew.videos(job_id) == [job.result["key"]]


@pytest.mark.parametrize("ends", ["during the outage", "afterwards"])
def test_f15_a_job_outlives_a_crash_longer_than_its_lease_and_is_published_once(
    crew, stopped, ends
):
    """F15: the attempt that finishes while nobody listens waits; or it is run again. Not both."""
    worker = crew.hire()
    job_id = crew.submit("wait")
    crew.running(job_id)

    stopped()
    if ends == "during the outage":
        crew.gate.touch()
    enough = LEASE_SECONDS / BEAT_SECONDS + 2
    until(lambda: refused(worker) >= enough, seconds=60, what="the lease to run out")
    crew.servers.start_database()
    crew.gate.touch()
    job = crew.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert crew.events(job_id).count(Event.PUBLISHED) == 1
    assert crew.outcomes(job_id) in ([Outcome.SUCCEEDED], [Outcome.LOST, Outcome.SUCCEEDED])
    until(lambda: crew.videos(job_id) == [job.result["key"]], what="the loser to clean up")


def test_f14_calls_that_come_while_the_database_is_away_are_not_used_up(crew, stopped):
    """F14: a worker that cannot claim keeps its call, else all jobs wait for their next ring."""
    waiting = [crew.submit() for _ in range(5)]
    until(lambda: crew.calls_waiting() >= 5, what="the calls")

    stopped()
    calls = crew.calls_waiting()
    crew.hire()
    until(lambda: crew.calls_waiting() < calls, what="a call to be taken")
    until(iter([*[False] * 40, True]).__next__, what="two seconds of the outage")
    crew.servers.start_database()

    assert {crew.ended(job_id, seconds=15).state for job_id in waiting} == {State.SUCCEEDED}
