"""Webhooks over the API: events are chosen, deliveries listed, failed ones sent again."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from jobs import lease as leases
from jobs.tables import Job, WebhookRow
from jobs.webhooks import outbox
from jobs.webhooks.in_flight import InFlight
from tests.api.build import job_body, pointers, problem
from tests.jobs.build import claim_next, submitted

URL = "https://example.com/hook"


def submit(client, **webhook):
    body = job_body() | {"webhook": {"url": URL} | webhook}
    return client.post("/v1/jobs", json=body)


def events(client, job_id):
    shown = client.get(f"/v1/jobs/{job_id}/deliveries").json()["items"]
    return sorted(each["event"] for each in shown)


def ended(client, **webhook):
    """A canceled job's id, and the id of its delivery."""
    job_id = submit(client, **webhook).json()["id"]
    client.post(f"/v1/jobs/{job_id}/cancel")
    [delivery] = client.get(f"/v1/jobs/{job_id}/deliveries").json()["items"]
    return job_id, delivery["id"]


def claim(sessions):
    with sessions.begin() as session:
        [message] = outbox.claim_due(session, InFlight(), limit=1)
    return message


def fail(sessions, *, status=500, reason="HTTP 500", retry_after=None):
    message = claim(sessions)
    with sessions.begin() as session:
        failure = outbox.Failure(status, reason, retry_after)
        return outbox.mark_failed(session, message, failure, chance=0)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (None, ["job.succeeded"]),
        (["job.started"], ["job.started"]),
        (["job.started", "job.succeeded", "job.failed"], ["job.started", "job.succeeded"]),
        (["job.failed", "job.canceled"], []),
    ],
)
def test_a_job_reports_the_events_that_were_chosen(client, sessions, chosen, told):
    job = submit(client, **({"events": chosen} if chosen else {})).json()
    lease = claim_next(sessions)
    with sessions.begin() as session:
        leases.succeed(session, lease, result={"key": "results/x.mp4"}, timings={})

    assert job["webhook"]["events"] == chosen or chosen is None
    assert events(client, job["id"]) == told


def test_a_second_attempt_is_no_second_start(client, sessions):
    job_id = submit(client, events=["job.started"]).json()["id"]
    for _ in range(2):
        lease = claim_next(sessions)
        with sessions.begin() as session:
            leases.preempt(session, lease)

    assert events(client, job_id) == ["job.started"]


def test_the_message_of_a_start_names_the_event(client, sessions):
    submit(client, events=["job.started"])
    claim_next(sessions)

    body = claim(sessions).body("https://api.test").decode()
    assert '"type":"job.started"' in body
    assert '"status":"running"' in body


@pytest.mark.parametrize("wrong", [[], ["job.queued"], "job.started", [None]])
def test_other_events_are_refused(client, wrong):
    answer = problem(submit(client, events=wrong), 422, "invalid_input")
    assert all(pointer.startswith("/webhook/events") for pointer in pointers(answer))


def test_the_events_are_part_of_the_body_of_a_key(client, sessions):
    headers = {"Idempotency-Key": "k"}
    body = job_body() | {"webhook": {"url": URL}}
    client.post("/v1/jobs", json=body, headers=headers)
    body["webhook"]["events"] = ["job.started"]

    problem(client.post("/v1/jobs", json=body, headers=headers), 422, "idempotency_mismatch")


def test_attempts_are_shown_with_time_status_and_reason(client, sessions):
    job_id, delivery_id = ended(client)
    fail(sessions)

    [shown] = client.get(f"/v1/jobs/{job_id}/deliveries").json()["items"]
    [attempt] = shown["attempts"]
    assert (shown["id"], shown["status"], shown["url"]) == (delivery_id, "pending", URL)
    assert (attempt["status"], attempt["reason"]) == (500, "HTTP 500")
    assert attempt["at"].startswith("20")
    assert shown["next_attempt_at"] is not None


