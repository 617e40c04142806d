"""Jobs: a deadline for the start, and what a retry keeps of the job that it repeats."""

import sqlalchemy as sa
from alembic import op

revision = "8d41f6a02c7b"
down_revision = "5c2be8f0a917"
branch_labels = None
depends_on = None

COLUMNS = {
    "start_by": "timestamptz",
    "retry_of": "varchar",
    "pinned_weights": "varchar",
    "generated": "jsonb",
}
INDEX = "ix_jobs_start_by"
DEADLINE = "state = 'queued' AND started_at IS NULL AND start_by IS NOT NULL"


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.execute(f"ALTER TABLE jobs ADD COLUMN IF NOT EXISTS {name} {kind}")
    with op.get_context().autocommit_block():
        _drop_index()
        op.create_index(
            INDEX,
            "jobs",
            ["start_by"],
            postgresql_where=sa.text(DEADLINE),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_index()
    for name in COLUMNS:
        op.execute(f"ALTER TABLE jobs DROP COLUMN IF EXISTS {name}")


def _drop_index() -> None:
    op.drop_index(INDEX, table_name="jobs", postgresql_concurrently=True, if_exists=True)
