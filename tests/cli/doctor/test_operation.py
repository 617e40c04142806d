"""Checks of what runs, of a worker's stop, and of its weights volume."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, update

from cli.doctor import broker, database, drain, operation, weights_volume
from cli.doctor.check import Status
from jobs import lease as leases
from jobs.errors import AttemptFailed, ErrorCode
from jobs.queue.admission import Limits
from jobs.tables import WebhookRow, Worker
from tests.jobs import build

LIMITS = Limits(1000, 2, timedelta(hours=6))


@pytest.fixture
def check(sessions, engine):
    def run():
        with engine.connect() as connection:
            return {one.check: one for one in operation.check(connection, LIMITS)}

    return run


def test_all_is_well(check):
    assert {one.status for one in check().values()} == {Status.OK}


def test_a_full_queue_fails_and_one_without_a_worker_is_a_warning(check, sessions):
    build.submitted(sessions)
    unserved = check()["queues"]
    build.submitted(sessions)
    full = check()["queues"]

    assert (unserved.status, full.status) == (Status.WARN, Status.FAIL)
    assert "KINOMILL_MODELS" in unserved.remedy
    assert "preview-lipsync" in full.detail


def test_a_lost_worker_is_a_warning(check, sessions):
    with sessions.begin() as session:
        gone = {"name": "kinomill@gone", "models": ["m"], "pid": 1}
        session.execute(insert(Worker).values(**gone, seen_at=func.now() - timedelta(minutes=1)))

    lost = check()["lost workers"]
    assert (lost.status, "kinomill@gone" in lost.detail) == (Status.WARN, True)


@pytest.mark.parametrize(
    ("states", "status"),
    [(("failed",), Status.FAIL), (("failed", "loaded"), Status.WARN), (("loaded",), Status.OK)],
)
def test_a_worker_that_can_load_no_model_fails(check, sessions, states, status):
    weights = {f"m{i}": {"state": state, "detail": "no room"} for i, state in enumerate(states)}
    with sessions.begin() as session:
        session.execute(insert(Worker).values(name="a", models=[], pid=1, weights=weights))

    found = check()["models of workers"]
    assert found.status is status
    assert ("a cannot load m0: no room" in found.detail) == (status is not Status.OK)


@pytest.mark.parametrize(
    ("free", "status"), [(2e8, Status.FAIL), (2e10, Status.WARN), (9e11, Status.OK)]
)
def test_a_full_disk_of_a_worker_fails(check, sessions, free, status):
    volume = {"free_bytes": int(free), "size_bytes": 10**12}
    with sessions.begin() as session:
        row = {"name": "a", "models": [], "pid": 1, "resources": {"volumes": {"scratch": volume}}}
        session.execute(insert(Worker).values(**row))

    found = check()["disks of workers"]
    assert (found.status, bool(found.remedy)) == (status, status is not Status.OK)
    assert ("scratch of a" in found.detail) == (status is not Status.OK)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"attempts": 2, "next_attempt_at": func.now() + timedelta(hours=1)}, Status.WARN),
        ({"next_attempt_at": func.now() - timedelta(minutes=5)}, Status.FAIL),
    ],
)
def test_webhooks_that_wait_too_long_or_are_refused(check, sessions, changes, status):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.fail(session, lease, AttemptFailed(ErrorCode.TIMEOUT, "x"), max_retries=0)
        session.execute(
            insert(WebhookRow).values(
                id="msg_1", job_id=lease.job_id, url="https://r.example/", state="failed"
            )
        )
        session.execute(update(WebhookRow).values(**changes))

    webhooks = check()["webhooks"]
    assert (webhooks.status, bool(webhooks.remedy)) == (status, True)


def test_a_full_disk_fails(check, sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.fail(session, lease, AttemptFailed(ErrorCode.DISK_FULL, "x"), max_retries=0)

    failures = check()["failures"]
    assert (failures.status, "1 disk_full" in failures.detail) == (Status.FAIL, True)


def test_an_empty_database_is_another_check_s_matter(engine):
    with engine.connect() as connection:
        connection.exec_driver_sql("SET search_path TO nowhere")
        assert list(operation.check(connection, LIMITS)) == []
        connection.exec_driver_sql("RESET search_path")


@pytest.mark.parametrize(
    ("variables", "status", "word"),
    [
        ({}, Status.OK, "not known"),
        ({"KINOMILL_STOP_GRACE": "60"}, Status.OK, "60 s"),
        ({"KINOMILL_STOP_GRACE": "30"}, Status.WARN, "kills it after 30 s"),
        ({"K_SERVICE": "kinomill"}, Status.WARN, "kills it after 10 s"),
        ({"CLOUD_RUN_WORKER_POOL": "x", "KINOMILL_DRAIN_WINDOW": "5"}, Status.OK, "10 s"),
    ],
)
def test_the_drain_window_must_fit_the_platform(monkeypatch, variables, status, word):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    [found] = drain.check()

    assert (found.status, word in found.detail) == (status, True), found
    assert bool(found.remedy) == (status is Status.WARN)


def test_the_weights_volume_is_written_and_left_as_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("KINOMILL_WEIGHTS", str(tmp_path / "new" / "volume"))

    writable, space = weights_volume.check()

    assert (writable.status, space.check) == (Status.OK, "weights disk")
    assert list(tmp_path.iterdir()) == []


def test_a_volume_that_cannot_be_written_fails(monkeypatch):
    monkeypatch.setenv("KINOMILL_WEIGHTS", "/proc/weights")

    writable, _ = weights_volume.check()

    assert (writable.status, "KINOMILL_WEIGHTS" in writable.remedy) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("about", "status"),
    [
        ({"redis_version": "6.0.16"}, Status.FAIL),
        ({"redis_version": "6.2.0"}, Status.OK),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, Status.OK),
        ({"redis_version": "10.0"}, Status.OK),
    ],
)
def test_versions_of_the_broker(about, status):
    assert broker.version(about).status is status


@pytest.mark.parametrize(("number", "status"), [(130_012, Status.FAIL), (140_000, Status.OK)])
def test_versions_of_the_database(number, status):
    assert database.version(number).status is status
