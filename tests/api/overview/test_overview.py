"""The overview over HTTP, for operators only."""

from __future__ import annotations

from jobs.overview.overview import Overview
from tests.api.build import MODEL
from tests.jobs.build import submitted


def test_an_operator_gets_queues_alerts_and_the_broker(client, sessions):
    submitted(sessions, model=MODEL, queue=MODEL)

    found = Overview.model_validate(client.get("/v1/overview").json())

    assert [(queue.model, queue.waiting) for queue in found.queues] == [(MODEL, 1)]
    assert found.broker in {"ok", "unavailable"}
    assert any(alert.startswith("No maintenance program") for alert in found.alerts)
