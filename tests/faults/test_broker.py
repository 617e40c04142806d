"""A broker that repeats, forgets, dies or is full: it costs seconds, never a job."""

from __future__ import annotations

import pytest

from jobs.queue.broker import BrokerUnavailable
from jobs.states import Event, Outcome, State
from tests.faults.cluster import RECKLESS
from tests.waiting import until


def ran_once(crew, job_id):
    return crew.outcomes(job_id) == [Outcome.SUCCEEDED] and len(crew.videos(job_id)) == 1


def test_f06_a_queued_job_that_is_called_twice_runs_once(crew):
    """F6: a duplicate message for a queued job."""
    job_id = crew.submit()
    crew.publish(job_id)
    until(lambda: crew.calls_waiting() >= 2, what="both calls")

    crew.hire()
    crew.ended(job_id)
    after = crew.submit()

    assert crew.ended(after).state == State.SUCCEEDED
    assert ran_once(crew, job_id)


def test_f07_a_call_for_a_running_job_does_not_disturb_it(crew):
    """F7: a duplicate message for a running job, at the other worker too."""
    crew.hire("one")
    crew.hire("other")
    job_id = crew.submit("wait")
    crew.running(job_id)

    crew.publish(job_id)
    crew.publish(job_id)
    until(lambda: crew.calls_waiting() == 0, what="the calls to be taken")
    after = crew.submit()
    crew.ended(after)
    crew.gate.touch()

    assert crew.ended(job_id).state == State.SUCCEEDED
    assert ran_once(crew, job_id)


def test_f08_a_worker_refuses_a_broker_that_is_less_patient_than_its_jobs(crew):
    """F8: `visibility_timeout` below the time that a job may take."""
    worker = crew.hire(ready=False, KINOMILL_VISIBILITY_TIMEOUT="4")

    status = worker.process.wait(60)

    assert status != 0
    assert "visibility_timeout is 4 s" in worker.log.read_text()


@pytest.mark.slow
def test_f08_calls_that_are_handed_out_again_and_again_run_nothing(crew):
    """F8, with the check out of the way, and overdue calls looked for every two seconds."""
    for name in ("one", "other"):
        crew.hire(name, cards=RECKLESS, KINOMILL_VISIBILITY_TIMEOUT="4")
    job_id = crew.submit(steps=150)

    job = crew.ended(job_id)
    until(lambda: crew.servers.redis.hlen("unacked") == 0, seconds=60, what="the last call")

    assert job.state == State.SUCCEEDED
    assert "nothing to do" in "".join(w.log.read_text() for w in crew.workers)
    assert ran_once(crew, job_id)
    assert crew.events(job_id).count(Event.PUBLISHED) == 1


def test_f09_a_broker_killed_without_a_trace_loses_no_job(crew):
    """F9: SIGKILL of Valkey, its data gone, with one job running and others queued."""
    crew.hire()
    running = crew.submit("wait")
    crew.running(running)
    queued = [crew.submit() for _ in range(5)]

    crew.servers.kill_broker()
    crew.servers.start_broker()
    crew.gate.touch()

    assert crew.ended(running).state == State.SUCCEEDED
    assert [crew.ended(job_id).state for job_id in queued] == [State.SUCCEEDED] * 5
    assert all(ran_once(crew, job_id) for job_id in (running, *queued))


def test_f10_an_emptied_broker_loses_no_job(crew):
    """F10: FLUSHALL with jobs queued."""
    crew.hire()
    running = crew.submit("wait")
    crew.running(running)
    queued = [crew.submit() for _ in range(5)]

    crew.servers.redis.flushall()
    crew.gate.touch()

    assert crew.ended(running).state == State.SUCCEEDED
    assert [crew.ended(job_id).state for job_id in queued] == [State.SUCCEEDED] * 5
    assert all(ran_once(crew, job_id) for job_id in (running, *queued))


OUTAGES = [
    pytest.param(30, id="some-seconds"),
    pytest.param(1200, id="two-minutes", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("steps", OUTAGES)
def test_f12_a_job_ends_while_the_broker_is_away_and_the_worker_finds_it_again(crew, steps):
    """F12: the outage lasts as long as another job takes, a tenth of a second a step."""
    worker = crew.hire()
    job_id = crew.submit("wait")
    crew.running(job_id)

    crew.servers.kill_broker()
    crew.gate.touch()
    assert crew.ended(job_id).state == State.SUCCEEDED
    spend(steps)
    crew.servers.start_broker()
    after = crew.submit()

    assert crew.ended(after, seconds=60).state == State.SUCCEEDED
    assert ran_once(crew, job_id)
    assert worker.running


def spend(steps):
    """Let an outage last: time itself is the condition."""
    until(iter([*[False] * (2 * steps), True]).__next__, seconds=600, what="the outage")


def test_f13_a_full_broker_delays_jobs_and_loses_none(crew):
    """F13: `noeviction` and no memory left, with a worker that is at work."""
    crew.hire()
    running = crew.submit("wait")
    crew.running(running)

    with crew.servers.full_broker():
        ids = [crew.submit() for _ in range(5)]
        with pytest.raises(BrokerUnavailable):
            crew.publish(ids[0])
        crew.gate.touch()
        assert crew.ended(running).state == State.SUCCEEDED
    states = [crew.ended(job_id).state for job_id in ids]

    assert states == [State.SUCCEEDED] * 5
    assert all(ran_once(crew, job_id) for job_id in (running, *ids))
