"""Latency of each queue operation with 100,000 waiting jobs, compared with 100.

Prints a report as JSON on stdout and a line for each round on stderr. Both databases are in one
PostgreSQL; all jobs belong to one account and wait in one queue. Every operation is a transaction
with its commit. A figure is the median of the rounds' medians; a round alternates between the two
databases for each operation, so that load from elsewhere affects both. `ratio_low` compares the
first deciles, which such load affects least.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, text
from sqlalchemy.engine import make_url

from bench.machine import machine
from bench.seed_jobs import ACCOUNT, MODEL, seed
from cli.embedded.postgres import Postgres
from jobs import lease, reaper, service
from jobs.queue import estimate, republish
from jobs.states import State
from jobs.tables import Job
from migrations.upgrade import upgrade
from runtime.database import create_database_engine, create_session_factory

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

FEW = 100
REPEATS = 150
TTL = timedelta(minutes=1)
LONGEST_QUEUE = 1000
SUBMISSION = service.Submission(
    account=ACCOUNT,
    model=MODEL,
    queue=MODEL,
    input={"image": "https://example.com/face.jpg", "audio": "https://example.com/voice.wav"},
    body_hash="0" * 64,
    labels={"film": "a"},
)
FIRST = select(Job.id).where(Job.state == State.QUEUED).order_by(Job.id).limit(1)
LAST = select(Job.id).where(Job.state == State.QUEUED).order_by(Job.id.desc()).limit(1)


class SeededDatabase:
    """A database with this many waiting jobs."""

    def __init__(self, server_url: str, waiting: int) -> None:
        name = f"waiting_{waiting}"
        maintain(server_url, f"CREATE DATABASE {name}")
        url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        self.engine = create_database_engine(url)
        self.sessions = create_session_factory(self.engine)
        with self.engine.begin() as connection:
            seed(connection, waiting=waiting)
        maintain(url, "VACUUM ANALYZE")
        with self.sessions() as session:
            self.first, self.last = session.scalars(FIRST).one(), session.scalars(LAST).one()

    def time(self, operation: Callable[[Session, SeededDatabase], object]) -> float:
        """Run an operation in a transaction; returns milliseconds."""
        begin = time.perf_counter()
        with self.sessions.begin() as session:
            operation(session, self)
        return 1000 * (time.perf_counter() - begin)

    def reset(self) -> None:
        """Delete the submitted job, and put the claimed job back into the queue."""
        with self.sessions.begin() as session:
            session.execute(delete(Job).where(Job.id > self.last))
            session.execute(
                text(
                    "UPDATE jobs SET state = 'queued', lease_token = NULL, lease_until = NULL, "
                    "attempt = 0 WHERE id = :id AND state = 'running'"
                ),
                {"id": self.first},
            )
            session.execute(text("DELETE FROM attempts WHERE job_id = :id"), {"id": self.first})


def submit(session: Session, _: SeededDatabase) -> None:
    service.submit(session, SUBMISSION)


def get(session: Session, database: SeededDatabase) -> None:
    service.find(session, ACCOUNT, database.last)


def list_page(session: Session, database: SeededDatabase) -> None:
    service.page(session, ACCOUNT, service.Filter(), before=database.last, limit=20)


def position(session: Session, database: SeededDatabase) -> None:
    estimate.queue_estimate(session, service.find(session, ACCOUNT, database.last))


def load(session: Session, _: SeededDatabase) -> None:
    estimate.queue_load(session, MODEL, MODEL, count_to=LONGEST_QUEUE)


def claim(session: Session, database: SeededDatabase) -> None:
    lease.claim(session, database.first, worker="bench", pid=1, ttl=TTL)


def reaper_sweep(session: Session, _: SeededDatabase) -> None:
    reaper.reap(session, max_worker_losses=3)


def due_messages(session: Session, _: SeededDatabase) -> None:
    republish.due_messages(session)


def release_sweep(session: Session, _: SeededDatabase) -> None:
    republish.release_idle_accounts(session)


OPERATIONS = (
    *(submit, get, list_page, position, load),
    *(claim, reaper_sweep, due_messages, release_sweep),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queue_scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument(
        "--rows", type=int, default=100_000, help="waiting jobs in the large database"
    )
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help=f"of each operation (default {REPEATS})"
    )
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="kinomill-bench-"))
    home.chmod(0o711)
    server = Postgres(home)
    try:
        print(json.dumps(measure(server.start(), arguments), indent=2))
    finally:
        server.stop()
        shutil.rmtree(home)


def measure(server_url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    few, many = (SeededDatabase(server_url, waiting) for waiting in (FEW, arguments.rows))
    runs = [run(few, many, number, arguments.repeats) for number in range(arguments.rounds)]
    names = [operation.__name__ for operation in OPERATIONS]
    medians = {
        f"{name}_{size}_ms": round(median(run[name][size] for run in runs), 3)
        for name in names
        for size in ("few", "many")
    }
    return {
        "bench": "queue_scaling",
        "machine": machine(),
        "versions": {name: version(name) for name in ("psycopg", "sqlalchemy")}
        | {"postgresql": maintain(server_url, "SHOW server_version")},
        "rounds": arguments.rounds,
        "waiting": {"few": FEW, "many": arguments.rows},
        "median": medians,
        "ratio": {n: round(medians[f"{n}_many_ms"] / medians[f"{n}_few_ms"], 3) for n in names},
        "ratio_low": {n: round(low(runs, n, "many") / low(runs, n, "few"), 3) for n in names},
        "runs": runs,
    }


def low(runs: list[dict[str, Any]], operation: str, size: str) -> float:
    return float(median(run[operation][f"{size}_low"] for run in runs))


def run(few: SeededDatabase, many: SeededDatabase, number: int, repeats: int) -> dict[str, Any]:
    """One round: each operation on both databases alternately."""
    result: dict[str, Any] = {"round": number}
    for operation in OPERATIONS:
        times: dict[SeededDatabase, list[float]] = {few: [], many: []}
        for repeat in range(repeats):
            for database in (few, many) if (repeat + number) % 2 else (many, few):
                times[database].append(database.time(operation))
                database.reset()
        result[operation.__name__] = {
            "few": round(median(times[few]), 3),
            "many": round(median(times[many]), 3),
            "few_low": round(sorted(times[few])[repeats // 10], 3),
            "many_low": round(sorted(times[many])[repeats // 10], 3),
        }
    print(json.dumps(result), file=sys.stderr)
    return result


def maintain(url: str, command: str) -> object:
    """Run one SQL command outside a transaction; returns its first value, if any."""
    engine = create_database_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        done = connection.execute(text(command))
        value = done.scalar() if done.returns_rows else None
    engine.dispose()
    return value


if __name__ == "__main__":
    main()
