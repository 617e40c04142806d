"""Tables of what an operator has paused."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class PausedQueue(Base):
    """A model whose jobs no worker claims. Its row is read by each claim."""

    __tablename__ = "paused_queues"

    model: Mapped[str] = mapped_column(primary_key=True)
    paused_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))  #: shown to callers


class MaintenanceMode(Base):
    """While the only row of this table exists, submissions are refused. Each one reads it."""

    __tablename__ = "maintenance_mode"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, server_default=text("1"))
    since: Mapped[datetime] = mapped_column(server_default=text("now()"))
    reason: Mapped[str] = mapped_column(server_default=text("''"))  #: shown to callers
    retry_after_seconds: Mapped[int]  #: when a refused caller should try again
