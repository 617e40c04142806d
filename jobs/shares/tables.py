"""The table of shares."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class Share(Base):
    """A read-only link to one job. Deleting the row revokes it."""

    __tablename__ = "shares"

    id: Mapped[str] = mapped_column(primary_key=True)  #: `share_` and a UUIDv7
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime]  #: from then on it is as if it were not there
