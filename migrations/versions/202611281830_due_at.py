"""A worker claims the most urgent due job: due_at, and indexes for it and for Celery's task ids."""

import sqlalchemy as sa
from alembic import op

revision = "c3d5b8e61f02"
down_revision = "c4d7e1b0958a"
branch_labels = None
depends_on = None

QUEUED = "state = 'queued'"


def upgrade() -> None:
    op.drop_index("ix_jobs_due", table_name="jobs")
    op.alter_column(
        "jobs", "next_dispatch_at", new_column_name="due_at", server_default=sa.text("now()")
    )
    op.drop_column("jobs", "dispatch_no")
    op.execute("UPDATE jobs SET due_at = now() WHERE state = 'queued' AND due_at > now()")
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["queue", "priority", "id"],
        postgresql_where=sa.text(f"{QUEUED} AND due_at IS NOT NULL"),
    )
    op.create_index("ix_attempts_task_id", "attempts", ["task_id"])


def downgrade() -> None:
    op.drop_index("ix_attempts_task_id", table_name="attempts")
    op.drop_index("ix_jobs_due", table_name="jobs")
    op.add_column(
        "jobs", sa.Column("dispatch_no", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.alter_column("jobs", "dispatch_no", server_default=None)
    op.alter_column("jobs", "due_at", new_column_name="next_dispatch_at", server_default=None)
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["next_dispatch_at", "id"],
        postgresql_where=sa.text(QUEUED),
    )
