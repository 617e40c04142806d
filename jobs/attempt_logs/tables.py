"""The table of the logs of attempts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base


class AttemptLog(Base):
    """The last lines of one attempt, bounded by its worker. Deleted with the job."""

    __tablename__ = "attempt_logs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    dropped: Mapped[int]  #: older lines that are not kept
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    #: each with `at`, `level`, `event`, `fields`
