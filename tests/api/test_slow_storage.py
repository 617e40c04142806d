"""Storage that does not respond holds its own threads, and nothing else."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from api.context.calls import FAILURES_TO_OPEN, OPEN_SECONDS, CircuitBreaker, StorageCalls
from storage.base import ObjectNotFound, StorageUnavailable
from tests.api.build import MODEL, job_body, png, problem, wav
from tests.api.serving import restored_logging, serving
from tests.faults.bucket import Always, bucket_at

FILES = {"image": png(), "audio": wav()}


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    with bucket_at(tmp_path) as bucket:
        for name, value in bucket.variables.items():
            monkeypatch.setenv(name, value)
        yield bucket


def test_jobs_and_health_are_answered_while_45_uploads_hang(make_settings, sessions, bucket):
    with (
        restored_logging(),
        serving(make_settings, storage=bucket.variables["KINOMILL_STORAGE"]) as url,
        ThreadPoolExecutor(45) as pool,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        job_id = client.post("/v1/jobs", json=job_body()).json()["id"]
        bucket.server.faults.update(multipart=Always("hang"), start=Always("hang"))
        began = time.monotonic()
        uploads = [pool.submit(upload, url) for _ in range(45)]
        statuses = []
        while not all(each.done() for each in uploads):
            paths = ("/livez", f"/v1/jobs/{job_id}", "/v1/jobs", "/readyz")
            statuses += [client.get(path, timeout=5).status_code for path in paths]
        answers = [each.result() for each in uploads]

    assert time.monotonic() - began < 40
    assert set(statuses) == {200}
    for answer in answers:
        code = answer.json()["code"]
        assert problem(answer, 503, code)["retryable"]
        assert code in {"storage_unavailable", "too_many_uploads"}
        assert int(answer.headers["retry-after"]) > 0


def upload(url):
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        return client.post("/v1/jobs", data={"model": MODEL}, files=FILES)


def unavailable():
    raise StorageUnavailable("503")


def missing():
    raise ObjectNotFound("key")


def test_a_call_beyond_the_deadline_is_an_outage():
    calls, released = StorageCalls(threads=1, deadline_seconds=0.05), threading.Event()

    async def run():
        with pytest.raises(StorageUnavailable):
            await calls.run(released.wait, 30)
        with pytest.raises(StorageUnavailable):  # the only thread still waits
            await calls.run(str)

    asyncio.run(run())
    released.set()


def test_after_several_outages_storage_is_not_called_for_a_while():
    calls, called = StorageCalls(), []

    async def run():
        for _ in range(FAILURES_TO_OPEN):
            with pytest.raises(StorageUnavailable):
                await calls.run(unavailable)
        with pytest.raises(StorageUnavailable):
            await calls.run(called.append, 1)

    asyncio.run(run())

    assert called == []
    assert calls.errors == {"unavailable": FAILURES_TO_OPEN + 1}


def test_a_missing_object_is_no_outage():
    calls = StorageCalls()

    async def run():
        for _ in range(2 * FAILURES_TO_OPEN):
            with pytest.raises(ObjectNotFound):
                await calls.run(missing)

    asyncio.run(run())

    assert not calls.errors


def test_an_open_breaker_lets_one_call_try_after_a_while():
    now = 0.0
    breaker = CircuitBreaker(now=lambda: now)
    for _ in range(FAILURES_TO_OPEN):
        breaker.record(success=False)
    assert breaker.wait_seconds() == OPEN_SECONDS

    now = OPEN_SECONDS

    assert breaker.wait_seconds() == 0
    assert breaker.wait_seconds() == OPEN_SECONDS
    breaker.record(success=True)
    assert breaker.wait_seconds() == 0
