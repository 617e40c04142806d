"""Weights of each worker, and the models that an operator asked every worker to prefetch."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "d2f7b9e6a1c4"
down_revision = "c4e8a1f05d37"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "workers",
        sa.Column(
            "weights",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "workers",
        sa.Column("switches", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_table(
        "prefetches",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column(
            "asked_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_prefetches")),
    )


def downgrade() -> None:
    op.drop_table("prefetches")
    op.drop_column("workers", "switches")
    op.drop_column("workers", "weights")
