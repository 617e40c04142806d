"""Webhooks: delivered at least once, with the same id if delivered twice."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select, update

from jobs.tables import WebhookRow
from jobs.webhooks.signing import format_secret, secret_of
from tests.jobs import build
from tests.maintenance.receiver import receiving, signed
from tests.waiting import until
from tests.workers.process import ROOT

KEY = "a key of the tests"


@pytest.fixture
def sessions(servers):
    servers.clear()
    return servers.sessions


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@contextmanager
def webhook_sender_process(servers, receiver):
    """Send from another process, which is killed at the end of the block."""
    words = [servers.database_url, str(receiver.port), KEY]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.webhook_sender_process", *words], cwd=ROOT
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def row(sessions):
    with sessions() as session:
        return session.scalars(select(WebhookRow)).one()


def test_f32_a_sender_killed_after_sending_is_followed_by_one_with_the_same_id(
    servers, sessions, receiver
):
    """F32: the message was delivered, but not recorded as delivered."""
    receiver.free.clear()
    job_id = build.submitted(sessions, webhook_url=receiver.url)
    build.cancel(sessions, job_id)

    with webhook_sender_process(servers, receiver):
        until(lambda: receiver.came, what="the first message")
    receiver.free.set()
    assert row(sessions).delivered_at is None
    with sessions.begin() as session:  # the lease of the dead runs out
        session.execute(update(WebhookRow).values(next_attempt_at=func.now()))
    with webhook_sender_process(servers, receiver):
        until(lambda: row(sessions).delivered_at, what="the delivery")

    (first, one), (second, other) = receiver.came
    secret = format_secret(secret_of("local", KEY.encode()))
    assert first["webhook-id"] == second["webhook-id"] == row(sessions).id
    assert signed(first, one, secret)
    assert signed(second, other, secret)
    assert one == other
    assert row(sessions).attempts == 2


def test_f32_two_senders_deliver_each_message_once(servers, sessions, receiver):
    """F32, without a crash: no message is delivered twice."""
    for _ in range(20):
        build.cancel(sessions, build.submitted(sessions, webhook_url=receiver.url))

    with webhook_sender_process(servers, receiver), webhook_sender_process(servers, receiver):
        until(lambda: undelivered(sessions) == 0, what="the end of the outbox")

    ids = [headers["webhook-id"] for headers, _ in receiver.came]
    assert len(ids) == len(set(ids)) == 20


def undelivered(sessions):
    query = select(func.count()).where(WebhookRow.next_attempt_at.is_not(None))
    with sessions() as session:
        return session.scalar(query)
