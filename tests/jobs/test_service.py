"""What the API does with jobs, also repeatedly and concurrently."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs import lease as leases
from jobs import service
from jobs.errors import ErrorCode, LeaseLost, RequestError
from jobs.ids import input_key, new_job_id
from jobs.states import Event, State
from tests.jobs import build
from tests.jobs.build import new_file_id


def page(sessions, *, account="local", before=None, limit=50, **filters):
    with sessions() as session:
        rows = service.page(session, account, service.Filter(**filters), before=before, limit=limit)
    return [job.id for job in rows]


@pytest.mark.parametrize("job_id", ["", "job_x", "file_" + "0" * 32, "job_" + "0" * 32, "\0"])
def test_an_unknown_id_is_not_found(sessions, job_id):
    with sessions() as session, pytest.raises(RequestError) as missing:
        service.find(session, "local", job_id)

    assert missing.value.code == ErrorCode.JOB_NOT_FOUND


def test_a_job_of_another_account_is_not_found_with_the_same_message(sessions):
    job_id = build.submitted(sessions, account="other")

    with sessions() as session:
        with pytest.raises(RequestError) as foreign:
            service.find(session, "local", job_id)
        with pytest.raises(RequestError) as missing:
            service.find(session, "local", new_job_id())

    assert foreign.value == missing.value


def test_a_job_of_another_account_cannot_be_canceled(sessions):
    job_id = build.submitted(sessions, account="other")

    with pytest.raises(RequestError, match="No job of yours"):
        build.cancel(sessions, job_id)

    assert build.job(sessions, job_id).state == State.QUEUED


def test_pages_run_from_the_newest_to_the_oldest_without_a_gap(sessions):
    ids = [build.submitted(sessions) for _ in range(5)]
    build.submitted(sessions, account="other")

    first = page(sessions, limit=2)
    second = page(sessions, limit=2, before=first[-1])
    third = page(sessions, limit=2, before=second[-1])

    assert first + second + third == ids[::-1]
    assert page(sessions, before=ids[0]) == []


def test_a_page_shows_only_jobs_that_match_the_filter(sessions):
    running = build.started(sessions).job_id
    plain = build.submitted(sessions)
    labeled = build.submitted(sessions, labels={"film": "a", "shot": "4"})
    other = build.submitted(sessions, model="wav2lip")

    assert page(sessions, state=State.RUNNING) == [running]
    assert page(sessions, model="wav2lip") == [other]
    assert page(sessions, labels={"film": "a"}) == [labeled]
    assert page(sessions, labels={"film": "a", "shot": "5"}) == []
    assert page(sessions, state=State.QUEUED, model="preview-lipsync") == [labeled, plain]


def test_a_queued_job_is_canceled_at_once(sessions):
    job_id = build.submitted(sessions)

    job = build.cancel(sessions, job_id)

    assert job.state == State.CANCELED
    assert job.ended_at is not None
    assert build.claimed(sessions, job_id) is None
    assert build.events(sessions, job_id) == [Event.SUBMITTED, Event.CANCELED]


def test_a_canceled_job_expires_like_any_other(sessions):
    job = build.cancel(sessions, build.submitted(sessions, ttl=timedelta(hours=1)))

    assert job.expires_at - job.ended_at == timedelta(hours=1)


@pytest.mark.parametrize("held", [False, True])
def test_a_canceled_job_releases_a_held_one(sessions, held):
    canceled, waiting = (build.submitted(sessions) for _ in range(2))
    build.change(sessions, [waiting, *[canceled] * held], due_at=None)

    build.cancel(sessions, canceled)

    released = build.job(sessions, waiting).due_at is not None
    assert released == (not held)


def delete(sessions, job_id, *, account="local"):
    with sessions.begin() as session:
        return service.delete(session, account, job_id)


def test_a_deleted_job_returns_its_object_keys(sessions):
    file = new_file_id()
    lease = build.claimed(sessions, build.submitted(sessions, input={"image": file}))
    finish(sessions, lease)

    keys = delete(sessions, lease.job_id)

    assert keys == [build.RESULT["key"], input_key(file)]
    assert build.events(sessions, lease.job_id) == []
    with pytest.raises(RequestError, match="No job of yours"):
        delete(sessions, lease.job_id)


@pytest.mark.parametrize("make", [build.submitted, lambda s: build.started(s).job_id])
def test_only_a_final_job_can_be_deleted(sessions, make):
    job_id = make(sessions)

    with pytest.raises(RequestError, match="Cancel it first") as refused:
        delete(sessions, job_id)

    assert refused.value.code == ErrorCode.JOB_NOT_FINISHED


def test_a_job_of_another_account_cannot_be_deleted(sessions):
    job_id = build.succeeded(sessions)

    with pytest.raises(RequestError, match="No job of yours"):
        delete(sessions, job_id, account="other")

    assert build.job(sessions, job_id).state == State.SUCCEEDED


def test_a_running_job_keeps_the_time_of_its_first_cancel_request(sessions):
    lease = build.started(sessions)

    first = build.cancel(sessions, lease.job_id)
    second = build.cancel(sessions, lease.job_id)

    assert first.state == State.RUNNING
    assert first.cancel_requested_at == second.cancel_requested_at is not None


@pytest.mark.parametrize(
    ("end", "word"), [(build.succeeded, "succeeded"), (build.canceled, "been canceled")]
)
def test_a_final_job_cannot_be_canceled(sessions, end, word):
    job_id = end(sessions)

    with pytest.raises(RequestError, match=f"already {word}") as refused:
        build.cancel(sessions, job_id)

    assert refused.value.code == ErrorCode.JOB_ALREADY_FINAL
    assert refused.value.extra == {"job_status": build.job(sessions, job_id).state}


def test_a_job_that_is_deleted_meanwhile_is_not_found_by_a_cancel(sessions):
    job_id = build.submitted(sessions)
    build.cancel(sessions, job_id)

    with sessions() as session:
        seen = service.find(session, "local", job_id)
        with sessions.begin() as other:
            service.delete(other, "local", job_id)
        with pytest.raises(RequestError) as missing:
            service.cancel(session, "local", seen.id)

    assert missing.value.code == ErrorCode.JOB_NOT_FOUND


def test_a_cancel_reports_the_state_that_a_worker_set_meanwhile(sessions):
    job_id = build.submitted(sessions)

    with sessions.begin() as session:
        service.find(session, "local", job_id)
        build.claimed(sessions, job_id)
        job = service.cancel(session, "local", job_id)

    assert (job.state, job.attempt) == (State.RUNNING, 1)
    assert job.cancel_requested_at is not None


def test_concurrent_cancel_and_preemption_always_cancel(sessions):
    for _ in range(25):
        lease = build.started(sessions)

        build.at_once(
            lambda lease=lease: preempt(sessions, lease),
            lambda lease=lease: build.cancel(sessions, lease.job_id),
        )

        assert build.job(sessions, lease.job_id).state == State.CANCELED


def test_concurrent_cancel_and_claim_end_in_one_of_two_ways(sessions):
    for _ in range(25):
        job_id = build.submitted(sessions)

        lease, answer = build.at_once(
            lambda job_id=job_id: build.claimed(sessions, job_id),
            lambda job_id=job_id: build.cancel(sessions, job_id),
        )

        job = build.job(sessions, job_id)
        assert job.cancel_requested_at is not None
        assert (job.state == State.CANCELED) == (lease is None)
        assert answer.state == job.state


def test_concurrent_cancel_and_success_leave_one_final_state(sessions):
    for _ in range(25):
        lease = build.started(sessions)

        _, answer = build.at_once(
            lambda lease=lease: finish(sessions, lease),
            lambda lease=lease: build.cancel(sessions, lease.job_id),
        )

        kinds = build.events(sessions, lease.job_id)
        assert build.job(sessions, lease.job_id).state == State.SUCCEEDED
        assert kinds.count(Event.PUBLISHED) == 1
        assert isinstance(answer, RequestError) or Event.CANCEL_REQUESTED in kinds


def test_concurrent_preemption_and_success_leave_one_final_state(sessions):
    for _ in range(25):
        lease = build.started(sessions)

        answers = build.at_once(
            lambda lease=lease: finish(sessions, lease),
            lambda lease=lease: stop(sessions, lease),
        )

        assert [isinstance(answer, LeaseLost) for answer in answers].count(True) == 1
        kinds = build.events(sessions, lease.job_id)
        assert len({Event.PUBLISHED, Event.CANCELED} & set(kinds)) == 1


def finish(sessions, lease):
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={})


def stop(sessions, lease):
    with sessions.begin() as session:
        leases.cancel(session, lease)


def preempt(sessions, lease):
    with sessions.begin() as session:
        leases.preempt(session, lease)
