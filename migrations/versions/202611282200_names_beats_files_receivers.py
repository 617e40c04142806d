"""Holder of a worker's name, beat of maintenance, accounts of webhooks, a check of named files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d1f70c3ab924"
down_revision = "c3d5b8e61f02"
branch_labels = None
depends_on = None

LOCK_FILES = """
CREATE FUNCTION lock_and_find_gone(files text[], after bigint) RETURNS SETOF text
LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(6712578, hashtext(file))
    FROM (SELECT DISTINCT unnest(files) AS file ORDER BY 1) AS named;
    SELECT file FROM unnest(files) AS file
    WHERE 0 = (
        SELECT count(*) FROM jobs
        WHERE expired_at IS NULL
            AND jsonb_path_query_array(input, '$.* ? (@ starts with "file_")') ? file
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
    );
$$
"""
"""Volatile, so that it sees what was committed while it waited for a lock. `after` only makes a
statement call it after it has locked the accounts. A file is gone once no kept job names it."""


def upgrade() -> None:
    op.add_column(
        "workers", sa.Column("instance", sa.String(), server_default=sa.text("''"), nullable=False)
    )
    op.add_column(
        "workers",
        sa.Column("dropped_messages", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "maintenance_beats",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "seen_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_maintenance_beats")),
    )
    op.add_column(
        "webhooks", sa.Column("account", sa.String(), server_default=sa.text("''"), nullable=False)
    )
    op.execute("UPDATE webhooks SET account = jobs.account FROM jobs WHERE jobs.id = job_id")
    op.create_index(
        "ix_webhooks_account_due",
        "webhooks",
        ["account", "next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.drop_index("ix_webhooks_due", table_name="webhooks")
    op.execute(LOCK_FILES)


def downgrade() -> None:
    op.execute("DROP FUNCTION lock_and_find_gone")
    op.create_index(
        "ix_webhooks_due",
        "webhooks",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.drop_index("ix_webhooks_account_due", table_name="webhooks")
    op.drop_column("webhooks", "account")
    op.drop_table("maintenance_beats")
    op.drop_column("workers", "dropped_messages")
    op.drop_column("workers", "instance")
