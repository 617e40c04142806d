"""The soak detects each kind of broken promise to a caller or a receiver."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from jobs.states import Outcome, Priority, State
from jobs.tables import Attempt, Job, WebhookRow
from jobs.webhooks.signing import secret_of, sign
from tests.maintenance.receiver import Delivery
from tests.soak.callers import Submission
from tests.soak.invariants import Snapshot, counts
from tests.soak.promises import Observations, check

KEY = "a key of the tests"
WEBHOOK = "http://127.0.0.1:1234/webhook"
RESULT = {"key": "results/job_1/1-ab.mp4", "sha256": "5a"}


def delivery(at=100.0, *, status="succeeded", job_id="job_1", accepted=True, key=KEY):
    body = json.dumps({"data": {"id": job_id, "status": status}}).encode()
    secret = secret_of("one", key.encode())
    headers = sign(body, secrets=[secret], message_id="msg_1", timestamp=int(at))
    return Delivery(at, {name.lower(): value for name, value in headers.items()}, body, accepted)


@pytest.fixture
def job():
    return Job(
        id="job_1",
        account="one",
        model="faulty",
        input={"steps": 3, "acts": []},
        labels={"submission": "key-1"},
        idempotency_key="key-1",
        priority=Priority.NORMAL,
        webhook_url=WEBHOOK,
        state=State.SUCCEEDED,
        result=dict(RESULT),
    )


@pytest.fixture
def snapshot(job):
    attempt = Attempt(job_id="job_1", number=1, outcome=Outcome.SUCCEEDED)
    webhook = WebhookRow(id="msg_1", job_id="job_1", url=WEBHOOK, delivered_at="now")
    return Snapshot([job], [attempt], [], {}, [webhook])


@pytest.fixture
def seen():
    body = {"model": "faulty", "input": {"steps": 3}, "webhook": {"url": WEBHOOK}}
    return Observations(
        [Submission("key-1", "one", "steps", body, {"job_1"})],
        shown={"job_1": {"status": "succeeded", "result": {"sha256": "5a"}}},
        deliveries=[delivery()],
        secret_key=KEY,
    )


def broken(snapshot, seen):
    """Promises that are broken."""
    return {rule for rule, number in counts(check(snapshot, seen)).items() if number}


def end(snapshot, seen, state, **error):
    """Let the job end otherwise, everywhere."""
    [job] = snapshot.jobs
    job.state, job.result, job.error = state, None, error or None
    seen.shown["job_1"] = {"status": state.value, "result": None}
    seen.deliveries = [delivery(status=state.value)]


def lose(snapshot, *outcomes):
    snapshot.attempts = [
        Attempt(job_id="job_1", number=number, outcome=outcome)
        for number, outcome in enumerate(outcomes, 1)
    ]


def test_a_kept_promise_breaks_no_rule(snapshot, seen):
    assert check(snapshot, seen) == []


def test_an_accepted_job_without_a_row_is_lost(snapshot, seen):
    seen.submissions[0].ids = {"job_2"}

    assert "lost" in broken(snapshot, seen)


def test_a_submission_that_was_never_accepted_is_lost(snapshot, seen):
    body = {"model": "faulty", "input": {}}
    seen.submissions.append(Submission("key-2", "one", "steps", body))

    assert broken(snapshot, seen) == {"lost"}


def test_a_second_id_of_one_submission_is_found(snapshot, seen):
    seen.submissions[0].ids.add("job_2")

    assert broken(snapshot, seen) == {"lost", "doubled"}


def test_a_second_row_of_one_submission_is_found(snapshot, seen, job):
    second = Job(**{name: getattr(job, name) for name in job.__table__.columns.keys()})  # noqa: SIM118
    second.id, second.webhook_url = "job_2", None
    snapshot.jobs.append(second)
    seen.shown["job_2"] = seen.shown["job_1"]

    assert "doubled" in broken(snapshot, seen)


def test_a_job_of_nobody_is_found(snapshot, seen):
    snapshot.jobs[0].labels = {}

    assert "doubled" in broken(snapshot, seen)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "other"},
        {"model": "other"},
        {"priority": Priority.BACKGROUND},
        {"input": {"steps": 4}},
        {"idempotency_key": None},
    ],
)
def test_a_job_that_was_altered_is_found(snapshot, seen, change):
    for name, value in change.items():
        setattr(snapshot.jobs[0], name, value)

    assert "altered" in broken(snapshot, seen)


def test_a_good_job_that_failed_without_a_cause_is_found(snapshot, seen):
    end(snapshot, seen, State.FAILED, code="model_error")
    lose(snapshot, Outcome.FAILED)

    assert broken(snapshot, seen) == {"wrong_end"}


@pytest.mark.parametrize(
    ("code", "outcomes", "good"),
    [
        ("worker_lost", [Outcome.LOST] * 3, True),
        ("worker_lost", [Outcome.LOST, Outcome.PREEMPTED, Outcome.LOST], False),
        ("storage_unavailable", [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED], True),
        ("storage_unavailable", [Outcome.FAILED], False),
        ("no_face", [Outcome.FAILED], False),
    ],
)
def test_a_good_job_fails_only_after_enough_faults(snapshot, seen, code, outcomes, good):
    end(snapshot, seen, State.FAILED, code=code)
    lose(snapshot, *outcomes)

    assert broken(snapshot, seen) == (set() if good else {"wrong_end"})


def test_a_success_of_an_input_that_must_fail_is_found(snapshot, seen):
    seen.submissions[0].kind = "reject"

    assert broken(snapshot, seen) == {"wrong_end"}


@pytest.mark.parametrize("sent", [False, True])
def test_a_cancel_that_nobody_sent_is_found(snapshot, seen, sent):
    end(snapshot, seen, State.CANCELED)
    seen.submissions[0].cancel_sent = sent

    assert broken(snapshot, seen) == (set() if sent else {"canceled_by_nobody"})


def test_an_api_that_shows_another_state_or_result_is_found(snapshot, seen):
    seen.shown["job_1"]["status"] = "running"
    assert broken(snapshot, seen) == {"told_otherwise"}

    seen.shown["job_1"] = {"status": "succeeded", "result": {"sha256": "00"}}
    assert broken(snapshot, seen) == {"told_otherwise"}


def test_a_webhook_without_a_message_is_lost(snapshot, seen):
    snapshot.webhooks.clear()
    seen.deliveries.clear()

    assert broken(snapshot, seen) == {"webhooks_lost"}


def test_a_message_that_was_delivered_to_nobody_is_lost(snapshot, seen):
    seen.deliveries.clear()

    assert broken(snapshot, seen) == {"webhooks_lost"}


def test_a_message_that_was_only_refused_is_lost(snapshot, seen):
    seen.deliveries = [delivery(accepted=False)]

    assert broken(snapshot, seen) == {"webhooks_lost"}


def test_two_messages_of_one_job_are_found(snapshot, seen):
    snapshot.webhooks.append(WebhookRow(id="msg_2", job_id="job_1", delivered_at="now"))

    assert "webhooks_wrong" in broken(snapshot, seen)


def test_a_message_for_a_job_without_webhook_is_found(snapshot, seen):
    snapshot.jobs[0].webhook_url = None
    del seen.submissions[0].body["webhook"]

    assert broken(snapshot, seen) == {"webhooks_wrong"}


def test_a_delivery_that_is_not_stored_is_found(snapshot, seen):
    extra = delivery()
    seen.deliveries.append(replace(extra, headers=extra.headers | {"webhook-id": "msg_9"}))

    assert broken(snapshot, seen) == {"webhooks_wrong"}


@pytest.mark.parametrize("change", [{"status": "failed"}, {"job_id": "job_2"}, {"key": "another"}])
def test_a_message_with_other_words_or_a_forged_signature_is_found(snapshot, seen, change):
    seen.deliveries = [delivery(**change)]

    assert broken(snapshot, seen) == {"webhooks_wrong"}


@pytest.mark.parametrize(
    ("interruptions", "good"),
    [([], False), ([(90.0, 95.0)], True), ([(101.0, 102.0)], True), ([(200.0, 201.0)], False)],
)
def test_a_message_is_repeated_only_after_a_fault(snapshot, seen, interruptions, good):
    seen.deliveries.append(delivery(160.0))
    seen.interruptions = interruptions

    assert broken(snapshot, seen) == (set() if good else {"webhooks_repeated"})


def test_a_message_that_came_three_times_without_a_fault_is_found(snapshot, seen):
    seen.deliveries += [delivery(101.0), delivery(102.0)]

    assert counts(check(snapshot, seen))["webhooks_repeated"] == 2


def test_a_response_that_no_good_request_may_get_is_found(snapshot, seen):
    seen.surprises.append("POST /v1/jobs: 500")

    assert broken(snapshot, seen) == {"surprises"}
