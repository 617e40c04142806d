"""Jobs: the trace context of their submission."""

from alembic import op

revision = "b3f6a81d2c94"
down_revision = "b7d3f0a6c215"
branch_labels = None
depends_on = None

COLUMNS = ("traceparent", "tracestate")


def upgrade() -> None:
    for name in COLUMNS:
        op.execute(f"ALTER TABLE jobs ADD COLUMN IF NOT EXISTS {name} varchar")


def downgrade() -> None:
    for name in COLUMNS:
        op.execute(f"ALTER TABLE jobs DROP COLUMN IF EXISTS {name}")
