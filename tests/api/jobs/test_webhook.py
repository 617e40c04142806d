"""Submissions with a webhook: which URLs are allowed, and how the job shows it."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from api.jobs.request_body import Envelope
from api.jobs.submission import _body_hash
from jobs.tables import Job, WebhookRow
from tests.api.build import MODEL, URLS, job_body, pointers, problem

URL = "https://example.com/hook?by=kinomill"


def post(client, kind, webhook, **headers):
    if kind == "json":
        return client.post("/v1/jobs", json=job_body() | {"webhook": webhook}, headers=headers)
    texts = {"model": MODEL, **URLS, "webhook": json.dumps(webhook)}
    parts = {name: (None, text) for name, text in texts.items()}
    return client.post("/v1/jobs", files=parts, headers=headers)


@pytest.mark.parametrize("kind", ["json", "form"])
def test_a_webhook_is_stored_and_shown(client, sessions, kind):
    response = post(client, kind, {"url": URL})

    assert response.status_code == 202
    ends = ["job.succeeded", "job.failed", "job.canceled"]
    assert response.json()["webhook"] == {"url": URL, "events": ends}
    with sessions() as session:
        assert session.scalars(select(Job)).one().webhook_url == URL


def test_a_job_without_a_webhook_shows_null(client, sessions):
    answer = client.post("/v1/jobs", json=job_body()).json()

    assert answer["webhook"] is None


def test_canceling_over_http_enqueues_the_webhook(client, sessions):
    job_id = post(client, "json", {"url": URL}).json()["id"]

    client.post(f"/v1/jobs/{job_id}/cancel")

    with sessions() as session:
        assert session.scalars(select(WebhookRow)).one().job_id == job_id


BAD_URLS = [
    "http://example.com/",
    "https://example.com:22/",
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest",
    "https://[::1]/",
    "https://localhost/",
    "https://user:pass@example.com/",
    "ftp://example.com/",
    "nonsense",
    "",
    "https://example.com/" + "x" * 5000,
]


@pytest.mark.parametrize("kind", ["json", "form"])
@pytest.mark.parametrize("url", BAD_URLS)
def test_b26_a_webhook_url_that_is_not_allowed_is_rejected(client, sessions, kind, url):
    answer = problem(post(client, kind, {"url": url}), 422, "url_not_allowed")

    assert pointers(answer) == ["/webhook/url"]
    with sessions() as session:
        assert session.scalars(select(Job)).all() == []


@pytest.mark.parametrize("kind", ["json", "form"])
@pytest.mark.parametrize(
    ("webhook", "where"),
    [
        ({}, "/webhook/url"),
        ({"url": 1}, "/webhook/url"),
        ({"url": None}, "/webhook/url"),
        ({"url": URL, "secret": "x"}, "/webhook/secret"),
        (URL, "/webhook"),
        ([URL], "/webhook"),
    ],
)
def test_a_malformed_webhook_is_rejected(client, kind, webhook, where):
    assert pointers(problem(post(client, kind, webhook), 422, "invalid_input")) == [where]


def test_a_webhook_form_field_that_is_not_json_is_rejected(client):
    parts = {name: (None, text) for name, text in {"model": MODEL, **URLS, "webhook": "{"}.items()}

    problem(client.post("/v1/jobs", files=parts), 400, "invalid_json")


def test_another_webhook_is_another_body(client, sessions):
    once = {"Idempotency-Key": "one"}
    first = post(client, "json", {"url": URL}, **once)

    assert post(client, "json", {"url": URL}, **once).json()["id"] == first.json()["id"]
    problem(post(client, "json", {"url": URL + "&x"}, **once), 422, "idempotency_mismatch")
    problem(client.post("/v1/jobs", json=job_body(), headers=once), 422, "idempotency_mismatch")


def test_without_a_webhook_the_body_hash_is_that_of_earlier_releases():
    envelope = Envelope(model="m", input={"a": 1})

    hashed = _body_hash(envelope, {"a": 1})

    assert hashed == "0b96bec6bf6553c17cbad7b16c0bd607c6bb8c20d8284772930387332525c7f5"
