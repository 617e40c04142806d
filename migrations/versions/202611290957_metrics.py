"""Samples and totals of metrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b81f4d2c9e37"
down_revision = "b3f6a81d2c94"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "metric_samples",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("wait_seconds", sa.Double(), nullable=True),
        sa.Column("run_seconds", sa.Double(), nullable=True),
        sa.Column("cancel_seconds", sa.Double(), nullable=True),
        sa.Column("video_seconds", sa.Double(), nullable=True),
        sa.Column("figures", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_metric_samples"),
    )
    op.create_table(
        "metric_totals",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("le", sa.Double(), nullable=False),
        sa.Column("count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sum", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name", "model", "label", "le", name="pk_metric_totals"),
    )


def downgrade() -> None:
    op.drop_table("metric_totals")
    op.drop_table("metric_samples")
