"""Two maintenance processes at once: each row is handled by one of them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from jobs import lease as leases
from jobs import reaper
from jobs.queue import republish
from jobs.states import Event, Outcome, State
from jobs.tables import Attempt, Job
from tests.jobs import build

JOBS = 500


@pytest.fixture
def sessions(servers):
    servers.clear()
    return servers.sessions


def submitted(sessions):
    """Five hundred jobs in one transaction."""
    batch = [build.submission() for _ in range(JOBS)]
    return [accepted.job.id for accepted in build.submit(sessions, *batch)]


def column(sessions, what):
    with sessions() as session:
        return list(session.scalars(select(what)))


def until_empty(sessions, claim_batch):
    """Claim batches until there is nothing left; returns everything claimed."""
    taken = []
    while True:
        with sessions.begin() as session:
            batch = claim_batch(session)
        if not batch:
            return taken
        taken += batch


def test_f28_two_reapers_recover_each_lost_job_once(sessions):
    """F28: five hundred expired leases."""
    ids = submitted(sessions)
    with sessions.begin() as session:
        for job_id in ids:
            leases.claim(session, job_id, worker="one@test", pid=1, ttl=timedelta(seconds=-1))

    def reap():
        return until_empty(sessions, lambda session: reaper.reap(session, max_worker_losses=3))

    taken = build.at_once(reap, reap)

    assert sorted(taken[0] + taken[1]) == sorted(ids)
    assert Counter(column(sessions, Job.worker_losses)) == {1: JOBS}
    assert Counter(column(sessions, Job.state)) == {State.QUEUED: JOBS}
    assert Counter(column(sessions, Attempt.outcome)) == {Outcome.LOST: JOBS}
    assert build.events(sessions, ids[0]).count(Event.REQUEUED) == 1


def test_f28_two_processes_publish_each_due_job_once(sessions):
    """F28: five hundred jobs that are due."""
    ids = submitted(sessions)
    build.make_due(sessions, *ids)

    def publish():
        return until_empty(sessions, republish.due_messages)

    published = build.at_once(publish, publish)

    assert sorted(message.job_id for message in published[0] + published[1]) == sorted(ids)
    assert Counter(column(sessions, Job.dispatch_no)) == {2: JOBS}
