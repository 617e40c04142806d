"""Submissions as multipart forms: files, numbers, text, and malformed forms."""

from __future__ import annotations

import pytest

from tests.api.build import MODEL, URLS, WHOLE_FORM, png, pointers, problem, raw_form, wav

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}
FILES = {"image": png(), "audio": wav()}


def post(client, body, headers=BOUNDARY):
    return client.post("/v1/jobs", content=body, headers=headers)


@pytest.mark.parametrize("field", ["fps", "openness"])
@pytest.mark.parametrize(
    "number",
    ["1e9", "-1", "NaN", "Infinity", "-Infinity", "1e400", '"50"', "true", "", "x", "9" * 5_000],
)
def test_numbers_in_a_form_are_strict_too(client, field, number):
    fields = {"model": MODEL, **URLS, field: number}

    parts = [(f'name="{name}"'.encode(), text.encode()) for name, text in fields.items()]
    response = post(client, raw_form(*parts), BOUNDARY)
    assert pointers(problem(response, 422, "invalid_input")) == [f"/input/{field}"]
    assert len(response.content) < 2_000


@pytest.mark.parametrize("known", [True, False], ids=["Content-Length", "chunked"])
def test_a_form_over_the_body_limit_is_rejected(start, known):
    client = start(max_body_bytes=100_000)
    body = raw_form((b'name="audio"; filename="a"', bytes(200_000)))

    response = post(client, body if known else iter([body]), BOUNDARY)

    answer = problem(response, 413, "body_too_large")
    assert "100,000" in answer["detail"]


BAD_FORMS = {
    "no boundary": ({"Content-Type": "multipart/form-data"}, raw_form(*WHOLE_FORM)),
    "other boundary": ({"Content-Type": "multipart/form-data; boundary=y"}, raw_form(*WHOLE_FORM)),
    "nothing": (BOUNDARY, b""),
    "noise": (BOUNDARY, b"hello"),
    "no name": (BOUNDARY, raw_form((b'filename="a"', b"x"))),
    "no disposition": (BOUNDARY, b"--x\r\n\r\nhello\r\n--x--\r\n"),
    "bad header": (BOUNDARY, b"--x\r\nContent Disposition\r\n\r\nhello\r\n--x--\r\n"),
    "65 fields": (BOUNDARY, raw_form(*[(f'name="{i}"'.encode(), b"x") for i in range(65)])),
    "9 files": (
        BOUNDARY,
        raw_form(*[(f'name="{i}"; filename="a"'.encode(), b"x") for i in range(9)]),
    ),
    "2 MB of text": (BOUNDARY, raw_form((b'name="model"', b"m" * 2_000_000))),
    "charset undefined": (
        {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"},
        raw_form(*WHOLE_FORM),
    ),
    "charset escapes": (
        {"Content-Type": "multipart/form-data; boundary=x; charset=unicode_escape"},
        raw_form((b'name="\\ud800"', b"x"), *WHOLE_FORM),
    ),
    "cut": (BOUNDARY, raw_form(*WHOLE_FORM)[:-40]),
}


@pytest.mark.parametrize(("headers", "body"), BAD_FORMS.values(), ids=BAD_FORMS)
def test_a_malformed_form_is_a_client_error(client, headers, body):
    response = post(client, body, headers)

    assert response.status_code in {400, 415, 422}
    problem(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"'])
def test_a_form_may_declare_utf_8(client, charset):
    headers = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}

    assert post(client, raw_form(*WHOLE_FORM), headers).status_code == 202


def form(client, fields=None, files=FILES):
    return client.post("/v1/jobs", data={"model": MODEL} | (fields or {}), files=files)


def test_a_duplicate_field_is_rejected(client):
    body = raw_form(*WHOLE_FORM, (b'name="audio"', b"https://example.com/b.wav"))

    answer = problem(post(client, body, BOUNDARY), 422, "invalid_input")

    assert pointers(answer) == ["/input/audio"]
    assert "twice" in answer["detail"]


def test_a_file_for_a_number_is_rejected(client):
    answer = problem(form(client, files=FILES | {"fps": b"25"}), 422, "invalid_input")

    assert pointers(answer) == ["/input/fps"]
    assert "image, video, audio" in answer["detail"]


def test_an_unknown_file_and_an_unknown_field_are_rejected(client):
    assert pointers(problem(form(client, files=FILES | {"x": b"25"}), 422, "invalid_input")) == [
        "/input/x"
    ]
    assert pointers(problem(form(client, {"x": "25"}), 422, "invalid_input")) == ["/input/x"]


def test_a_form_without_a_model_is_rejected(client):
    response = client.post("/v1/jobs", files=FILES)

    assert pointers(problem(response, 422, "invalid_input")) == ["/model"]


def test_a_model_sent_as_a_file_is_rejected(client):
    response = client.post("/v1/jobs", files=FILES | {"model": MODEL.encode()})

    assert pointers(problem(response, 422, "invalid_input")) == ["/model"]


BAD_LABELS = {
    "words": ("hello", 400, "invalid_json", None),
    "list": ("[]", 422, "invalid_input", ["/labels"]),
    "number": ('{"a": 1}', 422, "invalid_input", ["/labels/a"]),
    "NUL": ('{"a": "\\u0000"}', 422, "invalid_input", ["/labels/a"]),
    "twice": ('{"a": "b", "a": "c"}', 400, "invalid_json", None),
}


@pytest.mark.parametrize(("text", "status", "code", "where"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels_of_a_form_are_a_json_object(client, text, status, code, where):
    answer = problem(form(client, {"labels": text}), status, code)

    assert "labels" in answer["detail"]
    assert where is None or pointers(answer) == where


def test_a_file_input_left_empty_in_a_page_counts_as_not_given(client):
    body = raw_form(*WHOLE_FORM, (b'name="video"; filename=""', b""))

    assert post(client, body, BOUNDARY).status_code == 202


def test_empty_text_for_a_file_is_rejected_with_advice(client):
    answer = problem(form(client, {"image": ""}, {"audio": wav()}), 422, "url_not_allowed")

    assert pointers(answer) == ["/input/image"]
    assert "empty" in answer["detail"]


def test_text_in_another_encoding_is_a_client_error(client):
    body = raw_form(*WHOLE_FORM, (b'name="labels"', '{"a": "é"}'.encode("latin-1")))

    assert post(client, body, BOUNDARY).status_code in {202, 400, 422}


NAMES = {
    "path": b"../../etc/passwd",
    "absolute": b"/etc/passwd",
    "300 characters": b"x" * 300 + b".png",
    "NUL": b"a\x00b.png",
    "dash": b"-rf",
    "bytes": b"\xff\xfe.png",
    "quotes": b"a%22b.png",
    "program": b"face.exe",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_the_name_of_a_file_is_ignored(client, stored, name):
    body = raw_form(
        (b'name="model"', MODEL.encode()),
        (b'name="image"; filename="' + name + b'"', FILES["image"]),
        (b'name="audio"; filename="' + name + b'"', FILES["audio"]),
    )

    given = post(client, body, BOUNDARY).json()["input"]

    assert stored() == sorted(f"inputs/{given[field]}" for field in FILES)


def test_a_form_that_is_cut_off_is_refused(client):
    """Its last field would be lost without a word."""
    whole = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\npreview-i2v\r\n'
        b'--x\r\nContent-Disposition: form-data; name="priority"\r\n\r\ninteractive\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    for missing in (3, 6, 10, 30):
        answer = client.post("/v1/jobs", content=whole[:-missing], headers=headers)

        assert "cut off" in problem(answer, 422, "invalid_input")["detail"]
