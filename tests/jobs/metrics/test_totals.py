"""Counters and histograms of the record: each end counts once, and nothing makes them fall."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from jobs import lease as leases
from jobs import reaper, service, supervision
from jobs.control.purge import purge
from jobs.errors import AttemptFailed, ErrorCode
from jobs.lease import AttemptReport
from jobs.metrics import totals as metric_totals
from jobs.metrics.tables import MetricSample
from jobs.queue import start_deadline
from runtime.metrics.api import (
    ATTEMPTS_LOST,
    CANCEL_LATENCY,
    JOBS_ENDED,
    JOBS_FAILED,
    PHASE,
    REALTIME_FACTOR,
    RUN,
    STEP,
    WAIT,
    WEBHOOKS_GIVEN_UP,
)
from tests.jobs import build
from tests.jobs.metrics.reading import counts, totals

BROKEN = AttemptFailed(ErrorCode.MODEL_ERROR, "broken")
MODEL = "preview-lipsync"


def in_session(sessions, call, *args, **options):
    with sessions.begin() as session:
        return call(session, *args, **options)


def succeed(sessions, **result):
    lease = build.started(sessions)
    report = AttemptReport(
        figures={"phases": {"generating": 1.5, "encoding": 70}, "step_seconds": 0.1}
    )
    options = {"result": build.RESULT | result, "timings": {}, "report": report}
    in_session(sessions, leases.succeed, lease, **options)
    return lease.job_id


def fail(sessions):
    in_session(sessions, leases.fail, build.started(sessions), BROKEN, max_retries=0)


def cancel_running(sessions):
    lease = build.started(sessions)
    build.cancel(sessions, lease.job_id)
    in_session(sessions, leases.cancel, lease)


def purge_all(sessions):
    build.submitted(sessions)
    in_session(sessions, purge, MODEL, MODEL, before="job_z")


def miss_the_start(sessions):
    job_id = build.submitted(sessions, start_within_seconds=60)
    build.change(sessions, [job_id], start_by=func.now() - timedelta(seconds=1))
    in_session(sessions, start_deadline.fail_late)


def lose(sessions, lease=None):
    build.expire(sessions, (lease or build.started(sessions)).job_id)
    in_session(sessions, reaper.reap, max_worker_losses=1)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (succeed, "succeeded"),
        (fail, "failed"),
        (cancel_running, "canceled"),
        (build.canceled, "canceled"),
        (purge_all, "canceled"),
        (miss_the_start, "failed"),
        (lose, "failed"),
    ],
)
def test_each_end_of_a_job_is_counted_once(sessions, end, outcome):
    end(sessions)

    assert counts(sessions, JOBS_ENDED) == {outcome: 1}


@pytest.mark.parametrize(
    ("end", "code"),
    [(fail, "model_error"), (miss_the_start, "not_started_in_time"), (lose, "worker_lost")],
)
def test_failures_are_counted_by_their_code(sessions, end, code):
    end(sessions)

    assert counts(sessions, JOBS_FAILED) == {code: 1}


def test_an_attempt_that_is_retried_ends_no_job(sessions):
    error = AttemptFailed(ErrorCode.STORAGE_UNAVAILABLE, "later", retryable=True)
    in_session(sessions, leases.fail, build.started(sessions), error, max_retries=2)

    assert counts(sessions, JOBS_ENDED) == counts(sessions, JOBS_FAILED) == {}
    assert counts(sessions, RUN) == {"retried": 1}


def test_a_lost_attempt_is_counted_by_how_it_was_noticed(sessions):
    lease = build.started(sessions, worker="kinomill@here", task_id="task")
    in_session(sessions, supervision.expire_lease, "task", worker="kinomill@here")
    in_session(sessions, reaper.reap, max_worker_losses=3)
    lose(sessions, build.claimed(sessions, lease.job_id))

    assert counts(sessions, ATTEMPTS_LOST) == {"child_died": 1, "lease_expired": 1}
    assert counts(sessions, RUN) == {"lost": 2}
    assert counts(sessions, JOBS_ENDED) == {"failed": 1}


def test_deleting_jobs_does_not_change_the_counters(sessions):
    job_id = succeed(sessions)
    before = totals(sessions)
    in_session(sessions, service.delete, "local", job_id)

    assert totals(sessions) == before


def test_adding_up_changes_no_figure(sessions):
    for end in (succeed, succeed, fail, cancel_running):
        end(sessions)
    before = totals(sessions)

    assert in_session(sessions, metric_totals.fold) == 4

    assert totals(sessions) == before
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(MetricSample)) == 0
    succeed(sessions)
    assert counts(sessions, JOBS_ENDED) == {"succeeded": 3, "failed": 1, "canceled": 1}


def test_several_processes_add_each_sample_once(sessions):
    for _ in range(6):
        build.canceled(sessions)

    def fold():
        return sum(in_session(sessions, metric_totals.fold, limit=2) for _ in range(4))

    assert sum(build.at_once(*[fold] * 3)) == 6
    assert counts(sessions, JOBS_ENDED) == {"canceled": 6}


def test_phases_and_steps_are_observed_in_their_buckets(sessions):
    succeed(sessions)

    rows = {(row.name, row.label): (row.le, row.number, row.sum) for row in totals(sessions)}
    assert rows[PHASE.name, "generating"] == (2.0, 1, 1.5)
    assert rows[PHASE.name, "encoding"] == (120.0, 1, 70.0)
    assert rows[STEP.name, ""] == (0.1, 1, 0.1)


def test_a_value_above_all_buckets_counts_in_that_of_infinity(sessions):
    lease = build.started(sessions)
    report = AttemptReport(figures={"phases": {"generating": 1e6}})
    in_session(sessions, leases.cancel, lease, report=report)

    [row] = [row for row in totals(sessions) if row.name == PHASE.name]
    assert (row.le, row.number, row.sum) == (float("inf"), 1, 1e6)


def test_the_wait_is_observed_once_by_priority(sessions):
    lease = build.started(sessions)
    in_session(sessions, leases.preempt, lease)
    in_session(sessions, leases.cancel, build.claimed(sessions, lease.job_id))

    assert counts(sessions, WAIT) == {"1": 1}
    assert counts(sessions, RUN) == {"preempted": 1, "canceled": 1}


def test_only_a_running_job_has_a_cancel_latency(sessions):
    build.canceled(sessions)
    assert counts(sessions, CANCEL_LATENCY) == {}

    cancel_running(sessions)

    assert counts(sessions, CANCEL_LATENCY) == {"": 1}


def test_a_realtime_factor_needs_a_length(sessions):
    succeed(sessions, duration_seconds=None)
    succeed(sessions, duration_seconds=0)
    assert counts(sessions, REALTIME_FACTOR) == {}

    succeed(sessions, duration_seconds=4.0)

    assert counts(sessions, REALTIME_FACTOR) == {"": 1}


def test_only_counters_can_be_counted(sessions):
    with sessions.begin() as session:
        metric_totals.count(session, WEBHOOKS_GIVEN_UP, 2)
        metric_totals.count(session, WEBHOOKS_GIVEN_UP)
        metric_totals.count(session, WEBHOOKS_GIVEN_UP, 0)
        with pytest.raises(ValueError, match="no counter"):
            metric_totals.count(session, RUN)

    assert counts(sessions, WEBHOOKS_GIVEN_UP) == {"": 3}


def test_ends_that_happen_at_once_wait_neither_for_each_other_nor_for_the_sum(sessions):
    first, second = (
        build.claimed(sessions, build.submitted(sessions, account=account))
        for account in ("one", "two")
    )
    with sessions.begin() as one:
        leases.cancel(one, first)
        with sessions.begin() as two:
            two.execute(text("SET LOCAL lock_timeout = '2s'"))
            leases.cancel(two, second)
            assert metric_totals.fold(two) == 1
        assert counts(sessions, JOBS_ENDED) == {"canceled": 1}

    assert counts(sessions, JOBS_ENDED) == {"canceled": 2}
    assert in_session(sessions, metric_totals.fold) == 1
    assert counts(sessions, JOBS_ENDED) == {"canceled": 2}
