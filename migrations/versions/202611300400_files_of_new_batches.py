"""`find_gone` takes a batch whose rows keep no file: the check of a batch that is being stored."""

from alembic import op

revision = "a94e03d7c6b2"
down_revision = "7c25d1e8b3f6"
branch_labels = None
depends_on = None

FIND_GONE = """
CREATE FUNCTION find_gone({arguments}) RETURNS SETOF text LANGUAGE sql VOLATILE AS $$
    SELECT file FROM unnest(files) AS file
    WHERE NOT EXISTS (
        SELECT FROM uploaded_files
        WHERE id = file AND ready_at IS NOT NULL AND expires_at > clock_timestamp()
    ) AND 0 = (
        SELECT count(*) FROM jobs
        WHERE expired_at IS NULL
            AND jsonb_path_query_array(input, '$.* ? (@ starts with "file_")') ? file
            AND (expires_at IS NULL OR expires_at > clock_timestamp())
    ) AND 0 = (
        SELECT count(*) FROM batch_rows
        WHERE submission -> 'files' ? file {other}
            AND job_id IS NULL AND error IS NULL AND canceled_at IS NULL
    )
$$
"""
"""A file is gone once its own row has expired, or was never there, and neither a kept job nor a
waiting row of a batch names it."""


def upgrade() -> None:
    op.execute("DROP FUNCTION find_gone(text[])")
    other = "AND batch_id <> new_batch"
    op.execute(FIND_GONE.format(arguments="files text[], new_batch text DEFAULT ''", other=other))


def downgrade() -> None:
    op.execute("DROP FUNCTION find_gone(text[], text)")
    op.execute(FIND_GONE.format(arguments="files text[]", other=""))
