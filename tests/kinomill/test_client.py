"""The Python client against the real API."""

from __future__ import annotations

import threading
import time

import httpx
import pytest
from sqlalchemy import func, select

from accounts import api_keys
from jobs import lease as leases
from jobs import service
from jobs.ids import new_job_id
from jobs.tables import Job
from kinomill import (
    AccountLimit,
    ApiError,
    Client,
    InvalidInput,
    JobFailed,
    NotFound,
    Priority,
    Unauthorized,
    Unreachable,
)
from tests.api.build import MODEL, URLS
from tests.api.ending import fail
from tests.api.serving import closed_port, serving
from tests.jobs.build import claimed, submitted
from tests.kinomill.conftest import VIDEO
from tests.kinomill.gateway import bad_gateway, drop_response, forward, gateway
from tests.waiting import until


@pytest.fixture
def broken(make_settings):
    """The address of an API without its database."""
    dead = f"postgresql+psycopg://nobody@127.0.0.1:{closed_port()}/kinomill"
    with serving(make_settings, database_url=dead) as url:
        yield url


def count(sessions):
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Job))


def cancel(sessions, job_id):
    with sessions.begin() as session:
        service.cancel(session, "local", job_id)


def test_models_have_an_input_schema(client):
    assert client.models()[0].input_schema["properties"]["audio"]


def test_a_job_of_urls_and_numbers(client, sessions):
    job = client.submit(MODEL, URLS, fps=30, labels={"a": "b"})

    assert (job.status, job.input["fps"], job.labels) == ("queued", 30, {"a": "b"})
    assert client.get(job) == client.get(job.id)


def test_a_job_of_files_numbers_and_texts(client, sessions, files):
    values = {"fps": 30, "openness": 0.5, "loop": "hold"}

    job = client.submit(MODEL, values, **files, labels={"a": "b"})

    assert values.items() <= job.input.items()
    assert job.input["audio"].startswith("file_")
    assert job.labels == {"a": "b"}


def test_an_idempotency_key_gives_one_job(client, sessions, files):
    first = client.submit(MODEL, files, idempotency_key="one")
    again = client.submit(MODEL, files, idempotency_key="one")

    assert again.id == first.id
    assert count(sessions) == 1


@pytest.mark.parametrize("fault", [drop_response, bad_gateway])
def test_a_submission_is_repeated_with_the_same_key_when_its_answer_is_lost(
    server, sessions, files, fault
):
    with gateway(server, faults=[fault, fault]) as (url, seen), Client(url) as client:
        job = client.submit(MODEL, files)

    keys = {key for _, _, key in seen}
    assert job.status == "queued"
    assert len(seen) == 3
    assert len(keys) == 1
    assert count(sessions) == 1


def test_a_short_outage_of_the_database_costs_no_job(server, broken, sessions, files):
    with httpx.Client(base_url=broken, trust_env=False) as direct:
        unavailable = direct.get("/v1/jobs")
    assert unavailable.status_code == 503

    def unavailable_once(handler, _):
        forward(handler, unavailable)

    with gateway(server, faults=[unavailable_once]) as (url, seen), Client(url) as client:
        client.submit(MODEL, files)

    assert len(seen) == 2
    assert count(sessions) == 1


def test_an_invalid_submission_is_not_retried(server, sessions):
    with (
        gateway(server, faults=[]) as (url, seen),
        Client(url) as client,
        pytest.raises(InvalidInput) as refusal,
    ):
        client.submit(MODEL, URLS, fps=0)

    assert (refusal.value.status, refusal.value.code) == (422, "invalid_input")
    assert "/input/fps" in str(refusal.value)
    assert refusal.value.errors[0].pointer == "/input/fps"
    assert not refusal.value.retryable
    assert len(seen) == 1


def test_priority_and_time_to_live_are_sent(client, sessions, files):
    options = {"priority": Priority.BACKGROUND, "ttl_seconds": 3600}

    ids = [client.submit(MODEL, inputs, **options).id for inputs in (URLS, files)]

    for job_id in ids:
        with sessions() as session:
            job = session.get(Job, job_id)
        assert (job.priority, job.ttl.total_seconds()) == (2, 3600)


@pytest.fixture
def one_job_api(make_settings):
    """The URL of an API that accepts one job per account."""
    with serving(make_settings, max_active_per_account=1) as url:
        yield url


def test_retry_after_is_honored(one_job_api, sessions):
    first = submitted(sessions)
    refused = []

    def full(handler, answer):
        refused.append((answer.status_code, answer.headers["retry-after"], time.monotonic()))
        cancel(sessions, first)
        answer.headers["retry-after"] = "2"  # the API's 10 would make a slow test
        forward(handler, answer)

    with gateway(one_job_api, faults=[full]) as (url, seen), Client(url) as client:
        job = client.submit(MODEL, URLS)

    [(status, retry_after, since)] = refused
    assert (status, retry_after, len(seen)) == (429, "10", 2)
    assert job.status == "queued"
    assert time.monotonic() - since >= 2


