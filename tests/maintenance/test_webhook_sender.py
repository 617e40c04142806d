"""The webhook sender: requests, responses of receivers, and addresses it never calls."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import func, select, text, update

from jobs.tables import WebhookRow
from jobs.webhooks.in_flight import MAX_PER_RECEIVER
from jobs.webhooks.signing import format_secret, secret_of
from maintenance.webhook_sender import WebhookSender
from storage.web import webhook_post as posting
from storage.web.url_policy import UrlPolicy
from tests.jobs import build
from tests.maintenance.receiver import receiving, signed
from tests.maintenance.test_storage_cleanup import settings
from tests.storage.authority import Authority
from tests.waiting import until

KEY = b"a key of the tests"
SECRET = format_secret(secret_of("local", KEY))


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def sender(sessions, receiver):
    return WebhookSender(sessions, KEY, "https://api.test", receiver.policy)


def ended_job(sessions, url):
    """A job that has ended and has a webhook; returns its id."""
    job_id = build.submitted(sessions, webhook_url=url)
    build.cancel(sessions, job_id)
    return job_id


def row(sessions):
    with sessions() as session:
        return session.scalars(select(WebhookRow)).one()


def make_due(sessions):
    with sessions.begin() as session:
        session.execute(update(WebhookRow).values(next_attempt_at=func.now()))


def test_the_receiver_gets_a_signed_message_once(sessions, sender, receiver):
    job_id = ended_job(sessions, receiver.url)

    assert sender.send_due() == 1
    assert sender.send_due() == 0

    [(headers, body)] = receiver.came
    assert json.loads(body)["data"]["id"] == job_id
    assert headers["webhook-id"] == row(sessions).id
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert signed(headers, body, SECRET)
    assert row(sessions).delivered_at is not None


@pytest.mark.parametrize("status", [200, 201, 299])
def test_each_2xx_is_a_delivery(sessions, sender, receiver, status):
    receiver.statuses = [status]
    ended_job(sessions, receiver.url)

    sender.send_due()

    assert (row(sessions).last_status, row(sessions).next_attempt_at) == (status, None)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 429, 500, 503])
def test_any_other_status_is_retried_with_the_same_id(sessions, sender, receiver, status):
    receiver.statuses = [status, 204]
    receiver.headers = {"Location": "/elsewhere"}
    ended_job(sessions, receiver.url)

    sender.send_due()
    assert (len(receiver.came), row(sessions).last_status) == (1, status)
    assert row(sessions).next_attempt_at is not None
    make_due(sessions)
    sender.send_due()

    (first, one), (second, other) = receiver.came
    assert first["webhook-id"] == second["webhook-id"]
    assert one == other
    assert signed(second, other, SECRET)
    assert row(sessions).delivered_at is not None


def test_an_overloaded_receiver_is_retried_later(sessions, sender, receiver):
    receiver.statuses = [503, 429]
    for _ in range(2):
        ended_job(sessions, receiver.url)

    sender.send_due()

    with sessions() as session:
        due = WebhookRow.next_attempt_at
        [(_, soon), (_, later)] = session.execute(
            select(WebhookRow.id, due - func.now()).order_by(due)
        )
    assert soon < timedelta(seconds=7)
    assert timedelta(minutes=4) < later < timedelta(minutes=7)


@pytest.mark.parametrize("asked", ["600", "date"])
def test_a_receiver_that_names_a_wait_is_retried_after_it(sessions, sender, receiver, asked):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    receiver.statuses = [503]
    receiver.headers = {"Retry-After": later if asked == "date" else asked}
    ended_job(sessions, receiver.url)

    sender.send_due()

    with sessions() as session:
        wait = session.scalar(select(WebhookRow.next_attempt_at - func.now()))
    assert timedelta(seconds=540) < wait <= timedelta(seconds=720)
    assert [each["reason"] for each in row(sessions).history] == ["HTTP 503"]


def test_a_410_ends_the_attempts(sessions, sender, receiver):
    receiver.statuses = [410]
    ended_job(sessions, receiver.url)

    sender.send_due()

    assert row(sessions).given_up_at is not None


def test_a_receiver_that_does_not_answer_in_time_has_failed(sessions, sender, receiver):
    receiver.free.clear()
    ended_job(sessions, receiver.url)

    replace(sender, total_seconds=0.5).send_due()

    assert (row(sessions).attempts, row(sessions).last_status) == (1, None)
    assert row(sessions).next_attempt_at is not None


def test_no_transaction_is_open_while_a_message_is_sent(sessions, engine, sender, receiver):
    receiver.free.clear()
    ended_job(sessions, receiver.url)
    thread = threading.Thread(target=sender.send_due)
    thread.start()
    until(lambda: receiver.came, what="the message")

    def none_is_open():  # one is for a moment, whenever it looks for further messages
        with engine.connect() as connection:
            states = connection.scalars(
                text("SELECT state FROM pg_stat_activity WHERE application_name LIKE 'kinomill%'")
            ).all()
        return "idle in transaction" not in states

    until(none_is_open, what="a moment without an open transaction")
    assert receiver.came
    assert thread.is_alive()
    receiver.free.set()
    thread.join(30)


def test_a_page_as_a_response_is_read_and_ignored(sessions, sender, receiver):
    receiver.statuses, receiver.body = [200], bytes(500_000)
    ended_job(sessions, receiver.url)

    sender.send_due()

    assert row(sessions).delivered_at is not None


def test_an_endless_response_is_a_failure(sessions, sender, receiver):
    receiver.statuses, receiver.endless = [200], True
    ended_job(sessions, receiver.url)

    sender.send_due()

    assert row(sessions).delivered_at is None
    assert row(sessions).next_attempt_at is not None


def test_a_response_in_very_many_pieces_is_a_failure(sessions, sender, receiver):
    receiver.statuses, receiver.headers = [200], {"Transfer-Encoding": "chunked"}
    receiver.body = b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n"
    ended_job(sessions, receiver.url)

    sender.send_due()

    assert row(sessions).delivered_at is None
    assert "more than 2,000 pieces" in row(sessions).history[-1]["reason"]


def test_interim_responses_without_an_end_are_a_failure(sessions, sender, receiver):
    receiver.before = b"HTTP/1.1 102 Processing\r\n\r\n" * 500
    ended_job(sessions, receiver.url)

    sender.send_due()

    assert row(sessions).delivered_at is None
    assert "the connection failed" in row(sessions).history[-1]["reason"]


def test_a_thousand_messages_to_a_slow_receiver_delay_no_other_account(sessions, receiver):
    with receiving() as quick:
        quick_url = f"http://127.0.0.1:{quick.port}/"
        ports = frozenset({receiver.port, quick.port})
        policy = replace(receiver.policy, ports=ports)
        sender = WebhookSender(sessions, KEY, "https://api.test", policy)
        slow = ended_job(sessions, receiver.url)
        copy_message(sessions, slow, times=999)
        receiver.free.clear()
        thread = threading.Thread(target=sender.send_due)
        thread.start()
        until(lambda: receiver.came, what="a message to the slow receiver")

        for number in range(5):
            other = build.submitted(sessions, webhook_url=quick_url, account="other")
            build.cancel(sessions, other, account="other")
            until(lambda n=number: len(quick.came) == n + 1, what="the other's message")
        assert len(receiver.came) == MAX_PER_RECEIVER
        sender.stopping.set()
        thread.join(30)


def copy_message(sessions, job_id, *, times):
    """More ended jobs with the message of this one, written at once."""
    job = """
        INSERT INTO jobs SELECT (jsonb_populate_record(
            jobs, jsonb_build_object('id', 'job_' || md5(n::text), 'idempotency_key', NULL))).*
        FROM jobs, generate_series(1, :times) AS n WHERE id = :id"""
    message = """
        INSERT INTO webhooks (id, job_id, account, url, state)
        SELECT 'msg_' || id, id, account, webhook_url, state FROM jobs
        WHERE id NOT IN (SELECT job_id FROM webhooks)"""
    with sessions.begin() as session:
        session.execute(text(job), {"times": times, "id": job_id})
        session.execute(text(message))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "https://127.0.0.1/",
        "https://169.254.169.254/",
        "https://localhost/",
        "https://example.com:22/",
    ],
)
def test_the_url_policy_is_checked_at_each_attempt(sessions, receiver, url):
    sender = WebhookSender(sessions, KEY, "https://api.test", UrlPolicy())
    ended_job(sessions, url.format(port=receiver.port))

    sender.send_due()

    assert receiver.came == []
    assert (row(sessions).attempts, row(sessions).last_status) == (1, None)


def test_a_host_that_resolves_to_a_private_address_is_not_called(receiver):
    policy = UrlPolicy(allow_http=True, ports=frozenset({receiver.port}))

    async def post():
        async with posting.WebhookClient(policy, lambda *_: ["127.0.0.1"]) as client:
            await client.post(f"http://example.com:{receiver.port}/", b"{}", headers={})

    with pytest.raises(posting.DeliveryFailed, match="not public"):
        asyncio.run(post())

    assert receiver.came == []


def test_a_name_server_that_does_not_answer_delays_no_other_receiver(receiver):
    answering, asked = threading.Event(), Counter()

    def resolver(host, port):
        asked[host] += 1
        if host.startswith("slow"):
            answering.wait()
            return []
        return ["127.0.0.1"]

    async def post(client, host):
        return await client.post(f"http://{host}:{receiver.port}/", b"{}", headers={})

    async def run():
        async with posting.WebhookClient(receiver.policy, resolver) as client:
            waiting = [
                asyncio.create_task(post(client, f"slow{number % 200}.example"))
                for number in range(400)
            ]
            try:
                await asyncio.wait_for(post(client, "quick.example"), 30)
            finally:
                answering.set()
            return await asyncio.gather(*waiting, return_exceptions=True)

    failures = asyncio.run(run())

    assert {str(failure) for failure in failures} <= {
        f"slow{number}.example has no address" for number in range(200)
    }
    assert asked == Counter(["quick.example", *(f"slow{number}.example" for number in range(200))])


def test_an_invalid_certificate_is_named_as_the_reason(sessions, tmp_path):
    with receiving(Authority(tmp_path).server_context("localhost")) as receiver:
        ended_job(sessions, receiver.url.replace("http:", "https:"))
        sender = WebhookSender(sessions, KEY, "https://api.test", receiver.policy)

        sender.send_due()

    assert row(sessions).history[0]["reason"] == "the receiver's certificate is not valid"
    assert row(sessions).next_attempt_at is not None


def test_a_refused_connection_is_retried(sessions, sender, receiver):
    with receiving() as other:
        gone = other.port
    policy = replace(receiver.policy, ports=frozenset({gone}))
    ended_job(sessions, f"http://127.0.0.1:{gone}/")

    replace(sender, policy=policy).send_due()

    assert row(sessions).next_attempt_at is not None


def test_the_threads_send_and_stop(sessions, receiver):
    stopping = threading.Event()
    sender = replace(
        WebhookSender.open(settings(fetch_allow_http=True), sessions, stopping),
        policy=receiver.policy,
    )
    ended_job(sessions, receiver.url)
    threads = sender.threads()

    for thread in threads:
        thread.start()
    until(lambda: row(sessions).delivered_at, what="the delivery")
    for thread in threads:
        thread.stop()

    assert len(receiver.came) == 1
    assert stopping.is_set()


def test_a_sender_that_was_stopped_claims_no_message(sessions, sender, receiver):
    ended_job(sessions, receiver.url)
    sender.stopping.set()

    assert sender.send_due() == 0
