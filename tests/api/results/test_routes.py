"""Downloads of results: the video, further files, and previews."""

from __future__ import annotations

import pytest
from sqlalchemy import func

from jobs import lease as leases
from storage.local.store import LocalStorage
from tests.api.build import problem
from tests.api.ending import RESULT, cancel, fail, succeed
from tests.jobs.build import change, claimed, submitted

JPEG = b"\xff\xd8\xff\xe0 a picture"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_result_redirects_to_a_signed_url(client, sessions, method):
    job_id = submitted(sessions)
    succeed(sessions, job_id)

    response = client.request(method, f"/v1/jobs/{job_id}/result")

    assert response.status_code == 302
    assert response.headers["location"].startswith(f"http://testserver/storage/{RESULT['key']}?")
    assert f"kinomill-preview-lipsync-{job_id[-8:]}.mp4" in response.headers["location"]


def test_an_unfinished_job_has_no_result(client, sessions):
    job_id = submitted(sessions)

    response = client.get(f"/v1/jobs/{job_id}/result")

    assert problem(response, 409, "job_not_finished")["retryable"]
    assert response.headers["retry-after"]


@pytest.mark.parametrize("end", [cancel, fail])
def test_a_failed_or_canceled_job_has_no_result(client, sessions, end):
    job_id = submitted(sessions)
    end(sessions, job_id)

    response = client.get(f"/v1/jobs/{job_id}/result")

    assert not problem(response, 409, "job_without_result")["retryable"]


PICTURE = {
    "content_type": "image/png",
    "width": 3,
    "height": 2,
    "fps": None,
    "frames": None,
    "duration_seconds": None,
    "has_audio": None,
}


@pytest.fixture
def picture(sessions, store, stored, tmp_path):
    """The id of a job that made a picture, which is in storage."""
    lease = claimed(sessions, submitted(sessions))
    storage = LocalStorage(store, public_url="http://testserver", secret=b"only for putting")
    (tmp_path / "a.png").write_bytes(b"a picture")
    key = lease.result_key("png")
    storage.put(key, tmp_path / "a.png", content_type="image/png")
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT | PICTURE | {"key": key}, timings={})
    return lease.job_id


def test_a_picture_has_its_type_and_name_and_no_figures_of_a_video(client, picture):
    result = client.get(f"/v1/jobs/{picture}").json()["result"]

    assert result["filename"] == f"kinomill-preview-lipsync-{picture[-8:]}.png"
    assert {name: result[name] for name in PICTURE} == PICTURE
    assert result["fps_fraction"] is None


def test_a_picture_is_downloaded_as_one(client, picture):
    response = client.get(f"/v1/jobs/{picture}/result", follow_redirects=True)

    assert response.headers["content-type"] == "image/png"
    name = f"kinomill-preview-lipsync-{picture[-8:]}.png"
    assert response.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert response.content == b"a picture"


# --- other files


@pytest.fixture
def made(sessions, store, stored, tmp_path):
    """A job with a video and a voice in storage; returns its lease."""
    lease = claimed(sessions, submitted(sessions))
    storage = LocalStorage(store, public_url="http://testserver", secret=b"only for putting")
    path = tmp_path / "voice.wav"
    path.write_bytes(b"a voice")
    figures = {"size_bytes": 7, "sha256": "0" * 64, "content_type": "audio/wav"}
    for key in (lease.result_key("mp4"), lease.file_key("voice.wav")):
        storage.put(key, path, content_type="audio/wav")
    voice = {"name": "voice.wav", "key": lease.file_key("voice.wav"), **figures}
    with sessions.begin() as session:
        result = RESULT | {"key": lease.result_key("mp4"), "files": [voice]}
        leases.succeed(session, lease, result=result, timings={})
    return lease


