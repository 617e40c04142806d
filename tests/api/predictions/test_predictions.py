"""Predictions from creation to their end, and what Replicate's clients expect of each answer."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from replicate.webhook import Webhooks, WebhookSigningSecret
from sqlalchemy import select

from accounts import api_keys
from accounts.api_keys import Scope
from api.predictions.responses import _bar
from jobs import lease as leases
from jobs.states import State
from jobs.tables import Job
from jobs.webhooks import rotation
from jobs.webhooks.events import DEFAULT_EVENTS
from jobs.webhooks.signing import secret_of, sign
from storage.local.store import LocalStorage
from tests.api.build import problem
from tests.api.ending import RESULT, cancel, fail, succeed
from tests.jobs import build
from tests.jobs.build import claimed, submitted
from tests.waiting import until

INPUT = {"prompt": "wind", "image": "https://example.com/a.png", "seed": 1}
MODEL = "kinomill/preview-i2v"


def create(client, body=None, **headers):
    return client.post(
        "/v1/predictions", json={"version": MODEL, "input": INPUT} | (body or {}), headers=headers
    )


@pytest.fixture
def prediction(client):
    return create(client).json()


def get(client, prediction_id):
    return client.get(f"/v1/predictions/{prediction_id}").json()


def version_of(client):
    return client.get(f"/v1/models/{MODEL}").json()["latest_version"]["id"]


def test_a_prediction_is_a_job(client, prediction):
    job = client.get(f"/v1/jobs/{prediction['id']}").json()

    assert prediction["status"] == "starting"
    assert prediction["model"] == MODEL
    assert prediction["version"] == version_of(client)
    assert prediction["input"]["prompt"] == job["input"]["prompt"] == "wind"
    assert prediction["output"] is None
    assert prediction["urls"]["get"].endswith(f"/v1/predictions/{prediction['id']}")


def test_a_model_can_be_named_in_each_way(client):
    version = version_of(client)
    names = [MODEL, version, f"{MODEL}:{version}"]

    made = [create(client, {"version": name}) for name in names]
    made += [
        client.post(f"/v1/{kind}/{MODEL}/predictions", json={"input": INPUT})
        for kind in ("models", "deployments")
    ]

    assert [each.status_code for each in made] == [201] * 5
    assert {each.json()["model"] for each in made} == {MODEL}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"version": "kinomill/nothing"}, "/version"),
        ({"version": "someone/preview-i2v"}, "/version"),
        ({"version": f"{MODEL}:{'0' * 64}"}, "/version"),
        ({"version": None}, "/version"),
        ({"version": 3}, "/version"),
        ({"input": {"prompt": 3}}, "/input/prompt"),
        ({"webhook_events_filter": ["all"]}, "/webhook_events_filter/0"),
        ({"webhook": "http://localhost"}, "/webhook/url"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_a_wrong_request_names_its_field(client, body, pointer):
    answer = create(client, body)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("names", "events"),
    [
        (["start"], ["job.started"]),
        (["completed", "start"], [*DEFAULT_EVENTS, "job.started"]),
        (["output", "logs"], None),
    ],
)
def test_a_webhook_gets_the_events_that_were_chosen(client, sessions, names, events):
    body = {"webhook": "https://example.com/hook", "webhook_events_filter": names}
    job = build.job(sessions, create(client, body).json()["id"])

    assert job.webhook_url == ("https://example.com/hook" if events else None)
    assert job.webhook_events == events


def test_unknown_models_are_404(client):
    for path in (
        "kinomill/nothing",
        "someone/preview-i2v/versions",
        f"{MODEL}/versions/{'0' * 64}",
    ):
        problem(client.get(f"/v1/models/{path}"), 404, "unknown_model")
    answer = client.post("/v1/models/kinomill/nothing/predictions", json={"input": {}})
    problem(answer, 404, "unknown_model")


def test_a_finished_prediction(client, sessions, prediction):
    lease = claimed(sessions, prediction["id"])
    running = get(client, prediction["id"])
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT, timings={"generating": 1.5})
    done = get(client, prediction["id"])

    assert running["status"] == "processing"
    assert done["status"] == "succeeded"
    folder, _, name = done["output"].rpartition("/")
    assert folder.endswith(f"/v1/predictions/{prediction['id']}/output")
    assert name == f"kinomill-preview-i2v-{prediction['id'][-8:]}.mp4"
    assert "generating: 1.5 s" in done["logs"]
    assert done["metrics"]["total_time"] >= done["metrics"]["predict_time"] >= 0
    assert done["completed_at"] >= done["started_at"] >= done["created_at"]


@pytest.mark.parametrize(
    ("end", "status", "error"),
    [(fail, "failed", "no_face: No face was found."), (cancel, "canceled", None)],
)
def test_a_prediction_without_a_result(client, sessions, end, status, error):
    job_id = submitted(sessions)
    end(sessions, job_id)

    ended = get(client, job_id)

    assert (ended["status"], ended["error"], ended["output"]) == (status, error, None)
    answer = client.get(f"/v1/predictions/{job_id}/output/a.mp4")
    problem(answer, 409, "job_without_result")


@pytest.mark.parametrize("prefer", ["wait", "wait=5", "respond-async, wait=5"])
def test_a_wait_without_an_end_says_starting(start, sessions, prefer):
    """Replicate's client takes any other status for the end."""
    client = start(longest_wait_seconds=1)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(create, client, Prefer=prefer)
        until(lambda: build.count(sessions, State.QUEUED), what="the job")
        with sessions() as session:
            job_id = session.scalar(select(Job.id))
        claimed(sessions, job_id)
        answer = answer.result()

    assert answer.json()["status"] == "starting"
    assert get(client, answer.json()["id"])["status"] == "processing"


