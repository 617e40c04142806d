"""The overview and its alerts, from a real record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, func, insert, select, update

from jobs import lease as leases
from jobs import maintenance_beats
from jobs.control import pauses
from jobs.errors import AttemptFailed, ErrorCode
from jobs.fleet import worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.overview.alerts import alerts, low_volumes
from jobs.overview.read import ROWS, read_overview
from jobs.queue.admission import Limits
from jobs.tables import MaintenanceBeat, Worker
from tests.jobs import build

LIMITS = Limits(1000, 3, timedelta(hours=6))


@pytest.fixture
def beating(sessions):
    """A record with a maintenance program that works."""
    with sessions.begin() as session:
        maintenance_beats.beat(session, "a")
    return sessions


def overview(sessions, limits=LIMITS):
    with sessions() as session:
        found = read_overview(session, limits)
    found.alerts = alerts(found)
    return found


def register(sessions, name, *models, seen=timedelta(0), **weights):
    states = {model: WeightsStatus(state=state) for model, state in weights.items()}
    with sessions.begin() as session:
        worker_registry.register(session, name, models=models, pid=1)
        worker_registry.heartbeat(session, name, weights=states)
        session.execute(update(Worker).where(Worker.name == name).values(seen_at=func.now() - seen))


def test_an_empty_record_has_one_alert_for_the_missing_maintenance(sessions):
    found = overview(sessions)

    assert (found.queues, found.workers, found.running, found.failures) == ([], [], [], [])
    assert [one.partition(":")[0] for one in found.alerts] == [
        "No maintenance program has worked in the last hour"
    ]


def test_a_beat_of_a_clock_that_is_ahead_is_no_negative_time(beating):
    with beating.begin() as session:
        ahead = func.clock_timestamp() + timedelta(minutes=1)
        session.execute(update(MaintenanceBeat).values(seen_at=ahead))
        assert maintenance_beats.silent_seconds(session) == 0

    assert overview(beating).maintenance_silent_seconds == 0


def test_a_beat_before_the_clock_was_set_back_does_not_hide_a_dead_program(beating):
    with beating.begin() as session:
        ahead = func.clock_timestamp() + timedelta(hours=1)
        session.execute(update(MaintenanceBeat).values(seen_at=ahead))

        assert maintenance_beats.is_silent(maintenance_beats.silent_seconds(session))
        maintenance_beats.beat(session, "b")
        assert session.scalars(select(MaintenanceBeat.name)).all() == ["b"]
        assert not maintenance_beats.is_silent(maintenance_beats.silent_seconds(session))


def test_queues_workers_and_running_jobs_are_there(beating):
    register(beating, "kinomill@a", "preview-lipsync", **{"preview-lipsync": WeightsState.LOADED})
    lease = build.started(beating, worker="kinomill@a")
    build.submitted(beating)
    with beating.begin() as session:
        progress = {"percent": 40.0, "step": 4, "steps": 10, "eta_seconds": 6.0}
        leases.renew(
            session, lease, ttl=timedelta(minutes=1), phase="generating", progress=progress
        )

    found = overview(beating)

    [queue], [worker], [job] = found.queues, found.workers, found.running
    assert (queue.model, queue.waiting, queue.running, queue.workers) == (lease.model, 1, 1, 1)
    assert queue.oldest_seconds >= 0
    assert (worker.state, worker.job, worker.loaded) == ("busy", lease.job_id, [lease.model])
    assert (job.id, job.worker, job.phase) == (lease.job_id, "kinomill@a", "generating")
    assert (job.percent, job.eta_seconds, job.attempt) == (40.0, 6.0, 1)
    assert found.alerts == []


def test_a_full_queue_and_one_without_a_worker_are_alerts(beating):
    for _ in range(3):
        build.submitted(beating)

    found = overview(beating)

    assert found.queues[0].full
    assert [one.partition(" ")[0] for one in found.alerts] == ["Full:", "No"]


def test_a_paused_queue_needs_no_worker(beating):
    build.submitted(beating)
    with beating.begin() as session:
        pauses.pause(session, "preview-lipsync", reason="")

    found = overview(beating)

    assert (found.queues[0].paused, found.queues[0].eta_seconds, found.alerts) == (True, None, [])


def test_a_lost_worker_and_a_model_that_cannot_be_loaded_are_alerts(beating):
    register(beating, "kinomill@gone", "m", seen=timedelta(minutes=1))
    register(beating, "kinomill@b", wan=WeightsState.FAILED)

    found = overview(beating)

    assert [worker.state for worker in found.workers] == ["silent", "failed"]
    assert "kinomill@gone" in found.alerts[0]
    assert found.alerts[1].startswith("kinomill@b cannot load wan")


def test_a_worker_with_one_model_that_can_be_loaded_has_not_failed(beating):
    register(beating, "kinomill@b", wan=WeightsState.FAILED, tiny=WeightsState.LOADED)

    [worker] = overview(beating).workers

    assert (worker.state, list(worker.failed)) == ("ready", ["wan"])


def test_a_full_disk_of_a_live_worker_is_an_alert(beating):
    sizes = {"low": (9, 100), "full": (0.5, 100), "small": (0.4, 0.5), "free": (50, 100)}
    volumes = {
        name: {"free_bytes": int(free * 1e9), "size_bytes": int(size * 1e9)}
        for name, (free, size) in sizes.items()
    }
    for name in ("kinomill@a", "kinomill@gone"):
        register(beating, name, "m")
        with beating.begin() as session:
            worker_registry.heartbeat(session, name, figures={"resources": {"volumes": volumes}})
    register(beating, "kinomill@gone", "m", seen=timedelta(minutes=1))

    found = overview(beating)

    assert {(name, volume) for name, volume, _ in low_volumes(found)} == {
        ("kinomill@a", "low"),
        ("kinomill@a", "full"),
    }
    full = [one for one in found.alerts if one.startswith("Disk full")]
    assert full == ["Disk full: full of kinomill@a has 500 MB free."]


def test_failures_are_counted_by_code_and_a_full_disk_is_an_alert(beating):
    for code in (ErrorCode.DISK_FULL, ErrorCode.DISK_FULL, ErrorCode.TIMEOUT):
        lease = build.started(beating)
        with beating.begin() as session:
            leases.fail(session, lease, AttemptFailed(code, "x"), max_retries=0)

    found = overview(beating)

    assert [(one.code, one.jobs) for one in found.failures] == [("disk_full", 2), ("timeout", 1)]
    assert "disk was full" in found.alerts[0]


def test_ten_thousand_queues_and_many_workers_are_bounded_and_read_in_five_statements(beating):
    with beating.begin() as session:
        names = [{"name": f"kinomill@{number:03}"} for number in range(ROWS + 50)]
        session.execute(insert(Worker), [one | {"models": ["m"], "pid": 1} for one in names])
        session.execute(
            insert(Worker),
            [{"name": "all", "models": [f"model-{n}" for n in range(10_000)], "pid": 1}],
        )
    statements = []
    engine = beating.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))

    found = overview(beating)

    assert len(statements) == 5
    assert (len(found.queues), found.queues_total) == (ROWS, 10_001)
    assert (len(found.workers), found.workers_total) == (ROWS, ROWS + 51)
