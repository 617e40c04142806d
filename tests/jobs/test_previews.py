"""Previews: the latest of the last attempt, until the job succeeds or expires."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from jobs import expiry, previews, reaper, service
from jobs import lease as leases
from jobs.errors import AttemptFailed, LeaseLost
from jobs.tables import Preview
from tests.jobs import build

FIRST, SECOND = b"\xff\xd8\xff first", b"\xff\xd8\xff second"


def save(sessions, lease, jpeg=FIRST):
    with sessions.begin() as session:
        leases.save_preview(session, lease, jpeg)


def latest(sessions, job_id):
    with sessions() as session:
        return previews.latest(session, build.job(sessions, job_id))


def seen(sessions, *job_ids):
    jobs = [build.job(sessions, job_id) for job_id in job_ids]
    with sessions() as session:
        return previews.ids_with_preview(session, jobs)


def rows(sessions):
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Preview))


def fail(session, lease):
    leases.fail(session, lease, AttemptFailed("no_face", "no face"), max_retries=0)


def test_a_new_preview_replaces_the_one_before(sessions):
    lease = build.started(sessions)
    save(sessions, lease, FIRST)
    first = latest(sessions, lease.job_id)

    save(sessions, lease, SECOND)

    second = latest(sessions, lease.job_id)
    assert (first.jpeg, second.jpeg, rows(sessions)) == (FIRST, SECOND, 1)
    assert second.at > first.at


def test_no_preview_is_saved_after_the_lease_is_lost(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.preempt(session, lease)
    build.claimed(sessions, lease.job_id)

    with pytest.raises(LeaseLost):
        save(sessions, lease)

    assert rows(sessions) == 0


def test_a_new_attempt_starts_without_a_preview(sessions):
    lease = build.started(sessions)
    save(sessions, lease)
    with sessions.begin() as session:
        leases.preempt(session, lease)
    assert seen(sessions, lease.job_id) == {lease.job_id}

    build.claimed(sessions, lease.job_id)

    assert (latest(sessions, lease.job_id), rows(sessions)) == (None, 0)


def test_a_preview_of_an_earlier_attempt_is_not_shown(sessions):
    lease = build.started(sessions)
    save(sessions, lease)
    build.change(sessions, [lease.job_id], attempt=2)

    assert latest(sessions, lease.job_id) is None
    assert seen(sessions, lease.job_id) == set()


@pytest.mark.parametrize("end", [fail, leases.cancel])
def test_a_job_without_a_video_keeps_its_last_preview_until_it_expires(sessions, end):
    lease = build.started(sessions)
    save(sessions, lease)

    with sessions.begin() as session:
        end(session, lease)
    assert (rows(sessions), seen(sessions, lease.job_id)) == (1, {lease.job_id})
    with sessions.begin() as session:
        expiry.mark_expired(session, [lease.job_id])

    assert rows(sessions) == 0


def test_a_job_whose_worker_was_lost_keeps_its_preview(sessions):
    lease = build.started(sessions)
    save(sessions, lease)
    build.expire(sessions, lease.job_id)

    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=1)

    assert latest(sessions, lease.job_id).jpeg == FIRST


def test_the_preview_is_deleted_when_the_job_succeeds(sessions):
    lease = build.started(sessions)
    save(sessions, lease)

    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={})

    assert rows(sessions) == 0


def test_no_preview_is_saved_after_the_end_of_its_job(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={})

    with pytest.raises(LeaseLost):
        save(sessions, lease)

    assert rows(sessions) == 0


def test_an_end_and_a_preview_at_once_never_wait_for_each_other_for_ever(sessions):
    for _ in range(5):
        lease = build.started(sessions)

        def fail_job(lease=lease):
            with sessions.begin() as session:
                fail(session, lease)

        _, failed = build.at_once(lambda lease=lease: save(sessions, lease), fail_job)

        assert failed is None


def test_the_preview_is_deleted_with_its_job(sessions):
    lease = build.started(sessions)
    save(sessions, lease)
    with sessions.begin() as session:
        fail(session, lease)

    with sessions.begin() as session:
        service.delete(session, "local", lease.job_id)

    assert rows(sessions) == 0


def test_ids_with_preview_answers_for_many_jobs(sessions):
    shown, bare = (build.started(sessions) for _ in range(2))
    save(sessions, shown)

    assert seen(sessions, shown.job_id, bare.job_id, build.submitted(sessions)) == {shown.job_id}
    assert seen(sessions) == set()
