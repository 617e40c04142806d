"""Indexes of labels, for lists, and of the ends of an account's jobs, for streams of events.

They are built while jobs are submitted and run. A migration that was cut off leaves an index that
is not valid: it is dropped first.
"""

import sqlalchemy as sa
from alembic import op

revision = "b7e30c95d214"
down_revision = "4be19c07a6d5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()
        op.create_index(
            "ix_jobs_labels",
            "jobs",
            ["labels"],
            postgresql_using="gin",
            postgresql_ops={"labels": "jsonb_path_ops"},
            postgresql_where=sa.text("labels <> '{}'"),
            postgresql_concurrently=True,
        )
        op.create_index(
            "ix_jobs_ended",
            "jobs",
            ["account", "ended_at"],
            postgresql_where=sa.text("ended_at IS NOT NULL"),
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()


def _drop() -> None:
    for name in ("ix_jobs_labels", "ix_jobs_ended"):
        op.drop_index(name, table_name="jobs", postgresql_concurrently=True, if_exists=True)
