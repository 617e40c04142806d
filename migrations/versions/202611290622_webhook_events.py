"""Webhooks: events that a job's owner chooses, and the history of each delivery."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e91b47c60a3d"
down_revision = "8d41f6a02c7b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("webhook_events", postgresql.JSONB(), nullable=True))
    op.add_column(
        "webhooks",
        sa.Column("history", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.drop_constraint("uq_webhooks_job_id", "webhooks")
    op.create_unique_constraint("uq_webhooks_job_id_state", "webhooks", ["job_id", "state"])
    op.create_index("ix_webhooks_account_id", "webhooks", ["account", "id"])


def downgrade() -> None:
    op.execute("DELETE FROM webhooks WHERE state = 'running'")
    op.drop_index("ix_webhooks_account_id", table_name="webhooks")
    op.drop_constraint("uq_webhooks_job_id_state", "webhooks")
    op.create_unique_constraint("uq_webhooks_job_id", "webhooks", ["job_id"])
    op.drop_column("webhooks", "history")
    op.drop_column("jobs", "webhook_events")
