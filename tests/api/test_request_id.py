"""Each response, each problem and each line of the log has the id of its request."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from api.middleware.request_id import HEADER
from jobs import service
from tests.api.build import MODEL
from tests.jobs.build import submitted
from tests.waiting import until

MADE = r"[0-9a-f]{32}"


@pytest.mark.parametrize("given", ["a", "01J:req/7_x.y~z+w=@-", "x" * 128])
def test_an_id_of_the_caller_is_kept(client, given):
    answer = client.get("/livez", headers={HEADER: given})

    assert answer.headers.get_list(HEADER) == [given]


@pytest.mark.parametrize(
    "given", ["", " ", "x" * 129, "a b", "a\tb", 'a"b', "<script>", "a;b", "é".encode(), b"\x7f"]
)
def test_an_id_of_another_form_is_replaced(client, given):
    answer = client.get("/nowhere", headers={HEADER: given})

    [made] = answer.headers.get_list(HEADER)
    assert len(made) == 32
    assert answer.json()["request_id"] == made


def test_ids_that_are_made_differ(client):
    assert len({client.get("/livez").headers[HEADER] for _ in range(10)}) == 10


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/v1/jobs", 200),
        ("HEAD", "/v1/jobs", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/v1/jobs/job_x", 404),
        ("PUT", "/v1/jobs", 405),
        ("POST", "/v1/jobs", 415),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", f"/v1/models/{MODEL}", 200),
        ("OPTIONS", "/v1/jobs", 405),
    ],
)
def test_every_response_has_one(client, method, path, status):
    answer = client.request(method, path, headers={HEADER: "mine"})

    assert (answer.status_code, answer.headers[HEADER]) == (status, "mine")
    if status >= 400 and method != "HEAD":
        assert answer.json()["request_id"] == "mine"


def test_a_request_that_the_guard_refuses_has_one(client):
    answer = client.get("/v1/jobs", headers={"Host": "evil.example", HEADER: "mine"})

    assert (answer.status_code, answer.json()["request_id"]) == (421, "mine")
    assert answer.headers[HEADER] == "mine"


def test_an_internal_error_has_one_also_in_the_log(start, monkeypatch, capsys):
    api = start(log_level="INFO", log_format="json", cors_origins=("http://localhost:3000",))

    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(service, "page", broken)
    answer = api.get("/v1/jobs", headers={HEADER: "mine"})
    log = ""

    def logged():
        nonlocal log
        log += capsys.readouterr().err
        return "a bug" in log and '"request"' in log

    until(logged, what="the error in the log")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found = {line["event"]: line.get("request_id") for line in lines}
    assert (answer.status_code, answer.headers[HEADER]) == (500, "mine")
    assert answer.json()["request_id"] == "mine"
    assert found["unexpected error"] == found["request"] == "mine"


def test_a_preflight_has_one(start):
    api = start(cors_origins=("http://localhost:3000",))
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}

    answer = api.options("/v1/jobs", headers=headers | {HEADER: "mine"})
    read = api.get("/v1/jobs", headers={"Origin": "http://localhost:3000"})

    assert (answer.status_code, answer.headers[HEADER]) == (200, "mine")
    assert HEADER in read.headers["access-control-expose-headers"]


def test_a_request_that_is_none_gets_one(server):
    address = httpx.URL(server)
    with socket.create_connection((address.host, address.port), 5) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")

    assert b"x-request-id: " + json.loads(body)["request_id"].encode() in head.lower()


def test_a_stream_has_one(server, sessions):
    path = f"/v1/jobs/{submitted(sessions)}/events"
    with httpx.stream("GET", server + path, headers={HEADER: "mine"}, trust_env=False) as answer:
        assert answer.headers[HEADER] == "mine"
