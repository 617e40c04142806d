"""Who may ask for what: keys, scopes, and accounts that do not see each other."""

from __future__ import annotations

from functools import partial

import pytest

from accounts import api_keys
from accounts.api_keys import Scope
from jobs.ids import new_job_id
from tests.api.build import MODEL, png, pointers, problem, wav, wish
from tests.api.ending import succeed
from tests.jobs.build import cancel, claimed, submitted

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
    ("GET", "/v1/workers", Scope.READ),
    ("GET", "/v1/queues", Scope.READ),
    ("GET", "/v1/models", None),
    ("GET", f"/v1/models/{MODEL}", None),
    ("POST", "/v1/models/heavy/prefetch", Scope.ADMIN),
]
OPEN = ["/livez", "/readyz", "/openapi.json", "/docs"]


@pytest.fixture
def locked(start):
    """A client of an app that asks for keys."""
    return start(auth="keys")


@pytest.fixture
def key(sessions):
    """Make a key: (row, the header that presents it)."""

    def make(*scopes, account="me"):
        with sessions.begin() as session:
            row, secret = api_keys.create(
                session, account=account, name="", scopes=scopes or tuple(Scope)
            )
        return row, {"Authorization": f"Bearer {secret}"}

    return make


@pytest.fixture
def mine(key):
    return key(account="me")[1]


@pytest.fixture
def theirs(key):
    return key(account="them")[1]


def ask(client, method, path, **options):
    """Send a request; to a submission belongs a body."""
    body = {"json": wish()} if (method, path) == ("POST", "/v1/jobs") else {}
    return client.request(method, path.format(job=new_job_id()), **(body | options))


def refused(response):
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
def test_without_a_key_of_ours_nobody_gets_in(locked, headers):
    assert not refused(locked.get("/v1/jobs", headers=headers))["retryable"]


@pytest.mark.parametrize(("method", "path", "_"), ROUTES)
def test_every_route_of_callers_asks_for_a_key(locked, method, path, _):
    response = ask(locked, method, path)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN)
def test_health_and_documents_ask_for_none(locked, path):
    assert locked.get(path).status_code == 200


def test_a_bad_body_is_not_read_without_a_key(locked):
    headers = {"Content-Type": "application/json"}

    refused(locked.post("/v1/jobs", content=b"{" * 50_000_000, headers=headers))


def test_a_key_in_the_query_is_never_taken(locked, mine):
    secret = mine["Authorization"].removeprefix("Bearer ")

    for name in ("key", "api_key", "access_token", "token", "authorization", "Authorization"):
        refused(locked.get("/v1/jobs/" + new_job_id(), params={name: secret}))


def test_a_changed_key_is_none(locked, mine):
    secret = mine["Authorization"]
    other = secret[:-1] + ("0" if secret[-1] != "0" else "1")

    refused(locked.get("/v1/jobs", headers={"Authorization": other}))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_lets_its_holder_in(locked, mine, scheme):
    header = mine["Authorization"].replace("Bearer", scheme)

    assert locked.get("/v1/jobs", headers={"Authorization": header}).status_code == 200


def test_a_revoked_key_is_refused_at_once(locked, key, sessions):
    row, headers = key()
    assert locked.get("/v1/jobs", headers=headers).status_code == 200

    with sessions.begin() as session:
        api_keys.revoke(session, row.id)

    refused(locked.get("/v1/jobs", headers=headers))


@pytest.mark.parametrize(("method", "path", "wanted"), ROUTES)
@pytest.mark.parametrize("scope", Scope)
def test_a_key_does_what_its_scope_says(locked, key, method, path, wanted, scope):
    _, headers = key(scope)

    response = ask(locked, method, path, headers=headers)

    if wanted is None or scope in {wanted, Scope.ADMIN}:
        assert response.status_code in {200, 202, 404}
    else:
        assert response.status_code == 403
        assert "insufficient_scope" in response.headers["www-authenticate"]
        if method != "HEAD":
            assert wanted in problem(response, 403, "insufficient_scope")["detail"]


def test_a_job_belongs_to_the_account_of_its_key(locked, mine, theirs, key):
    job_id = locked.post("/v1/jobs", json=wish(), headers=mine).json()["id"]
    _, second = key(Scope.READ, account="me")

    for headers, seen in ((mine, [job_id]), (second, [job_id]), (theirs, [])):
        items = locked.get("/v1/jobs", headers=headers).json()["items"]
        assert [job["id"] for job in items] == seen


def test_a_foreign_job_is_as_good_as_none(locked, sessions, theirs):
    queued = submitted(sessions, account="me")
    done = submitted(sessions, account="me")
    succeed(sessions, done)

    answers = [
        locked.request(method, f"/v1/jobs/{job_id}{end}", headers=theirs)
        for job_id in (queued, done, new_job_id())
        for method, end in (("GET", ""), ("POST", "/cancel"), ("GET", "/result"), ("DELETE", ""))
    ]

    assert {problem(answer, 404, "job_not_found")["detail"] for answer in answers}
    assert len({answer.content for answer in answers}) == 1
    assert claimed(sessions, queued) is not None


def test_a_foreign_file_is_as_good_as_none(locked, mine, theirs):
    first = locked.post("/v1/jobs", data={"model": MODEL}, files=FILES, headers=mine).json()
    body = wish(audio=first["input"]["audio"], image=first["input"]["image"])
    unknown = wish(audio="file_" + "0" * 32)

    again = locked.post("/v1/jobs", json=body, headers=mine)
    foreign = locked.post("/v1/jobs", json=body, headers=theirs)
    none = locked.post("/v1/jobs", json=unknown, headers=theirs)

    assert again.status_code == 202
    for response in (foreign, none):
        assert problem(response, 422, "file_not_found")["errors"][0]["message"] == (
            "you have no uploaded file with this id"
        )
    assert pointers(none.json()) == ["/input/audio"]


def test_the_same_idempotency_key_makes_a_job_in_each_account(locked, mine, theirs):
    once = {"Idempotency-Key": "one"}

    first = locked.post("/v1/jobs", json=wish(), headers=mine | once)
    other = locked.post("/v1/jobs", json=wish(fps=30), headers=theirs | once)

    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["id"] != other.json()["id"]


def test_a_dead_database_lets_nobody_in_and_says_why(start, dead_database, mine):
    client = start(auth="keys", database_url=dead_database)

    problem(client.get("/v1/jobs", headers=mine), 503, "database_unavailable")
    refused(client.get("/v1/jobs"))


def test_no_key_is_in_the_log(capsys, start, mine):
    client = start(auth="keys", log_level="DEBUG", log_format="json")

    client.get("/v1/jobs", headers=mine)
    client.get("/v1/jobs?key=km_secret")

    log = capsys.readouterr().err
    assert "/v1/jobs" in log
    assert mine["Authorization"].removeprefix("Bearer ") not in log
    assert "km_secret" not in log


def test_the_document_tells_of_the_key(client):
    document = client.get("/openapi.json").json()

    [(name, scheme)] = document["components"]["securitySchemes"].items()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            secured = operation.get("security") == [{name: []}]
            assert secured == path.startswith("/v1/"), path
            assert ("401" in operation["responses"]) == secured


def test_without_keys_all_is_one_account(client, sessions):
    job_id = client.post("/v1/jobs", json=wish(), headers={"Authorization": "Bearer x"}).json()[
        "id"
    ]

    assert partial(cancel, sessions)(job_id).account == "local"
