"""Two maintenance processes at once: each row is handled by one of them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from jobs import reaper
from jobs.queue import wake_ups
from jobs.queue.broker import Broker
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
    for _ in ids:
        build.claim_next(sessions, ttl=timedelta(seconds=-1))

    def reap():
        return until_empty(sessions, lambda session: reaper.reap(session, max_worker_losses=3))

    taken = build.at_once(reap, reap)

    assert sorted(taken[0] + taken[1]) == sorted(ids)
    assert Counter(column(sessions, Job.worker_losses)) == {1: JOBS}
    assert Counter(column(sessions, Job.state)) == {State.QUEUED: JOBS}
    assert Counter(column(sessions, Attempt.outcome)) == {Outcome.LOST: JOBS}
    assert build.events(sessions, ids[0]).count(Event.REQUEUED) == 1


def test_f28_two_processes_send_one_message_for_each_due_job(sessions, servers, monkeypatch):
    """F28: 200 jobs that are due, fewer than a queue may have messages."""
    monkeypatch.setattr(wake_ups, "MESSAGES_PER_WORKER", 1000)
    ids = submitted(sessions)[:200]
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id.not_in(ids)).values(due_at=None))
    broker = Broker(servers.broker_url)

    build.at_once(*[lambda: wake_ups.top_up(sessions, broker)] * 2)

    broker.close()
    assert servers.redis.llen("preview-lipsync") == 200
