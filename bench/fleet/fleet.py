"""The processes of the simulated workers, and what they and both servers did in a phase."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from redis import Redis
from sqlalchemy import text

from bench.process_tree import resident_mb, tree_cpu_seconds
from bench.service.contestants import ROOT
from cli.settings import environment
from runtime.database import create_database_engine
from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bench.service.contestants import Kinomill
    from bench.service.pgbouncer import PgBouncer
    from bench.service.servers import Servers

WORKERS_OF_A_HOST = 20
REGISTERED = "SELECT count(*) FROM workers WHERE name LIKE 'fleet-%'"
REGISTRATION_SECONDS = 300
SAMPLE_SECONDS = 0.5
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'kinomill%'"
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


@dataclass
class Sampler(threading.Thread):
    """The greatest number of sessions of PostgreSQL during a phase."""

    count: Callable[[], int]
    most: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = object.__hash__

    def run(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            self.most = max(self.most, self.count())

    def stop(self) -> int:
        self._stopping.set()
        self.join()
        return self.most


class Fleet:
    """Starts maintenance and the hosts; the workers register at once."""

    def __init__(
        self,
        service: Kinomill,
        servers: Servers,
        pooler: PgBouncer | None,
        options: argparse.Namespace,
    ) -> None:
        self._service, self._servers, self._pooler = service, servers, pooler
        self._options = options
        self._hosts: list[subprocess.Popen[bytes]] = []
        self._begun = False

    def __enter__(self) -> Self:
        self._engine = create_database_engine(self._service.database_url)
        self._redis = Redis.from_url(self._servers.redis_url)
        variables = dict(self._service.variables())
        if self._pooler is not None:
            variables["DATABASE_URL"] = self._pooler.url_of(self._service.database_url)
            variables["KINOMILL_DATABASE_POOLER"] = Pooler.TRANSACTION
        self._service.start_maintenance(**variables)
        count = self._options.workers
        for first in range(0, count, WORKERS_OF_A_HOST):
            workers = min(WORKERS_OF_A_HOST, count - first)
            self._hosts.append(self._start_host(first, workers, variables))
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts:
            if host.stdin is not None:
                host.stdin.close()
        for host in self._hosts:
            try:
                host.wait(60)
            except subprocess.TimeoutExpired:
                host.kill()
                host.wait()
            if host.stdout is not None:
                host.stdout.close()
        self._redis.close()
        self._engine.dispose()

    def _start_host(
        self, first: int, workers: int, variables: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        options = ["--name", str(first), "--workers", str(workers)]
        options += ["--job-seconds", str(self._options.job_seconds)]
        options += ["--gossip"] if self._options.gossip else []
        log = (self._servers.home / f"host-{first}.log").open("wb")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "bench.fleet.host", *options],
                cwd=ROOT,
                env=environment(**variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def await_registration(self) -> None:
        """Wait until all workers are registered. Raises `TimeoutError` if they do not come."""
        deadline = time.monotonic() + REGISTRATION_SECONDS
        while self._number(REGISTERED) < self._options.workers:
            if time.monotonic() > deadline or any(host.poll() is not None for host in self._hosts):
                came = self._number(REGISTERED)
                raise TimeoutError(f"{came} of {self._options.workers} workers registered")
            time.sleep(0.2)

    def measure(self, act: Callable[[], None]) -> dict[str, Any]:
        """What was done during `act`: per second, and CPU in seconds a second."""
        for host in self._hosts if self._begun else ():
            _take(host)
        self._begun = True
        sampler = Sampler(self._sessions)
        before, begin = self._totals(), time.monotonic()
        sampler.start()
        try:
            act()
        finally:
            most = sampler.stop()
        seconds, after = time.monotonic() - begin, self._totals()
        rates = {name: round((after[name] - before[name]) / seconds, 3) for name in before}
        return {
            "seconds": round(seconds, 1),
            "connections": {"most": most, "now": self._sessions()},
            "valkey clients": self._redis.info("clients")["connected_clients"],
            "per second": rates,
            "memory MB": resident_mb([host.pid for host in self._hosts]),
            **self._measured(seconds),
        }

    def _measured(self, seconds: float) -> dict[str, Any]:
        times: defaultdict[str, list[float]] = defaultdict(list)
        counts: Counter[str] = Counter()
        for host in self._hosts:
            taken = _take(host)
            counts.update(taken["counts"], alive=taken["alive"])
            for act, found in taken["times"].items():
                times[act] += found
        alive = counts.pop("alive")
        return {
            "workers alive": alive,
            "acts": {act: _summary(found, seconds) for act, found in sorted(times.items())},
            "counts": dict(counts),
        }

    def _totals(self) -> dict[str, float]:
        pids = {
            name: int((self._servers.home / f"{name}.pid").read_text().split()[0])
            for name in ("postgres", "valkey")
        }
        cpu = {f"{name} CPU": tree_cpu_seconds(pid) for name, pid in pids.items()}
        if self._pooler is not None:
            cpu["pgbouncer CPU"] = tree_cpu_seconds(self._pooler.pid)
        stats = self._redis.info("stats")
        return cpu | {
            "hosts CPU": sum(tree_cpu_seconds(host.pid) for host in self._hosts),
            "commits": self._number(COMMITS),
            "valkey commands": stats["total_commands_processed"],
            "valkey KB out": stats["total_net_output_bytes"] / 1000,
        }

    def _sessions(self) -> int:
        return self._number(SESSIONS)

    def _number(self, query: str) -> int:
        with self._engine.connect() as connection:
            return int(connection.scalar(text(query)) or 0)


def _take(host: subprocess.Popen[bytes]) -> dict[str, Any]:
    if host.stdin is None or host.stdout is None:
        raise RuntimeError("a host has no pipes")
    host.stdin.write(b"\n")
    host.stdin.flush()
    taken: dict[str, Any] = json.loads(host.stdout.readline())
    return taken


def _summary(milliseconds: list[float], seconds: float) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {
        "per second": round(len(ordered) / seconds, 2),
        "median ms": round(statistics.median(ordered), 1),
        "p99 ms": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
    }
