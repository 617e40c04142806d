"""The audit log is append-only; the report of usage does not fall when jobs are deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError

from accounts import audit
from accounts.tables import AuditEntry
from jobs import lease as leases
from jobs import reaper, service
from jobs.usage import report
from jobs.usage.report import UsageQuery
from tests.api.build import MODEL, problem
from tests.jobs import build
from tests.jobs.control.test_purge_and_requeue import failed, purged, requeued

ME = audit.Actor("ops", "key_1")


def usage(sessions, **filters):
    today = datetime.now(UTC).date()
    query = UsageQuery(today - timedelta(days=1), today + timedelta(days=1), **filters)
    with sessions() as session:
        return report.read(session, query, limit=1000)


def test_acts_and_changes_of_keys_are_listed_newest_first(api, operator, sessions):
    api.post(f"/v1/queues/{MODEL}/pause", json={"reason": "x"}, headers=operator)
    api.post(f"/v1/queues/{MODEL}/resume", headers=operator)

    answer = api.get("/v1/audit", headers=operator).json()

    first, second, third = answer["items"]
    assert [first["act"], second["act"], third["act"]] == [
        "queue.resume", "queue.pause", "key.create"
    ]  # fmt: skip
    assert (second["actor"], second["subject"], second["details"]) == (
        "ops",
        MODEL,
        {"reason": "x"},
    )
    assert second["key_id"] == third["subject"]
    assert third["actor"].startswith("os:")
    assert "km_" not in str(answer)
    assert answer["next_cursor"] is None


def test_the_audit_log_is_filtered_and_paged(api, operator, sessions):
    with sessions.begin() as session:
        for number in range(3):
            audit.record(session, ME, "queue.pause", f"m{number}")

    def page(**query):
        return api.get("/v1/audit", params=query, headers=operator).json()

    first = page(act="queue.pause", limit=2)
    second = page(act="queue.pause", limit=2, before=first["next_cursor"])
    assert [one["subject"] for one in first["items"] + second["items"]] == ["m2", "m1", "m0"]
    assert second["next_cursor"] is None
    assert len(page(subject="m1")["items"]) == len(page(subject="m1", actor="ops")["items"]) == 1


@pytest.mark.parametrize("change", [update(AuditEntry).values(actor="x"), delete(AuditEntry)])
def test_entries_cannot_be_changed_or_deleted(sessions, change):
    with sessions.begin() as session:
        audit.record(session, ME, "queue.pause", "m")

    with pytest.raises(DBAPIError, match="append-only"), sessions.begin() as session:
        session.execute(change)


def test_old_entries_are_deleted_at_the_end_of_their_retention(sessions):
    with sessions.begin() as session:
        audit.record(session, ME, "queue.pause", "new")
        session.execute(
            text(
                "INSERT INTO audit_log (at, actor, act, subject) "
                "VALUES (now() - interval '40 days', 'ops', 'queue.pause', 'old')"
            )
        )

    with sessions.begin() as session:
        assert audit.delete_old(session, older_than=timedelta(days=35)) == 1
        assert [row.subject for row in audit.entries(session, limit=9)] == ["new"]


def test_every_end_of_a_job_is_counted_once(sessions):
    lease = build.started(sessions)
    with sessions.begin() as session:
        leases.succeed(session, lease, result=build.RESULT | {"size_bytes": 7}, timings={})
    failed(sessions)
    build.canceled(sessions)
    build.submitted(sessions)
    purged(sessions)
    preempted = build.started(sessions)
    with sessions.begin() as session:
        leases.preempt(session, preempted)
    lost = build.claimed(sessions, preempted.job_id)
    build.expire(sessions, lost.job_id)
    with sessions.begin() as session:
        reaper.reap(session, max_worker_losses=1)
    requeued(sessions, code="stalled")

    [line] = usage(sessions)

    assert (line.account, line.model) == ("local", MODEL)
    assert (line.submitted, line.requeued) == (5, 1)
    assert (line.succeeded, line.failed, line.canceled) == (1, 2, 2)
    assert line.result_bytes == 7
    assert line.gpu_seconds > 0


def test_counters_stay_when_jobs_are_deleted(sessions):
    job_id = build.succeeded(sessions)
    before = usage(sessions)

    with sessions.begin() as session:
        service.delete(session, "local", job_id)

    assert usage(sessions) == before != []


def test_a_caller_sees_its_own_usage_and_an_operator_that_of_all(api, operator, caller, sessions):
    for account in ("me", "me", "them"):
        build.submitted(sessions, account=account)

    def lines(headers, **query):
        answer = api.get("/v1/usage", params=query, headers=headers).json()
        return [(one["account"], one["submitted"]) for one in answer["items"]]

    assert lines(caller) == lines(operator, account="me") == [("me", 2)]
    assert lines(operator) == []
    assert lines(operator, account="*") == [("me", 2), ("them", 1)]
    assert lines(operator, account="*", model="wav2lip") == []
    assert lines(operator, account="*", until="2020-01-01") == []
    problem(
        api.get("/v1/usage", params={"account": "*"}, headers=caller), 403, "insufficient_scope"
    )


def test_a_report_is_paged_and_can_be_csv(api, operator, sessions):
    for account in ("a", "b", "c"):
        build.submitted(sessions, account=account)

    def get(**query):
        return api.get("/v1/usage", params={"account": "*"} | query, headers=operator)

    first = get(limit=2).json()
    second = get(limit=2, cursor=first["next_cursor"]).json()
    table = get(format="csv")

    assert [one["account"] for one in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["next_cursor"] is None
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    head, *rows = table.text.splitlines()
    assert head.startswith("day,account,model,submitted,requeued,succeeded,failed,canceled,gpu_")
    assert [row.split(",")[1:4] for row in rows] == [[name, MODEL, "1"] for name in "abc"]


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"since": "x"}, {"limit": 0}, {"account": " "}])
def test_a_wrong_query_of_a_report_is_refused(api, operator, query):
    problem(api.get("/v1/usage", params=query, headers=operator), 422, "invalid_input")