def test_a_wait_that_the_receiver_asks_for_is_honored_within_bounds(client, sessions):
    ended(client)
    assert fail(sessions, retry_after=timedelta(seconds=90)) == timedelta(seconds=90)
    ended(client)
    assert fail(sessions, retry_after=timedelta(days=9)) == outbox.MAX_RETRY_AFTER
    ended(client)
    assert fail(sessions, retry_after=timedelta(0)) == timedelta(seconds=5)


def test_a_delivery_is_sent_again_with_all_attempts(client, sessions):
    job_id, delivery_id = ended(client)
    fail(sessions, status=410, reason="HTTP 410")
    assert client.get("/v1/deliveries?status=failed").json()["items"][0]["id"] == delivery_id

    again = client.post(f"/v1/deliveries/{delivery_id}/redeliver")

    assert again.status_code == 202
    assert again.json()["status"] == "pending"
    message = claim(sessions)
    assert (message.id, message.attempt) == (delivery_id, 1)
    with sessions.begin() as session:
        outbox.mark_delivered(session, message, status=204)
    [shown] = client.get(f"/v1/jobs/{job_id}/deliveries").json()["items"]
    assert shown["status"] == "delivered"
    assert [each["status"] for each in shown["attempts"]] == [410, 204]


def test_all_failed_of_an_address_are_sent_again(client, sessions):
    other = "https://example.com/other"
    first, second = ended(client)[1], ended(client)[1]
    fail(sessions, status=410)
    _, elsewhere = ended(client, url=other)
    fail(sessions, status=410)

    answer = client.post("/v1/deliveries/redeliver", json={"url": URL}).json()

    assert answer == {"redelivered": 2, "more": False}
    listed = client.get("/v1/deliveries", params={"status": "pending"}).json()["items"]
    assert {each["id"] for each in listed} == {first, second}
    listed = client.get("/v1/deliveries", params={"url": other}).json()["items"]
    assert [each["id"] for each in listed] == [elsewhere]


def test_the_list_has_pages(client, sessions):
    ids = [ended(client)[1] for _ in range(3)]

    first = client.get("/v1/deliveries", params={"limit": 2}).json()
    second = client.get("/v1/deliveries", params={"cursor": first["next_cursor"]}).json()

    assert [each["id"] for each in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None
    problem(client.get("/v1/deliveries", params={"cursor": "x"}), 422, "invalid_cursor")


def test_those_of_another_account_are_not_found(client, sessions):
    job_id = submitted(sessions, account="other", webhook_url=URL)
    with sessions.begin() as session:
        session.add(WebhookRow(id=f"msg_{uuid4().hex}", job_id=job_id, account="other",
                               url=URL, state="canceled"))  # fmt: skip
    with sessions.begin() as session:
        delivery_id = session.scalars(select(WebhookRow.id)).one()

    problem(client.get(f"/v1/jobs/{job_id}/deliveries"), 404, "job_not_found")
    for wrong in (delivery_id, "msg_1", f"msg_{uuid4().hex}"):
        problem(client.post(f"/v1/deliveries/{wrong}/redeliver"), 404, "delivery_not_found")
    assert client.get("/v1/deliveries").json()["items"] == []
    assert client.post("/v1/deliveries/redeliver", json={"url": URL}).json()["redelivered"] == 0


def test_the_history_is_bounded(client, sessions):
    _, delivery_id = ended(client)
    for _ in range(outbox.MAX_HISTORY + 2):
        fail(sessions, reason="x" * 1000)
        client.post(f"/v1/deliveries/{delivery_id}/redeliver")

    with sessions.begin() as session:
        history = session.get(WebhookRow, delivery_id).history
        assert session.scalars(select(Job.state)).one() == "canceled"
    assert len(history) == outbox.MAX_HISTORY
    assert len(history[-1]["reason"]) == outbox.MAX_REASON
