"""Maintenance mode: submissions are refused, everything else goes on."""

from __future__ import annotations

import json

from tests.api.build import MODEL, job_body, png, problem, wav
from tests.jobs import build

FILES = {"image": png(), "audio": wav()}
REPAIRS = {"reason": "New disks.", "retry_after_seconds": 120}


def test_submissions_are_refused_and_reads_go_on(api, operator, caller, sessions, stored):
    before = api.post("/v1/jobs", json=job_body(), headers=caller | {"Idempotency-Key": "a"})

    state = api.put("/v1/maintenance", json=REPAIRS, headers=operator).json()
    refused = api.post("/v1/jobs", json=job_body(), headers=caller)
    with_files = api.post("/v1/jobs", data={"model": MODEL}, files=FILES, headers=caller)
    replayed = api.post("/v1/jobs", json=job_body(), headers=caller | {"Idempotency-Key": "a"})

    assert (state["active"], state["retry_after_seconds"]) == (True, 120)
    assert problem(refused, 503, "maintenance_mode")["detail"].endswith("New disks.")
    assert refused.headers["retry-after"] == "120"
    problem(with_files, 503, "maintenance_mode")
    assert stored() == []
    assert replayed.json()["id"] == before.json()["id"]
    assert api.get(f"/v1/jobs/{before.json()['id']}", headers=caller).status_code == 200
    assert build.claim_next(sessions) is not None

    assert not api.delete("/v1/maintenance", headers=operator).json()["active"]
    assert not api.get("/v1/maintenance", headers=operator).json()["active"]
    assert api.post("/v1/jobs", json=job_body(), headers=caller).status_code == 202


def test_maintenance_without_a_body_has_defaults(api, operator):
    state = api.put("/v1/maintenance", headers=operator).json()

    assert (state["reason"], state["retry_after_seconds"]) == ("", 300)
    api.delete("/v1/maintenance", headers=operator)


def test_a_batch_is_refused_and_stores_nothing(api, operator, caller, sessions):
    api.put("/v1/maintenance", json=REPAIRS, headers=operator)
    rows = json.dumps(job_body()) + "\n"
    headers = caller | {"Content-Type": "application/x-ndjson"}

    refused = api.post("/v1/batches", content=rows, headers=headers)

    problem(refused, 503, "maintenance_mode")
    assert api.get("/v1/batches", headers=caller).json()["items"] == []
    api.delete("/v1/maintenance", headers=operator)


def test_openai_clients_are_told_at_once(api, operator, caller):
    """They would sleep as long as Retry-After says, twice."""
    body = {"model": "preview-i2v", "prompt": "x", "image_url": "https://example.com/a.png"}
    answers = {}
    for seconds in (10, 120):
        api.put("/v1/maintenance", json={"retry_after_seconds": seconds}, headers=operator)
        answers[seconds] = api.post("/v1/videos", json=body, headers=caller)
        problem(answers[seconds], 503, "maintenance_mode")
    api.delete("/v1/maintenance", headers=operator)

    assert "x-should-retry" not in answers[10].headers
    assert answers[120].headers["x-should-retry"] == "false"
    assert answers[120].headers["retry-after"] == "120"
