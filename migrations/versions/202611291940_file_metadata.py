"""What a caller says of an uploaded file: metadata of its own, and the purpose."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7c25d1e8b3f6"
down_revision = "e1c4a90b57d3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("uploaded_files", sa.Column("purpose", sa.String(), nullable=True))
    op.add_column("uploaded_files", sa.Column("metadata", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("uploaded_files", "metadata")
    op.drop_column("uploaded_files", "purpose")
