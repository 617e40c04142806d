"""Previews of running jobs, and notes: what an attempt chose, such as the size."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "f4b82d6c19a7"
down_revision = "e7a35c90d8b2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "jobs",
        sa.Column(
            "notes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_table(
        "previews",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.Column(
            "at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_previews_job_id_jobs"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_previews")),
        prefixes=["UNLOGGED"],
    )
    # a JPEG does not get smaller: spare the server the attempt
    op.execute("ALTER TABLE previews ALTER COLUMN jpeg SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("previews")
    op.drop_column("jobs", "notes")
