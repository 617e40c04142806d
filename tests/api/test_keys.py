"""Authentication: keys, scopes, and isolation of accounts."""

from __future__ import annotations

from functools import partial

import pytest

from accounts import api_keys
from accounts.api_keys import Scope
from jobs.ids import new_job_id
from tests.api.build import MODEL, job_body, png, pointers, problem, wav
from tests.api.ending import succeed
from tests.jobs.build import cancel, claimed, submitted
from tests.waiting import until

SAME_ID = {"X-Request-Id": "one"}
"""Of requests whose answers are compared."""
FILES = {"image": png(), "audio": wav()}
ROUTES = [
    ("POST", "/v1/jobs", Scope.SUBMIT),
    ("GET", "/v1/jobs", Scope.READ),
    ("GET", "/v1/jobs/{job}", Scope.READ),
    ("POST", "/v1/jobs/{job}/cancel", Scope.SUBMIT),
    ("DELETE", "/v1/jobs/{job}", Scope.SUBMIT),
    ("GET", "/v1/jobs/{job}/result", Scope.READ),
    ("HEAD", "/v1/jobs/{job}/result", Scope.READ),
    ("GET", "/v1/jobs/{job}/files/voice.wav", Scope.READ),
    ("HEAD", "/v1/jobs/{job}/files/voice.wav", Scope.READ),
    ("GET", "/v1/jobs/{job}/preview", Scope.READ),
    ("GET", "/v1/jobs/{job}/poster", Scope.READ),
    ("POST", "/v1/jobs/{job}/retry", Scope.SUBMIT),
    ("GET", "/v1/jobs/{job}/logs", Scope.READ),
    ("POST", "/v1/jobs/{job}/share", Scope.SUBMIT),
    ("GET", "/v1/jobs/{job}/shares", Scope.READ),
    ("DELETE", "/v1/jobs/{job}/shares/share_1", Scope.SUBMIT),
    ("GET", "/v1/workers", Scope.READ),
    ("GET", "/v1/queues", Scope.READ),
    ("POST", f"/v1/queues/{MODEL}/pause", Scope.ADMIN),
    ("POST", f"/v1/queues/{MODEL}/resume", Scope.ADMIN),
    ("POST", f"/v1/queues/{MODEL}/purge", Scope.ADMIN),
    ("POST", f"/v1/queues/{MODEL}/requeue", Scope.ADMIN),
    ("POST", "/v1/workers/a/drain", Scope.ADMIN),
    ("POST", "/v1/workers/a/resume", Scope.ADMIN),
    ("GET", "/v1/maintenance", Scope.ADMIN),
    ("GET", "/v1/overview", Scope.ADMIN),
    ("PUT", "/v1/maintenance", Scope.ADMIN),
    ("DELETE", "/v1/maintenance", Scope.ADMIN),
    ("GET", "/v1/audit", Scope.ADMIN),
    ("GET", "/v1/usage", Scope.READ),
    ("GET", "/v1/limits", Scope.ADMIN),
    ("DELETE", "/v1/accounts/nobody", Scope.ADMIN),
    ("GET", "/v1/accounts/me/limits", Scope.ADMIN),
    ("PUT", "/v1/accounts/me/limits", Scope.ADMIN),
    ("DELETE", "/v1/accounts/me/limits", Scope.ADMIN),
    ("GET", "/v1/models", None),
    ("GET", f"/v1/models/{MODEL}", None),
    ("POST", "/v1/models/heavy/prefetch", Scope.ADMIN),
    ("POST", "/v1/session", None),
]
BODIES = {
    ("POST", "/v1/jobs"): job_body(),
    ("POST", f"/v1/queues/{MODEL}/requeue"): {"since": "2026-01-01T00:00:00Z"},
    ("PUT", "/v1/accounts/me/limits"): {},
}
OPEN = ["/livez", "/readyz", "/openapi.json", "/docs"]


@pytest.fixture
def key(sessions):
    """Create a key: (row, the header with the key)."""

    def make(*scopes, account="me"):
        with sessions.begin() as session:
            row, secret = api_keys.create(
                session, account=account, name="", scopes=scopes or (Scope.SUBMIT, Scope.READ)
            )
        return row, {"Authorization": f"Bearer {secret}"}

    return make


