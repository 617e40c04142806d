"""The service that is scaled: a real API, maintenance, and workers of a model that sleeps."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from sqlalchemy import text

from bench.load.http import Client
from bench.scaling.pods import Pod
from bench.scaling.scalers import Depth
from bench.service.contestants import Kinomill
from runtime.database import create_database_engine

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bench.service.programs import Program
    from bench.service.servers import Servers

DEPTH = text("SELECT demand - running AS waiting, running FROM queue_depth WHERE model = 'noop'")
JOBS = text("""
SELECT jobs.state,
    extract(epoch FROM jobs.started_at - jobs.created_at)::float AS wait,
    attempts.outcomes, published.times
FROM jobs
LEFT JOIN LATERAL (SELECT array_agg(outcome ORDER BY number) AS outcomes FROM attempts
    WHERE job_id = jobs.id) AS attempts ON true
LEFT JOIN LATERAL (SELECT count(*) AS times FROM events
    WHERE job_id = jobs.id AND kind = 'published') AS published ON true
""")
BUSY = text("SELECT worker FROM attempts WHERE ended_at IS NULL")
WASTED = text("""
SELECT coalesce(sum(extract(epoch FROM ended_at - started_at)), 0)::float FROM attempts
WHERE outcome <> 'succeeded'
""")
UNFINISHED = text("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")


class ScaledService(Kinomill):
    """One start of the service, on a database of its own."""

    def __init__(self, servers: Servers, *, drain_seconds: float, idle_seconds: float) -> None:
        super().__init__(servers)
        self._drain, self._idle = drain_seconds, idle_seconds
        self._engine = create_database_engine(self.database_url)

    def start(self) -> None:
        """Start everything but workers."""
        self.start_api()
        self.start_workers(0)
        self.client = Client(self.url, self.headers)

    def start_pod(self, number: int, *, exit_when_idle: bool) -> Pod:
        """Start a worker, and do not wait for it."""
        name = f"pod-{number}"
        alive = self._servers.home / f"{name}.alive"
        alive.unlink(missing_ok=True)
        variables = {
            "KINOMILL_HEARTBEAT_FILE": str(alive),
            "KINOMILL_DRAIN_WINDOW": str(self._drain),
            "KINOMILL_LOG_LEVEL": "WARNING",
        }
        if exit_when_idle:
            variables["KINOMILL_EXIT_WHEN_IDLE"] = str(self._idle)
        command = [sys.executable, "-P", "-m", "workers", "--hostname", f"kinomill@{name}-%b"]
        program: Program = self._start(name, command, **variables)
        return Pod(name, program, alive)

    def submit(self, durations: Iterable[float]) -> None:
        """Submit jobs over HTTP that run for so many seconds."""
        for seconds in durations:
            body = {"model": "noop", "input": {"pause_seconds": seconds}}
            status, answer = self.client.call("POST", "/v1/jobs", json.dumps(body).encode())
            if status >= 300:
                raise RuntimeError(f"a job was refused: {answer}")

    def depth(self) -> Depth:
        """The row of the view that KEDA reads."""
        with self._engine.connect() as connection:
            row = connection.execute(DEPTH).one_or_none()
        return Depth(0, 0) if row is None else Depth(row.waiting, row.running)

    def unfinished(self) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(UNFINISHED).scalar_one())

    def busy_pods(self) -> set[str]:
        """The names of the pods that run a job now."""
        with self._engine.connect() as connection:
            workers = connection.execute(BUSY).scalars().all()
        return {worker.partition("@")[2].rpartition("-")[0] for worker in workers}

    def wasted_seconds(self) -> float:
        """Time of attempts whose work was lost."""
        with self._engine.connect() as connection:
            return float(connection.execute(WASTED).scalar_one())

    def jobs(self) -> list[Any]:
        """What became of each job."""
        with self._engine.connect() as connection:
            return list(connection.execute(JOBS))

    def close(self) -> None:
        self._engine.dispose()
        self.client.close()
        self.stop()
