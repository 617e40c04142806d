"""Files that waiting rows of batches name are kept: an index to find them, and `find_gone`.

The index is built while rows are submitted. A migration that was cut off leaves an index that is
not valid: it is dropped first.
"""

import sqlalchemy as sa
from alembic import op

revision = "e1c4a90b57d3"
down_revision = "5d0e7c41f2a8"
branch_labels = None
depends_on = None

INDEX = "ix_batch_rows_files"
WAITING = "job_id IS NULL AND error IS NULL AND canceled_at IS NULL"
LOCK_FILES = """
CREATE OR REPLACE FUNCTION lock_and_find_gone(files text[], after bigint) RETURNS SETOF text
LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock_shared(6712578, hashtext(file))
    FROM (SELECT DISTINCT unnest(files) AS file ORDER BY 1) AS named;
    {find}
$$
"""
"""Volatile, so that it sees what was committed while it waited for a lock."""
FIND = """SELECT file FROM unnest(files) AS file
    WHERE NOT EXISTS (
        SELECT FROM uploaded_files
        WHERE id = file AND ready_at IS NOT NULL AND expires_at > clock_timestamp()
    ) AND 0 = (
        SELECT count(*) FROM jobs
        WHERE expired_at IS NULL
            AND jsonb_path_query_array(input, '$.* ? (@ starts with "file_")') ? file
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
    )"""
"""A file is gone once its own row has expired, or was never there, and no kept job names it."""
FIND_GONE = f"""
CREATE FUNCTION find_gone(files text[]) RETURNS SETOF text LANGUAGE sql VOLATILE AS $$
    {FIND} AND 0 = (
        SELECT count(*) FROM batch_rows WHERE submission -> 'files' ? file AND {WAITING}
    )
$$
"""  # noqa: S608 - constants


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _drop_index()
        op.create_index(
            INDEX,
            "batch_rows",
            [sa.text("(submission -> 'files')")],
            postgresql_using="gin",
            postgresql_where=sa.text(WAITING),
            postgresql_concurrently=True,
        )
    op.execute("DROP FUNCTION IF EXISTS find_gone")
    op.execute(FIND_GONE)
    op.execute(LOCK_FILES.format(find="SELECT find_gone(files);"))


def downgrade() -> None:
    op.execute(LOCK_FILES.format(find=f"{FIND};"))
    op.execute("DROP FUNCTION IF EXISTS find_gone")
    with op.get_context().autocommit_block():
        _drop_index()


def _drop_index() -> None:
    op.drop_index(INDEX, table_name="batch_rows", postgresql_concurrently=True, if_exists=True)
