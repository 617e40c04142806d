"""Uploads in pieces: begun, sent by a signed URL, continued after a break, completed."""

from __future__ import annotations

import hashlib

import pytest

from jobs.ids import input_key
from storage.local.uploads import LocalUploads
from tests.api.build import job_body, png, problem, wav

CONTENT = wav(seconds=10)
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def begin(client, content=CONTENT, **changes):
    body = {"filename": "voice.wav", "size": len(content)} | changes
    response = client.post("/v1/files", json=body)
    assert response.status_code == 201, response.text
    return response.json()


def put(client, file, piece, start, total=SIZE):
    span = f"bytes {start}-{start + len(piece) - 1}/{total}" if piece else f"bytes */{total}"
    return client.put(file["upload"]["urls"][0], content=piece, headers={"Content-Range": span})


def complete(client, file):
    return client.post(f"/v1/files/{file['id']}/complete")


def test_a_file_is_sent_in_pieces_and_completed(client, stored):
    file = begin(client, sha256=SHA256)
    assert (file["status"], file["content_type"]) == ("uploading", None)
    assert file["upload"]["protocol"] == "content-range"

    first = put(client, file, CONTENT[:100_000], 0)
    last = put(client, file, CONTENT[100_000:], 100_000)

    assert (first.status_code, first.headers["range"]) == (308, "bytes=0-99999")
    assert last.status_code == 200
    ready = complete(client, file).json()
    assert (ready["status"], ready["content_type"]) == ("ready", "audio/wav")
    assert ready["checksums"]["sha256"] == SHA256
    assert "upload" not in ready or ready["upload"] is None
    assert stored() == [input_key(file["id"])]
    assert client.post("/v1/jobs", json=job_body(audio=file["id"])).status_code == 202


def test_the_whole_file_may_be_one_piece(client):
    file = begin(client)

    assert client.put(file["upload"]["urls"][0], content=CONTENT).status_code == 200
    assert complete(client, file).json()["checksums"]["sha256"] == SHA256


def test_an_upload_goes_on_where_it_broke(client):
    file = begin(client)
    put(client, file, CONTENT[:1000], 0)

    again = client.get(f"/v1/files/{file['id']}/upload").json()
    asked = put(client, again, b"", 0)
    other_place = put(client, again, CONTENT[5000:6000], 5000)

    assert (asked.status_code, asked.headers["range"]) == (308, "bytes=0-999")
    assert (other_place.status_code, other_place.headers["range"]) == (308, "bytes=0-999")
    assert put(client, again, CONTENT[1000:], 1000).status_code == 200
    assert put(client, again, b"", 0).status_code == 200
    assert complete(client, file).status_code == 200


def test_a_piece_that_two_requests_send_is_appended_once(client, monkeypatch):
    file = begin(client)
    look = LocalUploads.received_bytes

    def looked_before_the_other_request(uploads, file_id):
        received = look(uploads, file_id)
        monkeypatch.setattr(LocalUploads, "received_bytes", look)
        assert put(client, file, CONTENT[:1000], 0).status_code == 308
        return received

    monkeypatch.setattr(LocalUploads, "received_bytes", looked_before_the_other_request)

    late = put(client, file, CONTENT[:1000], 0)

    assert (late.status_code, late.headers["range"]) == (308, "bytes=0-999")
    assert put(client, file, CONTENT[1000:], 1000).status_code == 200
    assert complete(client, file).json()["checksums"]["sha256"] == SHA256


def test_nothing_has_arrived_at_first(client):
    asked = put(client, begin(client), b"", 0)

    assert asked.status_code == 308
    assert "range" not in asked.headers


def test_an_incomplete_upload_is_not_completed(client, stored):
    file = begin(client)
    put(client, file, CONTENT[:1000], 0)

    answer = problem(complete(client, file), 409, "file_not_ready")

    assert "1,000 of" in answer["detail"]
    problem(client.get(f"/v1/files/{file['id']}/content"), 409, "file_not_ready")
    refused = client.post("/v1/jobs", json=job_body(audio=file["id"]))
    problem(refused, 422, "file_not_found")
    put(client, file, CONTENT[1000:], 1000)
    assert complete(client, file).status_code == 200


def test_completing_twice_is_answered_twice(client):
    file = begin(client)
    put(client, file, CONTENT, 0)

    first, second = complete(client, file), complete(client, file)

    assert first.json() == second.json()
    assert client.get(f"/v1/files/{file['id']}/upload").json()["status"] == "ready"


def test_other_bytes_than_announced_are_refused(client, stored):
    file = begin(client, sha256="0" * 64)
    put(client, file, CONTENT, 0)

    problem(complete(client, file), 422, "file_mismatch")

    assert stored() == []
    problem(client.get(f"/v1/files/{file['id']}"), 404, "file_not_found")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"#!/bin/sh\n" * 100, "unsupported_media"),
        (CONTENT[:5000], "media_unreadable"),
        (png(width=1_000_000, height=1_000_000), "too_large"),
    ],
)
def test_what_is_no_media_is_refused_at_the_end(client, stored, content, code):
    file = begin(client, content)
    put(client, file, content, 0, len(content))

    problem(complete(client, file), 422, code)

    assert stored() == []
    problem(client.get(f"/v1/files/{file['id']}"), 404, "file_not_found")


