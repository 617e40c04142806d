"""Batches and their rows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b5a70c1e94d2"
down_revision = "b7d3a92e5c18"
branch_labels = None
depends_on = None

TIME = postgresql.TIMESTAMP(timezone=True)
WAITING = "job_id IS NULL AND error IS NULL AND canceled_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("body_hash", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("fed_at", TIME, nullable=True),
        sa.Column("canceled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint(
            "account", "idempotency_key", name=op.f("uq_batches_account_idempotency_key")
        ),
    )
    op.create_index("ix_batches_account_id", "batches", ["account", "id"])
    op.create_index(
        "ix_batches_waiting",
        "batches",
        ["account", "id"],
        postgresql_where=sa.text("fed_at IS NULL"),
    )
    op.create_table(
        "batch_rows",
        sa.Column("batch_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("submission", postgresql.JSONB(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("job_id", sa.String(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("canceled_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "number", name=op.f("pk_batch_rows")),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.id"],
            name=op.f("fk_batch_rows_batch_id_batches"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_batch_rows_waiting",
        "batch_rows",
        ["batch_id", "number"],
        postgresql_where=sa.text(WAITING),
    )


def downgrade() -> None:
    op.drop_table("batch_rows")
    op.drop_table("batches")
