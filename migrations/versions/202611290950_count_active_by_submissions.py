"""A function that bounds the active jobs of an account by its submissions since a count of them."""

from alembic import op

revision = "d80b3f5a61c9"
down_revision = "a4f17c92d6e8"
branch_labels = None
depends_on = None

COUNT_ACTIVE = """
CREATE FUNCTION lock_and_bound_active(
    name text, known bigint, known_submitted bigint, since date, up_to bigint,
    OUT active bigint, OUT submitted bigint
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(6712577, hashtext(name));
    SELECT coalesce(sum(used.submitted + used.requeued), 0) INTO submitted
    FROM usage_days AS used WHERE used.account = name AND used.day >= since;
    IF submitted >= known_submitted THEN
        active := known + submitted - known_submitted;
    ELSE
        SELECT count(*) INTO active FROM (
            SELECT FROM jobs
            WHERE account = name AND state IN ('queued', 'running') LIMIT up_to
        ) AS counted;
    END IF;
END
$$
"""
"""Volatile, so that both queries see what was committed while it waited for the lock. All jobs of
an account are counted in `usage_days`, in the transaction that inserts them, and no job becomes
active again: so a count and what was submitted since are together at least its active jobs.
Without a count (null), or if the sum has fallen, the jobs are counted."""


def upgrade() -> None:
    op.execute(COUNT_ACTIVE)


def downgrade() -> None:
    op.execute("DROP FUNCTION lock_and_bound_active")
