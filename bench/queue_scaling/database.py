"""A database with many waiting jobs, and the operations of workers and maintenance on it.

Every operation is a transaction with its commit.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import delete, select, text

from bench.seed_jobs import MODEL, seed
from jobs import reaper
from jobs.queue import wake_ups
from jobs.queue.claim import Claimant
from jobs.queue.claim import claim as claim_job
from jobs.states import State
from jobs.tables import Job
from runtime.database import create_database_engine, create_session_factory

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

CONNECTED = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
FULL_SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'jobs'"
DISCONNECT_SECONDS = 30
TTL = timedelta(minutes=1)
CLAIMANT = Claimant(model=MODEL, queue=MODEL, worker="bench", pid=1, task_id=None, ttl=TTL)
FIRST = select(Job.id).where(Job.state == State.QUEUED).order_by(Job.id).limit(1)
LAST = select(Job.id).where(Job.state == State.QUEUED).order_by(Job.id.desc()).limit(1)


class SeededDatabase:
    """A database with this many waiting jobs; `url` is that of an empty, migrated one."""

    def __init__(self, url: str, waiting: int) -> None:
        self.engine = create_database_engine(url)
        self.sessions = create_session_factory(self.engine)
        with self.engine.begin() as connection:
            seed(connection, waiting=waiting)
        maintain(url, "VACUUM ANALYZE")
        with self.sessions() as session:
            self.first, self.last = session.scalars(FIRST).one(), session.scalars(LAST).one()
            self.middle = session.scalars(FIRST.offset(waiting // 2)).one()

    def time(self, operation: Callable[[Session, SeededDatabase], object]) -> float:
        """Run an operation in a transaction; returns milliseconds."""
        begin = time.perf_counter()
        with self.sessions.begin() as session:
            operation(session, self)
        return 1000 * (time.perf_counter() - begin)

    def delete_submitted(self) -> None:
        """Delete the waiting jobs that were added since; ended ones were seeded with later ids."""
        later = (Job.id > self.last, Job.state == State.QUEUED)
        with self.sessions.begin() as session:
            session.execute(delete(Job).where(*later))

    def reset(self) -> None:
        """Delete the submitted job, and put the claimed job back into the queue."""
        self.delete_submitted()
        with self.sessions.begin() as session:
            session.execute(
                text(
                    "UPDATE jobs SET state = 'queued', lease_token = NULL, lease_until = NULL, "
                    "attempt = 0 WHERE id = :id AND state = 'running'"
                ),
                {"id": self.first},
            )
            session.execute(text("DELETE FROM attempts WHERE job_id = :id"), {"id": self.first})


def claim(session: Session, database: SeededDatabase) -> None:
    result = claim_job(session, CLAIMANT, uuid4())
    if result.lease is None or result.lease.job_id != database.first:
        raise RuntimeError("the claim did not take the most urgent job")


def reaper_sweep(session: Session, _: SeededDatabase) -> None:
    reaper.reap(session, max_worker_losses=3)


def due_messages(session: Session, _: SeededDatabase) -> None:
    for queue in wake_ups.due_queues(session):
        wake_ups.due_messages(session, queue)


def release_sweep(session: Session, _: SeededDatabase) -> None:
    wake_ups.release_idle_accounts(session)


OPERATIONS = (claim, reaper_sweep, due_messages, release_sweep)


def full_scans(url: str) -> int:
    """How often the whole table of jobs was read, by programs that have disconnected.

    A connection reports its statistics when it ends. Raises `TimeoutError` if one does not.
    """
    deadline = time.monotonic() + DISCONNECT_SECONDS
    while maintain(url, CONNECTED):
        if time.monotonic() > deadline:
            raise TimeoutError("a program is still connected to the database")
        time.sleep(0.05)
    return int(str(maintain(url, FULL_SCANS)))


def maintain(url: str, command: str) -> object:
    """Run one SQL command outside a transaction; returns its first value, if any."""
    engine = create_database_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        done = connection.execute(text(command))
        value = done.scalar() if done.returns_rows else None
    engine.dispose()
    return value
