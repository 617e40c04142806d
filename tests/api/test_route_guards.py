"""Who may call each route of the contract on a server with keys, also each that is added later."""

from __future__ import annotations

import pytest

from accounts import api_keys
from accounts.api_keys import Scope
from api.middleware.web_page_guard import SAFE_METHODS
from tests.api.build import problem
from tests.api.test_route_table import OPERATIONS, filled
from tests.conftest import end_operators_acts

CONTRACT = [(path, method) for path, method in OPERATIONS if path.startswith("/v1/")]
WITHOUT_KEY = {("/v1/session", "DELETE")} | {
    (path, method) for path, method in CONTRACT if path.startswith("/v1/shared/")
}
"""What ends a session, and what shows the holder of a link what was shared."""
WITH_KEY = [each for each in CONTRACT if each not in WITHOUT_KEY]
CHANGES = [(path, method) for path, method in CONTRACT if method not in SAFE_METHODS]


@pytest.fixture(scope="module")
def api(start_once, engine):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.events.responses.MAX_SECONDS", 0)
        yield start_once(auth="keys")
    end_operators_acts(engine)


@pytest.fixture
def header(sessions):
    def make(*scopes):
        with sessions.begin() as session:
            _, secret = api_keys.create(session, account="me", name="", scopes=scopes)
        return {"Authorization": f"Bearer {secret}"}

    return make


@pytest.fixture
def in_session(api, header):
    """The client with the cookie of a session that permits everything."""
    api.post("/v1/session", headers=header(*Scope) | {"Origin": "http://testserver"})
    yield api
    api.cookies.clear()


@pytest.mark.parametrize(("path", "method"), WITH_KEY)
def test_a_key_is_needed(api, path, method):
    problem(api.request(method, filled(path)), 401, "unauthorized")


@pytest.mark.parametrize(("path", "method"), CHANGES)
def test_a_page_of_another_origin_changes_nothing_by_a_cookie(in_session, path, method):
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = in_session.request(method, filled(path), headers=headers)
        problem(answer, 403, "origin_not_allowed")


@pytest.mark.parametrize(("path", "method"), [each for each in CHANGES if each[0] != "/v1/session"])
def test_a_key_that_may_only_read_changes_nothing(api, header, path, method):
    answer = api.request(method, filled(path), headers=header(Scope.READ))

    problem(answer, 403, "insufficient_scope")