def test_a_retry_after_beyond_the_retry_timeout_raises_at_once(one_job_api, sessions):
    submitted(sessions)
    began = time.monotonic()

    with Client(one_job_api, retry_timeout=5) as client, pytest.raises(AccountLimit) as refusal:
        client.submit(MODEL, URLS)

    assert time.monotonic() - began < 10  # it did not wait as long as the API asked
    assert (refusal.value.status, refusal.value.code) == (429, "account_limit")
    assert refusal.value.retry_after == 10


def test_an_api_key_is_sent(make_settings, sessions):
    with sessions.begin() as session:
        _, key = api_keys.create(session, account="me", name="", scopes=[api_keys.Scope.ADMIN])

    with serving(make_settings, auth="keys") as url:
        with Client(url, key=key) as client:
            assert client.submit(MODEL, URLS).status == "queued"
        with Client(url) as client, pytest.raises(Unauthorized) as refusal:
            client.models()

    assert (refusal.value.status, refusal.value.code) == (401, "unauthorized")


def test_a_job_is_deleted_once_also_when_the_answer_is_lost(server, sessions):
    job_id = submitted(sessions)
    cancel(sessions, job_id)

    with gateway(server, faults=[drop_response]) as (url, seen), Client(url) as client:
        client.delete(job_id)

    assert [method for method, *_ in seen] == ["DELETE", "DELETE"]
    assert count(sessions) == 0


def test_an_unfinished_job_is_not_deleted(client, sessions):
    with pytest.raises(ApiError) as refusal:
        client.delete(submitted(sessions))

    assert refusal.value.code == "job_not_finished"


def test_an_address_without_an_api_is_named():
    url = f"http://127.0.0.1:{closed_port()}"

    with Client(url) as client, pytest.raises(Unreachable) as error:
        client.get(new_job_id())

    assert url in str(error.value)
    assert "set KINOMILL_URL" in str(error.value)


def test_an_answer_that_is_not_json_is_an_api_error(server):
    def page(handler, _):
        forward(handler, httpx.Response(200, html="<p>hello"))

    with (
        gateway(server, faults=[page]) as (url, _),
        Client(url) as client,
        pytest.raises(ApiError, match=f"{url} is not a Kinomill API"),
    ):
        client.get(new_job_id())


def test_an_unknown_job_is_an_api_error(client):
    with pytest.raises(NotFound) as error:
        client.get(new_job_id())

    assert (error.value.status, error.value.code) == (404, "job_not_found")


def test_jobs_are_listed_page_by_page(client, sessions):
    ids = [submitted(sessions) for _ in range(3)]

    first = client.list(limit=2)
    rest = client.list(limit=2, cursor=first.next_cursor, status=None)

    assert [job.id for job in (*first, *rest)] == ids[::-1]
    assert (len(first), len(rest), rest.next_cursor) == (2, 1, None)


def test_a_canceled_job_is_not_waited_for(client, sessions):
    job_id = submitted(sessions)

    assert client.cancel(job_id).status == "canceled"
    with pytest.raises(JobFailed, match=f"{job_id} canceled") as failure:
        client.wait(job_id)
    assert failure.value.code == "canceled"


def test_waiting_ends_with_the_job(client, finished):
    assert client.wait(finished).result.size_bytes == len(VIDEO)


def test_a_failed_job_raises_its_reason(client, sessions):
    job_id = submitted(sessions)
    later = threading.Timer(0.3, fail, [sessions, job_id])
    later.start()

    with pytest.raises(JobFailed, match=r"no_face.*No face was found") as failure:
        client.wait(job_id)

    assert (failure.value.job.id, failure.value.code) == (job_id, "no_face")
    later.join()


def test_on_update_is_called_with_each_change(client, sessions):
    job_id = submitted(sessions)
    seen = []

    def watch(job):
        seen.append(job.status)
        if len(seen) == 1:
            claimed(sessions, job_id)
        elif len(seen) == 2:
            cancel_running(sessions, job_id)

    with pytest.raises(JobFailed):
        client.wait(job_id, on_update=watch, poll_seconds=0)

    assert seen == ["queued", "running", "canceled"]


def cancel_running(sessions, job_id):
    with sessions.begin() as session:
        job = session.get(Job, job_id)
        lease = leases.Lease(job.id, job.lease_token, job.attempt, job.model, job.input)
        leases.cancel(session, lease)


def test_run_returns_the_finished_job(server, sessions, finished):
    jobs = []
    with Client(server) as client:
        running = threading.Thread(target=lambda: jobs.append(client.run(MODEL, URLS)))
        running.start()
        until(lambda: count(sessions) == 2, what="the submission")
        [queued] = client.list(status="queued")
        succeed(sessions, queued.id, like=finished)
        running.join(30)

    assert (jobs[0].id, jobs[0].succeeded) == (queued.id, True)
    assert jobs[0].result.frames == 1


def succeed(sessions, job_id, *, like):
    lease = claimed(sessions, job_id)
    with sessions.begin() as session:
        result = session.get(Job, like).result
        leases.succeed(session, lease, result=result, timings={})
