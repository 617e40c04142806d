"""Nested fields of a form are JSON text, with the same meaning as in a JSON body."""

from __future__ import annotations

import pytest

from tests.api.build import URLS, pointers, problem

REGION = '{"top": 0, "bottom": 300, "left": 20, "right": 320}'
PADS = {"top": 0, "bottom": 20, "left": 0, "right": 0}


@pytest.fixture(scope="module")
def client(start_once):
    return start_once(accept_licenses=["wav2lip"])


def sent(client, model="wav2lip", **fields):
    parts = {name: (None, text) for name, text in ({"model": model} | URLS | fields).items()}
    return client.post("/v1/jobs", files=parts)


def test_nested_fields_are_parsed_and_their_defaults_filled_in(client):
    job = sent(client, region=REGION, pads='{"bottom": 20}').json()

    assert job["input"]["region"] == {"top": 0, "bottom": 300, "left": 20, "right": 320}
    assert job["input"]["pads"] == PADS


def test_omitted_nested_fields_have_the_defaults_of_the_card(client):
    job = sent(client).json()

    assert job["input"]["region"] is None
    assert job["input"]["pads"]["bottom"] == 10


def test_null_in_a_form_means_null(client):
    assert sent(client, region="null").json()["input"]["region"] is None


@pytest.mark.parametrize("text", ["1", "largest", "central", REGION])
def test_a_union_of_text_number_and_object_accepts_each(client, text):
    assert sent(client, face=text).status_code == 202


def test_the_same_submission_as_form_and_as_json_is_one_job(client):
    key = {"Idempotency-Key": "one job_body, two forms"}
    job_body = {"model": "wav2lip", "input": URLS | {"pads": {"bottom": 20}}}
    parts = {"model": "wav2lip", **URLS, "pads": '{"bottom": 20}'}

    first = client.post("/v1/jobs", json=job_body, headers=key)
    second = client.post(
        "/v1/jobs", files={name: (None, text) for name, text in parts.items()}, headers=key
    )

    assert second.headers["idempotency-replayed"] == "true"
    assert second.json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"pads": "wide"}, "/input/pads"),
        ({"pads": "[1, 2]"}, "/input/pads"),
        ({"pads": '{"top": "1"}'}, "/input/pads/top"),
        ({"pads": '{"top": 201}'}, "/input/pads/top"),
        ({"pads": '{"middle": 1}'}, "/input/pads/middle"),
        ({"region": '{"top": 0, "bottom": 300, "left": 0}'}, "/input/region/right"),
        ({"region": '{"top": 0, "bottom": 5, "left": 0, "right": 300}'}, "/input/region"),
        ({"face": "nobody"}, "/input/face"),
        ({"face": "99"}, "/input/face"),
    ],
)
def test_an_error_in_a_nested_field_has_a_pointer_to_it(client, fields, pointer):
    answer = problem(sent(client, **fields), 422, "invalid_input")

    assert set(pointers(answer)) == {pointer}


def test_an_error_in_one_choice_of_a_union_has_a_pointer_to_it(client):
    answer = problem(sent(client, face='{"top": 0, "bottom": "x"}'), 422, "invalid_input")

    expected = {"/input/face", "/input/face/bottom", "/input/face/left", "/input/face/right"}
    assert set(pointers(answer)) == expected
