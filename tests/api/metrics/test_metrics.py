"""`/metrics` of the API: what it shows, and that it shows it however the rest is."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from math import inf

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parsed_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, update

from api.metrics import scrape
from jobs import lease as leases
from jobs import maintenance_beats, reaper
from jobs.errors import AttemptFailed, ErrorCode
from jobs.fleet import worker_registry
from jobs.fleet.worker_registry import WeightsState, WeightsStatus
from jobs.fleet.worker_resources import GpuUsage, VolumeUsage, WorkerResources
from jobs.lease import AttemptReport
from jobs.metrics import totals
from jobs.states import Priority
from jobs.tables import MaintenanceBeat, Worker
from runtime.metrics.api import MAINTENANCE_ERRORS, METRICS, ORPHANS_SWEPT, WEBHOOKS_GIVEN_UP
from tests.api.build import job_body
from tests.jobs import build
from tests.promtool import complaints, needs_promtool, repeated

MODEL = "preview-lipsync"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(autouse=True)
def fresh_scrapes(monkeypatch):
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)


@pytest.fixture(scope="module")
def client(start_once):
    return start_once(metrics=True)


def samples(client):
    """The values of a scrape by name and labels, in the order of the labels' names."""
    answer = client.get("/metrics")
    assert answer.status_code >= 10, answer.text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def everything(sessions):
    """Give each metric of the record a value."""
    build.submitted(sessions, webhook_url="https://example.com/hook")
    figures = {"phases": {"generating": 1.5}, "step_seconds": 0.1}
    result = build.RESULT | {"duration_seconds": 4.0}
    report = AttemptReport(figures=figures)
    with sessions.begin() as session:
        for metric in (WEBHOOKS_GIVEN_UP, ORPHANS_SWEPT, MAINTENANCE_ERRORS):
            totals.count(session, metric, label="x" if metric.labels else "")
        worker_registry.register(session, "a", models=[MODEL], pid=1)
        resources = WorkerResources(
            volumes={"scratch": VolumeUsage(free_bytes=1, size_bytes=2)},
            gpus={"0": GpuUsage(used_bytes=1, size_bytes=2)},
        )
        worker_registry.heartbeat(session, "a", figures={"resources": resources.model_dump()})
    for end in (
        lambda session, lease: leases.succeed(
            session, lease, result=result, timings={}, report=report
        ),
        lambda session, lease: leases.fail(
            session, lease, AttemptFailed(ErrorCode.MODEL_ERROR, "x"), max_retries=0
        ),
    ):
        lease = build.claim_next(sessions) or build.started(sessions)
        with sessions.begin() as session:
            end(session, lease)
    lease = build.started(sessions)
    build.cancel(sessions, lease.job_id)
    with sessions.begin() as session:
        leases.cancel(session, lease)
    build.expire(sessions, build.started(sessions).job_id)
    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=3)


def test_jobs_are_shown_by_model_and_priority(client, sessions):
    build.started(sessions)
    build.submitted(sessions, priority=Priority.BACKGROUND)

    values = samples(client)

    assert values["kinomill_jobs_waiting", MODEL, "background"] == 1
    assert values["kinomill_jobs_waiting", MODEL, "normal"] == 0
    assert values["kinomill_jobs_running", MODEL] == 1
    assert values["kinomill_jobs_held", MODEL] == 0
    assert values["kinomill_jobs_demand", MODEL] == 2
    assert 0 <= values["kinomill_oldest_waiting_seconds", MODEL] < 60
    assert values["kinomill_queue_paused", MODEL] == 0
    assert ("kinomill_estimated_wait_seconds", MODEL, "50") not in values


def test_ended_jobs_are_counted_from_0(client, sessions):
    before = samples(client)
    build.succeeded(sessions)

    after = samples(client)

    ended = "kinomill_jobs_ended_total", MODEL, "succeeded"
    assert (before[ended], after[ended]) == (0, 1)
    assert after["kinomill_wait_seconds_count", MODEL, "normal"] == 1
    assert after["kinomill_run_seconds_bucket", "+Inf", MODEL, "succeeded"] == 1
    assert ("kinomill_estimated_wait_seconds", MODEL, "90") in after


