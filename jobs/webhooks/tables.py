"""The table of rotated signing secrets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class WebhookSecret(Base):
    """Which signing secret of an account is in use. Without a row it is the first one.

    The secrets are derived from the deployment's key, so none is stored.
    """

    __tablename__ = "webhook_secrets"

    account: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]  #: of the newest secret; 1 is the first
    previous_until: Mapped[datetime]  #: until then the secret before it signs, too
