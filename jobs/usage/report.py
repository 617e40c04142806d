"""What accounts have used, by account, model and day (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select, tuple_

from jobs.usage.tables import UsageDay

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.orm import Session


class UsageLine(NamedTuple):
    """What an account used of a model on a day; see `jobs.usage.tables.UsageDay`."""

    day: dt.date
    account: str
    model: str
    submitted: int
    requeued: int
    succeeded: int
    failed: int
    canceled: int
    gpu_seconds: float
    result_bytes: int


_KINDS: dict[str, Any] = {
    "day": lambda day: day,
    "account": str,
    "model": str,
    "gpu_seconds": lambda seconds: round(float(seconds), 3),
}


@dataclass(frozen=True)
class UsageQuery:
    """Which lines of the report are read."""

    first: dt.date
    last: dt.date
    account: str | None = None
    model: str | None = None


def read(
    session: Session, query: UsageQuery, *, after: tuple[Any, ...] | None = None, limit: int
) -> list[UsageLine]:
    """Lines of these days by day, account and model, after the one with this key."""
    key = UsageDay.day, UsageDay.account, UsageDay.model
    sums = [func.sum(getattr(UsageDay, name)).label(name) for name in UsageLine._fields[3:]]
    found = (
        select(*key, *sums)
        .where(UsageDay.day >= query.first, UsageDay.day <= query.last)
        .group_by(*key)
        .order_by(*key)
        .limit(limit)
    )
    if query.account is not None:
        found = found.where(UsageDay.account == query.account)
    if query.model is not None:
        found = found.where(UsageDay.model == query.model)
    if after is not None:
        found = found.where(tuple_(*key) > after)
    return [_line(row) for row in session.execute(found)]


def _line(row: Any) -> UsageLine:
    """Sums of bigint are numeric in PostgreSQL: decimals in Python."""
    values = row._mapping
    return UsageLine(**{name: _KINDS.get(name, int)(values[name]) for name in UsageLine._fields})
