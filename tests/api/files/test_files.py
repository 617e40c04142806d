"""Uploaded files: created, listed, named in jobs, read, deleted."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from jobs.ids import input_key
from jobs.tables import UploadedFile
from tests.api.build import MODEL, job_body, png, pointers, problem, wav
from tests.api.ending import cancel
from tests.jobs import build

DAY = timedelta(days=1)


def upload(client, content=None, name="face.png", part="file", **fields):
    files = {part: (name, content or png())}
    return client.post("/v1/files", files=files, data=fields)


def uploaded(client, **options):
    response = upload(client, **options)
    assert response.status_code == 201, response.text
    return response.json()


@pytest.mark.parametrize("part", ["file", "content"])
def test_an_uploaded_file_says_what_it_is(client, stored, part):
    file = uploaded(client, part=part, name="C:\\fotos\\mein Gesicht.jpg")

    assert (file["object"], file["status"]) == ("file", "ready")
    assert file["filename"] == file["name"] == "mein Gesicht.jpg"
    assert file["bytes"] == file["size"] == len(png())
    assert file["content_type"] == "image/png", "by its content"
    assert file["checksums"]["sha256"] == hashlib.sha256(png()).hexdigest()
    lasts = datetime.fromisoformat(file["expires_at"]) - datetime.fromisoformat(file["created_at"])
    assert lasts == timedelta(days=7)
    assert file["urls"]["get"] == f"http://testserver/v1/files/{file['id']}/content"
    assert stored() == [input_key(file["id"])]
    assert client.get(f"/v1/files/{file['id']}").json() == file


def test_the_bytes_of_a_file_are_read_by_a_signed_link(client):
    file = uploaded(client, name="mein été.png")

    redirect = client.get(f"/v1/files/{file['id']}/content")

    assert redirect.status_code == 302
    response = client.get(redirect.headers["location"])
    assert response.content == png()
    assert response.headers["content-type"] == "image/png"
    assert "mein%20%C3%A9t%C3%A9.png" in response.headers["content-disposition"]
    assert response.headers["cache-control"] == "private"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_list_is_also_that_of_other_clients(keys_of_two):
    client, other = keys_of_two
    ids = [uploaded(client, name=f"{i}.png")["id"] for i in range(3)]
    begun = client.post("/v1/files", json={"filename": "a.mp4", "size": 10_000_000}).json()["id"]

    first = client.get("/v1/files?limit=2&purpose=user_data&order=desc").json()
    second = client.get(f"/v1/files?limit=2&after={first['data'][-1]['id']}").json()

    assert [each["id"] for each in first["data"]] == [begun, ids[2]]
    assert [each["id"] for each in first["results"]] == [ids[2]], "Replicate's have a type"
    assert [each["id"] for each in second["data"]] == ids[1::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)
    refused = problem(other.get(f"/v1/files?after={ids[0]}"), 422, "invalid_cursor")
    assert pointers(refused) == ["/query/after"]


def test_a_deletion_says_so_in_json_if_asked(client):
    file = uploaded(client)

    answer = client.delete(f"/v1/files/{file['id']}", headers={"Accept": "application/json"})

    assert answer.json() == {"id": file["id"], "object": "file", "deleted": True}
    problem(client.get(f"/v1/files/{file['id']}"), 404, "file_not_found")


def test_openai_clients_say_when_a_file_expires(client):
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}

    file = uploaded(client, **fields)

    lasts = datetime.fromisoformat(file["expires_at"]) - datetime.fromisoformat(file["created_at"])
    assert lasts == timedelta(hours=1)
    for wrong in ({"expires_after[seconds]": "1"}, {"expires_after[anchor]": "later"}):
        [name] = wrong
        assert pointers(problem(upload(client, **wrong), 422, "invalid_input")) == [f"/{name}"]


@pytest.mark.parametrize("form", ["id", "url"])
def test_one_file_serves_many_jobs(client, form):
    file = uploaded(client)
    image = file["id"] if form == "id" else file["urls"]["get"]

    jobs = [client.post("/v1/jobs", json=job_body(image=image)) for _ in range(3)]

    assert {job.status_code for job in jobs} == {202}
    assert {job.json()["input"]["image"] for job in jobs} == {file["id"]}


def test_files_are_listed_newest_first_in_pages(keys_of_two):
    client, _ = keys_of_two
    ids = [uploaded(client, name=f"{i}.png")["id"] for i in range(5)]

    first = client.get("/v1/files?limit=3").json()
    second = client.get(f"/v1/files?limit=3&cursor={first['next_cursor']}").json()

    assert [file["id"] for file in first["items"] + second["items"]] == ids[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["x", "%00", "bm90aGluZw", "MjAyNg"])
def test_a_cursor_of_another_list_is_refused(client, cursor):
    problem(client.get(f"/v1/files?cursor={cursor}"), 422, "invalid_cursor")


def test_a_deleted_file_is_gone(client, stored):
    file = uploaded(client)

    response = client.delete(f"/v1/files/{file['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert stored() == []
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        answer = client.request(method, f"/v1/files/{file['id']}{path}")
        problem(answer, 404, "file_not_found")
    refused = client.post("/v1/jobs", json=job_body(image=file["id"]))
    problem(refused, 422, "file_not_found")


def test_a_file_that_a_job_needs_is_not_deleted(client, stored, sessions):
    file = uploaded(client)
    job = client.post("/v1/jobs", json=job_body(image=file["id"])).json()

    answer = problem(client.delete(f"/v1/files/{file['id']}"), 409, "file_in_use")

    assert "cancel" in answer["detail"]
    cancel(sessions, job["id"])
    assert client.delete(f"/v1/files/{file['id']}").status_code == 204
    assert stored() == [input_key(file["id"])], "the job that has ended keeps its inputs"
    client.delete(f"/v1/jobs/{job['id']}")
    assert stored() == []


def test_a_deleted_job_leaves_an_uploaded_file(client, stored, sessions):
    file = uploaded(client)
    job = client.post("/v1/jobs", json=job_body(image=file["id"])).json()
    cancel(sessions, job["id"])

    client.delete(f"/v1/jobs/{job['id']}")

    assert stored() == [input_key(file["id"])]
    assert client.post("/v1/jobs", json=job_body(image=file["id"])).status_code == 202


def test_an_expired_file_is_refused_before_it_is_deleted(client, sessions):
    file = uploaded(client)
    expire(sessions, file["id"])

    problem(client.post("/v1/jobs", json=job_body(image=file["id"])), 422, "file_not_found")


def expire(sessions, file_id):
    with sessions.begin() as session:
        session.execute(
            update(UploadedFile)
            .where(UploadedFile.id == file_id)
            .values(expires_at=func.now() - DAY)
        )


def test_a_file_of_another_account_does_not_exist(client, keys_of_two):
    one, two = keys_of_two
    file = uploaded(one)

    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        answer = two.request(method, f"/v1/files/{file['id']}{path}")
        problem(answer, 404, "file_not_found")
    assert two.get("/v1/files").json()["items"] == []
    problem(two.post("/v1/jobs", json=job_body(image=file["id"])), 422, "file_not_found")
    by_url = two.post("/v1/jobs", json=job_body(image=file["urls"]["get"]))
    problem(by_url, 422, "file_not_found")
    assert one.get(f"/v1/files/{file['id']}").status_code == 200


@pytest.mark.parametrize("file_id", ["x", "file_1", "job_" + "0" * 32, "file_" + "0" * 32])
def test_an_unknown_id_is_a_404(client, file_id):
    for method in ("GET", "DELETE"):
        problem(client.request(method, f"/v1/files/{file_id}"), 404, "file_not_found")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"#!/bin/sh\nrm -rf /\n", 422, "unsupported_media"),
        (b"<html>", 422, "unsupported_media"),
        (b"%PDF-1.7", 422, "unsupported_media"),
        (wav(seconds=10)[:5000], 422, "media_unreadable"),
        (png(width=1_000_000, height=1_000_000), 422, "too_large"),
    ],
)
def test_what_is_no_media_is_refused(client, stored, content, status, code):
    answer = problem(upload(client, content), status, code)

    assert answer["errors"][0]["pointer"] == "/file"
    assert stored() == []


def test_an_empty_file_is_refused(client):
    problem(client.post("/v1/files", files={"file": ("a", b"")}), 422, "unsupported_media")


@pytest.mark.parametrize(
    "form",
    [
        {"files": {"image": ("a", png())}},
        {"files": {"file": ("a", png()), "content": ("a", png())}},
        {"files": [("file", ("a", png())), ("file", ("b", png()))]},
        {"files": {"file": ("a", png())}, "data": {"model": MODEL}},
        {"files": {"file": ("a", png())}, "data": {"ttl_seconds": "0"}},
        {"files": {"file": ("a", png())}, "data": {"ttl_seconds": "999999999999"}},
        {"files": {"file": ("a", png())}, "data": {"filename": "x" * 201}},
        {"data": {"file": "https://example.com/a.png"}, "files": {"": ("", b"")}},
    ],
)
def test_a_form_of_another_shape_is_refused(client, stored, form):
    problem(client.post("/v1/files", **form), 422, "invalid_input")
    assert stored() == []


def test_the_type_that_another_api_wants_changes_nothing(client):
    file = uploaded(client, type="image/jpeg")

    assert file["content_type"] == "image/png"


def test_an_upload_may_ask_to_be_kept_for_less(client):
    file = uploaded(client, ttl_seconds="60", filename="other.png")

    lasts = datetime.fromisoformat(file["expires_at"]) - datetime.fromisoformat(file["created_at"])
    assert lasts == timedelta(seconds=60)
    assert file["filename"] == "other.png"


def test_the_files_of_an_account_have_a_limit(start, stored, sessions):
    client = start(max_file_bytes_per_account=bytes_of(sessions) + len(png()) + 10)
    uploaded(client)

    answer = problem(upload(client), 413, "file_quota")

    assert "Delete some" in answer["detail"]
    assert len(stored()) == 1


def bytes_of(sessions):
    with sessions() as session:
        total = select(func.coalesce(func.sum(UploadedFile.size_bytes), 0))
        return int(session.scalar(total.where(UploadedFile.account == "local")))


def test_a_file_over_the_limit_of_its_kind_is_refused(start, stored):
    client = start(max_image_bytes=100)

    problem(upload(client, png() + bytes(200)), 422, "input_too_large")
    assert stored() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a\0b", "…/x", "", "."])
def test_a_name_never_becomes_a_path(client, stored, name):
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.encode()
        + b'"\r\n\r\n'
        + png()
        + b"\r\n--x--\r\n"
    )
    response = client.post(
        "/v1/files", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )

    assert response.status_code == 201
    assert "/" not in response.json()["filename"]
    assert stored() == [input_key(response.json()["id"])]


def test_a_body_of_another_type_is_a_415(client):
    problem(client.post("/v1/files", content=png()), 415, "unsupported_media_type")


def test_a_worker_gets_a_file_that_was_uploaded_before(client, sessions):
    file = uploaded(client, content=wav(), name="voice.wav")
    job = client.post("/v1/jobs", json=job_body(audio=file["id"])).json()

    assert build.job(sessions, job["id"]).input["audio"] == file["id"]


OPENAI = {"X-Stainless-Lang": "python"}


def test_openai_clients_read_a_file_in_their_shape(client):
    files = {"file": ("face.png", png())}
    made = client.post("/v1/files", files=files, data={"purpose": "vision"}, headers=OPENAI)
    file = made.json()
    ours = client.get(f"/v1/files/{file['id']}").json()

    assert made.status_code == 201
    assert made.headers["vary"] == "X-Stainless-Lang"
    assert file == {
        "id": ours["id"],
        "object": "file",
        "bytes": len(png()),
        "created_at": int(datetime.fromisoformat(ours["created_at"]).timestamp()),
        "expires_at": int(datetime.fromisoformat(ours["expires_at"]).timestamp()),
        "filename": "face.png",
        "purpose": "vision",
        "status": "processed",
        "status_details": None,
    }
    assert client.get(f"/v1/files/{file['id']}", headers=OPENAI).json() == file
    assert client.get("/v1/files?limit=1").json()["data"] == [file]
    begun = {"filename": "a.mp4", "size": 10_000_000}
    uploading = client.post("/v1/files", json=begun, headers=OPENAI).json()
    assert (uploading["status"], uploading["purpose"]) == ("uploaded", "user_data")


def test_metadata_is_kept_and_shown(client):
    metadata = {"scene": 12, "tags": ["été", None], "nested": {"a": 1.5}}
    file = uploaded(client, metadata=json.dumps(metadata))
    begun = {"filename": "a.mp4", "size": 10_000_000, "metadata": metadata, "purpose": "vision"}
    large = client.post("/v1/files", json=begun).json()

    assert file["metadata"] == large["metadata"] == metadata
    assert (file["purpose"], large["purpose"]) == (None, "vision")
    found = {each["id"]: each["metadata"] for each in client.get("/v1/files").json()["results"]}
    assert found[file["id"]] == metadata
    assert uploaded(client)["metadata"] == {}


@pytest.mark.parametrize(
    "metadata",
    ["[]", "1", '{"a": 1e999}', '{"a": "\\u0000"}', json.dumps({"a": "x" * 10_000})],
)
def test_metadata_that_cannot_be_kept_is_refused(client, stored, metadata):
    answer = problem(upload(client, metadata=metadata), 422, "invalid_input")

    assert pointers(answer)[0].startswith("/metadata")
    assert stored() == []


def test_metadata_that_is_no_json_is_refused(client, stored):
    problem(upload(client, metadata="{"), 400, "invalid_json")
    assert stored() == []


def test_begun_uploads_have_metadata_within_the_same_limits(client):
    body = '{"filename": "a.mp4", "size": 10, "metadata": {"a": 1e999}}'
    answer = client.post("/v1/files", content=body, headers={"Content-Type": "application/json"})

    assert pointers(problem(answer, 422, "invalid_input")) == ["/metadata"]


def test_files_are_listed_oldest_first_and_by_purpose(keys_of_two):
    client, _ = keys_of_two
    purposes = ["vision", "", "vision", "user_data", "vision"]
    ids = [
        uploaded(client, **({"purpose": purpose} if purpose else {}))["id"] for purpose in purposes
    ]

    first = client.get("/v1/files?limit=3&order=asc").json()
    second = client.get(f"/v1/files?order=asc&after={ids[2]}").json()
    third = client.get(f"/v1/files?order=asc&cursor={first['next_cursor']}").json()

    assert [file["id"] for file in first["data"]] == ids[:3]
    assert [file["id"] for file in second["data"]] == ids[3:]
    assert third["items"] == second["items"]
    assert listed(client, "purpose=vision&limit=10000") == ids[4::-2]
    assert listed(client, "purpose=user_data") == [ids[3], ids[1]]
    for wrong in ("purpose=%00", "purpose=", "order=up", "limit=10001"):
        problem(client.get(f"/v1/files?{wrong}"), 422, "invalid_input")


def listed(client, query):
    return [file["id"] for file in client.get(f"/v1/files?{query}").json()["items"]]
