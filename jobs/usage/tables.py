"""Tables of usage and quotas."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, Double, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from runtime.tables import Base

_ZERO = text("0")


class UsageDay(Base):
    """What an account used of a model on a day (UTC). Deleting jobs does not change it.

    Several rows for each: ends of jobs that happen at once rarely wait for each other's row.
    """

    __tablename__ = "usage_days"
    __table_args__ = (Index("ix_usage_days_day", "day", "account", "model"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    #: 0 for submissions, which the lock of the account orders; 1 to 8 for ends, by the job's id
    submitted: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)  #: jobs of callers
    requeued: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    #: jobs that an operator created from failed ones
    succeeded: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    failed: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    canceled: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    gpu_seconds: Mapped[float] = mapped_column(Double, server_default=_ZERO)
    #: time of workers, from the claim to the end of each attempt, also of lost ones
    result_bytes: Mapped[int] = mapped_column(BigInteger, server_default=_ZERO)
    #: size of the results that were published


class AccountQuota(Base):
    """Quotas of an account that an operator has set. None: no limit."""

    __tablename__ = "account_quotas"

    account: Mapped[str] = mapped_column(primary_key=True)
    jobs_per_day: Mapped[int | None] = mapped_column(BigInteger)  #: submissions on a day (UTC)
    gpu_seconds_per_day: Mapped[float | None] = mapped_column(Double)
    #: time of workers on a day (UTC); jobs that have begun may exceed it
    stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    #: inputs uploaded with jobs, and results, until they expire or are deleted
    submissions_per_minute: Mapped[int | None]  #: how fast the token bucket fills
    burst: Mapped[int | None]  #: size of the bucket; None: the submissions of a minute
    tokens: Mapped[float | None] = mapped_column(Double)  #: in the bucket at `filled_at`
    filled_at: Mapped[dt.datetime | None]  #: the last submission. None: the bucket is full
