"""What PgBouncer in transaction mode costs: CPU of a POST, a GET and a job, against direct.

Two installations run on one PostgreSQL, one of them through PgBouncer; rounds alternate between
them, and what does not take part in a round is suspended. Prints CPU milliseconds of each act, by
program, for each round, then the medians and their ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.load.http import Client
from bench.machine import machine
from bench.process_tree import tree_cpu_seconds
from bench.service.contestants import BODY, Kinomill
from bench.service.pgbouncer import PgBouncer
from bench.service.servers import Servers
from runtime.postgres.pooler import Pooler

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.service.programs import Program

WARM_UP = 30
"""Acts before those that count: psycopg prepares a statement of a worker at its sixth use."""
JOBS_SECONDS = 300


class Pooled(Kinomill):
    """Ours, through a pooler."""

    name = "pooled"
    pooler: PgBouncer

    def variables(self) -> dict[str, str]:
        return super().variables() | {
            "DATABASE_URL": self.pooler.url_of(self.database_url),
            "KINOMILL_DATABASE_POOLER": Pooler.TRANSACTION,
            "REDIS_URL": self._servers.redis_url.removesuffix("/0") + "/1",
        }

    def start_maintenance(self, **_: str) -> Program:
        """Through the pooler, too."""
        return super().start_maintenance()


@dataclass
class Measured:
    """One installation with its programs, and whose CPU time counts."""

    service: Kinomill
    servers: Servers
    pooler: PgBouncer | None

    def __post_init__(self) -> None:
        self.api = self.service.start_api()
        self.worker, self.maintenance = self.service.start_workers(1)
        self.client = Client(self.service.url, self.service.headers)
        self.pause()

    def pause(self) -> None:
        for program in (self.api, self.worker, self.maintenance):
            program.suspend()

    def round(self, count: int) -> dict[str, dict[str, float]]:
        """CPU milliseconds of each act by program."""
        self.api.resume()
        ids = [self._post() for _ in range(WARM_UP)]
        for job_id in ids:
            self._get(job_id)
        found = {
            "POST": self._cpu(lambda: [self._post() for _ in range(count)], count, self.api),
            "GET": self._cpu(lambda: [self._get(ids[0]) for _ in range(count)], count, self.api),
        }
        self.worker.resume()
        self.maintenance.resume()  # messages that the suspended worker had taken are sent again
        self._await_jobs(before=WARM_UP)
        left = self._waiting()
        found["job"] = self._cpu(self._await_jobs, left, self.worker)
        self.pause()
        return found

    def close(self) -> None:
        for program in (self.api, self.worker, self.maintenance):
            program.resume()
        self.client.close()
        self.service.stop()

    def _post(self) -> str:
        status, job = self.client.call("POST", "/v1/jobs", BODY.encode())
        if status != 202:
            raise RuntimeError(f"{status}: {job}")
        return str(job["id"])

    def _get(self, job_id: str) -> None:
        status, job = self.client.call("GET", f"/v1/jobs/{job_id}")
        if status != 200:
            raise RuntimeError(f"{status}: {job}")

    def _waiting(self) -> int:
        query = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
        return int(self.servers.query(query, self.service.database_url))

    def _await_jobs(self, *, before: int = 0) -> None:
        """Wait until no job waits, or until `before` have ended."""
        goal, deadline = max(self._waiting() - before, 0) if before else 0, time.monotonic()
        while self._waiting() > goal:
            if time.monotonic() > deadline + JOBS_SECONDS:
                raise TimeoutError("the jobs do not end")
            time.sleep(0.5)

    def _cpu(self, act: Callable[[], Any], count: int, program: Program) -> dict[str, float]:
        before = self._seconds(program)
        act()
        after = self._seconds(program)
        spent = {name: 1000 * (after[name] - before[name]) / count for name in before}
        return {
            name: round(value, 3) for name, value in (spent | {"all": sum(spent.values())}).items()
        }

    def _seconds(self, program: Program) -> dict[str, float]:
        postgres = int((self.servers.home / "postgres.pid").read_text().split()[0])
        pooler = {} if self.pooler is None else {"pgbouncer": tree_cpu_seconds(self.pooler.pid)}
        return {"program": program.cpu_seconds(), "postgres": tree_cpu_seconds(postgres), **pooler}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet.pooler_cost", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="acts of a round (default 300)")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, dict[str, float]]]] = {"direct": [], "pooled": []}
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())
        pooler = PgBouncer(servers.database_url, servers.home / "pooler")
        Pooled.pooler = stack.enter_context(pooler)
        ours = {
            "direct": Measured(Kinomill(servers), servers, None),
            "pooled": Measured(Pooled(servers), servers, pooler),
        }
        for one in ours.values():
            stack.callback(one.close)
        print(json.dumps({"machine": machine(), "options": vars(options)}), flush=True)
        for _ in range(options.rounds):
            for name, one in ours.items():
                rounds[name].append(one.round(options.count))
                print(json.dumps({name: rounds[name][-1]}), flush=True)
    for act in ("POST", "GET", "job"):
        print(json.dumps({act: _compared(act, rounds)}), flush=True)


def _compared(act: str, rounds: dict[str, list[dict[str, dict[str, float]]]]) -> dict[str, Any]:
    medians = {
        name: {
            part: round(statistics.median(one[act][part] for one in found), 3)
            for part in found[0][act]
        }
        for name, found in rounds.items()
    }
    ratio = round(medians["pooled"]["all"] / medians["direct"]["all"], 2)
    return medians | {"ratio": ratio}


if __name__ == "__main__":
    main()
