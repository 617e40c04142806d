"""Shares: a link without a key to one job and its result, for as long as its owner wants."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, update

from accounts import api_keys
from accounts.api_keys import Scope
from api.shares.tokens import token_of
from jobs import service
from jobs.errors import ErrorCode, RequestError
from jobs.ids import new_share_id
from jobs.shares import shares
from jobs.shares.shares import MAX_SHARES
from jobs.shares.tables import Share
from tests.api.build import pointers, problem
from tests.api.ending import RESULT, cancel, fail, succeed
from tests.jobs.build import change, submitted

SECRETS = {"prompt": "a secret prompt", "image": "https://example.com/face.jpg"}


@pytest.fixture
def job_id(sessions):
    return submitted(sessions, input=SECRETS, labels={"customer": "secret"})


def share(client, job_id, **body):
    response = client.post(f"/v1/jobs/{job_id}/share", json=body)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_link_shows_the_job_without_its_input(client, sessions, job_id):
    link = share(client, job_id)

    response = client.get(link["url"])

    assert response.status_code == 200
    assert response.json()["status"] == "queued"
    assert response.json()["result"] is None
    assert "secret" not in response.text
    assert "face.jpg" not in response.text
    assert job_id not in response.text


def test_a_link_leads_to_the_result(client, sessions, job_id):
    link = share(client, job_id)
    succeed(sessions, job_id)

    shown = client.get(link["url"]).json()
    response = client.get(shown["links"]["result"])

    assert shown["result"]["sha256"] == RESULT["sha256"]
    assert shown["result"]["url"] == shown["links"]["result"] == f"{link['url']}/result"
    assert "key" not in shown["result"]
    assert response.status_code == 302
    assert RESULT["key"] in response.headers["location"]
    problem(client.get(f"{link['url']}/poster"), 404, "no_poster")


def test_a_failed_job_shows_its_code_alone(client, sessions, job_id):
    link = share(client, job_id)
    fail(sessions, job_id)

    shown = client.get(link["url"])

    assert shown.json()["error_code"] == "no_face"
    assert "No face was found" not in shown.text
    problem(client.get(f"{link['url']}/result"), 409, "job_without_result")


def test_no_answer_is_cached_or_tells_its_address(client, sessions, job_id):
    link = share(client, job_id)
    before = client.get(f"{link['url']}/result")
    succeed(sessions, job_id)
    paths = [link["url"], f"{link['url']}/result", link["url"][:-1] + "g"]

    for response in [before, *map(client.get, paths)]:
        assert response.headers["cache-control"] == "private, no-store"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_a_link_needs_no_key_but_sharing_does(start, sessions):
    client = start(auth="keys")
    with sessions.begin() as session:
        _, secret = api_keys.create(session, account="me", name="", scopes=tuple(Scope))
    job_id = submitted(sessions, account="me")
    headers = {"Authorization": f"Bearer {secret}"}

    problem(client.post(f"/v1/jobs/{job_id}/share"), 401, "unauthorized")
    link = client.post(f"/v1/jobs/{job_id}/share", headers=headers).json()

    assert client.get(link["url"]).status_code == 200
    assert client.get(link["url"], headers={"Authorization": "Bearer wrong"}).status_code == 200


def test_shares_are_listed_until_they_are_revoked(client, job_id):
    first, second = share(client, job_id), share(client, job_id, expires_in=60)
    listed = client.get(f"/v1/jobs/{job_id}/shares").json()["items"]
    assert listed == [second, first]

    revoke = f"/v1/jobs/{job_id}/shares/{first['id']}"
    assert client.delete(revoke).status_code == 204

    problem(client.get(first["url"]), 404, "share_not_found")
    problem(client.delete(revoke), 404, "share_not_found")
    assert client.get(second["url"]).status_code == 200
    assert client.get(f"/v1/jobs/{job_id}/shares").json()["items"] == [second]


def test_a_share_ends_at_its_time(client, sessions, job_id):
    link = share(client, job_id, expires_in=60)
    times = [datetime.fromisoformat(link[name]) for name in ("created_at", "expires_at")]
    assert times[1] - times[0] == timedelta(seconds=60)

    with sessions.begin() as session:
        session.execute(update(Share).values(expires_at=func.now()))

    problem(client.get(link["url"]), 404, "share_not_found")
    assert client.get(f"/v1/jobs/{job_id}/shares").json()["items"] == []


def test_the_download_link_does_not_outlive_the_share(client, sessions, job_id):
    link = share(client, job_id, expires_in=60)
    succeed(sessions, job_id)

    location = client.get(f"{link['url']}/result").headers["location"]

    expires = int(location.partition("expires=")[2].partition("&")[0])
    assert expires <= datetime.fromisoformat(link["expires_at"]).timestamp() + 1


@pytest.mark.parametrize("expires_in", [0, 59, 30 * 86_400 + 1, "60", None, 60.5])
def test_a_time_beyond_the_bounds_is_refused(client, job_id, expires_in):
    response = client.post(f"/v1/jobs/{job_id}/share", json={"expires_in": expires_in})

    assert pointers(problem(response, 422, "invalid_input")) == ["/body/expires_in"]


def test_a_forged_token_is_not_found(client, sessions, job_id):
    share(client, job_id)
    unknown, secret = new_share_id(), b"another secret of thirty-two bytes"
    with sessions() as session:
        [known] = session.scalars(Share.__table__.select())

    for token in (token_of(known, secret), token_of(unknown, secret), "a", "0" * 75, "0" * 200):
        problem(client.get(f"/v1/shared/{token}"), 404, "share_not_found")


def test_a_share_is_deleted_with_its_job(client, sessions, job_id):
    link = share(client, job_id)
    succeed(sessions, job_id)
    client.delete(f"/v1/jobs/{job_id}")

    problem(client.get(link["url"]), 404, "share_not_found")


def test_an_expired_job_has_no_result_to_share(client, sessions, job_id):
    link = share(client, job_id)
    succeed(sessions, job_id)
    change(sessions, [job_id], expired_at=func.now())

    assert client.get(link["url"]).json()["result"] is None
    problem(client.get(f"{link['url']}/result"), 410, "result_expired")


def test_jobs_of_other_accounts_cannot_be_shared(client, sessions, job_id):
    link = share(client, job_id)
    change(sessions, [job_id], account="other")

    url = f"/v1/jobs/{job_id}"
    problem(client.post(f"{url}/share"), 404, "job_not_found")
    problem(client.get(f"{url}/shares"), 404, "job_not_found")
    problem(client.delete(f"{url}/shares/{link['id']}"), 404, "job_not_found")


def test_a_share_of_another_job_cannot_be_revoked(client, sessions, job_id):
    link = share(client, job_id)
    other = submitted(sessions)

    problem(client.delete(f"/v1/jobs/{other}/shares/{link['id']}"), 404, "share_not_found")
    assert client.get(link["url"]).status_code == 200


def test_a_job_has_a_limited_number_of_shares(client, sessions, job_id):
    with sessions.begin() as session:
        ends = func.now() + timedelta(hours=1)
        session.add_all(
            Share(id=new_share_id(), job_id=job_id, expires_at=ends) for _ in range(MAX_SHARES)
        )

    problem(client.post(f"/v1/jobs/{job_id}/share"), 409, "share_limit")


def test_a_job_that_is_deleted_meanwhile_is_not_shared(sessions, job_id):
    cancel(sessions, job_id)
    with sessions() as session:
        seen = service.find(session, "local", job_id)
        with sessions.begin() as other:
            service.delete(other, "local", job_id)
        with pytest.raises(RequestError) as missing:
            shares.create(session, "local", seen.id, timedelta(hours=1))

    assert missing.value.code == ErrorCode.JOB_NOT_FOUND
