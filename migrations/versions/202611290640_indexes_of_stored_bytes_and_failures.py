"""Indexes of the bytes that an account stores, for its quota, and of failed jobs, to requeue them.

They are built while jobs are submitted and run. A migration that was cut off leaves an index that
is not valid: it is dropped first.
"""

import sqlalchemy as sa
from alembic import op

revision = "d82c5f7b1e60"
down_revision = "e91b47c60a3d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()
        op.create_index(
            "ix_jobs_failed",
            "jobs",
            ["model", "ended_at"],
            postgresql_where=sa.text("state = 'failed'"),
            postgresql_concurrently=True,
        )
        op.create_index(
            "ix_jobs_stored",
            "jobs",
            ["account"],
            postgresql_include=["stored_bytes"],
            postgresql_where=sa.text("stored_bytes > 0 AND expired_at IS NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()


def _drop() -> None:
    for name in ("ix_jobs_failed", "ix_jobs_stored"):
        op.drop_index(name, table_name="jobs", postgresql_concurrently=True, if_exists=True)
