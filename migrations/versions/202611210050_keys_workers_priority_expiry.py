"""API keys, workers, priority, expiry, and an index on waiting jobs in the order they run in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b7d14c0a92ef"
down_revision = "20b25ddd8c8c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("models", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column(
            "started_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "seen_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("draining_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_workers")),
    )
    op.add_column("attempts", sa.Column("task_id", sa.String(), nullable=True))
    op.add_column(
        "jobs",
        sa.Column("priority", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
    )
    op.add_column(
        "jobs",
        sa.Column("ttl", postgresql.INTERVAL(), server_default=sa.text("'7 days'"), nullable=False),
    )
    op.add_column(
        "jobs", sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column(
        "jobs", sa.Column("expired_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    op.add_column(
        "jobs", sa.Column("preemptions", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.alter_column(
        "jobs", "next_dispatch_at", existing_type=postgresql.TIMESTAMP(timezone=True), nullable=True
    )
    op.drop_index(
        op.f("ix_jobs_running"),
        table_name="jobs",
        postgresql_where="((state)::text = 'running'::text)",
    )
    op.create_index(
        "ix_jobs_running",
        "jobs",
        ["account"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_jobs_active",
        "jobs",
        ["account"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "ix_jobs_expiring",
        "jobs",
        ["expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL AND expired_at IS NULL"),
    )
    op.create_index(
        "ix_jobs_history",
        "jobs",
        ["model", "ended_at"],
        unique=False,
        postgresql_where=sa.text("state = 'succeeded'"),
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["queue", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_jobs_parked",
        "jobs",
        ["account", "priority", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND next_dispatch_at IS NULL"),
    )
    op.create_index(
        "ix_jobs_files",
        "jobs",
        [sa.text("""jsonb_path_query_array(input, '$.* ? (@ starts with "file_")')""")],
        unique=False,
        postgresql_using="gin",
        postgresql_where=sa.text("expired_at IS NULL"),
    )
    op.drop_index("ix_jobs_due", table_name="jobs", postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["next_dispatch_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.execute("UPDATE jobs SET expires_at = ended_at + ttl WHERE ended_at IS NOT NULL")


def downgrade() -> None:
    op.execute("UPDATE jobs SET next_dispatch_at = now() WHERE next_dispatch_at IS NULL")
    op.drop_index("ix_jobs_due", table_name="jobs", postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["next_dispatch_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.drop_index(
        "ix_jobs_files", table_name="jobs", postgresql_where=sa.text("expired_at IS NULL")
    )
    op.drop_index(
        "ix_jobs_parked",
        table_name="jobs",
        postgresql_where=sa.text("state = 'queued' AND next_dispatch_at IS NULL"),
    )
    op.drop_index(
        "ix_jobs_waiting", table_name="jobs", postgresql_where=sa.text("state = 'queued'")
    )
    op.drop_index(
        "ix_jobs_history", table_name="jobs", postgresql_where=sa.text("state = 'succeeded'")
    )
    op.drop_index(
        "ix_jobs_expiring",
        table_name="jobs",
        postgresql_where=sa.text("expires_at IS NOT NULL AND expired_at IS NULL"),
    )
    op.drop_index(
        "ix_jobs_active",
        table_name="jobs",
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.drop_index(
        "ix_jobs_running", table_name="jobs", postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        op.f("ix_jobs_running"),
        "jobs",
        ["id"],
        unique=False,
        postgresql_where="((state)::text = 'running'::text)",
    )
    op.alter_column(
        "jobs",
        "next_dispatch_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        nullable=False,
    )
    op.drop_column("jobs", "preemptions")
    op.drop_column("jobs", "expired_at")
    op.drop_column("jobs", "expires_at")
    op.drop_column("jobs", "ttl")
    op.drop_column("jobs", "priority")
    op.drop_column("attempts", "task_id")
    op.drop_table("workers")
    op.drop_table("api_keys")
