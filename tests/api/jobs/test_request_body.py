"""JSON bodies: parsed strictly, limited in size, rejected with a sentence."""

from __future__ import annotations

import json

import pytest

from tests.api.build import MODEL, URLS, job_body, pointers, problem

JSON = {"Content-Type": "application/json"}


def post(client, body, headers=JSON):
    return client.post("/v1/jobs", content=body, headers=headers)


BAD_JSON = {
    "nothing": b"",
    "half": b'{"model": ',
    "form": b"model=preview-lipsync",
    "NaN": b'{"model": NaN}',
    "Infinity": b'{"model": -Infinity}',
    "latin-1": '{"model": "é"}'.encode("latin-1"),
    "utf-16": json.dumps(job_body()).encode("utf-16"),
    "a field twice": b'{"model": "a", "model": "b"}',
    "a nested field twice": b'{"model": "a", "input": {"fps": 1, "fps": 2}}',
    "100,000 lists deep": b'{"model": "m", "input": {"a": ' + b"[" * 100_000,
    "100,000 objects deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "5,000 digits": b'{"model": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_an_invalid_json_body_is_a_400(client, body):
    problem(post(client, body), 400, "invalid_json")


BAD_SHAPES = {
    "list": ([], [""]),
    "word": ("hello", [""]),
    "null": (None, [""]),
    "no model": ({"input": {}}, ["/model"]),
    "no input": ({"model": MODEL}, ["/input"]),
    "model 5": (job_body() | {"model": 5}, ["/model"]),
    "long model": (job_body() | {"model": "m" * 101}, ["/model"]),
    "input list": (job_body() | {"input": []}, ["/input"]),
    "extra": (job_body() | {"priority": 1}, ["/priority"]),
    "a~b/c": (job_body() | {"a~b/c": 1}, ["/a~0b~1c"]),
    "extra input": (job_body(steps=4), ["/input/steps"]),
    "no audio": (job_body(audio=None), ["/input/audio"]),
    "image 5": (job_body(image=5), ["/input/image"]),
    "image list": (job_body(image=[URLS["image"]]), ["/input/image"]),
    "image object": (job_body(image={"url": "x"}), ["/input/image"]),
    "neither": (job_body(image=None), ["/input"]),
    "both": (job_body(video="https://example.com/a.mp4"), ["/input"]),
    "loop": (job_body(loop="twice"), ["/input/loop"]),
    "labels list": (job_body() | {"labels": []}, ["/labels"]),
    "label number": (job_body() | {"labels": {"a": 1}}, ["/labels/a"]),
    "label null": (job_body() | {"labels": {"a": None}}, ["/labels/a"]),
    "label name empty": (job_body() | {"labels": {"": "x"}}, ["/labels/"]),
    "label 1 MB": (job_body() | {"labels": {"a": "x" * 1_000_000}}, ["/labels/a"]),
    "label name 1 MB": (job_body() | {"labels": {"x" * 1_000_000: "a"}}, None),
    "33 labels": (job_body() | {"labels": {str(i): "x" for i in range(33)}}, ["/labels"]),
}


@pytest.mark.parametrize(("body", "where"), BAD_SHAPES.values(), ids=BAD_SHAPES)
def test_each_invalid_field_is_named(client, body, where):
    response = post(client, json.dumps(body))

    answer = problem(response, 422, "invalid_input")
    assert where is None or pointers(answer) == where
    assert len(response.content) < 2_000
    for word in ("Envelope", "pydantic", "dictionary", "instance"):
        assert word not in response.text


def test_a_response_lists_at_most_twenty_errors(client):
    response = client.post("/v1/jobs", json=job_body(**{f"field{i}": i for i in range(10_000)}))

    assert len(problem(response, 422, "invalid_input")["errors"]) <= 20


BAD_NUMBERS = ["1e9", "-1", "0", "NaN", '"50"', "true", "2.5", "61", "1e400", "[25]"]


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_numbers_are_strict(client, number):
    body = json.dumps(job_body(fps="HERE")).replace('"HERE"', number)

    response = post(client, body)

    if number == "NaN":
        problem(response, 400, "invalid_json")
    else:
        assert pointers(problem(response, 422, "invalid_input")) == ["/input/fps"]


@pytest.mark.parametrize("number", ["-0.1", "2.1", "1e400", '"1"', "true", "null"])
def test_fractions_are_strict(client, number):
    body = json.dumps(job_body(openness="HERE")).replace('"HERE"', number)

    answer = problem(post(client, body), 422, "invalid_input")

    assert pointers(answer) == ["/input/openness"]


UNSTORABLE = {
    "NUL": "a\0b",
    "high surrogate": "a\ud83d",
    "low surrogate": "\udc00a",
    "endless": "\0" * 100_000,
}


@pytest.mark.parametrize("text", UNSTORABLE.values(), ids=UNSTORABLE)
@pytest.mark.parametrize("place", ["value", "name", "model", "input", "input name", "deep"])
def test_text_that_the_database_cannot_store_is_rejected(client, text, place):
    bodies = {
        "value": job_body(labels={"a": text}),
        "name": job_body(labels={text: "a"}),
        "model": job_body() | {"model": text},
        "input": job_body(image=text),
        "input name": job_body(**{text: 1}),
        "deep": job_body(x=[{"a": [{text: text}]}]),
    }

    response = post(client, json.dumps(bodies[place]))

    assert "NUL" in problem(response, 422, "invalid_input")["detail"]
    assert len(response.content) < 2_000


def test_raw_surrogates_are_invalid_json(client):
    problem(post(client, b'{"model": "\xed\xa0\x80"}'), 400, "invalid_json")


@pytest.mark.parametrize("text", ["emoji 🎬👩🏽‍🎤", "\u202eltr", "a\nb\t", "﷽" * 50, "x" * 500])
def test_all_other_text_is_stored_unchanged(client, text):
    answer = client.post("/v1/jobs", json=job_body(labels={"words": text})).json()

    assert answer["labels"] == {"words": text}


def test_a_json_body_over_the_limit_is_a_413(start):
    client = start(max_json_bytes=1_000)
    sent = []

    def endless():
        for _ in range(1_000):
            sent.append(1)
            yield b" " * 1_000

    answer = problem(post(client, endless()), 413, "body_too_large")
    assert "multipart" in answer["detail"]


def test_fifty_megabytes_of_json_are_rejected(client):
    response = post(client, b'{"model": "' + b"m" * 50_000_000 + b'"}')

    problem(response, 413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP", "gzip, identity"])
def test_a_compressed_body_is_rejected(client, encoding):
    response = post(client, b"\x1f\x8b" * 100, JSON | {"Content-Encoding": encoding})

    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "/"]
)
def test_other_content_types_are_rejected(client, kind):
    headers = {} if kind is None else {"Content-Type": kind}

    answer = problem(post(client, json.dumps(job_body()), headers), 415, "unsupported_media_type")

    assert "application/json" in answer["detail"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_content_types_of_json_are_accepted(client, kind):
    assert post(client, json.dumps(job_body()), {"Content-Type": kind}).status_code == 202
