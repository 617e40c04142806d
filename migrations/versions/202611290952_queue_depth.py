"""The view `queue_depth` for autoscalers, and the role that may read it and nothing else."""

from alembic import op

from migrations.autoscaler import grant

revision = "b7d3f0a6c215"
down_revision = "d80b3f5a61c9"
branch_labels = None
depends_on = None

QUEUE_DEPTH = """
CREATE VIEW queue_depth AS
SELECT
    jobs.model,
    count(*) FILTER (WHERE state = 'queued') AS waiting,
    count(*) FILTER (WHERE state = 'running') AS running,
    count(*) FILTER (WHERE state = 'queued' AND due_at IS NULL) AS held,
    count(*) FILTER (
        WHERE state = 'running' OR (due_at IS NOT NULL AND paused_queues.model IS NULL)
    ) AS demand
FROM jobs LEFT JOIN paused_queues ON paused_queues.model = jobs.model
WHERE state IN ('queued', 'running')
GROUP BY jobs.model
"""
"""A contract with programs of others: columns are only added. A model without such jobs has no row,
so a query over some models is `SELECT coalesce(sum(demand), 0) ... WHERE model IN (...)`.

`waiting`, `running` and `held` are those of `GET /v1/queues`. `demand` counts the jobs that need a
worker: the running ones, and the waiting ones that are not held, unless their queue is paused.
"""

REVOKE = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kinomill_autoscaler') THEN
        EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM kinomill_autoscaler', current_schema());
    END IF;
END $$
"""


def upgrade() -> None:
    op.execute(QUEUE_DEPTH)
    grant(op.get_bind())


def downgrade() -> None:
    """The role stays: other databases of the server may use it."""
    op.execute("DROP VIEW queue_depth")
    op.execute(REVOKE)
