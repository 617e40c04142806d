"""Requests that would hold the event loop, a thread or much memory are refused early."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from api.middleware.query_limit import MAX_PARAMETERS
from api.page.form_parts import MAX_PARTS
from tests.api.batches.build import lines, row, send
from tests.api.build import MODEL, problem
from tests.api.files.test_large_files import CONTENT, begin, put
from tests.api.serving import restored_logging, serving
from tests.waiting import until


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches", "/storage/x", "/uploads/x", "/livez"])
def test_a_query_of_very_many_parameters_is_refused_before_it_is_read(client, path):
    for query in ("&" * MAX_PARAMETERS, "&".join(f"{n}=" for n in range(MAX_PARAMETERS + 1))):
        answer = problem(client.get(f"{path}?{query}"), 400, "invalid_input")
        assert "more than 400 parameters" in answer["detail"]


def test_a_batch_may_have_as_many_as_it_has_options(client):
    table = ",".join(["image", "audio", *(f"c{n}" for n in range(256))])
    options = {"ignore": [f"c{n}" for n in range(256)], "label": [f"l{n}:1" for n in range(32)]}
    cells = ",".join(["https://example.com/f.jpg", "https://example.com/a.wav", *["x"] * 256])

    answer = send(client, f"{table}\n{cells}\n", kind="text/csv", model=MODEL, **options)

    assert answer.status_code == 202, answer.text


def table(client, content, **options):
    return send(client, content, kind="text/csv", model=MODEL, **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("," * 1_000_001, "row 1 is longer than 1,000,000 letters"),
        ("image,audio\n\n" + "," * 1_000_001, "row 3 is longer"),
        ('image,audio\n"' + "a\n" * 500_001, "row 2 is longer"),
        ("image,audio\n" + "\n" * 100_001, "more than 100,000 empty lines"),
        ("image,audio\n" + ",\n" * 100_001, "more than 100,000 empty lines"),
    ],
    ids=["header", "row", "row of many lines", "empty lines", "empty rows"],
)
def test_a_row_that_takes_long_to_parse_refuses_the_table(client, content, message):
    assert message in problem(table(client, content), 422, "invalid_input")["detail"]


def test_a_long_line_is_a_wrong_row_and_the_next_ones_are_read(client):
    long = '{"a":"' + chr(92) * 2 * 600_000 + '"}'

    answer = problem(send(client, f"{lines(row(1))}\n{long}\n{{"), 422, "invalid_rows")

    assert [(each["row"], each["code"]) for each in answer["rows"]] == [
        (2, "body_too_large"),
        (3, "invalid_json"),
    ]
    problem(send(client, "\n" * 100_002), 422, "invalid_input")


def test_of_very_many_wrong_fields_some_are_named_and_all_rows_told(client):
    wrong = [row(n, input={f"a{m}": 1 for m in range(30)}) for n in range(600)]

    answer = problem(send(client, lines(*wrong)), 422, "invalid_rows")

    assert [each["row"] for each in answer["rows"]] == list(range(1, 601))
    assert all("there is no such field" in each["detail"] for each in answer["rows"])
    assert sum(len(each["errors"]) for each in answer["rows"]) == 10_000


def form(*parts, end=b"--x--\r\n"):
    heads = (b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % each for each in parts)
    return b"".join(heads) + end


def post_form(client, path, body):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    return client.post(path, content=body, headers=headers, follow_redirects=False)


ROWS = b'name="rows"; filename="a.jsonl"'


def test_the_page_passes_a_table_on_as_it_arrives(client):
    content = lines(*(row(n) for n in range(3))).encode()

    response = post_form(client, "/batches", form((b'name="model"', b""), (ROWS, content)))

    assert response.status_code == 303
    batch = client.get(f"/v1{response.headers['location']}").json()
    assert batch["rows"] == 3


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (form((b'name="model"', b"x")), 400, "is required: a file with a table"),
        (form((b'name="rows"; filename=""', b"")), 400, "is required: a file with a table"),
        (b"", 400, "is required: a file with a table"),
        (form((ROWS, b"{}"))[:-8], 400, "before the whole body arrived"),
        (form((ROWS, b"[]")), 422, "of the rows are wrong"),
        (form(*[(b'name="a"', b"")] * (MAX_PARTS + 1), (ROWS, b"{}")), 400, "is required"),
    ],
)
def test_a_form_without_a_whole_table_submits_nothing(client, body, status, text):
    before = client.get("/v1/batches").json()["items"]

    response = post_form(client, "/batches", body)

    assert (response.status_code, text in response.text) == (status, True)
    assert client.get("/v1/batches").json()["items"] == before


def test_the_page_refuses_a_table_over_the_limit_without_keeping_it(start, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))  # nothing may be written there
    client = start(max_json_bytes=1000)

    response = post_form(client, "/batches", form((ROWS, b"x" * 3_000_000)))

    assert response.status_code == 413


def test_a_form_of_very_many_parts_is_refused(client):
    response = post_form(client, "/", form(*[(b'name="a"', b"")] * 2000))

    assert response.status_code in {400, 422}


def test_a_login_has_a_short_form(client):
    assert client.post("/login", content=b"&" * 4_001).status_code == 413
    assert client.post("/login", data={"key": "x", "next": "/jobs"}).status_code in {200, 303, 401}


def test_a_disk_that_hangs_under_a_piece_of_an_upload_holds_nobody(make_settings, store):
    with (
        restored_logging(),
        serving(make_settings) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        file = begin(client)
        path = store / "uploads" / file["id"]
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)  # to open it for writing waits for a reader
        answers = []
        sending = threading.Thread(target=lambda: answers.append(put(client, file, CONTENT, 0)))
        sending.start()
        try:
            until(lambda: _opens_a_fifo(sending), what="the piece")
            with httpx.Client(base_url=url, trust_env=False, timeout=3) as other:
                assert [other.get(path).status_code for path in ("/livez", "/v1/jobs")] == [200] * 2
        finally:
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            sending.join(30)
            os.close(reader)

    assert answers[0].status_code < 600


def _opens_a_fifo(thread):
    """Whether some thread of this process waits in the kernel for the other end of a FIFO."""
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            if "fifo" in (task / "wchan").read_text():
                return True
    return not thread.is_alive()


def test_a_body_for_which_no_thread_is_free_is_a_503(start):
    client = start()
    parsing = client.app.state.context.parsing
    parsing.deadline_seconds, free = 0.05, threading.Event()
    parsing._pool.submit(free.wait, 30)

    response = client.post("/v1/jobs", json={"model": MODEL, "input": {"a": "x" * 20_000}})
    free.set()

    assert problem(response, 503, "too_many_uploads")["retryable"]
    assert response.headers["retry-after"] == "5"
