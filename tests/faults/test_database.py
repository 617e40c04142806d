"""A database that crashes under a running job."""

from __future__ import annotations

import pytest

from jobs.states import Event, Outcome, State
from tests.faults.cluster import HEARTBEAT_SECONDS, LEASE_SECONDS
from tests.waiting import until


@pytest.fixture
def stopped(cluster):
    """Crash PostgreSQL; it runs again after the test."""
    yield cluster.servers.stop_database
    cluster.servers.start_database()


def refused(worker):
    """Number of failed heartbeats of this worker."""
    return worker.log.read_text().count("heartbeat failed")


def test_f14_a_job_survives_a_short_crash_of_the_database(cluster, stopped):
    """F14: `immediate` restart, shorter than the lease."""
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    stopped()
    until(lambda: refused(worker) >= 1, what="a heartbeat to fail")
    cluster.servers.start_database()
    cluster.gate.touch()
    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.outcomes(job_id) == [Outcome.SUCCEEDED]
    assert cluster.videos(job_id) == [job.result["key"]]


@pytest.mark.parametrize("ends", ["during the outage", "afterwards"])
def test_f15_a_job_survives_a_crash_longer_than_its_lease_and_is_published_once(
    cluster, stopped, ends
):
    """F15: an attempt that ends during the outage waits, or the job runs again; never both."""
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    stopped()
    if ends == "during the outage":
        cluster.gate.touch()
    enough = LEASE_SECONDS / HEARTBEAT_SECONDS + 2
    until(lambda: refused(worker) >= enough, seconds=60, what="the lease to run out")
    cluster.servers.start_database()
    cluster.gate.touch()
    job = cluster.ended(job_id)

    assert job.state == State.SUCCEEDED
    assert cluster.events(job_id).count(Event.PUBLISHED) == 1
    assert cluster.outcomes(job_id) in ([Outcome.SUCCEEDED], [Outcome.LOST, Outcome.SUCCEEDED])
    until(
        lambda: cluster.videos(job_id) == [job.result["key"]], what="the lost attempt to clean up"
    )


def test_f14_messages_received_during_a_database_outage_are_not_consumed(cluster, stopped):
    """F14: a worker that cannot claim keeps its message; otherwise jobs wait for another one."""
    waiting = [cluster.submit() for _ in range(5)]
    until(lambda: cluster.pending_messages() >= 5, what="the messages")

    stopped()
    pending = cluster.pending_messages()
    cluster.start_worker()
    until(lambda: cluster.pending_messages() < pending, what="a message to be received")
    until(iter([*[False] * 40, True]).__next__, what="two seconds of the outage")
    cluster.servers.start_database()

    assert {cluster.ended(job_id, seconds=15).state for job_id in waiting} == {State.SUCCEEDED}
