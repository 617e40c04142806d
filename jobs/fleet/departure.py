"""A worker that leaves by itself: it takes no job from then on, unless one waits for it.

The check and the leave are one statement, so that a job is seen, or was submitted later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

_LEAVE = text("""
UPDATE workers SET drained_at = coalesce(drained_at, now())
WHERE name = :name AND instance = :instance AND NOT EXISTS (
    SELECT FROM unnest(CAST(:models AS text[]), CAST(:queues AS text[])) AS mine (model, queue)
    WHERE NOT EXISTS (SELECT FROM paused_queues WHERE paused_queues.model = mine.model)
        AND EXISTS (
            SELECT FROM jobs
            WHERE jobs.queue = mine.queue AND jobs.model = mine.model
                AND jobs.state = 'queued' AND jobs.due_at <= now()))
RETURNING drained_at = now() AS by_this
""")
_RETURN = text("""
UPDATE workers SET drained_at = NULL WHERE name = :name AND instance = :instance
""")


@dataclass(frozen=True)
class ConsumedQueue:
    """A model whose queue the worker consumes."""

    model: str
    queue: str


@dataclass(frozen=True)
class Departure:
    """A worker that has left: no claim gives it a job."""

    by_itself: bool
    """False: an operator had drained it before."""


def leave(
    session: Session, name: str, *, instance: str, queues: Iterable[ConsumedQueue]
) -> Departure | None:
    """Let the worker take no job from now on. None: a job that it can run is due, so it stays.

    Claims that began before the commit may still succeed.
    """
    consumed = list(queues)
    values = {
        "name": name,
        "instance": instance,
        "models": [one.model for one in consumed],
        "queues": [one.queue for one in consumed],
    }
    row = session.execute(_LEAVE, values).one_or_none()
    return None if row is None else Departure(row.by_this)


def come_back(session: Session, name: str, *, instance: str, departure: Departure) -> None:
    """Let the worker take jobs again after `leave`; one that an operator drained stays drained."""
    if departure.by_itself:
        session.execute(_RETURN, {"name": name, "instance": instance})
