"""A broker that redelivers, loses messages, dies or is full: it costs seconds, never a job."""

from __future__ import annotations

import pytest

from jobs.queue.broker import BrokerUnavailable
from jobs.states import Event, Outcome, State
from tests.faults.cluster import UNCHECKED
from tests.waiting import until


def ran_once(cluster, job_id):
    return cluster.outcomes(job_id) == [Outcome.SUCCEEDED] and len(cluster.videos(job_id)) == 1


def test_f06_a_queued_job_with_two_messages_runs_once(cluster):
    """F6: a duplicate message for a queued job."""
    job_id = cluster.submit()
    cluster.publish(job_id)
    until(lambda: cluster.pending_messages() >= 2, what="both messages")

    cluster.start_worker()
    cluster.ended(job_id)
    after = cluster.submit()

    assert cluster.ended(after).state == State.SUCCEEDED
    assert ran_once(cluster, job_id)


def test_f07_a_message_for_a_running_job_does_not_disturb_it(cluster):
    """F7: a duplicate message for a running job, also at another worker."""
    cluster.start_worker("one")
    cluster.start_worker("other")
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    cluster.publish(job_id)
    cluster.publish(job_id)
    until(lambda: cluster.pending_messages() == 0, what="the messages to be received")
    after = cluster.submit()
    cluster.ended(after)
    cluster.gate.touch()

    assert cluster.ended(job_id).state == State.SUCCEEDED
    assert ran_once(cluster, job_id)


def test_f08_a_worker_refuses_a_visibility_timeout_shorter_than_its_jobs(cluster):
    """F8: `visibility_timeout` below the time limit of a job."""
    worker = cluster.start_worker(ready=False, KINOMILL_VISIBILITY_TIMEOUT="4")

    status = worker.process.wait(60)

    assert status != 0
    assert "visibility_timeout is 4 s" in worker.log.read_text()


@pytest.mark.slow
def test_f08_redelivered_messages_start_no_attempt(cluster):
    """F8, without the preflight check, and with redelivery every two seconds."""
    for name in ("one", "other"):
        cluster.start_worker(name, cards=UNCHECKED, KINOMILL_VISIBILITY_TIMEOUT="4")
    job_id = cluster.submit(steps=150)

    job = cluster.ended(job_id)
    until(lambda: cluster.servers.redis.hlen("unacked") == 0, seconds=60, what="the last message")

    assert job.state == State.SUCCEEDED
    assert "no job is due" in "".join(w.log.read_text() for w in cluster.workers)
    assert ran_once(cluster, job_id)
    assert cluster.events(job_id).count(Event.PUBLISHED) == 1


def test_f09_a_broker_that_is_killed_with_its_data_loses_no_job(cluster):
    """F9: SIGKILL of Valkey, its data gone, with one job running and others queued."""
    cluster.start_worker()
    running = cluster.submit("wait")
    cluster.running(running)
    queued = [cluster.submit() for _ in range(5)]

    cluster.servers.kill_broker()
    cluster.servers.start_broker()
    cluster.gate.touch()

    assert cluster.ended(running).state == State.SUCCEEDED
    assert [cluster.ended(job_id).state for job_id in queued] == [State.SUCCEEDED] * 5
    assert all(ran_once(cluster, job_id) for job_id in (running, *queued))


def test_f10_a_flushed_broker_loses_no_job(cluster):
    """F10: FLUSHALL with jobs queued."""
    cluster.start_worker()
    running = cluster.submit("wait")
    cluster.running(running)
    queued = [cluster.submit() for _ in range(5)]

    cluster.servers.redis.flushall()
    cluster.gate.touch()

    assert cluster.ended(running).state == State.SUCCEEDED
    assert [cluster.ended(job_id).state for job_id in queued] == [State.SUCCEEDED] * 5
    assert all(ran_once(cluster, job_id) for job_id in (running, *queued))


OUTAGES = [
    pytest.param(30, id="some-seconds"),
    pytest.param(1200, id="two-minutes", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("steps", OUTAGES)
def test_f12_a_job_ends_during_a_broker_outage_and_the_worker_reconnects(cluster, steps):
    """F12: the outage lasts as long as another job takes, 0.1 s per step."""
    worker = cluster.start_worker()
    job_id = cluster.submit("wait")
    cluster.running(job_id)

    cluster.servers.kill_broker()
    cluster.gate.touch()
    assert cluster.ended(job_id).state == State.SUCCEEDED
    outage_of(steps)
    cluster.servers.start_broker()
    after = cluster.submit()

    assert cluster.ended(after, seconds=60).state == State.SUCCEEDED
    assert ran_once(cluster, job_id)
    assert worker.running


def outage_of(steps):
    """Wait for some time, in steps of half a poll."""
    until(iter([*[False] * (2 * steps), True]).__next__, seconds=600, what="the outage")


REFUSALS = {"full": "full_broker", "replica": "readonly_broker"}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_f13_a_broker_that_refuses_writes_delays_jobs_and_loses_none(cluster, refusal):
    """F13: `noeviction` and no memory left, or a failover: a worker is busy, and messages wait."""
    worker = cluster.start_worker()
    running = cluster.submit("wait")
    cluster.running(running)
    for _ in range(3):
        cluster.publish(running)

    with getattr(cluster.servers, refusal)():
        ids = [cluster.submit() for _ in range(5)]
        with pytest.raises(BrokerUnavailable):
            cluster.publish(ids[0])
        cluster.gate.touch()
        assert cluster.ended(running).state == State.SUCCEEDED
        until(lambda: "Connection to broker lost" in worker.log.read_text(), what="a refused write")
    states = [cluster.ended(job_id).state for job_id in ids]

    assert states == [State.SUCCEEDED] * 5
    assert all(ran_once(cluster, job_id) for job_id in (running, *ids))
    assert worker.running, "the worker keeps its model"
