"""The cookie of the web page: who gets one, what it permits, from where, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest

from accounts import api_keys
from accounts.api_keys import ProvenKey, Scope
from api.sessions.cookie import LIFETIME, SessionCookies
from jobs.ids import new_job_id
from tests.api.build import job_body, problem
from tests.jobs.build import submitted
from tests.waiting import until

HOST = "http://testserver"
OWN = {"Origin": HOST}
SECRET = b"a secret of the tests, long enough"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def api(client_with_keys):
    return client_with_keys


@pytest.fixture
def key(sessions):
    def make(*scopes, account="me"):
        with sessions.begin() as session:
            return api_keys.create(session, account=account, name="", scopes=scopes or tuple(Scope))

    return make


def begin(api, secret, **headers):
    """Begin a session; the client of the tests keeps the cookie as a browser does."""
    return api.post("/v1/session", headers={"Authorization": f"Bearer {secret}"} | OWN | headers)


def test_the_cookie_of_a_key_replaces_it(api, key, sessions):
    _, secret = key(Scope.READ, Scope.SUBMIT)
    job_id = submitted(sessions, account="me")

    begun = begin(api, secret)

    assert begun.json()["account"] == "me"
    assert begun.json()["scopes"] == ["read", "submit"]
    assert begun.headers["cache-control"] == "no-store"
    assert secret not in begun.headers["set-cookie"]
    assert api.get(f"/v1/jobs/{job_id}").json()["id"] == job_id
    assert api.post("/v1/jobs", json=job_body(), headers=OWN).status_code == 202


def test_the_cookie_is_kept_from_scripts_and_other_sites_and_ends(api, key):
    begun = begin(api, key()[1])

    [cookie] = SimpleCookie(begun.headers["set-cookie"]).values()
    ends = datetime.fromisoformat(begun.json()["expires_at"])
    assert cookie.key == "kinomill_session"
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert not cookie["secure"]
    assert (cookie["path"], int(cookie["max-age"])) == ("/", 12 * 3600)
    assert abs(ends - datetime.now(UTC) - LIFETIME) < timedelta(seconds=60)


@pytest.mark.parametrize(
    ("public_url", "name", "path"),
    [
        ("https://mill.example", "__Host-kinomill_session", "/"),
        ("https://example.com/mill", "kinomill_session", "/mill"),
    ],
)
def test_under_https_browsers_send_it_over_https_only(start, key, public_url, name, path):
    api = start(auth="keys", public_url=public_url)

    begun = begin(api, key()[1], Origin=public_url.removesuffix("/mill"))

    [cookie] = SimpleCookie(begun.headers["set-cookie"]).values()
    assert (cookie.key, cookie["path"], cookie["secure"]) == (name, path, True)


def test_a_revoked_key_ends_its_sessions(api, key, sessions):
    row, secret = key()
    begin(api, secret)
    assert api.get("/v1/jobs").status_code == 200

    with sessions.begin() as session:
        api_keys.revoke(session, row.id)

    until(lambda: api.get("/v1/jobs").status_code == 401, what="a refusal")


def test_the_end_of_a_session_deletes_the_cookie(api, key):
    begin(api, key()[1])

    ended = api.delete("/v1/session", headers=OWN)

    assert ended.status_code == 204
    assert not api.cookies
    problem(api.get("/v1/jobs"), 401, "unauthorized")
    assert api.delete("/v1/session", headers=OWN).status_code == 204


@pytest.mark.parametrize("authorization", [None, "Bearer km_0", "Basic bWU6bWU="])
def test_no_session_begins_without_a_valid_key(api, authorization):
    headers = {"Authorization": authorization} if authorization else {}

    refused = api.post("/v1/session", headers=headers | OWN)

    problem(refused, 401, "unauthorized")
    assert "set-cookie" not in refused.headers


def test_a_session_does_not_begin_another_one(api, key):
    """Else a cookie would live for ever."""
    begin(api, key()[1])

    again = api.post("/v1/session", headers=OWN)

    assert again.json()["expires_at"] is None
    assert "set-cookie" not in again.headers


def test_a_cookie_permits_what_the_scopes_of_its_key_say(api, key):
    begin(api, key(Scope.READ)[1])

    problem(api.post("/v1/jobs", json=job_body(), headers=OWN), 403, "insufficient_scope")


def test_a_wrong_key_in_the_header_is_not_saved_by_a_cookie(api, key):
    begin(api, key()[1])

    wrong = api.get("/v1/jobs", headers={"Authorization": "Bearer km_0"})

    problem(wrong, 401, "unauthorized")


OTHERS = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://testserver:3000"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", [*OTHERS, {}, {"Sec-Fetch-Site": "none"}])
def test_another_page_cannot_change_anything_with_the_cookie(api, key, headers):
    begin(api, key()[1])

    for method, path in (
        ("POST", "/v1/jobs"),
        ("POST", f"/v1/jobs/{new_job_id()}/cancel"),
        ("DELETE", f"/v1/jobs/{new_job_id()}"),
    ):
        body = {"json": job_body()} if path == "/v1/jobs" else {}
        problem(api.request(method, path, headers=headers, **body), 403, "origin_not_allowed")
    assert api.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize("headers", OTHERS)
def test_another_page_begins_and_ends_no_session(api, key, headers):
    authorization = {"Authorization": f"Bearer {key()[1]}"}

    for method in ("POST", "DELETE"):
        refused = api.request(method, "/v1/session", headers=authorization | headers)
        problem(refused, 403, "origin_not_allowed")
        assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("headers", [OWN, {"Sec-Fetch-Site": "same-origin"}])
def test_our_own_page_may_change_things(api, key, headers):
    begin(api, key()[1])

    assert api.post("/v1/jobs", json=job_body(), headers=headers).status_code == 202


def test_a_key_in_the_header_needs_no_origin(api, key):
    headers = {"Authorization": f"Bearer {key()[1]}", "Origin": "http://evil.example"}

    assert api.post("/v1/jobs", json=job_body(), headers=headers).status_code == 202


def test_without_keys_a_session_is_of_the_one_account_and_sets_no_cookie(client):
    begun = client.post("/v1/session")

    assert begun.json() == {
        "account": "local",
        "scopes": ["admin", "read", "submit"],
        "expires_at": None,
    }
    assert "set-cookie" not in begun.headers


def cookie_of(cookies, prefix="km_0123456789ab", ends=NOW + LIFETIME):
    from starlette.responses import Response

    response = Response()
    cookies.set(response, prefix + "0" * 52, ends)
    [cookie] = SimpleCookie(response.headers["set-cookie"]).values()
    return cookie.value


def test_a_value_is_verified_until_its_end():
    cookies = SessionCookies(SECRET)
    value = cookie_of(cookies)

    assert cookies.verify(value, NOW) == ProvenKey("km_0123456789ab")
    assert cookies.verify(value, NOW + LIFETIME) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.replace("km_0", "km_1"),
        lambda value: value.replace(".17", ".27"),
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: value + "0",
        lambda value: value.rpartition(".")[0],
        lambda value: value + "\n",
        lambda _: "",
        lambda _: "é" * 100,
        lambda _: "." * 10_000,
    ],
)
def test_a_forged_value_is_none(change):
    cookies = SessionCookies(SECRET)

    assert cookies.verify(change(cookie_of(cookies)), NOW) is None


def test_a_value_of_another_secret_is_none():
    other = SessionCookies(b"another secret of the tests, long")

    assert SessionCookies(SECRET).verify(cookie_of(other), NOW) is None


def test_our_cookie_is_found_among_others_whatever_they_are(api, key):
    begin(api, key(Scope.READ)[1])
    [(name, value)] = api.cookies.items()
    api.cookies.clear()
    odd = ["a=" + chr(92) * 60_000, 'b="' + chr(92) * 300, f"x{name}=1", "c"]

    with_ours = api.get("/v1/jobs", headers={"Cookie": "; ".join([*odd[1:], f"{name}={value}"])})
    without = api.get("/v1/jobs", headers={"Cookie": "; ".join(odd)})

    assert (with_ours.status_code, without.status_code) == (200, 401)
