"""The lease keeper of a running attempt, with real rows."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
import structlog
from sqlalchemy import text
from structlog.testing import capture_logs

from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode, LeaseLost
from jobs.fleet import worker_registry
from jobs.states import Phase
from jobs.tables import Preview
from tests.jobs import build
from tests.waiting import until
from workers.child.lease_keeper import Canceled, Drained, LeaseKeeper, LeaseKeeperConfig

LONG = timedelta(minutes=5)
JPEG = b"\xff\xd8\xff "
WORKER = "drained@test"
MODEL = "preview-lipsync"


def keeper(lease, sessions, *, engine=None, stall=LONG, grace=LONG, ttl=LONG, preview_seconds=0.01):
    config = LeaseKeeperConfig(
        ttl=ttl,
        heartbeat_interval=timedelta(seconds=0.05),
        cancel_grace=grace,
        stall_limit=stall,
        max_retries=2,
        max_preemptions=20,
        preview_seconds=preview_seconds,
    )
    return LeaseKeeper(lease, engine or engine_of(sessions), config)


def engine_of(sessions):
    """The engine of a worker's child, in which each statement commits by itself."""
    return sessions.kw["bind"].execution_options(isolation_level="AUTOCOMMIT")


def report_until_stopped(running, phase=Phase.GENERATING):
    """Report each step as a runner does, until a report raises."""

    def step():
        running.report(phase, 1, 2)

    until(step, what="an order to stop")


def test_heartbeats_renew_the_lease_and_store_progress(sessions):
    lease = build.started(sessions, ttl=timedelta(seconds=2))

    with keeper(lease, sessions) as running:
        running.report(Phase.GENERATING, 3, 7)
        job = until(lambda: with_progress(sessions, lease), what="progress")

    progress = job.progress | {"eta_seconds": 0}
    assert (job.phase, progress) == (
        Phase.GENERATING,
        {"percent": 42.9, "step": 3, "steps": 7, "eta_seconds": 0},
    )
    assert job.lease_until - job.started_at > timedelta(minutes=4)


def with_progress(sessions, lease):
    job = build.job(sessions, lease.job_id)
    return job if job.progress else None


def seen(sessions, lease):
    with sessions() as session:
        preview = session.get(Preview, lease.job_id)
    return preview.jpeg if preview else None


def test_heartbeats_store_the_newest_preview_and_notes(sessions):
    lease = build.started(sessions)

    with keeper(lease, sessions) as running:
        running.report(Phase.PREPROCESSING, notes={"width": 832, "frames": 80})
        running.report(Phase.GENERATING, 1, 2, preview=lambda: JPEG + b"1", notes={"frames": 81})
        until(lambda: seen(sessions, lease) == JPEG + b"1", what="the first preview")
        assert build.job(sessions, lease.job_id).notes == {"width": 832, "frames": 81}
        until(lambda: show(running, b"2") or seen(sessions, lease) == JPEG + b"2")


def show(running, what):
    running.report(Phase.GENERATING, 1, 2, preview=lambda: JPEG + what)


def test_at_most_one_preview_is_stored_per_interval(sessions):
    lease = build.started(sessions, ttl=timedelta(seconds=2))
    made = []

    with keeper(lease, sessions, preview_seconds=60) as running:
        for number in range(50):
            make = lambda number=number: made.append(number) or JPEG  # noqa: E731
            running.report(Phase.GENERATING, number, 50, preview=make)
        await_renewals(sessions, lease, 3)

    assert (made, seen(sessions, lease)) == ([0], JPEG)


def test_a_job_that_succeeds_while_a_preview_is_stored_keeps_none(sessions):
    for number in range(20):
        lease = build.started(sessions)
        with keeper(lease, sessions) as running:
            await_renewals(sessions, lease, 1)
            show(running, b"%d" % number)
            time.sleep(0.002 * number)
            running.prepare_end()
            show(running, b"late")
            with sessions.begin() as session:
                leases.succeed(session, lease, result=build.RESULT, timings={})

        assert seen(sessions, lease) is None


def test_the_end_of_an_attempt_is_no_lost_lease(sessions):
    """A heartbeat that waited for the row of the job finds it ended."""
    lease = build.started(sessions)
    with capture_logs() as logs, keeper(lease, sessions) as running:
        await_renewals(sessions, lease, 1)
        running.prepare_end()
        with sessions.begin() as session:
            leases.succeed(session, lease, result=build.RESULT, timings={})
        time.sleep(0.2)

    assert running._stop is None
    assert [line for line in logs if line["event"] == "stopping attempt"] == []


