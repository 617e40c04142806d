"""Active jobs of an account by id, and a function that locks the account and counts the newest."""

import sqlalchemy as sa
from alembic import op

revision = "c4d7e1b0958a"
down_revision = "a91c6e04f7d3"
branch_labels = None
depends_on = None

ACTIVE = sa.text("state IN ('queued', 'running')")
COUNT_ACTIVE = """
CREATE FUNCTION lock_and_count_active(name text, after text, up_to bigint) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock(6712577, hashtext(name));
    SELECT count(*) FROM (
        SELECT FROM jobs
        WHERE account = name AND id > after AND state IN ('queued', 'running')
        LIMIT up_to
    ) AS active;
$$
"""
"""Volatile, so that the count sees what was committed while it waited for the lock. Without it a
statement would count as of its own beginning, and two of them could exceed a limit together."""


def upgrade() -> None:
    op.drop_index("ix_jobs_active", table_name="jobs")
    op.create_index("ix_jobs_active", "jobs", ["account", "id"], postgresql_where=ACTIVE)
    op.execute(COUNT_ACTIVE)


def downgrade() -> None:
    op.execute("DROP FUNCTION lock_and_count_active")
    op.drop_index("ix_jobs_active", table_name="jobs")
    op.create_index("ix_jobs_active", "jobs", ["account"], postgresql_where=ACTIVE)
