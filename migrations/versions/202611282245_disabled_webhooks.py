"""Webhooks: an index of the addresses that answered 410."""

import sqlalchemy as sa
from alembic import op

revision = "a86e2f51d0b7"
down_revision = "d1f70c3ab924"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_webhooks_gone",
        "webhooks",
        ["account", sa.text("md5(url)")],
        postgresql_where=sa.text("last_status = 410"),
    )


def downgrade() -> None:
    op.drop_index("ix_webhooks_gone", table_name="webhooks")
