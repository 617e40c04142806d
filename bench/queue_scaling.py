"""Whether a long queue slows anything: each act with 100,000 jobs waiting against 100.

`python -m bench.queue_scaling [--rounds 3] [--rows 100000]` prints JSON on stdout and a line for
each run on stderr. Both records lie in one PostgreSQL; all jobs belong to one account and wait
in one queue. Every act is a transaction with its commit. A figure is the median of the rounds'
medians; a round measures each act on both records by turns, so that a busy moment meets both.
`ratio_low` compares the first deciles: what neighbours on a busy machine disturb least.
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

from bench.preview import machine
from bench.seed_jobs import ACCOUNT, MODEL, gather
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
WISH = service.Submission(
    account=ACCOUNT,
    model=MODEL,
    queue=MODEL,
    input={"image": "https://example.com/face.jpg", "audio": "https://example.com/voice.wav"},
    body_hash="0" * 64,
    labels={"film": "a"},
)
FIRST = select(Job.id).where(Job.state == State.QUEUED).order_by(Job.id).limit(1)
LAST = select(Job.id).where(Job.state == State.QUEUED).order_by(Job.id.desc()).limit(1)


class Record:
    """A database in which so many jobs wait."""

    def __init__(self, server_url: str, waiting: int) -> None:
        name = f"waiting_{waiting}"
        maintain(server_url, f"CREATE DATABASE {name}")
        url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
        upgrade(url)
        self.engine = create_database_engine(url)
        self.sessions = create_session_factory(self.engine)
        with self.engine.begin() as connection:
            gather(connection, waiting=waiting)
        maintain(url, "VACUUM ANALYZE")
        with self.sessions() as session:
            self.first, self.last = session.scalars(FIRST).one(), session.scalars(LAST).one()

    def time(self, act: Callable[[Session, Record], object]) -> float:
        """Milliseconds that the act takes."""
        begin = time.perf_counter()
        with self.sessions.begin() as session:
            act(session, self)
        return 1000 * (time.perf_counter() - begin)

    def tidy(self) -> None:
        """Take away what an act has submitted or claimed, and put the claimed job back."""
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


def submit(session: Session, _: Record) -> None:
    service.submit(session, WISH)


def get(session: Session, record: Record) -> None:
    service.find(session, ACCOUNT, record.last)


def list_page(session: Session, record: Record) -> None:
    service.page(session, ACCOUNT, service.Filter(), before=record.last, limit=20)


def position(session: Session, record: Record) -> None:
    estimate.queue_estimate(session, service.find(session, ACCOUNT, record.last))


def load(session: Session, _: Record) -> None:
    estimate.queue_load(session, MODEL, MODEL, count_to=LONGEST_QUEUE)


def claim(session: Session, record: Record) -> None:
    lease.claim(session, record.first, worker="bench", pid=1, ttl=TTL)


def reaper_sweep(session: Session, _: Record) -> None:
    reaper.reap(session, max_worker_losses=3)


def due_messages(session: Session, _: Record) -> None:
    republish.due_messages(session)


def release_sweep(session: Session, _: Record) -> None:
    republish.release_idle_accounts(session)


ACTS = (submit, get, list_page, position, load, claim, reaper_sweep, due_messages, release_sweep)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="kinomill-bench-"))
    home.chmod(0o711)
    server = Postgres(home)
    try:
        print(json.dumps(measured(server.start(), arguments), indent=2))
    finally:
        server.stop()
        shutil.rmtree(home)


def measured(server_url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    few, many = (Record(server_url, waiting) for waiting in (FEW, arguments.rows))
    runs = [run(few, many, number, arguments.repeats) for number in range(arguments.rounds)]
    middle = {
        f"{act.__name__}_{size}_ms": round(median(r[act.__name__][size] for r in runs), 3)
        for act in ACTS
        for size in ("few", "many")
    }
    names = [act.__name__ for act in ACTS]
    return {
        "bench": "growth",
        "machine": machine(),
        "versions": {name: version(name) for name in ("psycopg", "sqlalchemy")}
        | {"postgresql": maintain(server_url, "SHOW server_version")},
        "rounds": arguments.rounds,
        "waiting": {"few": FEW, "many": arguments.rows},
        "median": middle,
        "ratio": {n: round(middle[f"{n}_many_ms"] / middle[f"{n}_few_ms"], 3) for n in names},
        "ratio_low": {n: round(low(runs, n, "many") / low(runs, n, "few"), 3) for n in names},
        "runs": runs,
    }


def low(runs: list[dict[str, Any]], act: str, size: str) -> float:
    return float(median(run[act][f"{size}_low"] for run in runs))


def run(few: Record, many: Record, number: int, repeats: int) -> dict[str, Any]:
    """One round: each act by turns on both records, which alternate in who is first."""
    result: dict[str, Any] = {"round": number}
    for act in ACTS:
        times: dict[Record, list[float]] = {few: [], many: []}
        for repeat in range(repeats):
            for record in (few, many) if (repeat + number) % 2 else (many, few):
                times[record].append(record.time(act))
                record.tidy()
        result[act.__name__] = {
            "few": round(median(times[few]), 3),
            "many": round(median(times[many]), 3),
            "few_low": round(sorted(times[few])[repeats // 10], 3),
            "many_low": round(sorted(times[many])[repeats // 10], 3),
        }
    print(json.dumps(result), file=sys.stderr)
    return result


def maintain(url: str, command: str) -> object:
    """Run one command outside a transaction; returns its first value, if it has one."""
    engine = create_database_engine(url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        done = connection.execute(text(command))
        value = done.scalar() if done.returns_rows else None
    engine.dispose()
    return value


if __name__ == "__main__":
    main()