def test_a_prediction_that_does_not_wait_says_what_it_is(client, sessions):
    first = create(client, **{"Idempotency-Key": "one"}).json()
    claimed(sessions, first["id"])

    again = create(client, **{"Idempotency-Key": "one", "Prefer": "return=minimal; waiting"})

    assert again.json()["status"] == "processing"
    assert again.headers["idempotency-replayed"] == "true"


def test_cancel_is_the_same_twice(client, prediction):
    url = f"/v1/predictions/{prediction['id']}/cancel"

    assert [client.post(url).json()["status"] for _ in range(2)] == ["canceled"] * 2


def test_pages_of_a_list(client, sessions, monkeypatch):
    monkeypatch.setattr("api.predictions.routes.PAGE_SIZE", 2)
    ids = [submitted(sessions) for _ in range(3)]

    first = client.get("/v1/predictions").json()
    second = client.get(first["next"]).json()

    assert [each["id"] for each in first["results"]] == ids[:0:-1]
    assert [each["id"] for each in second["results"]] == ids[:1]
    assert (first["previous"], second["next"]) == (None, None)
    problem(client.get("/v1/predictions?cursor=x"), 422, "invalid_cursor")


def test_a_stream_of_an_ended_prediction(client, sessions):
    job_id = submitted(sessions)
    succeed(sessions, job_id)

    lines = client.get(f"/v1/predictions/{job_id}/stream").text.splitlines()

    assert [line for line in lines if line.startswith("event:")] == [
        "event: logs",
        "event: output",
        "event: done",
    ]
    assert [line for line in lines if line.startswith("id:")] == ["id: 1", "id: 2", "id: 3"]


def test_a_stream_of_a_failed_prediction(client, sessions):
    job_id = submitted(sessions)
    fail(sessions, job_id)

    text = client.get(f"/v1/predictions/{job_id}/stream").text

    assert "event: error\ndata: no_face: No face was found." in text
    assert 'data: {"reason": "error"}' in text


def test_the_version_describes_its_input(client):
    version = client.get(f"/v1/models/{MODEL}").json()["latest_version"]
    schemas = version["openapi_schema"]["components"]["schemas"]

    assert client.get(f"/v1/models/{MODEL}/versions").json()["results"] == [version]
    assert client.get(f"/v1/models/{MODEL}/versions/{version['id']}").json() == version
    assert "prompt" in schemas["Input"]["properties"]
    assert "$defs" not in str(schemas)


def test_progress_is_written_as_tqdm_does():
    assert _bar(0, 40) == "  0%|                    | 0/40"
    assert _bar(10, 40).startswith(" 25%|\N{FULL BLOCK}")
    assert _bar(40, 40).endswith("| 40/40")


BYTES = bytes(range(256)) * 10


