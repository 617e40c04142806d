"""The outbox: one message per final job with a webhook, retried until it is delivered."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from jobs import lease as leases
from jobs import reaper, service
from jobs.errors import AttemptFailed, ErrorCode
from jobs.states import State
from jobs.tables import Job, WebhookRow
from jobs.webhooks import outbox, signing
from jobs.webhooks.in_flight import InFlight
from runtime.metrics.api import WEBHOOKS_GIVEN_UP
from tests.jobs import build
from tests.jobs.metrics.reading import counts

URL = "https://example.com/webhook"


def wanted(sessions):
    return build.submitted(sessions, webhook_url=URL)


def lost(sessions):
    lease = build.claimed(sessions, wanted(sessions))
    build.expire(sessions, lease.job_id)
    return lease


def rows(sessions):
    with sessions() as session:
        return list(session.scalars(select(WebhookRow)))


def claim(sessions):
    with sessions.begin() as session:
        return next(iter(outbox.claim_due(session, InFlight(), limit=1)), None)


def fail(sessions, message, *, status=500, chance=0.0):
    with sessions.begin() as session:
        return outbox.mark_failed(session, message, outbox.Failure(status), chance=chance)


def deliver(sessions, message):
    with sessions.begin() as session:
        outbox.mark_delivered(session, message, status=204)


def make_due(sessions):
    with sessions.begin() as session:
        session.execute(
            update(WebhookRow)
            .where(WebhookRow.next_attempt_at.is_not(None))
            .values(next_attempt_at=func.now())
        )


def canceled_waiting(sessions):
    build.cancel(sessions, wanted(sessions))


def canceled_running(sessions):
    lease = build.claimed(sessions, wanted(sessions))
    with sessions.begin() as session:
        leases.cancel(session, lease)


def succeeded(sessions):
    lease = build.claimed(sessions, wanted(sessions))
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT, timings={})
    return lease.job_id


def failed(sessions):
    lease = build.claimed(sessions, wanted(sessions))
    with sessions.begin() as session:
        leases.fail(session, lease, AttemptFailed("no_face", "None."), max_retries=0)


def failed_with_its_worker(sessions):
    lost(sessions)
    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=1)


def canceled_with_its_worker(sessions):
    build.cancel(sessions, lost(sessions).job_id)
    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=3)


ENDS = [
    (canceled_waiting, State.CANCELED),
    (canceled_running, State.CANCELED),
    (canceled_with_its_worker, State.CANCELED),
    (succeeded, State.SUCCEEDED),
    (failed, State.FAILED),
    (failed_with_its_worker, State.FAILED),
]


@pytest.mark.parametrize(("end", "state"), ENDS, ids=[end.__name__ for end, _ in ENDS])
def test_every_end_writes_one_message_that_is_due_at_once(sessions, end, state):
    end(sessions)

    [row] = rows(sessions)
    message = claim(sessions)
    assert (message.id, message.url, message.state) == (row.id, URL, state)
    assert (message.account, message.attempt) == ("local", 1)
    assert row.id.startswith("msg_")


def test_a_job_that_goes_on_or_has_no_webhook_writes_none(sessions):
    build.succeeded(sessions)
    build.canceled(sessions)
    lost(sessions)
    with sessions.begin() as session:
        [job_id] = reaper.reap(session, max_worker_losses=3)
    lease = build.claimed(sessions, job_id)
    with sessions.begin() as session:
        leases.preempt(session, lease)
    lease = build.claimed(sessions, job_id)
    with sessions.begin() as session:
        leases.fail(
            session,
            lease,
            AttemptFailed(ErrorCode.DISK_FULL, "Full.", retryable=True),
            max_retries=1,
        )

    assert rows(sessions) == []


def test_an_end_that_is_rolled_back_writes_no_message(sessions):
    job_id = wanted(sessions)

    with sessions() as session:
        service.cancel(session, "local", job_id)
        session.rollback()

    assert rows(sessions) == []


def test_a_message_is_claimed_once_and_due_again_if_its_sender_dies(sessions):
    for _ in range(5):
        canceled_waiting(sessions)

    taken = build.at_once(*[lambda: claim(sessions)] * 8)
    taken = [message.id for message in taken if message]
    while message := claim(sessions):
        taken.append(message.id)

    assert sorted(taken) == sorted(row.id for row in rows(sessions))
    left = [row.next_attempt_at - row.created_at for row in rows(sessions)]
    assert all(timedelta(seconds=59) < one < timedelta(seconds=90) for one in left)
    make_due(sessions)
    again = claim(sessions)
    assert again.id in taken
    assert again.attempt == 2


def test_a_delivered_message_is_done(sessions):
    canceled_waiting(sessions)

    deliver(sessions, claim(sessions))

    make_due(sessions)
    assert claim(sessions) is None
    [row] = rows(sessions)
    assert (row.last_status, row.attempts, row.given_up_at) == (204, 1, None)
    assert row.delivered_at is not None


def test_attempts_follow_the_schedule_until_the_message_is_given_up(sessions):
    canceled_waiting(sessions)
    ids, pauses = set(), []

    while message := claim(sessions):
        ids.add(message.id)
        pauses.append(fail(sessions, message))
        make_due(sessions)

    assert len(ids) == 1
    assert pauses == [*outbox.SCHEDULE[1:], None]
    [row] = rows(sessions)
    assert (row.attempts, row.last_status, row.delivered_at) == (8, 500, None)
    assert row.given_up_at is not None
    assert counts(sessions, WEBHOOKS_GIVEN_UP) == {"": 1}


def test_a_wait_has_up_to_a_fifth_of_jitter(sessions):
    canceled_waiting(sessions)

    pause = fail(sessions, claim(sessions), status=None, chance=1.0)

    assert pause == timedelta(seconds=6)
    [row] = rows(sessions)
    assert row.last_status is None
    assert claim(sessions) is None


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_overloaded_receiver_is_retried_later(sessions, status):
    canceled_waiting(sessions)
    pauses = []

    while message := claim(sessions):
        pauses.append(fail(sessions, message, status=status))
        make_due(sessions)

    assert pauses == [*outbox.SCHEDULE[2:], outbox.SCHEDULE[-1], None]


def ago(sessions, **columns):
    """Set when all messages so far were given up or delivered, in days ago."""
    moments = {name: func.now() - timedelta(days=days) for name, days in columns.items()}
    with sessions.begin() as session:
        session.execute(update(WebhookRow).values(next_attempt_at=None, **moments))


def given_up(sessions, days):
    canceled_waiting(sessions)
    fail(sessions, claim(sessions))
    ago(sessions, given_up_at=days)


def test_a_failing_url_gets_one_attempt_per_message(sessions):
    given_up(sessions, days=6)

    for _ in range(2):
        canceled_waiting(sessions)
        assert fail(sessions, claim(sessions)) is None

    assert len([row for row in rows(sessions) if row.given_up_at]) == 3


def test_a_url_that_accepted_a_message_since_is_not_failing(sessions):
    given_up(sessions, days=6)
    canceled_waiting(sessions)
    deliver(sessions, claim(sessions))

    canceled_waiting(sessions)

    assert fail(sessions, claim(sessions)) == outbox.SCHEDULE[1]


@pytest.mark.parametrize(
    "history",
    [
        {"given_up_at": 4},
        {"delivered_at": 6},
    ],
    ids=["not for long", "delivered"],
)
def test_other_histories_do_not_make_a_url_failing(sessions, history):
    canceled_waiting(sessions)
    claim(sessions)
    ago(sessions, **history)

    canceled_waiting(sessions)

    assert fail(sessions, claim(sessions)) == outbox.SCHEDULE[1]


def test_a_failing_url_does_not_affect_other_urls(sessions):
    given_up(sessions, days=6)
    build.cancel(sessions, build.submitted(sessions, webhook_url=URL + "/other"))

    assert fail(sessions, claim(sessions)) == outbox.SCHEDULE[1]


def test_a_url_that_is_failing_for_one_account_is_not_for_others(sessions):
    given_up(sessions, days=6)
    job_id = build.submitted(sessions, account="other", webhook_url=URL)
    build.cancel(sessions, job_id, account="other")

    assert fail(sessions, claim(sessions)) == outbox.SCHEDULE[1]


def test_the_history_of_a_url_is_found_by_an_index(sessions):
    digest, days = func.md5(WebhookRow.url) == func.md5(URL), func.now() - outbox.FAILING_AFTER
    missed = select(WebhookRow.id).where(
        digest, WebhookRow.delivered_at.is_(None), WebhookRow.given_up_at < days
    )
    last = select(func.max(WebhookRow.delivered_at)).where(digest)

    with sessions() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        for statement in (missed, last):
            query = statement.compile(session.bind, compile_kwargs={"literal_binds": True})
            plan = "\n".join(session.scalars(text(f"EXPLAIN {query}")))
            assert "ix_webhooks_url" in plan


def test_a_message_whose_senders_all_died_is_given_up(sessions):
    canceled_waiting(sessions)

    while claim(sessions):
        make_due(sessions)

    [row] = rows(sessions)
    assert (row.attempts, row.next_attempt_at) == (8, None)
    assert row.given_up_at is not None
    assert counts(sessions, WEBHOOKS_GIVEN_UP) == {"": 1}


def test_a_410_gives_the_message_up(sessions):
    canceled_waiting(sessions)

    assert fail(sessions, claim(sessions), status=410) is None
    assert rows(sessions)[0].given_up_at is not None
    assert counts(sessions, WEBHOOKS_GIVEN_UP) == {"": 1}


def test_a_slow_sender_does_not_overwrite_another_attempt(sessions):
    canceled_waiting(sessions)
    slow = claim(sessions)
    make_due(sessions)
    quick = claim(sessions)

    fail(sessions, slow)
    assert rows(sessions)[0].next_attempt_at > rows(sessions)[0].created_at + timedelta(seconds=50)
    deliver(sessions, slow)
    fail(sessions, quick, status=410)

    [row] = rows(sessions)
    assert row.delivered_at is not None
    assert row.given_up_at is None


def test_the_body_is_small_and_the_same_each_time(sessions):
    job_id = succeeded(sessions)
    first = claim(sessions)
    make_due(sessions)

    body = first.body("https://api.test")

    assert claim(sessions).body("https://api.test") == body
    body = json.loads(body)
    url = f"https://api.test/v1/jobs/{job_id}"
    assert body["type"] == "job.succeeded"
    assert body["timestamp"].endswith("+00:00")
    assert body["data"] == {
        "id": job_id, "status": "succeeded", "links": {"self": url, "result": f"{url}/result"},
    }  # fmt: skip


def test_only_a_succeeded_job_has_a_result_link(sessions):
    canceled_waiting(sessions)

    body = json.loads(claim(sessions).body("https://api.test"))

    assert body["type"] == "job.canceled"
    assert set(body["data"]["links"]) == {"self"}


def test_a_deleted_job_has_no_message(sessions):
    canceled_waiting(sessions)

    with sessions.begin() as session:
        session.execute(delete(Job))

    assert claim(sessions) is None


def test_the_published_example_has_its_published_signature():
    headers = signing.sign(
        b'{"test": 2432232314}',
        secrets=[base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_account_and_each_deployment_has_a_secret_of_its_own():
    secrets = {signing.secret_of(account, key) for account in ("a", "b") for key in (b"x", b"y")}

    assert len(secrets) == 4
    assert all(len(secret) == 32 for secret in secrets)
    assert signing.format_secret(b"\0" * 32) == f"whsec_{'A' * 43}="
