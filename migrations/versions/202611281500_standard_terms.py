"""Standard terms: evictions, held jobs, failed weights, the time of a prefetch request."""

import sqlalchemy as sa
from alembic import op

revision = "a91c6e04f7d3"
down_revision = "f4b82d6c19a7"
branch_labels = None
depends_on = None

INDEXES = {"ix_jobs_parked": "ix_jobs_held", "ix_webhooks_told": "ix_webhooks_url"}
RENAME_WEIGHTS_STATE = sa.text("""
UPDATE workers SET weights = (
    SELECT jsonb_object_agg(model, CASE status ->> 'state'
        WHEN :before THEN jsonb_set(status, '{state}', to_jsonb(CAST(:after AS text)))
        ELSE status
    END)
    FROM jsonb_each(weights) AS known (model, status)
)
WHERE weights <> '{}'
""")


def upgrade() -> None:
    op.alter_column("workers", "switches", new_column_name="evictions")
    op.alter_column("prefetches", "asked_at", new_column_name="requested_at")
    for before, after in INDEXES.items():
        op.execute(f"ALTER INDEX {before} RENAME TO {after}")
    op.execute(RENAME_WEIGHTS_STATE.bindparams(before="broken", after="failed"))


def downgrade() -> None:
    op.execute(RENAME_WEIGHTS_STATE.bindparams(before="failed", after="broken"))
    for before, after in INDEXES.items():
        op.execute(f"ALTER INDEX {after} RENAME TO {before}")
    op.alter_column("prefetches", "requested_at", new_column_name="asked_at")
    op.alter_column("workers", "evictions", new_column_name="switches")