@pytest.fixture
def output(client, sessions, store, stored, tmp_path):
    """The URL of the result of a finished prediction, with bytes in storage."""
    job_id = submitted(sessions)
    path = tmp_path / "a.mp4"
    path.write_bytes(BYTES)
    storage = LocalStorage(store, public_url="http://testserver", secret=b"x" * 32)
    storage.put(f"results/{job_id}/1-b.mp4", path, content_type="video/mp4")
    lease = claimed(sessions, job_id)
    result = RESULT | {
        "key": f"results/{job_id}/1-b.mp4",
        "size_bytes": len(BYTES),
        "sha256": hashlib.sha256(BYTES).hexdigest(),
    }
    with sessions.begin() as session:
        leases.succeed(session, lease, result=result, timings={})
    return get(client, job_id)["output"]


def test_the_output_has_the_digest_of_the_job_as_its_etag(client, output):
    answer = client.get(output)
    job = client.get(output.split("/output/")[0].replace("predictions", "jobs")).json()

    assert answer.content == BYTES
    assert answer.headers["etag"] == f'"{job["result"]["sha256"]}"'
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"] == "private, no-cache"
    again = client.get(output, headers={"If-None-Match": answer.headers["etag"]})
    since = client.get(output, headers={"If-Modified-Since": answer.headers["last-modified"]})
    for known in (again, since):
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(
    ("wanted", "part", "content_range"),
    [
        ("bytes=0-99", BYTES[:100], "bytes 0-99/2560"),
        ("bytes=2500-", BYTES[2500:], "bytes 2500-2559/2560"),
        ("bytes=-10", BYTES[-10:], "bytes 2550-2559/2560"),
        ("bytes=0-9,20-29", BYTES, None),
        ("items=0-9", BYTES, None),
    ],
)
def test_a_part_of_the_output(client, output, wanted, part, content_range):
    answer = client.get(output, headers={"Range": wanted})

    assert (answer.status_code, answer.content) == (206 if content_range else 200, part)
    assert answer.headers.get("content-range") == content_range
    assert answer.headers["content-length"] == str(len(part))


def test_a_part_of_another_output_is_the_whole(client, output):
    headers = {"Range": "bytes=0-9", "If-Range": '"other"'}

    assert client.get(output, headers=headers).content == BYTES


def test_the_head_of_the_output_reads_nothing(client, output, monkeypatch):
    monkeypatch.delattr(LocalStorage, "open")

    whole = client.head(output)
    part = client.head(output, headers={"Range": "bytes=0-9"})

    assert (whole.status_code, whole.headers["content-length"]) == (200, "2560")
    assert (part.status_code, part.headers["content-length"]) == (206, "10")
    assert whole.content == part.content == b""


def test_an_impossible_part_of_the_output_is_refused(client, output):
    behind = client.get(output, headers={"Range": "bytes=9999-"})

    problem(behind, 416, "invalid_input")
    assert behind.headers["content-range"] == "bytes */2560"
    problem(client.get(output, headers={"Range": "bytes=b-a"}), 400, "invalid_input")


def test_the_secret_of_webhooks_is_the_one_that_signs(client, sessions, make_settings):
    key = client.get("/v1/webhooks/default/secret").json()["key"]
    secret_key = make_settings().secret_key.get_secret_value().encode()
    body = b'{"type": "job.succeeded"}'
    headers = sign(
        body, secrets=[secret_of("local", secret_key)], message_id="msg_1", timestamp=1_795_876_123
    )

    Webhooks.validate(headers=headers, body=body.decode(), secret=WebhookSigningSecret(key=key))


def test_the_secret_is_the_newest_and_not_for_readers(start, sessions):
    client = start(auth="keys")
    writer, reader = (
        {"Authorization": f"Bearer {create_key(sessions, scopes)}"}
        for scopes in ([Scope.READ, Scope.SUBMIT], [Scope.READ])
    )
    before = client.get("/v1/webhooks/default/secret", headers=writer).json()["key"]
    with sessions.begin() as session:
        rotation.rotate(session, "secretive")
    after = client.get("/v1/webhooks/default/secret", headers=writer).json()["key"]

    assert before != after
    problem(client.get("/v1/webhooks/default/secret", headers=reader), 403, "insufficient_scope")


def create_key(sessions, scopes):
    with sessions.begin() as session:
        return api_keys.create(session, account="secretive", name="", scopes=scopes)[1]