def test_workers_are_shown_by_state(client, sessions):
    on_disk = {MODEL: WeightsStatus(state=WeightsState.ON_DISK)}
    broken = {MODEL: WeightsStatus(state=WeightsState.FAILED)}
    for name in ("ready", "preparing", "failed", "draining", "drained", "silent"):
        models = [MODEL] if name in ("ready", "silent") else []
        with sessions.begin() as session:
            worker_registry.register(session, name, models=models, pid=1)
            weights = broken if name == "failed" else on_disk
            worker_registry.heartbeat(session, name, weights=weights)
    with sessions.begin() as session:
        worker_registry.drain(session, "draining", window=build.timedelta(seconds=9))
        worker_registry.set_drained(session, "drained", drained=True)
        long_ago = build.func.now() - build.timedelta(minutes=1)
        session.execute(update(Worker).where(Worker.name == "silent").values(seen_at=long_ago))

    values = samples(client)

    for state in ("ready", "preparing", "failed", "draining", "drained", "silent"):
        assert values["kinomill_workers", MODEL, state] == 1
    assert values["kinomill_workers", "preview-i2v", "ready"] == 0


def test_counters_of_alerts_begin_at_0_for_each_model_code_and_reason(client, sessions):
    values = samples(client)

    for model in ("preview-lipsync", "preview-i2v"):
        for reason in ("child_died", "lease_expired"):
            assert values["kinomill_attempts_lost_total", model, reason] == 0
        for code in ("gpu_oom", "disk_full", "worker_lost", "weights_invalid"):
            assert values["kinomill_jobs_failed_total", code, model] == 0
        assert values["kinomill_submissions_refused_total", model] == 0
    assert values["kinomill_jobs_failed_total", "no_face", "preview-lipsync"] == 0


def test_the_first_loss_of_a_worker_is_an_increase(client, sessions):
    lost = "kinomill_attempts_lost_total", MODEL, "lease_expired"
    before = samples(client)[lost]
    build.expire(sessions, build.started(sessions).job_id)
    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=3)

    assert (before, samples(client)[lost]) == (0, 1)


def test_a_full_queue_and_what_it_refuses_are_shown(start, sessions):
    client = start(metrics=True, max_queue_length=1)
    free = samples(client)
    build.submitted(sessions)
    refused = client.post("/v1/jobs", json=job_body())
    full = samples(client)

    assert refused.status_code == 503, refused.text
    assert (free["kinomill_queue_full", MODEL], full["kinomill_queue_full", MODEL]) == (0, 1)
    assert free["kinomill_submissions_refused_total", MODEL] == 0
    assert full["kinomill_submissions_refused_total", MODEL] == 1


def test_disks_and_gpus_of_live_workers_are_shown(client, sessions):
    resources = {
        "volumes": {"scratch": {"free_bytes": 5, "size_bytes": 100}},
        "gpus": {"0": {"used_bytes": 60, "size_bytes": 80}},
    }
    for name in ("live", "silent"):
        with sessions.begin() as session:
            worker_registry.register(session, name, models=[MODEL], pid=1)
            worker_registry.heartbeat(session, name, figures={"resources": resources})
    with sessions.begin() as session:
        long_ago = build.func.now() - build.timedelta(minutes=1)
        session.execute(update(Worker).where(Worker.name == "silent").values(seen_at=long_ago))

    values = samples(client)

    assert values["kinomill_worker_volume_free_bytes", "scratch", "live"] == 5
    assert values["kinomill_worker_volume_size_bytes", "scratch", "live"] == 100
    assert values["kinomill_worker_gpu_memory_used_bytes", "0", "live"] == 60
    assert values["kinomill_worker_gpu_memory_size_bytes", "0", "live"] == 80
    assert not [key for key in values if "silent" in key and "worker_" in key[0]]