def test_a_result_lists_further_files_without_their_object_keys(client, made):
    result = client.get(f"/v1/jobs/{made.job_id}").json()["result"]

    assert result["files"] == [
        {
            "name": "voice.wav",
            "url": f"http://testserver/v1/jobs/{made.job_id}/files/voice.wav",
            "content_type": "audio/wav",
            "size_bytes": 7,
            "sha256": "0" * 64,
        }
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_redirects_to_a_signed_url(client, made, method):
    url = client.get(f"/v1/jobs/{made.job_id}").json()["result"]["files"][0]["url"]

    answer = client.request(method, url)
    response = client.get(answer.headers["location"])

    assert answer.status_code == 302
    assert (response.status_code, response.content) == (200, b"a voice")
    assert response.headers["content-type"] == "audio/wav"
    assert (
        f'filename="kinomill-preview-lipsync-{made.job_id[-8:]}-voice.wav"'
        in response.headers["content-disposition"]
    )


@pytest.mark.parametrize("name", ["other.wav", "VOICE.WAV", "%2E%2E", "%00", "%F0%9F%8E%AC"])
def test_an_unknown_file_of_a_job_is_not_found(client, made, name):
    response = client.get(f"/v1/jobs/{made.job_id}/files/{name}")

    assert response.status_code == 404
    assert "location" not in response.headers


def test_the_error_for_an_unknown_file_names_the_known_ones(client, sessions, made):
    bare = submitted(sessions)
    succeed(sessions, bare)

    answers = [
        problem(client.get(f"/v1/jobs/{job_id}/files/x"), 404, "file_not_found")
        for job_id in (made.job_id, bare)
    ]

    assert "voice.wav" in answers[0]["detail"]
    assert "it has only its result" in answers[1]["detail"]


def test_files_of_an_unfinished_or_failed_job_get_the_errors_of_the_video(client, sessions, made):
    failed = submitted(sessions)
    fail(sessions, failed)
    waiting = submitted(sessions)
    change(sessions, [made.job_id], expired_at=func.now())

    for job_id, status, code in (
        (waiting, 409, "job_not_finished"),
        (failed, 409, "job_without_result"),
        (made.job_id, 410, "result_expired"),
    ):
        problem(client.get(f"/v1/jobs/{job_id}/files/voice.wav"), status, code)


def test_files_are_deleted_with_their_job_including_those_of_a_dead_attempt(
    client, made, stored, store, tmp_path
):
    storage = LocalStorage(store, public_url="http://testserver", secret=b"only for putting")
    lost = f"results/{made.job_id}/2-00000000/voice.wav"
    storage.put(lost, tmp_path / "voice.wav", content_type="audio/wav")
    assert len(stored()) == 3

    assert client.delete(f"/v1/jobs/{made.job_id}").status_code == 204

    assert stored() == []


# --- the preview


@pytest.fixture
def shown(sessions):
    """A running job with a preview; returns its lease."""
    lease = claimed(sessions, submitted(sessions))
    show(sessions, lease)
    return lease


def show(sessions, lease, jpeg=JPEG):
    with sessions.begin() as session:
        leases.save_preview(session, lease, jpeg)


def look(client, lease, tag=None):
    headers = {"If-None-Match": tag} if tag else {}
    return client.get(f"/v1/jobs/{lease.job_id}/preview", headers=headers)


def test_a_preview_is_a_jpeg_that_must_not_be_cached(client, shown):
    response = look(client, shown)

    assert (response.status_code, response.content) == (200, JPEG)
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_an_unchanged_preview_is_a_304(client, sessions, shown):
    tag = look(client, shown).headers["etag"]
    for same in (tag, f"W/{tag}", f'"another", {tag}', "*"):
        again = look(client, shown, same)
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["etag"], again.headers["cache-control"]) == (tag, "no-store")

    show(sessions, shown, JPEG + b"2")

    newer = look(client, shown, tag)
    assert (newer.status_code, newer.content) == (200, JPEG + b"2")
    assert newer.headers["etag"] != tag


def test_a_missing_preview_is_retryable_while_the_job_may_produce_one(client, sessions, shown):
    waiting, ended = submitted(sessions), submitted(sessions)
    cancel(sessions, ended)

    for job_id, again in ((waiting, True), (ended, False)):
        response = client.get(f"/v1/jobs/{job_id}/preview")
        assert problem(response, 404, "no_preview")["retryable"] == again
        assert ("retry-after" in response.headers) == again


def test_a_failed_job_keeps_its_last_preview_and_a_finished_one_has_none(client, sessions, shown):
    with sessions.begin() as session:
        leases.cancel(session, shown)
    done = claimed(sessions, submitted(sessions))
    show(sessions, done)
    with sessions.begin() as session:
        leases.succeed(session, done, result=RESULT, timings={})

    assert look(client, shown).content == JPEG
    problem(look(client, done), 404, "no_preview")
    listed = {job["id"]: job for job in client.get("/v1/jobs").json()["items"]}
    for lease, link in ((shown, True), (done, False)):
        one = client.get(f"/v1/jobs/{lease.job_id}").json()
        assert ("preview" in one["links"]) == link
        assert one["links"] == listed[lease.job_id]["links"]
