"""A lease: claimed once, proven by its token, lost without harm."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode, LeaseLost
from jobs.fleet import worker_registry
from jobs.states import Event, Outcome, Phase, State
from tests.jobs import build

TTL = timedelta(seconds=60)
UNAVAILABLE = AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, "unavailable", retryable=True)
BROKEN = AttemptFailed("no_face", "There is no face.", field="image")

WRITES = {
    "renew": lambda session, lease: leases.renew(
        session, lease, ttl=TTL, phase=Phase.GENERATING, progress={}
    ),
    "succeed": partial(leases.succeed, result=build.RESULT, timings={}),
    "fail": partial(leases.fail, error=BROKEN, max_retries=2),
    "retry": partial(leases.fail, error=UNAVAILABLE, max_retries=2),
    "cancel": leases.cancel,
    "give_back": leases.preempt,
}


def fail(sessions, lease, error, *, max_retries=2):
    with sessions.begin() as session:
        return leases.fail(session, lease, error, max_retries=max_retries)


def preempt(sessions, lease):
    with sessions.begin() as session:
        return leases.preempt(session, lease)


def test_a_claim_records_the_attempt(sessions):
    job_id = build.submitted(sessions)

    lease = build.claimed(sessions, job_id, worker="kinomill@here")

    job, attempt = build.job(sessions, job_id), build.attempt(sessions, job_id)
    assert (job.state, job.attempt, job.phase) == (State.RUNNING, 1, Phase.STARTING)
    assert job.lease_token == attempt.token == lease.token
    assert job.lease_until - job.started_at == TTL
    assert (attempt.worker, attempt.outcome) == ("kinomill@here", None)
    assert lease.input == job.input
    assert lease.result_key("mp4") == f"results/{job_id}/1-{lease.token.hex[:8]}.mp4"


def test_one_of_twenty_concurrent_claims_gets_the_job(sessions):
    job_id = build.submitted(sessions)

    claims = build.at_once(*[lambda: build.claimed(sessions, job_id)] * 20)

    assert len([lease for lease in claims if lease is not None]) == 1
    assert build.job(sessions, job_id).attempt == 1


@pytest.mark.parametrize("end", [build.succeeded, build.canceled])
def test_a_final_job_is_not_claimed(sessions, end):
    assert build.claimed(sessions, end(sessions)) is None


@pytest.mark.parametrize("write", WRITES)
def test_a_lost_lease_writes_nothing(sessions, write):
    slow = build.started(sessions)
    preempt(sessions, slow)
    winner = build.claimed(sessions, slow.job_id)
    before = build.job(sessions, slow.job_id), build.events(sessions, slow.job_id)

    with pytest.raises(LeaseLost), sessions.begin() as session:
        WRITES[write](session, slow)

    after = build.job(sessions, slow.job_id)
    assert (after.lease_token, after.lease_until) == (winner.token, before[0].lease_until)
    assert build.events(sessions, slow.job_id) == before[1]
    assert build.attempt(sessions, slow.job_id).outcome == Outcome.PREEMPTED


@pytest.mark.parametrize("write", WRITES)
def test_a_final_job_is_not_written_any_more(sessions, write):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.cancel(session, lease)

    with pytest.raises(LeaseLost), sessions.begin() as session:
        WRITES[write](session, lease)

    assert build.job(sessions, lease.job_id).state == State.CANCELED


def test_a_heartbeat_extends_the_lease_and_stores_progress(sessions):
    lease = build.started(sessions, ttl=timedelta(seconds=1))
    before = build.job(sessions, lease.job_id).lease_until

    with sessions.begin() as session:
        orders = leases.renew(
            session, lease, ttl=TTL, phase=Phase.GENERATING, progress={"percent": 40.0}
        )

    job = build.job(sessions, lease.job_id)
    assert not orders.cancel_requested
    assert (job.phase, job.progress) == (Phase.GENERATING, {"percent": 40.0})
    assert job.lease_until - before > timedelta(seconds=58)


def test_a_heartbeat_reads_the_cancel_request(sessions):
    lease = build.started(sessions)
    build.cancel(sessions, lease.job_id)

    with sessions.begin() as session:
        orders = WRITES["renew"](session, lease)

    assert orders.cancel_requested


def test_a_success_overrules_a_late_cancel_request(sessions):
    lease = build.started(sessions)
    build.cancel(sessions, lease.job_id)

    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={"generating": 1.5})

    job = build.job(sessions, lease.job_id)
    assert (job.state, job.result, job.timings) == (
        State.SUCCEEDED,
        build.RESULT,
        {"generating": 1.5},
    )
    assert (job.phase, job.lease_until, job.progress) == (None, None, {"percent": 100.0})
    assert build.attempt(sessions, lease.job_id).key == build.RESULT["key"]
    assert build.events(sessions, lease.job_id)[-1] == Event.PUBLISHED


def test_only_the_attempt_that_made_the_result_has_published(sessions):
    lost = build.started(sessions)
    preempt(sessions, lost)
    lease = build.claimed(sessions, lost.job_id)
    with sessions.begin() as session:
        assert not leases.published(session, lease)
        leases.succeed(session, lease, result={"key": lease.result_key("mp4")}, timings={})

    with sessions() as session:
        assert leases.published(session, lease)
        assert not leases.published(session, lost)


def test_a_temporary_error_is_retried_until_no_retry_is_left(sessions):
    job_id = build.submitted(sessions)

    outcomes = [fail(sessions, build.claimed(sessions, job_id), UNAVAILABLE) for _ in range(3)]

    job = build.job(sessions, job_id)
    assert outcomes == [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED]
    assert (job.state, job.retries, job.attempt) == (State.FAILED, 2, 3)
    assert job.error["code"] == "storage_unavailable"
    assert build.attempt(sessions, job_id, 3).outcome == Outcome.FAILED


def test_a_retried_job_shows_no_error_but_its_attempt_does(sessions):
    lease = build.started(sessions)

    fail(sessions, lease, UNAVAILABLE)

    job, attempt = build.job(sessions, lease.job_id), build.attempt(sessions, lease.job_id)
    assert (job.state, job.error, job.lease_token, job.ended_at) == (State.QUEUED,) + (None,) * 3
    assert attempt.error["detail"] == "unavailable"
    assert job.due_at - attempt.ended_at == leases.RETRY_DELAY
    assert build.events(sessions, job.id)[-1] == Event.REQUEUED


def test_a_permanent_error_fails_the_job_at_once(sessions):
    lease = build.started(sessions)

    fail(sessions, lease, BROKEN)

    assert build.job(sessions, lease.job_id).error == {
        "code": "no_face",
        "detail": "There is no face.",
        "retryable": False,
        "field": "image",
    }


def test_a_preempted_job_is_due_at_once(sessions):
    lease = build.started(sessions)

    preempt(sessions, lease)

    job, attempt = build.job(sessions, lease.job_id), build.attempt(sessions, lease.job_id)
    assert (job.state, job.worker_losses, job.retries) == (State.QUEUED, 0, 0)
    assert (attempt.outcome, job.due_at) == (Outcome.PREEMPTED, attempt.ended_at)


def test_a_job_preempted_too_often_fails(sessions):
    job_id = build.submitted(sessions)

    outcomes = []
    for _ in range(3):
        lease = build.claimed(sessions, job_id)
        with sessions.begin() as session:
            outcomes.append(leases.preempt(session, lease, max_preemptions=2))

    job = build.job(sessions, job_id)
    assert outcomes == [Outcome.PREEMPTED, Outcome.PREEMPTED, Outcome.FAILED]
    assert (job.state, job.preemptions, job.worker_losses) == (State.FAILED, 2, 0)
    assert job.error["code"] == "worker_lost"
    assert "preempted 2 times" in job.error["detail"]


def test_a_heartbeat_reads_the_time_left_to_drain(sessions):
    lease = build.started(sessions, worker="kinomill@leaving")
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@leaving", models=[], pid=1)
        assert WRITES["renew"](session, lease).drain_left is None
        worker_registry.drain(session, "kinomill@leaving", window=timedelta(seconds=45))
        left = WRITES["renew"](session, lease).drain_left
        worker_registry.deregister(session, "kinomill@leaving")

    assert timedelta(seconds=35) < left <= timedelta(seconds=45)


@pytest.mark.parametrize("end", ["succeed", "fail", "cancel"])
def test_every_end_sets_when_the_job_expires(sessions, end):
    lease = build.started(sessions)
    build.change(sessions, [lease.job_id], ttl=timedelta(hours=3))

    with sessions.begin() as session:
        WRITES[end](session, lease)

    job = build.job(sessions, lease.job_id)
    assert job.expires_at - job.ended_at == timedelta(hours=3)


@pytest.mark.parametrize("move", ["retry", "give_back"])
def test_a_job_that_is_queued_again_does_not_expire(sessions, move):
    lease = build.started(sessions)

    with sessions.begin() as session:
        WRITES[move](session, lease)

    assert build.job(sessions, lease.job_id).expires_at is None


@pytest.mark.parametrize(
    "leave", [preempt, lambda sessions, lease: fail(sessions, lease, UNAVAILABLE)]
)
def test_a_canceled_job_is_not_queued_again(sessions, leave):
    lease = build.started(sessions)
    build.cancel(sessions, lease.job_id)

    outcome = leave(sessions, lease)

    assert outcome == Outcome.CANCELED
    assert build.job(sessions, lease.job_id).state == State.CANCELED
    assert build.attempt(sessions, lease.job_id).outcome == Outcome.CANCELED


def test_a_claim_records_the_id_of_its_message(sessions):
    job_id = build.submitted(sessions)

    build.claimed(sessions, job_id, task_id="job_x:3")

    assert build.attempt(sessions, job_id).task_id == "job_x:3"


def test_a_claim_clears_notes_and_a_heartbeat_without_notes_keeps_them(sessions):
    lease = build.started(sessions)
    settled = {"width": 832, "plan": {"offload": True}}
    for notes in (settled, None):
        with sessions.begin() as session:
            leases.renew(session, lease, ttl=TTL, phase=Phase.GENERATING, progress={}, notes=notes)
    assert build.job(sessions, lease.job_id).notes == settled

    preempt(sessions, lease)
    assert build.job(sessions, lease.job_id).notes == settled
    build.claimed(sessions, lease.job_id)

    assert build.job(sessions, lease.job_id).notes == {}


@pytest.mark.parametrize("end", ["succeed", "fail", "retry", "cancel", "give_back"])
def test_the_end_of_an_attempt_stores_its_notes_or_keeps_those_of_the_last_heartbeat(sessions, end):
    kept, replaced = ({"width": 832}, {"width": 416})
    for notes, stored in ((None, kept), (replaced, replaced)):
        lease = build.started(sessions)
        with sessions.begin() as session:
            leases.renew(session, lease, ttl=TTL, phase=Phase.GENERATING, progress={}, notes=kept)
            WRITES[end](session, lease, report=leases.AttemptReport(notes=notes))

        assert build.job(sessions, lease.job_id).notes == stored
        build.change(sessions, [lease.job_id], due_at=None)


def test_files_of_an_attempt_have_the_key_prefix_of_its_video(sessions):
    lease = build.started(sessions)

    assert lease.file_key("voice.wav") == lease.result_key("mp4").replace(".mp4", "/voice.wav")