@pytest.fixture
def mine(key):
    return key(account="me")[1]


@pytest.fixture
def theirs(key):
    return key(account="them")[1]


def send(client, method, path, **options):
    """Send a request with a valid body, where one is needed."""
    body = BODIES.get((method, path))
    given = {} if body is None else {"json": body}
    return client.request(method, path.format(job=new_job_id()), **(given | options))


def unauthorized(response):
    assert response.headers["www-authenticate"] == "Bearer"
    return problem(response, 401, "unauthorized")


BAD_HEADERS = {
    "none": {},
    "empty": {"Authorization": ""},
    "no key": {"Authorization": "Bearer"},
    "no key but a space": {"Authorization": "Bearer "},
    "unknown": {"Authorization": "Bearer km_" + "0" * 64},
    "short": {"Authorization": "Bearer km_0"},
    "10 KB": {"Authorization": "Bearer km_" + "0" * 10_000},
    "not ASCII": {"Authorization": "Bearer clé".encode("latin-1")},
    "NUL": {"Authorization": b"Bearer km_\0"},
    "SQL": {"Authorization": "Bearer ' OR 1=1 --"},
    "Basic": {"Authorization": "Basic bWU6bWU="},
    "another header": {"X-Api-Key": "km_" + "0" * 64},
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_request_without_a_valid_key_is_a_401(client_with_keys, headers):
    assert not unauthorized(client_with_keys.get("/v1/jobs", headers=headers))["retryable"]


@pytest.mark.parametrize(("method", "path", "_"), ROUTES)
def test_every_route_below_v1_requires_a_key(client_with_keys, method, path, _):
    response = send(client_with_keys, method, path)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN)
def test_health_and_docs_require_no_key(client_with_keys, path):
    assert client_with_keys.get(path).status_code == 200


def test_a_body_is_not_parsed_without_a_key(client_with_keys):
    headers = {"Content-Type": "application/json"}

    unauthorized(client_with_keys.post("/v1/jobs", content=b"{" * 50_000_000, headers=headers))


def test_a_key_in_the_query_is_ignored(client_with_keys, mine):
    secret = mine["Authorization"].removeprefix("Bearer ")

    for name in ("key", "api_key", "access_token", "token", "authorization", "Authorization"):
        unauthorized(client_with_keys.get("/v1/jobs/" + new_job_id(), params={name: secret}))


def test_an_altered_key_is_rejected(client_with_keys, mine):
    secret = mine["Authorization"]
    other = secret[:-1] + ("0" if secret[-1] != "0" else "1")

    unauthorized(client_with_keys.get("/v1/jobs", headers={"Authorization": other}))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Token", "token", "Bearer "])
def test_a_valid_key_is_accepted(client_with_keys, mine, scheme):
    header = mine["Authorization"].replace("Bearer", scheme)

    assert client_with_keys.get("/v1/jobs", headers={"Authorization": header}).status_code == 200


def test_a_revoked_key_is_rejected_soon_after(client_with_keys, key, sessions):
    row, headers = key()
    assert client_with_keys.get("/v1/jobs", headers=headers).status_code == 200

    with sessions.begin() as session:
        api_keys.revoke(session, row.id)

    def get():
        return client_with_keys.get("/v1/jobs", headers=headers)

    until(lambda: get().status_code == 401, what="a refusal")
    unauthorized(get())


@pytest.mark.parametrize(("method", "path", "wanted"), ROUTES)
@pytest.mark.parametrize("scope", Scope)
def test_a_key_allows_what_its_scope_says(client_with_keys, key, method, path, wanted, scope):
    _, headers = key(scope)

    response = send(client_with_keys, method, path, headers=headers)

    if wanted is None or scope in {wanted, Scope.ADMIN}:
        assert response.status_code in {200, 202, 204, 404}
    else:
        assert response.status_code == 403
        assert "insufficient_scope" in response.headers["www-authenticate"]
        if method != "HEAD":
            answer = problem(response, 403, "insufficient_scope")
            assert wanted in answer["detail"]
            assert wanted in answer["required_scopes"]


