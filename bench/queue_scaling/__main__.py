"""Latency of each act with 100,000 waiting jobs, compared with 100.

Two APIs run on two databases of one PostgreSQL. Callers act over HTTP, with an API key: as the
account that owns all waiting jobs (`own`), and as another one (`other`). Limits are counted as in
production; they are raised to a million jobs, because they would refuse the submission.
Workers and maintenance act by the transactions that they use. A figure is the median of the
rounds' medians; each round alternates between the two databases for each act, so that load from
elsewhere affects both. `ratio_low` compares the first deciles, which such load affects least.
Prints a report as JSON on stdout and a line for each round on stderr.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
from importlib.metadata import version
from statistics import median
from typing import TYPE_CHECKING, Any

from accounts import api_keys
from accounts.api_keys import Scope
from bench.load.http import Client
from bench.machine import machine
from bench.queue_scaling.database import OPERATIONS, SeededDatabase, full_scans
from bench.service.contestants import BODY, Kinomill
from bench.service.servers import Servers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

FEW = 100
LIMIT = 1_000_000
"""Queued jobs of an account and of the queue: more than there are, so that none is refused."""
REPEATS = 100
GOAL = 1.25
"""Highest ratio of the long queue to the short one."""


class SeededService:
    """An API on a database with this many waiting jobs, and a client for each account."""

    def __init__(self, servers: Servers, waiting: int) -> None:
        self._service = Kinomill(servers)
        self._service.limits = {
            "KINOMILL_MAX_ACTIVE_PER_ACCOUNT": str(LIMIT),
            "KINOMILL_MAX_QUEUE_LENGTH": str(LIMIT),
            "KINOMILL_MAX_QUEUE_SECONDS": "P365D",
        }
        self.database = SeededDatabase(self._service.database_url, waiting)
        self.database.engine.dispose()
        self._seeding_scans = full_scans(self._service.database_url)
        self._service.start_api()
        self.own = Client(self._service.url, self._service.headers)
        self.other = Client(self._service.url, self._headers_of("other"))
        self.last = f"/v1/jobs/{self.database.last}"
        self.ended = f"/v1/jobs/{self._find_ended()}"
        cursor = base64.urlsafe_b64encode(self.database.middle.encode()).decode().rstrip("=")
        self.deep_page = f"/v1/jobs?limit=50&cursor={cursor}"

    def time(self, act: Callable[[SeededService], tuple[int, Any]]) -> float:
        """Send the request of an act; returns milliseconds."""
        begin = time.perf_counter()
        status, answer = act(self)
        elapsed = 1000 * (time.perf_counter() - begin)
        if status >= 300:
            raise RuntimeError(f"{act.__name__} was refused: {answer}")
        return elapsed

    def time_operation(self, operation: Callable[[Session, SeededDatabase], object]) -> float:
        """Run a transaction of a worker or of maintenance, and undo it; returns milliseconds."""
        elapsed = self.database.time(operation)
        self.database.reset()
        return elapsed

    def full_scans(self) -> int:
        """How often the acts since the start have read the whole table. Stops the API."""
        self._service.stop(self._service.programs)
        self._service.programs.clear()
        self.database.engine.dispose()
        return full_scans(self._service.database_url) - self._seeding_scans

    def stop(self) -> None:
        self.own.close()
        self.other.close()
        self.database.engine.dispose()
        self._service.stop()

    def _headers_of(self, account: str) -> dict[str, str]:
        with self.database.sessions.begin() as session:
            scopes = (Scope.SUBMIT, Scope.READ)
            _, key = api_keys.create(session, account=account, name=account, scopes=scopes)
        return {"Authorization": f"Bearer {key}"}

    def _find_ended(self) -> str:
        _, page = self.own.call("GET", "/v1/jobs?status=succeeded&limit=1")
        return str(page["items"][0]["id"])


def submit_own(service: SeededService) -> tuple[int, Any]:
    return service.own.call("POST", "/v1/jobs", BODY.encode())


def submit_other(service: SeededService) -> tuple[int, Any]:
    return service.other.call("POST", "/v1/jobs", BODY.encode())


def read_ended(service: SeededService) -> tuple[int, Any]:
    return service.own.call("GET", service.ended)


def position(service: SeededService) -> tuple[int, Any]:
    """The last job of the queue: its response has its position."""
    return service.own.call("GET", service.last)


def list_first(service: SeededService) -> tuple[int, Any]:
    return service.own.call("GET", "/v1/jobs?limit=50")


def list_deep(service: SeededService) -> tuple[int, Any]:
    return service.own.call("GET", service.deep_page)


def list_other(service: SeededService) -> tuple[int, Any]:
    return service.other.call("GET", "/v1/jobs?limit=50")


def queues(service: SeededService) -> tuple[int, Any]:
    return service.own.call("GET", "/v1/queues")


CALLER_ACTS = (
    *(submit_own, submit_other, read_ended, position),
    *(list_first, list_deep, list_other, queues),
)
ACTS = (*CALLER_ACTS, *OPERATIONS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queue_scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument(
        "--rows", type=int, default=100_000, help="waiting jobs in the large database"
    )
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, help=f"of each act (default {REPEATS})"
    )
    arguments = parser.parse_args()
    with Servers() as servers:
        print(json.dumps(measure(servers, arguments), indent=2))


def measure(servers: Servers, arguments: argparse.Namespace) -> dict[str, Any]:
    few, many = (SeededService(servers, waiting) for waiting in (FEW, arguments.rows))
    try:
        runs = [run(few, many, number, arguments.repeats) for number in range(arguments.rounds)]
    finally:
        few.stop()
        many.stop()
    names = [act.__name__ for act in ACTS]
    medians = {
        f"{name}_{size}_ms": round(median(run[name][size] for run in runs), 3)
        for name in names
        for size in ("few", "many")
    }
    ratios = {n: round(medians[f"{n}_many_ms"] / medians[f"{n}_few_ms"], 3) for n in names}
    return {
        "bench": "queue_scaling",
        "machine": machine(),
        "versions": {name: version(name) for name in ("fastapi", "psycopg", "sqlalchemy")}
        | {"postgresql": servers.query("SHOW server_version")},
        "rounds": arguments.rounds,
        "waiting": {"few": FEW, "many": arguments.rows},
        "median": medians,
        "ratio": ratios,
        "ratio_low": {n: round(low(runs, n, "many") / low(runs, n, "few"), 3) for n in names},
        "missed": {name: ratio for name, ratio in ratios.items() if ratio > GOAL},
        "runs": runs,
    }


def low(runs: list[dict[str, Any]], act: str, size: str) -> float:
    return float(median(run[act][f"{size}_low"] for run in runs))


def run(few: SeededService, many: SeededService, number: int, repeats: int) -> dict[str, Any]:
    """One round: each act on both databases alternately."""
    result: dict[str, Any] = {"round": number, "load": round(os.getloadavg()[0], 2)}
    for act in CALLER_ACTS:
        result[act.__name__] = alternate(few, many, repeats, lambda one, act=act: one.time(act))
    for service in (few, many):
        service.database.delete_submitted()
    for operation in OPERATIONS:
        result[operation.__name__] = alternate(
            few, many, repeats, lambda one, operation=operation: one.time_operation(operation)
        )
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def alternate(
    few: SeededService,
    many: SeededService,
    repeats: int,
    timed: Callable[[SeededService], float],
) -> dict[str, float]:
    """Median and first decile on each database, in ms."""
    times: dict[SeededService, list[float]] = {few: [], many: []}
    for repeat in range(repeats):
        for service in (few, many) if repeat % 2 else (many, few):
            times[service].append(timed(service))
    return {
        "few": round(median(times[few]), 3),
        "many": round(median(times[many]), 3),
        "few_low": round(sorted(times[few])[repeats // 10], 3),
        "many_low": round(sorted(times[many])[repeats // 10], 3),
    }


if __name__ == "__main__":
    main()
