"""Paused queues and drained workers: no claim, nothing lost."""

from __future__ import annotations

from jobs import lease as leases
from jobs.control import pauses
from jobs.fleet import worker_registry
from jobs.queue import wake_ups
from jobs.queue.wake_ups import DueQueue
from jobs.states import State
from tests.jobs import build

MODEL = "preview-lipsync"


def pause(sessions, **options):
    with sessions.begin() as session:
        return pauses.pause(session, MODEL, **options)


def resume(sessions):
    with sessions.begin() as session:
        return pauses.resume(session, MODEL)


def test_no_job_of_a_paused_queue_is_claimed_until_it_is_resumed(sessions):
    job_id = build.submitted(sessions)
    pause(sessions)

    assert build.claim_next(sessions) is None
    assert build.claim_next(sessions, max_running=2) is None

    assert resume(sessions)
    assert build.claim_next(sessions).job_id == job_id


def test_a_running_job_of_a_paused_queue_ends_and_a_lost_one_waits(sessions):
    running, lost = build.started(sessions), build.started(sessions)
    pause(sessions)

    with sessions.begin() as session:
        leases.succeed(session, running, result=build.RESULT, timings={})
        leases.preempt(session, lost)

    assert build.job(sessions, running.job_id).state == State.SUCCEEDED
    assert build.claim_next(sessions) is None
    resume(sessions)
    assert build.claim_next(sessions).job_id == lost.job_id


def test_a_paused_queue_accepts_jobs_and_other_queues_go_on(sessions):
    pause(sessions)
    build.submitted(sessions)
    other = build.submitted(sessions, model="wav2lip", queue="wav2lip")

    assert build.count(sessions, State.QUEUED) == 2
    assert build.claim_next(sessions, model="wav2lip", queue="wav2lip").job_id == other


def test_a_second_pause_changes_the_reason_only(sessions):
    first = pause(sessions, reason="a").paused_at

    again = pause(sessions, reason="b")

    assert (again.paused_at, again.reason) == (first, "b")
    assert resume(sessions)
    assert not resume(sessions)


def test_no_message_wakes_workers_of_a_paused_queue(sessions):
    build.submitted(sessions)
    queue = DueQueue(MODEL, 16)
    with sessions() as session:
        assert len(wake_ups.due_messages(session, queue)) == 1

    pause(sessions)

    with sessions() as session:
        assert wake_ups.due_messages(session, queue) == []


def test_the_state_of_a_queue_shows_the_pause_and_held_jobs(sessions):
    build.succeeded(sessions)
    first = build.submitted(sessions)
    build.change(sessions, [build.submitted(sessions)], due_at=None)
    pause(sessions, reason="repairs")

    state = build.queues(sessions)[MODEL]

    assert (state.waiting, state.held, state.pause.reason) == (2, 1, "repairs")
    assert state.oldest == int(first[4:16], 16) / 1000
    estimate = state.estimate(first, 1, now=state.oldest)
    assert (estimate.position, estimate.eta_p50_seconds, estimate.pause) == (1, None, state.pause)


def test_a_drained_worker_claims_nothing_until_it_is_resumed(sessions):
    job_id = build.submitted(sessions)
    register(sessions)

    with sessions.begin() as session:
        since = worker_registry.set_drained(session, "kinomill@test", drained=True).drained_at
        assert worker_registry.set_drained(session, "kinomill@test", drained=True).drained_at
        assert worker_registry.heartbeat(session, "kinomill@test").drained

    assert since is not None
    assert build.claim_next(sessions) is None
    assert build.queues(sessions)[MODEL].workers == 0
    with sessions.begin() as session:
        worker_registry.set_drained(session, "kinomill@test", drained=False)
        assert not worker_registry.heartbeat(session, "kinomill@test").drained
    assert build.claim_next(sessions).job_id == job_id


def test_a_drain_stays_with_the_process_and_ends_with_it(sessions):
    register(sessions, instance="a")
    with sessions.begin() as session:
        worker_registry.set_drained(session, "kinomill@test", drained=True)

    register(sessions, instance="a")
    with sessions.begin() as session:
        assert worker_registry.heartbeat(session, "kinomill@test", instance="a").drained
        worker_registry.deregister(session, "kinomill@test", instance="a")
    register(sessions, instance="b")

    with sessions.begin() as session:
        assert not worker_registry.heartbeat(session, "kinomill@test", instance="b").drained


def test_a_worker_that_nobody_knows_is_not_drained(sessions):
    with sessions.begin() as session:
        assert worker_registry.set_drained(session, "nobody", drained=True) is None


def register(sessions, instance=""):
    with sessions.begin() as session:
        worker_registry.register(session, "kinomill@test", models=[MODEL], pid=1, instance=instance)