def test_a_file_cannot_be_changed_by_its_link_after_the_end(client):
    file = begin(client)
    put(client, file, CONTENT, 0)
    complete(client, file)

    client.put(file["upload"]["urls"][0], content=b"x" * len(CONTENT))

    redirect = client.get(f"/v1/files/{file['id']}/content")
    assert client.get(redirect.headers["location"]).content == CONTENT


def test_a_link_takes_no_bytes_once_its_file_is_complete_or_deleted(client, store):
    whole, refused = begin(client), begin(client, sha256="0" * 64)
    for file in (whole, refused):
        put(client, file, CONTENT, 0)
        complete(client, file)
    deleted = begin(client)
    client.delete(f"/v1/files/{deleted['id']}")

    again = [put(client, file, CONTENT, 0) for file in (whole, refused, deleted)]

    assert again[0].status_code == 200
    problem(again[1], 404, "not_found")
    problem(again[2], 404, "not_found")
    assert not any((store / "uploads" / file["id"]).exists() for file in (whole, refused, deleted))


def test_a_link_of_a_download_takes_no_bytes(client):
    file = begin(client)
    put(client, file, CONTENT, 0)
    complete(client, file)
    link = client.get(f"/v1/files/{file['id']}/content").headers["location"]
    query = link.partition("?")[2]

    problem(client.put(f"/uploads/{file['id']}?{query}", content=b"x"), 403, "link_invalid")


@pytest.mark.parametrize("part", ["file_", "expires=", "signature=", "filename=PUT%20"])
def test_an_altered_link_takes_no_bytes(client, part):
    url = begin(client)["upload"]["urls"][0]
    start = url.index(part) + len(part)
    altered = f"{url[:start]}{'2' if url[start] != '2' else '3'}{url[start + 1 :]}"

    problem(client.put(altered, content=CONTENT), 403, "link_invalid")


@pytest.mark.parametrize(
    "span", ["bytes 0-1/5", "bytes 5-3/320044", "bytes 0-320044/320044", "items 0-1/320044", "x"]
)
def test_an_invalid_range_is_a_400(client, span):
    file = begin(client)
    headers = {"Content-Range": span}

    response = client.put(file["upload"]["urls"][0], content=b"ab", headers=headers)

    problem(response, 400, "invalid_input")


def test_a_body_longer_than_its_range_adds_nothing(client):
    file = begin(client)
    headers = {"Content-Range": f"bytes 0-1/{len(CONTENT)}"}

    response = client.put(file["upload"]["urls"][0], content=b"abcdef", headers=headers)

    problem(response, 400, "invalid_input")
    assert "range" not in put(client, file, b"", 0).headers


@pytest.mark.parametrize(
    "body",
    [
        {"size": 10},
        {"filename": "a.wav"},
        {"filename": "", "size": 10},
        {"filename": "a", "size": 0},
        {"filename": "a", "size": -1},
        {"filename": "a", "size": 1.5},
        {"filename": "a", "size": "10"},
        {"filename": "a", "size": 10, "sha256": "x"},
        {"filename": "a", "size": 10, "sha256": SHA256.upper()},
        {"filename": "a" * 201, "size": 10},
        {"filename": "a", "size": 10, "path": "/etc/passwd"},
        {"filename": "a", "size": 10, "ttl_seconds": 10**12},
        [],
    ],
)
def test_an_invalid_beginning_is_refused(client, body):
    problem(client.post("/v1/files", json=body), 422, "invalid_input")


def test_a_file_over_every_limit_is_refused_at_once(client):
    response = client.post("/v1/files", json={"filename": "a.mp4", "size": 10**12})

    problem(response, 422, "input_too_large")


def test_an_unfinished_upload_counts_to_the_limit_of_the_account(start):
    client = start(max_file_bytes_per_account=1)

    problem(client.post("/v1/files", json={"filename": "a", "size": 2}), 413, "file_quota")


def test_a_deleted_upload_takes_its_bytes_along(client, store, stored):
    file = begin(client)
    put(client, file, CONTENT[:1000], 0)

    assert client.delete(f"/v1/files/{file['id']}").status_code == 204
    assert [path.name for path in (store / "uploads").glob("*")] == []


def test_an_upload_of_another_account_does_not_exist(start, keys_of_two):
    one, two = keys_of_two
    file = one.post("/v1/files", json={"filename": "a.wav", "size": 10}).json()

    for method, path in (("GET", "/upload"), ("POST", "/complete"), ("DELETE", "")):
        answer = two.request(method, f"/v1/files/{file['id']}{path}")
        problem(answer, 404, "file_not_found")
