"""From a schema to a form, and from a browser's form to the API."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from api.context.sharing.turns import Turns
from api.page.form_filter import FormFilter
from api.page.result_hosts import result_hosts
from api.page.schema_form import Form
from models import catalog
from tests.api.build import MODEL, WHOLE_FORM, raw_form, wav

HEADERS = {"content-type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize("name", list(catalog.CARDS))
def test_every_field_of_every_model_has_a_control(name):
    schema = catalog.CARDS[name].input.model_json_schema()
    form = Form.of(schema)

    order = {name: own["x-order"] for name, own in schema["properties"].items()}

    assert [each.name for each in form.fields] == sorted(order, key=order.__getitem__)
    assert sorted(order.values()) == list(range(len(order)))
    assert all(each.kind for each in form.fields)
    assert {each.name for each in form.fields if each.required} == set(schema.get("required", []))
    assert not any(each.advanced for each in form.fields if each.required)


def test_the_kind_of_a_field_follows_its_schema():
    kinds = {
        field.name: field.kind
        for card in ("wan2.2-i2v", "latentsync-1.5", "preview-lipsync", "multitalk", "wav2lip")
        for field in Form.of(catalog.CARDS[card].input.model_json_schema()).fields
    }

    assert kinds["image"] == "image"
    assert kinds["audio"] == "audio"
    assert kinds["prompt"] == "long_text"
    assert kinds["loras"] == "rows"
    assert kinds["region"] == "box"
    assert kinds["face"] == "box"
    assert kinds["people"] == "box"
    assert kinds["pads"] == "group"
    assert kinds["seed"] == "seed"
    assert kinds["smoothing"] == "flag"
    assert kinds["loop"] == "choice"
    assert kinds["openness"] == "number"


def test_the_schema_says_units_and_how_many_boxes():
    fields = {
        (card, field.name): field
        for card in ("wan2.2-i2v", "multitalk", "wav2lip")
        for field in Form.of(catalog.CARDS[card].input.model_json_schema()).fields
    }

    assert fields["wan2.2-i2v", "width"].unit == "px"
    assert fields["wan2.2-i2v", "frames"].unit == "frames"
    assert fields["wan2.2-i2v", "fps"].unit == "fps"
    assert fields["multitalk", "max_seconds"].unit == "s"
    assert fields["multitalk", "people"].most > 1
    assert fields["multitalk", "people"].choices == ("auto", "halves", "faces")
    assert fields["wav2lip", "face"].most == 1
    assert fields["wav2lip", "face"].numbered
    assert [each.unit for each in fields["wav2lip", "pads"].fields] == ["px"] * 4


def test_fields_that_were_left_empty_are_not_sent(client):
    body = raw_form(*WHOLE_FORM, (b'name="fps"', b""), (b'name="video"; filename=""', b""))
    answer = client.post("/", content=body, headers=HEADERS)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/jobs/job_")


def test_the_first_of_two_values_counts(client):
    body = raw_form(*WHOLE_FORM, (b'name="openness"', b"1.5"), (b'name="openness"', b"0.5"))
    answer = client.post("/", content=body, headers=HEADERS)
    job = client.get(f"/v1{answer.headers['location']}").json()

    assert job["input"]["openness"] == 1.5


def test_files_pass_through_whole(client):
    voice = wav(1.0)
    parts = [*WHOLE_FORM[:2], (b'name="audio"; filename="a.wav"', voice)]
    answer = client.post("/", content=raw_form(*parts), headers=HEADERS)
    job = client.get(f"/v1{answer.headers['location']}").json()

    assert job["input"]["audio"].startswith("file_")


def passed_on(body, size):
    """What the filter makes of a form that arrives in pieces of this size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    scope = {"type": "http", "headers": [(b"content-type", HEADERS["content-type"].encode())]}

    async def receive():
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def read():
        form, out, more = FormFilter(Request(scope, receive), Turns()), b"", True
        while more:
            message = await form.body()
            out, more = out + message["body"], message["more_body"]
        return out

    return asyncio.run(read())


def test_a_form_is_the_same_in_pieces_of_any_size(client):
    body = raw_form(*WHOLE_FORM, (b'name="fps"', b""), (b'name="audio"; filename="a"', b"abc"))

    whole = passed_on(body, len(body))

    assert b'Content-Disposition: form-data; name="model"\r\n' in whole
    assert b'"fps"' not in whole
    for size in (1, 2, 3, 7, 50):
        assert passed_on(body, size) == whole


def test_an_error_shows_the_form_again_with_what_was_sent(client):
    body = raw_form(*WHOLE_FORM, (b'name="fps"', b"<999>"))
    answer = client.post("/", content=body, headers=HEADERS)

    assert answer.status_code == 422
    assert "&lt;999&gt;" in answer.text
    assert "<999>" not in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "application/json",
        "multipart/form-data; boundary=y",
        f"multipart/form-data; boundary={300 * 'y'}",
    ],
)
def test_a_body_that_is_no_form_is_refused_as_by_the_api(client, content_type):
    answer = client.post("/", content=b"{}", headers={"content-type": content_type})

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("text/html")


def test_scripts_and_styles_come_from_this_server_alone(client):
    policy = client.get("/").headers["content-security-policy"]

    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_a_page_of_an_unknown_job_is_a_404(client):
    answer = client.get("/jobs/job_0")

    assert answer.status_code == 404
    assert "job_not_found" in answer.text


def test_pages_of_other_models_exist(client):
    for name in catalog.CARDS:
        assert client.get(f"/?model={name}").status_code == 200
    assert client.get("/?model=none").status_code == 200
    assert MODEL in client.get("/").text


def test_the_example_of_a_model_is_submitted(client):
    answer = client.post(f"/models/{MODEL}/example")

    assert answer.status_code == 303
    assert client.get(f"/v1{answer.headers['location']}").json()["model"] == MODEL


@pytest.mark.parametrize(
    ("storage", "endpoint", "hosts"),
    [
        ("/srv/objects", None, ""),
        ("gs://bucket/results", None, " https://storage.googleapis.com"),
        ("s3://bucket", None, " https://*.amazonaws.com"),
        ("s3://bucket", "http://minio:9000/", " http://minio:9000 http://*.minio:9000"),
    ],
)
def test_results_may_come_from_the_bucket_alone(storage, endpoint, hosts):
    assert result_hosts(storage, endpoint) == hosts


def test_an_estimate_of_an_incomplete_form_is_no_error(client):
    complete = client.post("/estimate", content=raw_form(*WHOLE_FORM), headers=HEADERS)
    lacking = client.post("/estimate", content=raw_form(*WHOLE_FORM[:2]), headers=HEADERS)

    assert complete.json()["dry_run"] is True
    assert (lacking.status_code, lacking.content) == (204, b"")
