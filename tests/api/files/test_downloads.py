"""Signed URLs of results in a local folder."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from storage.base import NewObject
from storage.local.store import LocalStorage
from tests.api.build import problem

VIDEO = bytes(range(256)) * 400
KEY = "results/job_a/1-b.mp4"


@pytest.fixture
def storage(store, stored, tmp_path):
    """The storage of the app, with one video in it."""
    storage = LocalStorage(
        store, public_url="http://testserver", secret=b"a secret of the tests, long enough"
    )
    path = tmp_path / "video.mp4"
    path.write_bytes(VIDEO)
    storage.put(KEY, path, content_type="video/mp4")
    return storage


@pytest.fixture
def link(storage):
    return storage.signed_url(
        KEY, ttl=timedelta(minutes=5), now=datetime.now(UTC), filename="a clip.mp4"
    )


def test_a_signed_url_serves_the_video(client, link):
    response = client.get(link)

    assert response.status_code == 200
    assert response.content == VIDEO
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["content-disposition"].startswith("attachment")
    assert quote("a clip.mp4") in response.headers["content-disposition"]


def test_a_signed_url_supports_head(client, link):
    response = client.head(link)

    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(VIDEO)
    assert response.content == b""


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-99", VIDEO[:100]), ("bytes=100-", VIDEO[100:]), ("bytes=-50", VIDEO[-50:])],
)
def test_a_range_can_be_downloaded(client, link, wanted, part):
    response = client.get(link, headers={"Range": wanted})

    assert response.status_code == 206
    assert response.content == part
    assert response.headers["content-range"].endswith(f"/{len(VIDEO)}")


@pytest.mark.parametrize("wanted", ["items=0-5", "seconds=1-2", "frames", "=0-1"])
def test_a_range_in_an_unknown_unit_is_ignored(client, link, wanted):
    response = client.get(link, headers={"Range": wanted})

    assert response.status_code == 200
    assert response.content == VIDEO


def test_a_range_beyond_the_end_is_a_416(client, link):
    response = client.get(link, headers={"Range": "bytes=999999999-"})

    problem(response, 416, "invalid_input")
    assert response.headers["content-range"] == f"bytes */{len(VIDEO)}"


@pytest.mark.parametrize("wanted", ["bytes=b-a", "bytes=--1", "bytes=+1-2", "bytes=1_0-2_0"])
def test_an_invalid_range_is_a_400(client, link, wanted):
    problem(client.get(link, headers={"Range": wanted}), 400, "invalid_input")


def test_of_several_ranges_those_beyond_the_end_are_left_out(client, link):
    response = client.get(link, headers={"Range": "bytes=0-1, 999999999-"})

    assert (response.status_code, response.content) == (206, VIDEO[:2])


NOW = "Sat, 01 Jan 2050 00:00:00 GMT"
BEFORE = "Sat, 01 Jan 2000 00:00:00 GMT"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_the_file_does_not_get_it_again(client, link, method):
    first = client.get(link)
    etag = first.headers["etag"]
    known = [
        {"If-None-Match": etag},
        {"If-None-Match": f'"other", W/{etag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": first.headers["last-modified"]},
        {"If-Modified-Since": NOW},
        {"If-None-Match": etag, "If-Modified-Since": BEFORE, "Range": "bytes=0-9"},
    ]
    for headers in known:
        answer = client.request(method, link, headers=headers)
        assert (answer.status_code, answer.content) == (304, b""), headers
        assert answer.headers["etag"] == etag
        assert answer.headers["cache-control"] == "private"
        assert "content-length" not in answer.headers


def test_who_has_another_file_gets_it(client, link):
    others = [
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": BEFORE},
        {"If-Modified-Since": "yesterday"},
        {"If-Modified-Since": f"Sat, 01 Jan {'9' * 20} 00:00:00 GMT"},
        {"If-None-Match": '"other"', "If-Modified-Since": NOW},
    ]
    for headers in others:
        assert client.get(link, headers=headers).content == VIDEO, headers


def test_the_etag_is_the_digest_that_the_writer_gave(client, storage, tmp_path):
    digest = hashlib.sha256(VIDEO).hexdigest()
    new = NewObject("results/job_a/1-c.mp4", tmp_path / "video.mp4", "video/mp4", digest)
    storage.put_all([new])
    link = storage.signed_url(
        new.key, ttl=timedelta(minutes=5), now=datetime.now(UTC), filename="a.mp4"
    )

    assert client.get(link).headers["etag"] == f'"{digest}"'


def test_an_object_without_a_digest_has_an_etag_of_its_own(client, storage, link):
    first = client.get(link).headers["etag"]
    path = storage.root / "again.mp4"
    path.write_bytes(VIDEO)
    storage.delete(KEY)
    storage.put(KEY, path, content_type="video/mp4")
    path.unlink()

    assert client.get(link).headers["etag"] != first
    assert not first.startswith("W/")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_download_goes_on_only_with_the_same_file(client, link, method):
    first = client.get(link)
    wanted = {"Range": "bytes=100-199"}
    same = [first.headers["etag"], first.headers["last-modified"]]
    other = ['"other"', f"W/{first.headers['etag']}", BEFORE]

    for condition in same:
        answer = client.request(method, link, headers=wanted | {"If-Range": condition})
        assert answer.status_code == 206, condition
        assert answer.headers["content-length"] == "100"
        assert answer.content == (VIDEO[100:200] if method == "GET" else b"")
    for condition in other:
        answer = client.request(method, link, headers=wanted | {"If-Range": condition})
        assert answer.status_code == 200, condition
        assert answer.headers["content-length"] == str(len(VIDEO))


def altered(link):
    head, _, signature = link.rpartition("signature=")
    yield link.replace(KEY, "results/job_a/2-c.mp4")
    yield link.replace("clip", "film")
    yield link.replace("expires=", "expires=9")
    yield f"{head}signature={signature[::-1]}"
    yield f"{head}signature="
    yield f"{head}signature=%C3%A9"
    yield link.replace(KEY, "inputs/%2e%2e/" + KEY)
    yield link.replace(KEY, "%2e%2e/%2e%2e/etc/passwd")
    yield link.replace(KEY, "//" + KEY)
    yield link.replace(KEY, quote("\0", safe=""))


def test_an_altered_signed_url_is_rejected(client, link):
    for other in altered(link):
        problem(client.get(other), 403, "link_invalid")


def test_a_signed_url_expires(client, storage):
    past = datetime.now(UTC) - timedelta(hours=2)
    link = storage.signed_url(KEY, ttl=timedelta(hours=1), now=past, filename="a.mp4")

    assert "Get a new one from the job" in problem(client.get(link), 403, "link_invalid")["detail"]


def test_a_deleted_video_is_not_found(client, storage, link):
    storage.delete(KEY)

    problem(client.get(link), 404, "not_found")


@pytest.mark.parametrize(
    "query", ["", "?expires=x&signature=a&filename=b", "?expires=1&signature=a"]
)
def test_a_signed_url_without_a_parameter_is_rejected(client, query):
    problem(client.get(f"/storage/{KEY}{query}"), 422, "invalid_input")


def test_a_huge_expiry_time_is_rejected(client, link):
    expires = "9" * 400
    response = client.get(f"/storage/{KEY}?expires={expires}&signature=a&filename=b")

    assert response.status_code in {403, 422}


def test_a_result_that_is_deleted_while_it_is_looked_up_is_a_404(client, link, monkeypatch):
    look, calls = LocalStorage.stat, []

    def then_deleted(storage, key):
        found = look(storage, key)
        calls.append(key)
        if len(calls) == 2:
            storage.delete(key)
        return found

    monkeypatch.setattr(LocalStorage, "stat", then_deleted)

    problem(client.get(link), 404, "not_found")
    assert len(calls) == 2