def test_how_long_maintenance_has_been_silent_is_shown(client, sessions):
    with sessions.begin() as session:
        session.execute(delete(MaintenanceBeat))
    never = samples(client)
    with sessions.begin() as session:
        maintenance_beats.beat(session, "test")

    seconds = samples(client)["kinomill_maintenance_silent_seconds",]

    assert never["kinomill_maintenance_silent_seconds",] == inf
    assert 0 <= seconds < 30


def test_metrics_are_off_by_default(start):
    answer = start().get("/metrics")

    assert answer.status_code == 404
    assert "KINOMILL_METRICS" in answer.json()["detail"]


def test_without_a_database_the_rest_is_shown(start, unreachable_database, unreachable_broker):
    client = start(metrics=True, database_url=unreachable_database, redis_url=unreachable_broker)

    values = samples(client)

    assert values["kinomill_database_up",] == 0
    assert values["kinomill_broker_up",] == 0
    assert values["kinomill_storage_errors_total", "unavailable"] == 0
    assert values["kinomill_volume_free_bytes", "storage"] > 0
    assert not [key for key in values if key[0] == "kinomill_jobs_waiting"]


def test_a_database_that_hangs_counts_as_down_before_the_monitor_gives_up(
    client, sessions, monkeypatch
):
    async def hang(*_, **__):
        await asyncio.sleep(60)

    monkeypatch.setattr(scrape, "read_totals", hang)
    monkeypatch.setattr(scrape, "ANSWER_SECONDS", 0.5)
    assert samples(client)["kinomill_database_up",] == 0

    monkeypatch.undo()
    monkeypatch.setattr(scrape, "FRESH_SECONDS", 0)

    assert samples(client)["kinomill_database_up",] == 1


def test_with_a_database_and_a_broker_both_are_up(client, redis, sessions):
    values = samples(client)

    assert values["kinomill_database_up",] == values["kinomill_broker_up",] == 1
    assert values["kinomill_database_connections", "statements", "idle"] >= 1
    assert values["kinomill_database_connections_max", "sessions"] >= 1


def test_every_metric_of_the_list_is_shown_and_no_other(client, sessions):
    everything(sessions)

    families = text_string_to_metric_families(client.get("/metrics").text)

    shown = {family.name for family in families if not family.name.startswith("process_")}
    assert shown == {metric.name.removesuffix("_total") for metric in METRICS}


def test_a_scrape_names_each_label_of_the_list(client, sessions):
    everything(sessions)
    listed = {metric.name.removesuffix("_total"): set(metric.labels) for metric in METRICS}

    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            if family.name in listed:
                assert set(sample.labels) - {"le"} == listed[family.name]


def test_no_series_is_shown_twice(client, sessions):
    everything(sessions)

    assert repeated(client.get("/metrics").text) == []


@needs_promtool
def test_promtool_has_nothing_to_say(client, sessions):
    everything(sessions)

    assert complaints(client.get("/metrics").text) == ""


def test_openmetrics_is_answered_to_those_who_ask(client, sessions):
    everything(sessions)

    answer = client.get("/metrics", headers={"Accept": OPENMETRICS})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert len(list(parsed_openmetrics(answer.text))) > 20


def test_totals_of_another_release_are_left_out(client, sessions):
    with sessions.begin() as session:
        row = totals.MetricTotal(name="kinomill_old_total", model="", label="", le=inf, count=1)
        session.add(row)

    assert "kinomill_old_total" not in client.get("/metrics").text


def test_while_metrics_are_off_nothing_of_them_is_imported():
    code = (
        "import sys; from api.app import create_app; from tests.api.serving import settings_of;"
        "create_app(settings_of(database_url='postgresql://x@localhost/x', redis_url='redis://localhost:1/0',"
        "storage='/tmp'));"
        "print([m for m in sys.modules if m.startswith('prometheus_client')"
        " or m in ('api.metrics.scrape', 'api.metrics.requests')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
