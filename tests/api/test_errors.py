"""Every error is a problem with a code from the closed list, never a traceback."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import update

from api.errors.validation import json_pointer
from jobs.errors import ErrorCode
from jobs.tables import Job
from tests.api.build import openapi_document, problem
from tests.api.serving import restored_logging, serving
from tests.jobs.build import submitted
from tests.waiting import until

STRAY = [
    ("GET", "/nowhere/", 404, "not_found"),
    ("GET", "/v2/jobs", 404, "not_found"),
    ("GET", "/v1/jobs/", 404, "not_found"),
    ("GET", "/v1/jobs/a/b/c", 404, "not_found"),
    ("GET", "/%00", 404, "not_found"),
    ("GET", "/v1/models/", 404, "not_found"),
    ("POST", "/v1/nothing", 404, "not_found"),
    ("DELETE", "/v1/jobs", 405, "method_not_allowed"),
    ("PUT", "/v1/models", 405, "method_not_allowed"),
    ("POST", "/livez", 405, "method_not_allowed"),
    ("POST", "/storage/a", 405, "method_not_allowed"),
    ("BREW", "/v1/jobs", 405, "method_not_allowed"),
]

JSON = {"Content-Type": "application/json"}
WITH_JSON = [
    (method, path.replace("{owner}", "kinomill").replace("{name}", "preview-i2v"))
    for path, operations in openapi_document()["paths"].items()
    for method, operation in operations.items()
    if [*operation.get("requestBody", {}).get("content", {})] == ["application/json"]
]
"""Routes whose body is JSON and nothing else."""


@pytest.mark.parametrize(("method", "path", "status", "code"), STRAY)
def test_an_unknown_path_or_method_is_a_problem(client, method, path, status, code):
    response = client.request(method, path)

    answer = problem(response, status, code)
    assert answer["detail"].endswith(".")
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/jobs", "GET, HEAD, POST"),
        ("PATCH", "/v1/jobs/job_1", "GET, HEAD, DELETE"),
        ("POST", "/livez", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_answered_with_all_methods_of_the_path(client, method, path, allowed):
    answer = client.request(method, path)

    assert answer.headers["allow"] == allowed
    assert problem(answer, 405, "method_not_allowed")["detail"] == (
        f"This path only allows the methods {allowed}."
    )


@pytest.fixture
def damaged(sessions):
    """A row with an invalid phase."""
    job_id = submitted(sessions)
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(phase="a secret in the row"))
    yield job_id
    with sessions.begin() as session:  # else every list of the account is a 500 in other tests
        session.execute(update(Job).where(Job.id == job_id).values(phase=None))


def test_an_unexpected_error_is_a_500_without_its_traceback(client, damaged):
    response = client.get(f"/v1/jobs/{damaged}")

    answer = problem(response, 500, "internal_error")
    assert not answer["retryable"]
    assert "secret" not in response.text


@pytest.fixture
def logged(capsys):
    """What was logged, once all of these words are in it: a thread of its own writes the log."""

    def read(*words):
        parts = []

        def complete():
            parts.append(capsys.readouterr().err)
            return all(word in "".join(parts) for word in words)

        until(complete, what=f"{words} in the log")
        return "".join(parts)

    return read


def test_an_unexpected_error_is_logged_as_500(logged, start, damaged):
    client = start(log_level="INFO", log_format="json")

    client.get(f"/v1/jobs/{damaged}")

    text = logged('"event": "request"', '"event": "unexpected error"')
    lines = [json.loads(line) for line in text.splitlines() if line[:1] == "{"]
    [seen] = [line for line in lines if line["event"] == "request"]
    assert (seen["method"], seen["path"], seen["status"]) == ("GET", f"/v1/jobs/{damaged}", 500)
    [bug] = [line for line in lines if line["event"] == "unexpected error"]
    assert "ValueError" in bug["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_path_cannot_forge_a_log_line(logged, start, log_format):
    client = start(log_level="INFO", log_format=log_format)

    client.get("/%0Arequest status=200%1B[2J")

    log = logged("404")
    assert "\nrequest" not in log
    assert "\x1b[2J" not in log


def test_signatures_are_not_logged(logged, start):
    client = start(log_level="INFO", log_format="json")

    client.get("/storage/a?expires=1&signature=secret&filename=b")

    assert "secret" not in logged("/storage/a")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
def test_a_closed_connection_is_not_logged_as_an_error(make_settings, capsys, kind):
    with restored_logging(), serving(make_settings, log_level="INFO", log_format="json") as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as caller:
            head = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            caller.sendall(f"{head}Content-Length: 1000\r\n\r\n--x\r\n".encode())
        seen = []
        until(lambda: seen.append(capsys.readouterr().err) or "/v1/jobs" in "".join(seen))
    log = "".join([*seen, capsys.readouterr().err])

    assert "Traceback" not in log
    assert "unexpected" not in log


@pytest.mark.parametrize(
    ("length", "status"), [("50000000", 413), ("999999999999999999", 413), ("-1", 400), ("x", 400)]
)
def test_a_body_whose_content_length_is_too_large_is_not_read(server, length, status):
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=10) as caller:
        head = (
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        )
        caller.sendall(head.encode())
        answer = caller.recv(65536)

    assert answer.startswith(f"HTTP/1.1 {status}".encode())


def test_a_client_that_keeps_sending_sees_the_413(server):
    body = b'{"model": "' + b"m" * 50_000_000 + b'"}'
    headers = {"Content-Type": "application/json"}

    response = httpx.post(f"{server}/v1/jobs", content=body, headers=headers, trust_env=False)

    problem(response, 413, "body_too_large")


def test_json_pointers_are_escaped_and_truncated():
    assert json_pointer("input", "a/b~c") == "/input/a~1b~0c"
    assert len(json_pointer("x" * 10_000)) < 200


def test_codes_are_snake_case():
    assert all(code == code.lower().replace(" ", "_") for code in ErrorCode)


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/v1/uploads", "POST /v1/files"),
        ("/v1/uploads/upload_1/parts", "POST /v1/files"),
        ("/v1/trainings", "/v1/models"),
        ("/v1/hardware", "/v1/workers"),
        ("/v1/set_lora", "`loras`"),
        ("/v1/chat/completions", "/v1/models"),
    ],
)
def test_what_other_apis_have_beside_is_refused_in_words(client, path, instead):
    for method in ("GET", "POST", "DELETE"):
        answer = problem(client.request(method, path), 404, "not_supported")

        assert instead in answer["detail"]
        assert "/docs lists all paths" in answer["detail"]
    problem(client.get(f"/v2{path}"), 404, "not_found")
    problem(client.get("/v1/nothing"), 404, "not_found")


def test_openai_clients_get_the_message_that_they_print(client):
    headers = {"X-Stainless-Lang": "python"}
    wrong = client.get("/v1/videos?limit=0", headers=headers).json()
    missing = client.get("/v1/videos/job_1", headers=headers).json()

    assert (wrong["message"], wrong["param"]) == (wrong["detail"], "query/limit")
    assert (missing["message"], missing["param"]) == (missing["detail"], None)
    assert "message" not in client.get("/v1/videos?limit=0").json()


@pytest.fixture(params=WITH_JSON, ids=lambda route: route[1])
def send(client, request):
    method, path = request.param
    return lambda content, headers: client.request(method, path, content=content, headers=headers)


def test_the_routes_with_json_are_found():
    assert ("post", "/v1/jobs/{job_id}/share") in WITH_JSON
    assert len(WITH_JSON) > 8


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_json_of_another_type_is_a_415(send, kind):
    refused = problem(send(b'{"url": "a"}', {"Content-Type": kind}), 415, "unsupported_media_type")

    assert refused["detail"] == "Send application/json."


@pytest.mark.parametrize("body", [b'{"url": ', b"'a'", b'\xff\xfe{"a": 1}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_400(send, body):
    problem(send(body, JSON), 400, "invalid_json")


def test_more_than_2_mb_of_json_are_a_413(send):
    problem(send(b"[" + b" " * 2_000_000 + b"]", JSON), 413, "body_too_large")


def test_a_body_that_is_no_object_says_so(send):
    assert "must be a JSON object" in problem(send(b"[]", JSON), 422, "invalid_input")["detail"]
