"""The poster of a result: its route, its link, its end."""

from __future__ import annotations

import pytest

from jobs import expiry
from jobs import lease as leases
from storage.local.store import LocalStorage
from tests.api.build import problem
from tests.api.ending import RESULT, fail, succeed
from tests.jobs.build import change, claimed, submitted

JPEG = b"\xff\xd8\xff\xe0 a poster"


@pytest.fixture
def made(sessions, store, stored, tmp_path):
    """The lease of a job with a video and its poster in storage."""
    lease = claimed(sessions, submitted(sessions))
    storage = LocalStorage(store, public_url="http://testserver", secret=b"only for putting")
    path = tmp_path / "file"
    path.write_bytes(JPEG)
    for key in (lease.result_key("mp4"), lease.poster_key):
        storage.put(key, path, content_type="image/jpeg")
    poster = {"key": lease.poster_key, "content_type": "image/jpeg", "width": 64, "height": 36}
    result = RESULT | {"key": lease.result_key("mp4"), "poster": poster}
    with sessions.begin() as session:
        leases.succeed(session, lease, result=result, timings={})
    return lease


def test_a_poster_is_a_jpeg(client, made):
    response = client.get(f"/v1/jobs/{made.job_id}/poster", follow_redirects=True)

    assert response.headers["content-type"] == "image/jpeg"
    assert response.content == JPEG


def test_the_job_and_the_list_have_its_link(client, made):
    job = client.get(f"/v1/jobs/{made.job_id}").json()
    [listed] = client.get("/v1/jobs").json()["items"]

    url = f"http://testserver/v1/jobs/{made.job_id}/poster"
    assert job["links"]["poster"] == listed["links"]["poster"] == url
    assert "poster" not in str(job["result"])


def test_a_result_of_an_older_worker_has_none(client, sessions):
    job_id = submitted(sessions)
    succeed(sessions, job_id)

    problem(client.get(f"/v1/jobs/{job_id}/poster"), 404, "no_poster")
    assert "poster" not in client.get(f"/v1/jobs/{job_id}").json()["links"]


def test_a_job_without_a_result_has_none(client, sessions):
    job_id = submitted(sessions)
    problem(client.get(f"/v1/jobs/{job_id}/poster"), 409, "job_not_finished")
    fail(sessions, job_id)
    problem(client.get(f"/v1/jobs/{job_id}/poster"), 409, "job_without_result")


def test_the_poster_of_another_account_is_not_found(client, sessions, made):
    change(sessions, [made.job_id], account="other")

    problem(client.get(f"/v1/jobs/{made.job_id}/poster"), 404, "job_not_found")


def test_it_is_deleted_with_its_job(client, made, stored):
    assert client.delete(f"/v1/jobs/{made.job_id}").status_code == 204

    assert stored() == []


def test_it_is_no_orphan_while_its_job_is_kept(sessions, made):
    other = made.poster_key.replace("1-", "2-")
    with sessions() as session:
        assert expiry.orphaned_results(session, [made.poster_key, other]) == [other]


def test_a_video_shows_it_as_its_thumbnail(client, made):
    url = f"/v1/videos/{made.job_id}/content?variant=thumbnail"

    assert client.get(url, follow_redirects=True).content == JPEG
