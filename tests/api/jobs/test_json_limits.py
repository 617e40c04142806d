"""Limits of JSON are counted on its bytes, before any object is built from them."""

from __future__ import annotations

import json
import random

import pytest

from api.bodies.json_limits import DATA_URI_BYTES, MAX_ELEMENTS, MAX_MEMBERS, JsonScanner
from jobs.errors import RequestError
from tests.api.build import MODEL, data_uri, job_body, png, pointers, problem, wav

JSON = {"Content-Type": "application/json"}


def post(client, body):
    return client.post("/v1/jobs", content=body, headers=JSON)


def nested(depth, content="1"):
    return '{"model": "m", "input": {"a": ' + "[" * depth + content + "]" * depth + "}}"


def test_deep_json_is_refused_with_its_place(client):
    answer = problem(post(client, nested(800, ",".join("0" * 60_000))), 400, "invalid_json")

    assert pointers(answer)[0].startswith("/input/a/0/0/")
    assert "32" in answer["detail"]


def test_json_of_the_greatest_depth_is_parsed(client):
    answer = problem(post(client, nested(30)), 422, "unknown_model")

    assert pointers(answer) == ["/model"]


def test_too_many_elements_are_refused_with_their_place(client):
    numbers = ",".join("0" * (MAX_ELEMENTS + 1))

    answer = problem(post(client, nested(1, numbers)), 422, "invalid_input")

    assert pointers(answer)[0].startswith("/input/a/")
    assert "20,000" in answer["detail"]


@pytest.mark.parametrize("place", ["input", "labels", "webhook"])
def test_too_many_members_of_one_object_are_refused_with_their_place(client, place):
    members = dict.fromkeys(map(str, range(MAX_MEMBERS + 1)), "x")
    body = {"model": MODEL, "input": {}} | {place: members}

    answer = problem(post(client, json.dumps(body)), 422, "invalid_input")

    assert pointers(answer) == [f"/{place}"]
    assert "256" in answer["detail"]


def test_the_greatest_object_is_parsed(client):
    members = dict.fromkeys(map(str, range(MAX_MEMBERS)), "x")

    answer = problem(
        post(client, json.dumps({"model": "none", "input": members})), 422, "unknown_model"
    )

    assert pointers(answer) == ["/model"]


@pytest.mark.parametrize("size", [1_000_001, 15_000_000])
def test_a_long_string_is_refused_with_its_place(client, size):
    body = json.dumps({"labels": {"a": "x" * size}} | {"model": MODEL, "input": {}})

    assert pointers(problem(post(client, body), 422, "invalid_input")) == ["/labels/a"]


@pytest.mark.parametrize("field", ["labels", "webhook", "fps"])
def test_json_in_a_form_has_the_same_limits(client, field):
    fields = {"model": MODEL, field: "[" * 800 + "]" * 800}

    response = client.post("/v1/jobs", data=fields, files={"image": png(), "audio": wav()})

    problem(response, 400, "invalid_json")


@pytest.mark.parametrize("slash", ["/", "\\/", "\\u002f"], ids=["plain", "PHP", "escaped"])
def test_a_long_data_uri_becomes_a_file(client, stored, store, slash):
    sound = wav(seconds=10)
    uri = data_uri(sound)
    assert len(uri) > DATA_URI_BYTES
    body = json.dumps(job_body(audio="HERE", image=data_uri(png()))).replace("HERE", uri)

    given = post(client, body.replace("/", slash)).json()["input"]

    assert (store / "objects" / "inputs" / given["audio"]).read_bytes() == sound
    assert len(stored()) == 2


@pytest.mark.parametrize("damage", ["@@@@", "=AAA", "AA"])
def test_a_long_data_uri_that_is_malformed_is_rejected(client, stored, damage):
    body = job_body(audio=data_uri(wav(seconds=9.9)).rstrip("=") + damage)

    answer = problem(post(client, json.dumps(body)), 422, "invalid_data_uri")

    assert pointers(answer) == ["/input/audio"]
    assert stored() == []


def test_a_long_data_uri_is_no_label(client, stored):
    body = job_body(labels={"a": data_uri(wav(seconds=10))})

    answer = problem(post(client, json.dumps(body)), 422, "invalid_input")

    assert pointers(answer) == ["/labels/a"]
    assert stored() == []


def value(numbers, depth=0):
    kind = numbers.randrange(6 if depth < 5 else 3)
    if kind == 3:
        return [value(numbers, depth + 1) for _ in range(numbers.randrange(4))]
    if kind == 4:
        return {f'{i}"': value(numbers, depth + 1) for i in range(numbers.randrange(4))}
    if kind == 5:
        return "data:" + 'ab/\\"é,[' * 12_000
    return [numbers.random(), "data:" + '\\"/é[,' * numbers.randrange(30), None][kind]


def elements(item):
    parts = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return sum(1 + elements(part) for part in parts)


@pytest.mark.parametrize("seed", range(20))
def test_the_scanner_counts_what_the_parser_finds_in_pieces_of_any_size(seed):
    numbers = random.Random(seed)
    item = value(numbers)
    body, scanner, uris, at = json.dumps(item).encode(), JsonScanner(streams=True), {}, 0

    while at < len(body):
        step = numbers.choice([1, 7, 500] if len(body) < 5_000 else [8_191, 65_536, 30_000])
        scanner.feed(body[at : at + step])
        at += step
        for placeholder, piece in scanner.take_data():
            uris[placeholder] = uris.get(placeholder, b"") + piece

    text = bytes(scanner.text)
    for placeholder, content in uris.items():
        text = text.replace(placeholder.encode(), content)
    assert text == body
    assert scanner._elements == elements(item)


@pytest.mark.parametrize("body", [b'""' * 400_000, b"[]" * 400_000, b"9" * 40_000, b"[" * 40])
def test_what_is_no_json_is_refused_before_it_takes_long(body):
    with pytest.raises(RequestError):
        JsonScanner().feed(body)
