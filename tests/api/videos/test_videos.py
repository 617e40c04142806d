"""Videos from creation to deletion, and what OpenAI's clients expect of each answer."""

from __future__ import annotations

import pytest

from jobs import lease as leases
from tests.api.build import problem
from tests.api.ending import RESULT, cancel, fail
from tests.jobs.build import claimed, job, submitted

BODY = {"model": "preview-i2v", "prompt": "wind", "image_url": "https://example.com/a.png"}


@pytest.fixture
def video(client):
    return client.post("/v1/videos", json=BODY | {"seed": 1}).json()


def get(client, video_id):
    return client.get(f"/v1/videos/{video_id}")


def test_a_video_is_a_job(client, video):
    assert video["object"] == "video"
    assert (video["status"], video["progress"], video["prompt"]) == ("queued", 0, "wind")
    assert client.get(f"/v1/jobs/{video['id']}").json()["input"]["prompt"] == "wind"
    assert get(client, video["id"]).headers["openai-poll-after-ms"] == "1000"


def test_a_finished_video(client, sessions, video):
    lease = claimed(sessions, video["id"])
    running = get(client, video["id"]).json()
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT, timings={})
    response = get(client, video["id"])
    done = response.json()
    content = client.get(
        f"/v1/videos/{video['id']}/content", headers={"Accept": "application/binary"}
    )

    assert running["status"] == "in_progress"
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert (done["seconds"], done["size"]) == ("0.04", "64x64")
    assert done["completed_at"] >= done["created_at"]
    assert "openai-poll-after-ms" not in response.headers
    assert content.status_code == 302
    assert "storage" in content.headers["location"]


@pytest.mark.parametrize(("end", "code"), [(fail, "no_face"), (cancel, "canceled")])
def test_a_video_that_failed_is_a_200(client, sessions, end, code):
    job_id = submitted(sessions)
    end(sessions, job_id)

    response = get(client, job_id)

    assert response.status_code == 200
    assert response.json()["status"] == "failed"
    assert response.json()["error"]["code"] == code
    answer = client.get(f"/v1/videos/{job_id}/content")
    problem(answer, 409, "job_without_result")
    assert answer.headers["x-should-retry"] == "false"


def test_content_that_is_not_there_yet_is_not_tried_again(client, video):
    answer = client.get(f"/v1/videos/{video['id']}/content")
    thumbnail = client.get(f"/v1/videos/{video['id']}/content?variant=thumbnail")
    sheet = client.get(f"/v1/videos/{video['id']}/content?variant=spritesheet")

    problem(answer, 404, "job_not_finished")
    assert answer.headers["x-should-retry"] == "false"
    problem(thumbnail, 404, "no_preview")
    problem(sheet, 404, "variant_not_available")
    assert sheet.headers["x-should-retry"] == "false"


def test_lists_in_both_directions(client, sessions):
    for _ in range(3):
        submitted(sessions)
    newest = client.get("/v1/videos", params={"limit": 2}).json()
    older = client.get("/v1/videos", params={"limit": 1, "after": newest["last_id"]}).json()
    oldest = client.get("/v1/videos", params={"limit": 100, "order": "asc"}).json()
    ids = [one["id"] for one in [*newest["data"], *older["data"]]]

    assert ids == sorted(ids, reverse=True)
    assert newest["has_more"]
    assert (newest["first_id"], newest["last_id"]) == (ids[0], ids[1])
    rest = [one["id"] for one in oldest["data"]]
    assert rest == sorted(rest)


def test_a_deletion_cancels_first(client, video):
    answer = client.delete(f"/v1/videos/{video['id']}")

    assert answer.json() == {"id": video["id"], "object": "video.deleted", "deleted": True}
    problem(get(client, video["id"]), 404, "job_not_found")
    problem(client.delete(f"/v1/videos/{video['id']}"), 404, "job_not_found")


def test_a_video_is_canceled_and_stays(client, sessions, video):
    url = f"/v1/videos/{video['id']}/cancel"

    answers = [client.post(url) for _ in range(2)]

    assert [answer.json()["status"] for answer in answers] == ["failed"] * 2
    assert get(client, video["id"]).json()["error"]["code"] == "canceled"
    problem(client.post("/v1/videos/job_none/cancel"), 404, "job_not_found")


def test_a_running_video_that_does_not_stop_is_not_deleted(client, sessions, video, monkeypatch):
    monkeypatch.setattr("api.videos.routes.CANCEL_SECONDS", 0.1)
    claimed(sessions, video["id"])

    problem(client.delete(f"/v1/videos/{video['id']}"), 409, "job_not_finished")

    assert job(sessions, video["id"]).cancel_requested_at is not None


def test_a_request_that_is_sent_again_makes_no_second_video(client):
    resent = {"x-stainless-retry-count": "1"}
    body = BODY | {"prompt": "a request of this test alone"}
    first = client.post("/v1/videos", json=body).json()
    again = client.post("/v1/videos", json=body, headers=resent)
    on_purpose = client.post("/v1/videos", json=body, headers={"x-stainless-retry-count": "0"})
    other = client.post("/v1/videos", json=body | {"prompt": "another"}, headers=resent)

    assert again.json()["id"] == first["id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert len({first["id"], on_purpose.json()["id"], other.json()["id"]}) == 3


def test_a_video_that_takes_too_long_for_one_request(start, sessions):
    client = start(longest_wait_seconds=0)

    answer = client.post("/v1/videos/sync", json=BODY)

    found = problem(answer, 504, "job_not_finished")
    assert job(sessions, found["id"]).state == "queued"
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("path", ["edits", "extensions", "characters", "job_1/remix"])
def test_what_this_server_does_not_offer(client, path):
    answer = client.post(f"/v1/videos/{path}", json={"prompt": "x"})

    problem(answer, 400, "not_supported")
    assert answer.headers["x-should-retry"] == "false"


def test_characters_are_not_offered(client):
    problem(client.get("/v1/videos/characters/char_1"), 400, "not_supported")


def test_models_are_listed_as_openai_does(client):
    models = client.get("/v1/models").json()

    assert models["object"] == "list"
    assert [one["id"] for one in models["data"]] == [one["name"] for one in models["items"]]
    assert {one["object"] for one in models["data"]} == {"model"}
    assert client.get("/v1/models/preview-i2v").json()["id"] == "preview-i2v"


def test_models_are_listed_as_replicate_does(client):
    models = client.get("/v1/models").json()

    assert [one["name"] for one in models["results"]] == [one["id"] for one in models["data"]]
    assert (models["next"], models["previous"]) == (None, None)
    assert models["results"][0]["latest_version"] is None
