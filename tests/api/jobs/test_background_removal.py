"""`POST /v1/background-removal`: a picture in, a picture out."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from jobs import lease as leases
from jobs.errors import AttemptFailed
from jobs.tables import Job
from storage.local.store import LocalStorage
from tests.api.build import data_uri, job_body, png, pointers, problem
from tests.api.ending import RESULT, cancel
from tests.jobs.build import claimed
from tests.waiting import until

PATH = "/v1/background-removal"
PICTURE = b"\x89PNG\r\n\x1a\n a cut out picture" * 50_000
MODEL = "preview-cutout"
NULLS = dict.fromkeys(("fps", "frames", "duration_seconds", "has_audio"))


@pytest.fixture
def ending(sessions, store, tmp_path):
    """Ends the one job that is submitted inside the block: with a picture, an error, or not."""

    def only_job():
        with sessions() as session:
            return session.query(Job.id).scalar()

    def succeed(job_id):
        lease = claimed(sessions, job_id)
        (tmp_path / "a.png").write_bytes(PICTURE)
        storage = LocalStorage(store, public_url="http://testserver", secret=b"only for putting")
        key = lease.result_key("png")
        storage.put(key, tmp_path / "a.png", content_type="image/png")
        made = {"key": key, "content_type": "image/png", "size_bytes": len(PICTURE)}
        with sessions.begin() as session:
            leases.succeed(session, lease, result=RESULT | NULLS | made, timings={})

    @contextmanager
    def ending(error=None):
        def run():
            job_id = until(only_job, what="a job")
            if error == "canceled":
                cancel(sessions, job_id)
            elif error is None:
                succeed(job_id)
            else:
                lease = claimed(sessions, job_id)
                with sessions.begin() as session:
                    leases.fail(session, lease, error, max_retries=0)

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join()

    return ending


FILE = ("a.png", png())


def post(client, *, file=FILE, headers=None, wait=None, **fields):
    return client.post(
        PATH,
        files={"file": file},
        data=fields,
        headers=headers,
        params={} if wait is None else {"wait": wait},
    )


def test_the_answer_is_the_picture(client, ending):
    with ending():
        response = post(client)

    job_id = response.headers["location"].rpartition("/")[2]
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-length"] == str(len(PICTURE))
    assert f'-{job_id[-8:]}.png"' in response.headers["content-disposition"]
    assert response.headers["kinomill-model"]
    assert response.content == PICTURE
    assert client.get(f"/v1/jobs/{job_id}").json()["priority"] == "interactive"


def test_a_picture_that_takes_longer_is_a_job(client):
    response = post(client, wait=0.2, model=MODEL, output_format="webp", output="blur")

    job = response.json()
    assert (response.status_code, job["status"], job["model"]) == (202, "queued", MODEL)
    assert response.headers["location"].endswith(job["id"])
    assert (job["input"]["format"], job["input"]["output"]) == ("webp", "blur")


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (AttemptFailed("media_unreadable", "It is damaged.", field="image"), 422, None),
        (AttemptFailed("internal_error", "See the log."), 500, None),
        (AttemptFailed("storage_unavailable", "Later.", retryable=True), 503, None),
        (AttemptFailed("worker_lost", "Gone."), 422, None),
        ("canceled", 409, "job_without_result"),
    ],
)
def test_a_job_that_failed_is_a_problem_with_its_code(client, ending, failure, status, code):
    with ending(failure):
        response = post(client)

    answer = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code == answer["status"] == status
    assert answer["code"] == (code or failure.code)
    assert "/v1/jobs/job_" in response.headers["location"]
    if failure != "canceled":
        assert (answer["detail"], answer["retryable"]) == (failure.detail, failure.retryable)
        assert pointers(answer) == (["/input/image"] if failure.field else [])


def test_a_code_of_the_model_itself_is_kept(client, ending):
    with ending(AttemptFailed("no_unicorn", "There is no unicorn.")):
        answer = post(client).json()

    assert (answer["code"], answer["type"]) == ("no_unicorn", "/docs/errors#no_unicorn")


def test_a_replay_gets_the_same_picture(client, ending):
    headers = {"Idempotency-Key": "once"}
    with ending():
        first = post(client, headers=headers, model=MODEL)

    second = post(client, headers=headers, model=MODEL)

    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert second.content == first.content == PICTURE


def test_the_picture_may_be_a_url(client):
    response = client.post(
        PATH,
        files={"file": (None, "https://example.com/a.png")},
        params={"wait": 0},
        data={"model": MODEL},
    )

    assert response.status_code == 202, response.text
    assert response.json()["input"]["image"] == "https://example.com/a.png"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"output_format": "gif"}, "/output_format"),
        ({"output_format": "jpeg"}, "/input"),
        ({"colour": "red"}, "/input/colour"),
        ({"model": "wav2lip"}, None),
    ],
)
def test_what_the_model_does_not_take_is_refused(client, fields, pointer):
    response = post(client, **({"model": MODEL} | fields))

    assert response.status_code in {403, 422}
    if pointer:
        assert pointers(problem(response, 422, "invalid_input")) == [pointer]


def test_a_file_is_required(client):
    response = client.post(PATH, files={"picture": ("a.png", png())})

    assert pointers(problem(response, 422, "invalid_input")) == ["/file"]


def test_a_file_that_is_no_picture_is_refused(client):
    problem(post(client, file=("a.png", b"%PDF-1.7")), 422, "unsupported_media")


def test_only_a_form_is_taken(client):
    body = job_body() | {"image": data_uri(png())}

    problem(client.post(PATH, json=body), 415, "unsupported_media_type")


def test_a_server_without_such_a_model_says_so(start):
    client = start(models=("preview-lipsync",))

    response = post(client)

    assert pointers(problem(response, 422, "invalid_input")) == ["/model"]


def test_a_result_that_has_expired_is_gone(client, sessions, ending):
    headers = {"Idempotency-Key": "once"}
    with ending():
        post(client, headers=headers, model=MODEL)
    with sessions.begin() as session:
        session.execute(Job.__table__.update().values(expired_at=Job.created_at))

    problem(post(client, headers=headers, model=MODEL), 410, "result_expired")
