"""What an operator sees of the jobs of other accounts: how they go, not what they show."""

from __future__ import annotations

import pytest

from accounts.api_keys import Scope
from tests.api.build import problem
from tests.api.ending import succeed
from tests.jobs.build import submitted


@pytest.fixture
def job_id(sessions):
    found = submitted(sessions, account="me", webhook_url="https://example.com/hook")
    succeed(sessions, found)
    return found


@pytest.mark.parametrize("path", ["", "/logs", "/deliveries"])
def test_how_a_job_goes(api, operator, caller, job_id, path):
    url = f"/v1/jobs/{job_id}{path}"

    seen, own = api.get(url, headers=operator), api.get(url, headers=caller)

    assert (seen.status_code, seen.json()) == (200, own.json())
    if path == "/deliveries":
        assert [each["status"] for each in seen.json()["items"]] == ["pending"]


@pytest.mark.parametrize(
    "path",
    ["/result", "/poster", "/preview", "/files/voice.wav", "/events", "/shares"],
)
def test_what_a_job_shows_is_for_its_owner(api, operator, job_id, path):
    problem(api.get(f"/v1/jobs/{job_id}{path}", headers=operator), 404, "job_not_found")


@pytest.mark.parametrize("path", ["share", "retry"])
def test_only_the_owner_shares_and_retries(api, operator, job_id, path):
    problem(api.post(f"/v1/jobs/{job_id}/{path}", headers=operator), 404, "job_not_found")


@pytest.mark.parametrize("path", ["videos/{}", "videos/{}/content", "predictions/{}"])
def test_other_apis_have_the_own_jobs_only(api, operator, job_id, path):
    answer = api.get(f"/v1/{path.format(job_id)}", headers=operator)

    problem(answer, 404, "job_not_found")


@pytest.mark.parametrize("path", ["logs", "deliveries"])
def test_another_caller_sees_nothing(api, key, job_id, path):
    other = key("other", Scope.SUBMIT, Scope.READ)

    problem(api.get(f"/v1/jobs/{job_id}/{path}", headers=other), 404, "job_not_found")
