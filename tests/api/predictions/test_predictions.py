"""Predictions from creation to their end, and what Replicate's clients expect of each answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from api.predictions.responses import _bar
from jobs import lease as leases
from jobs.states import State
from jobs.tables import Job
from jobs.webhooks.events import DEFAULT_EVENTS
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
