"""Counts SQL statements: of a POST, of a GET, of a claim and of a publication.

The programs are real; a proxy in front of PostgreSQL records what they send. Each figure is the
lower quartile of several requests or jobs, so that what a program does once a second is not in it;
that is in `idle_per_second`. BEGIN, COMMIT and ROLLBACK are counted apart. Prints a report as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.load.http import Client, follow
from bench.service.contestants import BODY, JOB_SECONDS, Kinomill
from bench.service.servers import Servers
from bench.statements.recorder import StatementRecorder

if TYPE_CHECKING:
    from bench.statements.recorder import Statement

WARM_UP = 10
"""Requests before the first that counts: psycopg prepares a statement at its sixth execution."""
REPEATS = 15
SETTLE_SECONDS = 0.1
"""Wait after each response for what a program does after it."""
PAUSE_SECONDS = 0.4
"""How long a job runs: the gap in which its worker sends nothing separates claim and publish."""
IDLE_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.statements", description=__doc__)
    parser.parse_args()
    with Servers() as servers:
        print(json.dumps({"bench": "statements", **measure(servers)}, indent=2))


def measure(servers: Servers) -> dict[str, Any]:
    """Count with API, worker and maintenance running, except what belongs to another act."""
    with ExitStack() as stack:
        service = Kinomill(servers)
        recorders = {}
        for name in ("api", "worker"):
            folder = servers.home / f"sockets-{name}"
            folder.mkdir()
            recorders[name] = stack.enter_context(StatementRecorder(service.database_url, folder))
        stack.callback(service.stop)
        return count(service, recorders["api"], recorders["worker"])


def count(service: Kinomill, api: StatementRecorder, worker: StatementRecorder) -> dict[str, Any]:
    service.program_url = api.database_url
    service.start_api()
    client = Client(service.url, service.headers)
    service.program_url = worker.database_url
    programs = service.start_workers(1)
    jobs = [follow_job(client, worker) for _ in range(REPEATS)]
    ended = service.run_job()
    idle_worker = idle(worker)
    service.stop(programs)
    figures = {
        "claim": typical([job[0] for job in jobs[WARM_UP // 2 :]]),
        "publish": typical([job[1] for job in jobs[WARM_UP // 2 :]]),
        "post": repeat(client, api, "POST", "/v1/jobs", BODY.encode()),
    }
    queued = client.call("POST", "/v1/jobs", BODY.encode())[1]["id"]
    figures |= {
        "get_queued": repeat(client, api, "GET", f"/v1/jobs/{queued}"),
        "get_ended": repeat(client, api, "GET", f"/v1/jobs/{ended}"),
    }
    return figures | {"idle_per_second": {"api": idle(api), "worker": idle_worker}}


def repeat(
    client: Client, recorder: StatementRecorder, method: str, path: str, body: bytes = b""
) -> dict[str, Any]:
    """Send a request several times; the statements of the one in the middle."""
    found = []
    for number in range(WARM_UP + REPEATS):
        begin = time.monotonic()
        status, answer = client.call(method, path, body)
        if status >= 300:
            raise RuntimeError(f"{method} {path} was refused: {answer}")
        time.sleep(SETTLE_SECONDS)
        if number >= WARM_UP:
            found.append(recorder.between(begin, time.monotonic()))
    return typical(found)


def follow_job(
    client: Client, worker: StatementRecorder
) -> tuple[list[Statement], list[Statement]]:
    """Run one job; its statements before and after the longest gap, in which the model runs."""
    begin = time.monotonic()
    body = {"model": "noop", "input": {"pause_seconds": PAUSE_SECONDS}}
    job = client.call("POST", "/v1/jobs", json.dumps(body).encode())[1]
    follow(client, job["id"], query="?wait=30", pause=0, limit=JOB_SECONDS)
    time.sleep(SETTLE_SECONDS)
    found = worker.between(begin, time.monotonic())
    gaps = [after.at - before.at for before, after in pairwise(found)]
    split = gaps.index(max(gaps)) + 1
    return found[:split], found[split:]


def typical(found: list[list[Statement]]) -> dict[str, Any]:
    """The case at the lower quartile of the number of statements."""
    return describe(sorted(found, key=statements_of)[len(found) // 4])


def idle(recorder: StatementRecorder) -> float:
    """Statements per second that a program sends without a request or a job."""
    begin = time.monotonic()
    time.sleep(IDLE_SECONDS)
    return round(len(recorder.between(begin, time.monotonic())) / IDLE_SECONDS, 1)


def describe(statements: list[Statement]) -> dict[str, Any]:
    return {
        "statements": statements_of(statements),
        "transaction_commands": len(statements) - statements_of(statements),
        "round_trips": sum(statement.begins_round_trip for statement in statements),
        "sql": [statement.sql for statement in statements],
    }


def statements_of(statements: list[Statement]) -> int:
    """Number of statements without BEGIN, COMMIT and ROLLBACK."""
    return sum(not statement.is_transaction_command for statement in statements)


if __name__ == "__main__":
    main()
