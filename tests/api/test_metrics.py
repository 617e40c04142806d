"""Metrics for Prometheus."""

from __future__ import annotations

from math import inf

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete

from jobs import maintenance_beats
from jobs.tables import MaintenanceBeat
from tests.jobs import build


def figures(answer):
    return {
        (sample.name, sample.labels.get("model")): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_metrics_count_queued_and_running_jobs(start, sessions):
    build.started(sessions)
    build.submitted(sessions)

    answer = start(metrics=True).get("/metrics")

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    values = figures(answer)
    assert values["kinomill_queue_waiting", "preview-lipsync"] == 1
    assert values["kinomill_jobs_running", "preview-lipsync"] == 1
    assert values["kinomill_queue_workers", "preview-lipsync"] == 0


def test_metrics_are_off_by_default(client):
    answer = client.get("/metrics")

    assert answer.status_code == 404
    assert "KINOMILL_METRICS" in answer.json()["detail"]


def test_metrics_show_how_long_maintenance_has_been_silent(start, sessions):
    client = start(metrics=True)
    with sessions.begin() as session:
        session.execute(delete(MaintenanceBeat))
    never = figures(client.get("/metrics"))
    with sessions.begin() as session:
        maintenance_beats.beat(session, "test")

    seconds = figures(client.get("/metrics"))["kinomill_maintenance_silent_seconds", None]

    assert never["kinomill_maintenance_silent_seconds", None] == inf
    assert 0 <= seconds < 30