def test_a_job_belongs_to_the_account_of_its_key(client_with_keys, mine, theirs, key):
    job_id = client_with_keys.post("/v1/jobs", json=job_body(), headers=mine).json()["id"]
    _, second = key(Scope.READ, account="me")

    for headers, seen in ((mine, [job_id]), (second, [job_id]), (theirs, [])):
        items = client_with_keys.get("/v1/jobs", headers=headers).json()["items"]
        assert [job["id"] for job in items] == seen


def test_a_job_of_another_account_is_not_found(client_with_keys, sessions, theirs):
    done = submitted(sessions, account="me")
    succeed(sessions, done)
    queued = submitted(sessions, account="me")

    answers = [
        client_with_keys.request(method, f"/v1/jobs/{job_id}{end}", headers=theirs | SAME_ID)
        for job_id in (queued, done, new_job_id())
        for method, end in (("GET", ""), ("POST", "/cancel"), ("GET", "/result"), ("DELETE", ""))
    ]

    assert {problem(answer, 404, "job_not_found")["detail"] for answer in answers}
    assert len({answer.content for answer in answers}) == 1
    assert claimed(sessions, queued) is not None


def test_a_file_of_another_account_is_not_found(client_with_keys, mine, theirs):
    first = client_with_keys.post(
        "/v1/jobs", data={"model": MODEL}, files=FILES, headers=mine
    ).json()
    body = job_body(audio=first["input"]["audio"], image=first["input"]["image"])
    unknown = job_body(audio="file_" + "0" * 32)

    again = client_with_keys.post("/v1/jobs", json=body, headers=mine)
    foreign = client_with_keys.post("/v1/jobs", json=body, headers=theirs)
    none = client_with_keys.post("/v1/jobs", json=unknown, headers=theirs)

    assert again.status_code == 202
    for response in (foreign, none):
        assert problem(response, 422, "file_not_found")["errors"][0]["message"] == (
            "you have no uploaded file with this id; it is deleted when it expires, or with the "
            "last job that names it"
        )
    assert pointers(none.json()) == ["/input/audio"]


def test_the_same_idempotency_key_creates_a_job_in_each_account(client_with_keys, mine, theirs):
    once = {"Idempotency-Key": "one"}

    first = client_with_keys.post("/v1/jobs", json=job_body(), headers=mine | once)
    other = client_with_keys.post("/v1/jobs", json=job_body(fps=30), headers=theirs | once)

    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["id"] != other.json()["id"]


def test_a_key_cannot_be_checked_without_a_database(start, unreachable_database, mine):
    client = start(auth="keys", database_url=unreachable_database)

    problem(client.get("/v1/jobs", headers=mine), 503, "database_unavailable")
    unauthorized(client.get("/v1/jobs"))


def test_keys_are_not_logged(capsys, start, mine):
    client = start(auth="keys", log_level="DEBUG", log_format="json")

    client.get("/v1/jobs", headers=mine)
    client.get("/v1/jobs?key=km_secret")

    log = ""

    def both_logged():  # by a thread of its own
        nonlocal log
        log += capsys.readouterr().err
        return log.count('"path": "/v1/jobs"') >= 2

    until(both_logged, what="both requests in the log")
    assert mine["Authorization"].removeprefix("Bearer ") not in log
    assert "km_secret" not in log


def test_the_openapi_document_describes_the_key(client):
    document = client.get("/openapi.json").json()

    [(name, scheme)] = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            secured = operation.get("security") == [{name: []}]
            keyless = (method, path) == ("delete", "/v1/session") or "/v1/shared/" in path
            assert secured == (path.startswith("/v1/") and not keyless), path
            assert ("401" in operation["responses"]) == secured


def test_without_keys_all_jobs_belong_to_one_account(client, sessions):
    job_id = client.post("/v1/jobs", json=job_body(), headers={"Authorization": "Bearer x"}).json()[
        "id"
    ]

    assert partial(cancel, sessions)(job_id).account == "local"