def test_a_lost_lease_stores_no_preview(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.preempt(session, lease)
    build.claimed(sessions, lease.job_id)

    with keeper(lease, sessions) as running:
        show(running, b"1")
        until(lambda: running._stop, what="the order to stop")

    assert isinstance(running._stop, LeaseLost)
    assert seen(sessions, lease) is None


def test_a_preview_that_cannot_be_stored_is_not_logged(sessions):
    lease = build.started(sessions, ttl=timedelta(seconds=2))
    with sessions.begin() as session:
        session.execute(text("ALTER TABLE previews RENAME TO hidden"))

    try:
        with capture_logs() as logs, keeper(lease, sessions) as running:
            show(running, b"a secret")
            until(lambda: logs, what="the warning")
            await_renewals(sessions, lease, 2)
            running.report(Phase.GENERATING, 2, 2)
    finally:
        with sessions.begin() as session:
            session.execute(text("ALTER TABLE hidden RENAME TO previews"))

    assert [entry["event"] for entry in logs] == ["preview not stored"]
    assert "secret" not in str(logs)
    assert not logs[0].get("exc_info")


def test_a_cancel_is_raised_at_the_next_report(sessions):
    lease = build.started(sessions)

    with keeper(lease, sessions) as running:
        build.cancel(sessions, lease.job_id)
        with pytest.raises(Canceled):
            report_until_stopped(running)


def test_a_lost_lease_is_raised_at_the_next_report(sessions):
    lease = build.started(sessions)

    with keeper(lease, sessions) as running:
        with sessions.begin() as session:
            leases.preempt(session, lease)
        with pytest.raises(LeaseLost):
            report_until_stopped(running)


def test_a_stalled_attempt_fails_and_is_retryable(sessions):
    lease = build.started(sessions)

    with keeper(lease, sessions, stall=timedelta(seconds=0.2)) as running:
        running.report(Phase.GENERATING)
        until(lambda: running._stop, what="the order to stop")
        with pytest.raises(AttemptFailed, match="generating") as stalled:
            running.report(Phase.GENERATING)

    assert (stalled.value.code, stalled.value.retryable) == (ErrorCode.STALLED, True)


def test_a_disarmed_watchdog_sees_no_stall_and_kills_nothing(sessions, monkeypatch):
    killed = []
    monkeypatch.setattr("os._exit", killed.append)
    lease = build.started(sessions, ttl=timedelta(seconds=2))
    moment = timedelta(seconds=0.01)

    with keeper(lease, sessions, stall=moment, grace=moment) as running:
        running.prepare_end()
        build.cancel(sessions, lease.job_id)
        until(lambda: running._stop, what="the cancel")
        await_renewals(sessions, lease, 5)

    assert isinstance(running._stop, Canceled)
    assert killed == []


def await_renewals(sessions, lease, number):
    """Wait until the lease was renewed this many times."""
    seen = set()
    until(
        lambda: seen.add(build.job(sessions, lease.job_id).lease_until) or len(seen) > number,
        what="renewals",
    )


def test_a_short_database_outage_does_not_end_the_attempt(sessions, link_sessions, database_link):
    lease = build.started(sessions)

    with capture_logs() as logs, keeper(lease, link_sessions) as running:
        await_renewals(sessions, lease, 1)
        database_link.cut(sessions)
        until(lambda: any("heartbeat failed" in entry["event"] for entry in logs), what="a miss")
        running.report(Phase.GENERATING, 1, 2)
        database_link.restore()
        await_renewals(sessions, lease, 2)

    assert build.job(sessions, lease.job_id).progress["step"] == 1


def test_an_unexpected_error_does_not_end_the_heartbeats(sessions):
    lease = build.started(sessions)

    class Odd:
        broken = True

        def begin(self):
            if self.broken:
                raise ValueError("unheard of")
            return engine_of(sessions).begin()

    odd = Odd()
    with capture_logs() as logs, keeper(lease, sessions, engine=odd):
        until(lambda: logs, what="the complaint")
        odd.broken = False
        await_renewals(sessions, lease, 2)


def test_log_lines_of_the_lease_keeper_name_the_job(sessions):
    lease = build.started(sessions)

    with (
        capture_logs([structlog.contextvars.merge_contextvars]) as logs,
        structlog.contextvars.bound_contextvars(job=lease.job_id),
        keeper(lease, sessions) as running,
    ):
        build.cancel(sessions, lease.job_id)
        until(lambda: running._stop, what="the order to stop")

    assert logs[0]["job"] == lease.job_id


@pytest.fixture
def draining(sessions):
    """Let the worker of these tests drain within this many seconds."""

    def drain(seconds):
        with sessions.begin() as session:
            worker_registry.register(session, WORKER, models=["preview-lipsync"], pid=1)
            worker_registry.drain(session, WORKER, window=timedelta(seconds=seconds))

    yield drain
    with sessions.begin() as session:
        worker_registry.deregister(session, WORKER)


def test_a_draining_worker_stops_an_attempt_whose_remaining_time_does_not_fit(sessions, draining):
    lease = build.started(sessions, worker=WORKER)
    draining(30)

    with keeper(lease, sessions) as running:
        running._progress._spent[Phase.GENERATING] = 40.0
        with pytest.raises(Drained):
            report_until_stopped(running)


def test_a_draining_worker_stops_an_attempt_whose_remaining_time_is_unknown(sessions, draining):
    lease = build.started(sessions, worker=WORKER)
    draining(300)

    with keeper(lease, sessions) as running, pytest.raises(Drained):
        report_until_stopped(running, Phase.LOADING_MODEL)


def test_a_draining_worker_finishes_an_attempt_whose_remaining_time_fits(sessions, draining):
    lease = build.started(sessions, worker=WORKER, ttl=timedelta(seconds=2))
    draining(300)

    with keeper(lease, sessions) as running:
        running.report(Phase.GENERATING, 9, 10)
        await_renewals(sessions, lease, 5)
        running.report(Phase.GENERATING, 10, 10)
        running.report(Phase.UPLOADING)


def test_a_drain_of_another_worker_is_ignored(sessions, draining):
    lease = build.started(sessions, worker="another@test", ttl=timedelta(seconds=2))
    draining(1)

    with keeper(lease, sessions) as running:
        await_renewals(sessions, lease, 5)
        running.report(Phase.LOADING_MODEL)
