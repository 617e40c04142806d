"""Beats of maintenance: without them a dead program would be noticed by nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, or_, text
from sqlalchemy.dialects.postgresql import insert

from jobs.tables import MaintenanceBeat

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

SILENT_AFTER = timedelta(seconds=30)
"""Maintenance counts as dead without a beat for this long: six periods."""
FORGOTTEN_AFTER = timedelta(hours=1)
AHEAD: Final = timedelta(minutes=5)
"""Beats further ahead do not count: the clock of the database was set back, and a program that is
dead would seem to work until the clock has caught up."""

SILENT_SECONDS: Final = f"""
SELECT CAST(min(greatest(extract(epoch FROM clock_timestamp() - seen_at), 0)) AS float8)
FROM maintenance_beats
WHERE seen_at < clock_timestamp() + interval '{AHEAD.total_seconds():.0f} seconds'
"""  # noqa: S608 - constants
"""SQL: seconds since the last beat of any maintenance program, or NULL."""


def beat(session: Session, name: str) -> None:
    """Record that the maintenance program of this name works, and forget those long gone."""
    row = insert(MaintenanceBeat).values(name=name)
    now = {"seen_at": func.clock_timestamp()}
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_=now))
    age = func.clock_timestamp() - MaintenanceBeat.seen_at
    gone = or_(age > FORGOTTEN_AFTER, age < -AHEAD)
    session.execute(delete(MaintenanceBeat).where(gone))


def silent_seconds(session: Session | Connection) -> float | None:
    """Seconds since the last beat of any maintenance program. None: there was none in an hour."""
    seconds: float | None = session.scalar(text(SILENT_SECONDS))
    return seconds


def is_silent(seconds: float | None) -> bool:
    """Whether no maintenance program works, by the seconds since the last beat."""
    return seconds is None or seconds > SILENT_AFTER.total_seconds()


def silence(seconds: float | None) -> str:
    """A sentence about maintenance that is silent: for how long, and what to do."""
    since = "in the last hour" if seconds is None else f"for {seconds:.0f} s"
    return f"No maintenance program has worked {since}: start `kinomill maintenance`."
