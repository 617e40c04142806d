"""Erasing an account leaves nothing of it but counters and the audit log, and nobody else's."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text

from accounts.api_keys import Scope
from api.operator import erasure
from jobs import lease as leases
from jobs import service
from jobs.erasure import account as account_erasure
from runtime.tables import Base
from tests.api.build import png, problem
from tests.api.ending import RESULT
from tests.jobs import build
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("plenty_of_time")
KEPT = {"usage_days", "audit_log"}


def erase(api, operator, account="me"):
    response = api.delete(f"/v1/accounts/{account}", headers=operator)
    assert response.status_code == 200, response.text
    return response.json()


def submit(api, headers, **more):
    body = {"model": "preview-i2v", "input": {"prompt": "x", "image": "https://example.com/a.png"}}
    response = api.post("/v1/jobs", json=body | more, headers=headers)
    assert response.status_code == 202, response.text
    return response.json()["id"]


def upload(api, headers):
    files = {"file": ("a.png", png(), "image/png")}
    response = api.post("/v1/files", files=files, headers=headers)
    assert response.status_code == 201, response.text
    return response.json()["id"]


def rows_of(sessions, account):
    """Rows that name an account, by their table."""
    found = {}
    with sessions() as session:
        for table in Base.metadata.sorted_tables:
            if "account" in table.columns:
                query = select(table.c.account).where(table.c.account == account)
                found[table.name] = len(session.execute(query).all())
    return {name: count for name, count in found.items() if count}


@pytest.fixture
def plenty_of_time(monkeypatch):
    monkeypatch.setattr(erasure, "SECONDS", 300)


@pytest.fixture
def full(api, caller, operator, sessions):
    """An account with a bit of everything; returns its jobs."""
    file_id = upload(api, caller)
    image = {"prompt": "x", "image": file_id}
    jobs = [submit(api, caller, input=image), submit(api, caller, webhook={"url": "https://a.b/c"})]
    lease = build.claimed(sessions, jobs[0])
    with sessions.begin() as session:
        leases.succeed(session, lease, result=RESULT, timings={})
    shared = api.post(f"/v1/jobs/{jobs[0]}/share", json={}, headers=caller)
    assert shared.status_code == 201, shared.text
    row = {"input": {"prompt": "x", "image": "https://example.com/a.png"}}
    batch = api.post(
        "/v1/batches?model=preview-i2v",
        content=json.dumps(row),
        headers=caller | {"Content-Type": "application/jsonl"},
    )
    assert batch.status_code in (201, 202), batch.text
    limits = api.put("/v1/accounts/me/limits", json={"jobs_per_day": 99}, headers=operator)
    assert limits.status_code == 200, limits.text
    return jobs


def test_nothing_of_the_account_is_left(api, caller, operator, sessions, full, key):
    other = key("other", Scope.SUBMIT, Scope.READ)
    kept = submit(api, other)

    erased = erase(api, operator)

    assert erased["complete"]
    assert (erased["keys"], erased["jobs"] >= 2, erased["files"], erased["batches"]) == (
        1,
        True,
        1,
        1,
    )
    assert set(rows_of(sessions, "me")) <= KEPT
    assert api.get(f"/v1/jobs/{kept}", headers=other).status_code == 200
    until(
        lambda: api.get(f"/v1/jobs/{full[0]}", headers=caller).status_code == 401,
        seconds=10,
        what="the end of the key, which is cached for two seconds",
    )
    problem(api.get(f"/v1/jobs/{full[0]}", headers=operator), 404, "job_not_found")
    with sessions() as session:
        for table in ("events", "attempts", "previews", "webhooks", "shares", "batch_rows"):
            left = session.scalar(
                text(f"SELECT count(*) FROM {table} WHERE job_id = ANY(:ids)"), {"ids": full}
            )
            assert left == 0, table


def test_each_table_of_accounts_is_erased_or_said_to_be_kept():
    """A table that is added later must be erased, too: see `jobs.erasure`."""
    named = {table.name for table in Base.metadata.sorted_tables if "account" in table.columns}

    erased = {"api_keys", "jobs", "uploaded_files", "webhooks", "batches", "account_quotas"}
    erased |= {"webhook_secrets"}
    assert named <= erased | KEPT


def test_objects_are_deleted(api, caller, operator, stored):
    submit(api, caller, input={"prompt": "x", "image": upload(api, caller)})
    before = stored()

    erased = erase(api, operator)

    assert erased["objects"] >= 1
    assert before
    assert stored() == []


def test_a_running_job_is_asked_to_stop_and_erased_by_the_next_request(
    api, caller, operator, sessions
):
    job_id = submit(api, caller)
    lease = build.claimed(sessions, job_id)

    first = erase(api, operator)
    with sessions.begin() as session:
        leases.cancel(session, lease)
    second = erase(api, operator)

    assert (first["complete"], first["jobs"]) == (False, 0)
    assert (second["complete"], second["jobs"], second["keys"]) == (True, 1, 0)


def test_an_operator_does_not_erase_the_own_account(api, operator):
    problem(api.delete("/v1/accounts/ops", headers=operator), 422, "invalid_input")


def test_callers_may_not_erase(api, caller):
    problem(api.delete("/v1/accounts/me", headers=caller), 403, "insufficient_scope")


def test_an_unknown_account_is_erased_already_and_the_act_is_in_the_audit_log(api, operator):
    erased = erase(api, operator, "nobody")
    acts = api.get("/v1/audit?subject=nobody", headers=operator).json()["items"]

    assert erased == {
        "account": "nobody",
        "keys": 0,
        "jobs": 0,
        "files": 0,
        "objects": 0,
        "batches": 0,
        "complete": True,
    }
    assert [entry["act"] for entry in acts] == ["account.erased", "account.erase"]


def test_two_requests_at_once_erase_an_account_once(api, caller, operator, sessions, monkeypatch):
    job_id = submit(api, caller)
    cancel = service.cancel

    def cancel_after_the_other_request(session, account, found):
        monkeypatch.setattr(service, "cancel", cancel)
        with sessions.begin() as other:
            cancel(other, "me", job_id)
            account_erasure.erase_jobs(other, "me", [job_id])
        return cancel(session, account, found)

    monkeypatch.setattr(service, "cancel", cancel_after_the_other_request)

    erased = erase(api, operator)

    assert (erased["jobs"], erased["complete"]) == (0, True)
    problem(api.get(f"/v1/jobs/{job_id}", headers=operator), 404, "job_not_found")
