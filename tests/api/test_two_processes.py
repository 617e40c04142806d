"""Races over two processes of the API: what one of them accepts, the other one keeps true."""

from __future__ import annotations

from datetime import timedelta
from itertools import cycle

import httpx
import pytest
from sqlalchemy import func

from jobs.ids import input_key
from jobs.usage import quotas
from maintenance.storage_cleanup import StorageCleaner
from storage.local.store import LocalStorage
from tests.api.batches.build import lines, row, send
from tests.api.build import MODEL, job_body, png, wav
from tests.api.program import program
from tests.jobs import build

ROUNDS = 25
FILES = {"image": png(), "audio": wav()}


@pytest.fixture(scope="module")
def processes(make_settings, tmp_path_factory):
    """Clients of two processes of the API on one database and one store."""
    folder, settings = tmp_path_factory.mktemp("processes"), make_settings()
    limits = httpx.Limits(max_connections=20)
    with (
        program(settings, folder) as (_, first, _),
        program(settings, folder) as (_, second, _),
        httpx.Client(base_url=f"http://127.0.0.1:{first}", trust_env=False, limits=limits) as one,
        httpx.Client(base_url=f"http://127.0.0.1:{second}", trust_env=False, limits=limits) as two,
    ):
        yield one, two


@pytest.fixture
def objects(store):
    return LocalStorage(store, public_url="", secret=b"")


def keys(objects):
    return {each.key for each in objects.list_objects("")}


def uploaded(client):
    response = client.post("/v1/files", files={"file": FILES["audio"]})
    assert response.status_code == 201, response.text
    return response.json()["id"]


def submitting(client, file):
    """A call that submits a job with this file."""
    return lambda: client.post("/v1/jobs", json=job_body(audio=file))


def batching(client, file):
    """A call that submits a batch with this file in its second row."""
    content = lines(row(1), row(2, input=job_body(audio=file)["input"]))
    return lambda: send(client, content)


def all_ways(processes, file):
    """Calls that name this file in submissions and batches to both processes."""
    return [way(client, file) for client in processes for way in (submitting, batching)]


def told(responses):
    """Status and code of each response."""
    return [(each.status_code, each.json().get("code")) for each in responses]


ACCEPTED = (202, None)
WITHOUT_FILE = (422, "file_not_found")
ANSWERS = {ACCEPTED, WITHOUT_FILE, (422, "invalid_rows")}


def test_a_file_that_is_deleted_while_jobs_name_it_is_kept_or_refused(processes, sessions, objects):
    one, _ = processes
    outcomes = set()

    for _ in range(ROUNDS):
        file = uploaded(one)
        deleted, *submitted = build.at_once(
            lambda file=file: one.delete(f"/v1/files/{file}"),
            *all_ways(processes, file),
        )
        answers = told(submitted)
        assert set(answers) <= ANSWERS
        assert deleted.status_code in {204, 409}
        if ACCEPTED in answers:
            assert input_key(file) in keys(objects)
        if deleted.status_code == 204:
            assert ACCEPTED not in answers
            assert input_key(file) not in keys(objects)
        outcomes.add(deleted.status_code)

    assert outcomes <= {204, 409}


def test_a_file_whose_last_job_is_deleted_while_others_name_it_is_kept_or_refused(
    processes, sessions, objects
):
    one, _ = processes

    for _ in range(ROUNDS):
        created = one.post("/v1/jobs", data={"model": MODEL}, files=FILES).json()
        file = created["input"]["audio"]
        one.post(f"/v1/jobs/{created['id']}/cancel")
        deleted, *submitted = build.at_once(
            lambda created=created: one.delete(f"/v1/jobs/{created['id']}"),
            *all_ways(processes, file),
        )
        answers = told(submitted)

        assert deleted.status_code == 204
        assert set(answers) <= ANSWERS
        assert (input_key(file) in keys(objects)) == (ACCEPTED in answers)


def test_a_file_that_expires_while_jobs_name_it_is_kept_or_refused(processes, sessions, objects):
    one, _ = processes
    cleaner = StorageCleaner(sessions, lambda: objects)

    for _ in range(ROUNDS):
        created = one.post("/v1/jobs", data={"model": MODEL}, files=FILES).json()
        file = created["input"]["audio"]
        one.post(f"/v1/jobs/{created['id']}/cancel")
        build.change(sessions, [created["id"]], expires_at=func.now() - timedelta(seconds=1))
        _, *submitted = build.at_once(cleaner.expire, *all_ways(processes, file))
        answers = told(submitted)

        assert set(answers) <= ANSWERS
        assert (input_key(file) in keys(objects)) == (ACCEPTED in answers)


def test_equal_submissions_to_both_create_one_job(processes, sessions, stored):
    for number in range(5):
        before = len(stored())
        headers = {"Idempotency-Key": f"key {number}"}
        responses = build.at_once(
            *(
                lambda client=client, headers=headers: client.post(
                    "/v1/jobs", data={"model": MODEL}, files=FILES, headers=headers
                )
                for client, _ in zip(cycle(processes), range(12), strict=False)
            )
        )

        assert {each.status_code for each in responses} == {202}, told(responses)
        assert len({each.json()["id"] for each in responses}) == 1
        assert sum("idempotency-replayed" not in each.headers for each in responses) == 1
        assert len(stored()) == before + len(FILES)


def test_other_bodies_with_one_key_are_refused_by_both(processes, sessions):
    responses = build.at_once(
        *(
            lambda client=client, n=n: client.post(
                "/v1/jobs", json=job_body(labels={"n": str(n)}), headers={"Idempotency-Key": "one"}
            )
            for client, n in zip(cycle(processes), range(12), strict=False)
        )
    )

    answers = told(responses)
    assert answers.count(ACCEPTED) == 1
    assert answers.count((422, "idempotency_mismatch")) == 11


@pytest.mark.parametrize(
    ("quota", "code"),
    [
        ({"jobs_per_day": 15}, "jobs_per_day"),
        ({"submissions_per_minute": 1, "burst": 15}, "submissions_per_minute"),
    ],
)
def test_a_quota_is_exact_over_both(processes, sessions, quota, code):
    with sessions.begin() as session:
        quotas.put(session, "local", quota)

    responses = build.at_once(
        *(
            lambda client=client: client.post("/v1/jobs", json=job_body())
            for client, _ in zip(cycle(processes), range(40), strict=False)
        )
    )

    answers = told(responses)
    assert answers.count(ACCEPTED) == 15
    assert answers.count((429, code)) == 25
