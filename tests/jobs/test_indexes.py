"""Lists by label and looks at an account use their indexes, also among 100,000 jobs."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text

from bench import seed_jobs
from jobs import rows, service
from jobs.states import State

JOBS = 100_000
MARK = text("""
UPDATE jobs SET labels = '{"film": "a", "shot": "7"}'
WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 20)
""")


@pytest.fixture
def session(sessions):
    """100,000 jobs of one account: all have one label, the 20 oldest have a second one."""
    with sessions() as session:
        seed_jobs.seed(session.connection(), waiting=500, succeeded=JOBS)
        session.execute(MARK)
        session.execute(text("ANALYZE jobs"))
        yield session


def plan(session, statement, values):
    connection = session.connection().connection.driver_connection
    return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}", values))


def page_and_plan(session, **filters):
    """A page of jobs, and the plan of the statement that found them."""
    statements = []

    def note(_, __, statement, values, *___):
        statements.append((statement, values))

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    page = service.page(session, seed_jobs.ACCOUNT, service.Filter(**filters), limit=50)
    event.remove(connection, "before_cursor_execute", note)
    [(statement, values)] = statements
    return page, plan(session, statement, values)


def test_rare_labels_are_found_by_their_index(session):
    page, used = page_and_plan(session, labels={"film": "a", "shot": "7"})
    none, used_for_none = page_and_plan(session, labels={"shot": "8"})

    assert len(page) == 20
    assert none == []
    assert "ix_jobs_labels" in used
    assert "ix_jobs_labels" in used_for_none


def test_frequent_labels_are_found_in_the_order_of_the_list(session):
    page, used = page_and_plan(session, labels={"film": "a"}, state=State.SUCCEEDED)

    assert len(page) == 50
    assert "Index Scan Backward" in used
    assert "Sort" not in used


def test_a_look_at_an_account_reads_its_live_jobs_and_the_newest_ends(session):
    statement = rows._VERSIONS + rows._OF_ACCOUNTS
    values = {"ids": ["job_a"], "accounts": [seed_jobs.ACCOUNT], "since": None}

    used = plan(session, statement, values)

    assert "ix_jobs_active" in used
    assert "ix_jobs_ended" in used
    assert "Seq Scan on jobs" not in used
