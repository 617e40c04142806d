"""The operator's part of both clients, before the real API."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from jobs import lease as leases
from jobs.fleet import worker_registry
from jobs.states import State
from kinomill import AsyncClient, Client, InMaintenance, NotFound, QuotaExceeded
from tests.api.build import MODEL, URLS
from tests.jobs import build
from tests.jobs.control.test_purge_and_requeue import failed
from tests.waiting import until


@pytest.fixture
def admin(client):
    return client.admin


def queue(admin):
    return next(one for one in admin.queues() if one.model == MODEL)


def test_a_queue_is_paused_seen_and_resumed(client, admin, sessions):
    admin.pause(MODEL, reason="repairs")
    job = client.submit(MODEL, URLS)

    until(lambda: client.get(job).queue.paused == "repairs", what="the pause in the job")
    until(lambda: queue(admin).waiting == 1, what="the job in the queue")
    seen = queue(admin)
    assert (seen.paused, seen.eta_seconds) == ("repairs", None)
    assert abs(seen.oldest_at - job.created_at) < timedelta(seconds=1)

    admin.resume(MODEL)
    until(lambda: queue(admin).paused is None, what="the end of the pause")


def test_a_queue_is_purged_and_its_failed_jobs_run_again(admin, sessions):
    failed(sessions)
    build.submitted(sessions)

    assert admin.purge(MODEL) == 1
    since = datetime.now(UTC) - timedelta(hours=1)
    assert admin.requeue(MODEL, since=since, code="worker_lost") == ()
    [again] = admin.requeue(MODEL, since=since)

    assert build.job(sessions, again).state == State.QUEUED
    assert admin.requeue(MODEL, since=since) == ()


def test_a_worker_is_drained_and_resumed(admin, sessions):
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@a", models=[MODEL], pid=1)

    admin.drain("kinomill@a")
    [worker] = admin.workers()
    assert (worker.status, worker.models) == ("drained", (MODEL,))
    assert worker.drained_at is not None

    admin.resume_worker("kinomill@a")
    assert admin.workers()[0].status == "ready"
    with pytest.raises(NotFound):
        admin.drain("nobody")


def test_submissions_are_refused_in_maintenance_mode(server, admin, sessions):
    state = admin.start_maintenance(reason="New disks", retry_after_seconds=9)
    with Client(server, max_retries=0) as client, pytest.raises(InMaintenance) as refused:
        client.submit(MODEL, URLS)

    assert (refused.value.status, refused.value.retry_after) == (503, 9)
    assert state == admin.maintenance()
    assert not admin.end_maintenance().active


def test_quotas_are_set_and_a_refusal_names_them(server, admin, sessions):
    limits = admin.set_limits("local", jobs_per_day=0)
    with Client(server, max_retries=0) as client, pytest.raises(QuotaExceeded) as refused:
        client.submit(MODEL, URLS)

    assert refused.value.code == "jobs_per_day"
    assert admin.all_limits() == (limits,)
    admin.delete_limits("local")
    assert admin.limits("local").jobs_per_day is None


def test_acts_are_audited_and_usage_is_reported(admin, sessions):
    admin.pause(MODEL)
    admin.resume(MODEL)
    for account in ("a", "b"):
        build.submitted(sessions, account=account)

    page = admin.audit(limit=1)
    assert [entry.act for entry in page] == ["queue.resume"]
    assert [entry.act for entry in admin.audit(before=page.next_cursor)] == ["queue.pause"]
    lines = admin.usage(account="*")
    assert [(line.account, line.submitted) for line in lines] == [("a", 1), ("b", 1)]
    assert lines[0].day == datetime.now(UTC).date()


def test_an_operator_lists_the_jobs_of_an_account(client, sessions):
    job_id = build.submitted(sessions, account="other")

    assert [job.id for job in client.list(account="other")] == [job_id]
    assert [job.account for job in client.list_all(account="*")] == ["other"]
    assert list(client.list_all()) == []


def test_the_asyncio_client_acts_too(server, sessions):
    async def use():
        async with AsyncClient(server) as client:
            await client.admin.pause(MODEL, reason="x")
            await client.admin.resume(MODEL)
            page = await client.admin.audit(limit=2)
            return [(entry.act, entry.subject) for entry in page]

    assert asyncio.run(use()) == [("queue.resume", MODEL), ("queue.pause", MODEL)]


def test_an_account_is_erased_once_its_job_has_stopped(admin, sessions):
    lease = build.claimed(sessions, build.submitted(sessions, account="gone"))
    build.submitted(sessions, account="gone")
    seen = []

    def stop(so_far):
        seen.append(so_far.jobs)
        if len(seen) == 1:
            with sessions.begin() as session:
                leases.cancel(session, lease)

    erased = admin.erase_account("gone", on_progress=stop)

    assert (erased.jobs, erased.complete) == (2, True)
    assert seen[0] == 1


def test_a_job_that_does_not_stop_ends_the_wait(server, sessions):
    build.claimed(sessions, build.submitted(sessions, account="gone"))

    async def erase():
        async with AsyncClient(server) as client:
            return await client.admin.erase_account("gone", timeout=0)

    erased = asyncio.run(erase())

    assert (erased.jobs, erased.complete) == (0, False)
