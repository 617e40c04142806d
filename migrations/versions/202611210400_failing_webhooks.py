"""An index for the delivery history of a URL: its last delivery, and messages given up since."""

import sqlalchemy as sa
from alembic import op

revision = "e7a35c90d8b2"
down_revision = "d2f7b9e6a1c4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_webhooks_told", "webhooks", [sa.text("md5(url)"), "delivered_at", "given_up_at"]
    )


def downgrade() -> None:
    op.drop_index("ix_webhooks_told", table_name="webhooks")
