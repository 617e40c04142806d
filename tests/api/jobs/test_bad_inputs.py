"""Invalid inputs and the right errors: one table for the whole API.

Rows carry the numbers of the list of bad inputs (B1 to B29); those that are missing are met by
the worker, the object store or the broker, and tested there. Other tests go deeper into a row.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from jobs.ids import new_job_id
from storage.local.store import LocalStorage
from tests.api.build import MODEL, data_uri, job_body, png, problem, raw_form, wav
from tests.jobs.build import submitted

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PLAYLIST = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"


def of(**input_changes):
    """A submission with this input."""
    return {"json": job_body(**input_changes)}


def envelope(**fields):
    """A submission with these fields beside its input."""
    return {"json": job_body() | fields}


def raw(body, headers=JSON):
    return {"content": body, "headers": headers}


def image(content):
    """A form whose photo has this content."""
    return {
        "data": {"model": MODEL},
        "files": {"image": ("photo.jpg", content, "image/jpeg"), "audio": wav()},
    }


def voice(content):
    return {
        "data": {"model": MODEL},
        "files": {"image": png(), "audio": ("voice.wav", content, "audio/wav")},
    }


def number(text):
    return raw(json.dumps(job_body(fps="HERE")).replace('"HERE"', text))


def key(words):
    return {"json": job_body(), "headers": {"Idempotency-Key": words}}


SUBMISSIONS = [
    ("B1 metadata", of(image="http://169.254.169.254/computeMetadata/v1/"), "url_not_allowed"),
    ("B2 loopback", of(image="http://127.0.0.1:6379/"), "url_not_allowed"),
    ("B2 localhost", of(image="http://localhost"), "url_not_allowed"),
    ("B2 v6", of(audio="https://[::1]/"), "url_not_allowed"),
    ("B4 file", of(image="file:///etc/passwd"), "url_not_allowed"),
    ("B4 bucket", of(image="gs://other-bucket/x"), "url_not_allowed"),
    ("B4 ftp", of(image="ftp://example.com/a.jpg"), "url_not_allowed"),
    ("B4 data", of(image="data:"), "invalid_data_uri"),
    ("B8 pixel bomb", image(png(30_000, 30_000)), "too_large"),
    ("B8 as data", of(image=data_uri(png(30_000, 30_000))), "too_large"),
    ("B9 cut header", image(png()[:12]), "media_unreadable"),
    ("B10 SVG", image(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "unsupported_media"),
    ("B10 HTML", image(b"<!doctype html><p>hello"), "unsupported_media"),
    ("B10 PDF", image(b"%PDF-1.7\n"), "unsupported_media"),
    ("B10 MP4", image(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"), "unsupported_media"),
    ("B11 playlist", voice(PLAYLIST), "unsupported_media"),
    ("B13 1x1", image(png(1, 1)), "too_small"),
    ("B14 1 MB", envelope(labels={"prompt": "x" * 1_000_000}), "invalid_input"),
    ("B14 NUL", envelope(labels={"prompt": "a\0"}), "invalid_input"),
    ("B14 colon in a name", envelope(labels={"team:a": "b"}), "invalid_input"),
    ("B14 surrogate", raw(json.dumps(job_body(labels={"prompt": "\ud800"}))), "invalid_input"),
    ("B15 1e9", number("1e9"), "invalid_input"),
    ("B15 -1", number("-1"), "invalid_input"),
    ("B15 0", number("0"), "invalid_input"),
    ("B15 NaN", number("NaN"), "invalid_json"),
    ("B15 text", number('"50"'), "invalid_input"),
    ("B15 true", number("true"), "invalid_input"),
    ("B16 input", of(steps=4), "invalid_input"),
    ("B16 beside", envelope(seed=4), "invalid_input"),
    ("B17 deep", raw(b'{"model": "m", "input": {"a": ' + b"[" * 100_000), "invalid_json"),
    ("B17 twice", raw(b'{"model": "a", "model": "b"}'), "invalid_json"),
    ("B17 50 MB", raw(b'{"model": "' + b"m" * 50_000_000 + b'"}'), "body_too_large"),
    ("B17 gzip", raw(b"\x1f\x8b", JSON | {"Content-Encoding": "gzip"}), "unsupported_media_type"),
    ("B18 field", raw(raw_form((b'name="../../x"', b"1")), FORM), "invalid_input"),
    ("B18 NUL field", raw(raw_form((b'name="a\x00"', b"1")), FORM), "invalid_input"),
    ("B19 10 KB", key("k" * 10_240), "invalid_idempotency_key"),
    ("B19 empty", key(""), "invalid_idempotency_key"),
    ("B19 CR LF", key(b"a\r\nX-Other: 1"), "invalid_idempotency_key"),
    ("B19 not ASCII", key("clé".encode("latin-1")), "invalid_idempotency_key"),
    ("B23 path", envelope(model="../../etc/passwd"), "unknown_model"),
    ("B23 URL", envelope(model="https://example.com/m.safetensors"), "unknown_model"),
    ("B23 repository", envelope(model="someone/lora"), "unknown_model"),
    ("B23 adapter", of(lora="someone/lora"), "invalid_input"),
    ("B23 weights", envelope(weights="/tmp/m.bin"), "invalid_input"),
    ("B24 pickle", envelope(model="model.ckpt"), "unknown_model"),
    ("B26 webhook", envelope(webhook={"url": "http://10.0.0.1/"}), "url_not_allowed"),
]
STATUSES = {"invalid_json": 400, "body_too_large": 413, "unsupported_media_type": 415}


@pytest.mark.parametrize(
    ("row", "wanted", "code"), SUBMISSIONS, ids=[row for row, *_ in SUBMISSIONS]
)
def test_an_invalid_submission_is_rejected_and_stores_nothing(client, stored, row, wanted, code):
    response = client.post("/v1/jobs", **wanted)

    answer = problem(response, STATUSES.get(code, 422), code)
    assert not answer["retryable"]
    assert len(response.content) < 2_000
    assert stored() == []


QUERIES = [
    ("B22 limit", {"limit": 1_000_000}, "invalid_input"),
    ("B22 negative", {"limit": -1}, "invalid_input"),
    ("B22 cursor", {"cursor": "forged"}, "invalid_cursor"),
    ("B22 order", {"order_by": "password"}, "invalid_input"),
]


@pytest.mark.parametrize(("row", "query", "code"), QUERIES, ids=[row for row, *_ in QUERIES])
def test_an_invalid_query_is_rejected(client, row, query, code):
    problem(client.get("/v1/jobs", params=query), 422, code)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer km_wrong"}], ids=["none", "wrong"]
)
@pytest.mark.parametrize("query", ["", "?key=km_x", "?access_token=km_x"])
def test_b20_a_request_without_a_valid_key_is_a_401(start, headers, query):
    response = start(auth="keys").get(f"/v1/jobs{query}", headers=headers)

    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_b21_all_ids_of_others_get_the_same_404(client, sessions):
    ids = [submitted(sessions, account="other"), new_job_id(), "not-a-uuid", "%27%20OR%201=1"]

    same_id = {"X-Request-Id": "one"}
    answers = [client.get(f"/v1/jobs/{job_id}", headers=same_id) for job_id in ids]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


@pytest.fixture
def link(store, stored, tmp_path):
    """Create signed URLs of a video in storage."""
    storage = LocalStorage(
        store, public_url="http://testserver", secret=b"a secret of the tests, long enough"
    )
    (tmp_path / "video.mp4").write_bytes(b"a video")
    storage.put("results/job_a/1-b.mp4", tmp_path / "video.mp4", content_type="video/mp4")

    def make(age=timedelta(0)):
        return storage.signed_url(
            "results/job_a/1-b.mp4",
            ttl=timedelta(hours=1),
            now=datetime.now(UTC) - age,
            filename="a.mp4",
        )

    make.storage = storage
    return make


def test_b29_a_signed_url_is_valid_for_its_hour_and_its_video_only(client, link):
    assert client.get(link()).status_code == 200

    problem(client.get(link(age=timedelta(hours=2))), 403, "link_invalid")
    problem(client.get(link().replace("job_a", "job_b")), 403, "link_invalid")
    problem(client.get(link().replace("1-b.mp4", "%2e%2e/1-b.mp4")), 403, "link_invalid")


def test_b29_a_deleted_job_has_no_signed_url(client, link):
    url = link()
    link.storage.delete("results/job_a/1-b.mp4")

    problem(client.get(url), 404, "not_found")


def test_an_object_of_an_allowed_bucket_is_accepted_as_it_is(start):
    client = start(input_buckets=["s3://footage/public"])
    uri = "s3://footage/public/face.jpg"

    response = client.post("/v1/jobs", json=job_body(image=uri))

    assert response.status_code == 202
    assert response.json()["input"]["image"] == uri


def test_an_object_of_another_bucket_is_refused_by_the_setting(start):
    client = start(input_buckets=["s3://footage/public"])

    answer = client.post("/v1/jobs", json=job_body(image="s3://footage/private/face.jpg"))

    assert "KINOMILL_INPUT_BUCKETS" in problem(answer, 422, "url_not_allowed")["detail"]


def test_a_webhook_is_never_a_bucket(start):
    client = start(input_buckets=["s3://footage/public"])
    body = job_body() | {"webhook": {"url": "s3://footage/public/x"}}

    problem(client.post("/v1/jobs", json=body), 422, "url_not_allowed")
