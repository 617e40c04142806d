"""A cancel, a success and the watchdog at the same moment: exactly one ends the job."""

from __future__ import annotations

from functools import partial

import pytest

from jobs import lease as leases
from jobs import service
from jobs.errors import LeaseLost, RequestError
from jobs.states import Event, State
from tests.jobs import build

ROUNDS = 1000
ENDS = {
    Event.PUBLISHED: State.SUCCEEDED,
    Event.CANCELED: State.CANCELED,
    Event.FAILED: State.FAILED,
}


def ask(sessions, job_id):
    """What the owner does."""
    with sessions.begin() as session:
        service.cancel(session, "local", job_id)


def succeed(sessions, lease):
    """What the main thread of the child does."""
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={})


def give_up(sessions, lease):
    """What the lease keeper of the child does."""
    with sessions.begin() as session:
        leases.cancel(session, lease)


@pytest.mark.slow
def test_f23_a_cancel_that_races_with_success_ends_each_job_once(servers):
    """F23: 1,000 times, each with the owner, the child and its lease keeper at the same moment."""
    servers.clear()
    sessions = servers.sessions
    winners = []

    for _ in range(ROUNDS):
        lease = build.started(sessions)
        asked, *closed = build.at_once(
            partial(ask, sessions, lease.job_id),
            partial(succeed, sessions, lease),
            partial(give_up, sessions, lease),
        )
        job = build.job(sessions, lease.job_id)
        (end,) = [event for event in build.events(sessions, lease.job_id) if event in ENDS]
        assert isinstance(asked, RequestError) or asked is None
        assert sorted(map(type, closed), key=str) == [type(None), LeaseLost]
        assert job.state == ENDS[end] == (State.CANCELED if closed[0] else State.SUCCEEDED)
        assert build.attempt(sessions, lease.job_id).ended_at == job.ended_at
        winners.append(job.state)

    assert set(winners) == {State.SUCCEEDED, State.CANCELED}
