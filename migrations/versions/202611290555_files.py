"""Files that accounts upload for their jobs; a submission may name one that no job names yet."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4be19c07a6d5"
down_revision = "a86e2f51d0b7"
branch_labels = None
depends_on = None

LOCK_FILES = """
CREATE OR REPLACE FUNCTION lock_and_find_gone(files text[], after bigint) RETURNS SETOF text
LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(6712578, hashtext(file))
    FROM (SELECT DISTINCT unnest(files) AS file ORDER BY 1) AS named;
    SELECT file FROM unnest(files) AS file
    WHERE {uploaded}0 = (
        SELECT count(*) FROM jobs
        WHERE expired_at IS NULL
            AND jsonb_path_query_array(input, '$.* ? (@ starts with "file_")') ? file
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
    );
$$
"""
"""Volatile, so that it sees what was committed while it waited for a lock. A file is gone once its
own row has expired, or was never there, and no kept job names it."""
UPLOADED = """NOT EXISTS (
        SELECT FROM uploaded_files
        WHERE id = file AND ready_at IS NOT NULL AND expires_at > clock_timestamp()
    ) AND """


def upgrade() -> None:
    op.create_table(
        "uploaded_files",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("upload", postgresql.JSONB(), nullable=True),
        sa.Column("ttl", sa.Interval(), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("ready_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(ready_at IS NULL) = (upload IS NOT NULL)",
            name=op.f("ck_uploaded_files_upload"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploaded_files")),
    )
    op.create_index("ix_uploaded_files_account", "uploaded_files", ["account", "created_at", "id"])
    op.create_index("ix_uploaded_files_expires_at", "uploaded_files", ["expires_at"])
    op.execute(LOCK_FILES.format(uploaded=UPLOADED))


def downgrade() -> None:
    op.execute(LOCK_FILES.format(uploaded=""))
    op.drop_table("uploaded_files")
