"""The HTTP service and its queue, compared with services that others would write.

naive          FastAPI, SQLAlchemy and Celery, as written in an afternoon (`bench/peers/naive.py`)
procrastinate  FastAPI and procrastinate, whose queue is PostgreSQL

All use the same PostgreSQL (fsync and synchronous_commit on) and the same Valkey, which the
benchmark starts, each start on a database of its own; uvicorn with uvloop and httptools; no access
log; one API process. Ours checks an API key, and its limits on jobs per account and per queue are
raised, because they would refuse the load. The order alternates from round to round. Each
peer is installed into an environment of its own, once. Prints a report as JSON on stdout, and on
stderr a line for each run and at the end a table. Each run shows the load average before it, and
the time of a fixed loop in Python (`loop_ms`), which grows when other programs use the cores.

requests    POST, GET of a queued job and GET of an ended job, on 1 and 16 connections, closed loop
jobs        the shortest job, one after another: until a poll each 2 ms, or `?wait=`, sees its end
throughput  jobs per second of 1, 2 and 4 workers that find all jobs waiting
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.machine import compile_checkout, loop_ms, machine
from bench.service import report
from bench.service.contestants import NAMES, RAISED_LIMITS, create
from bench.service.measures import WORKERS, measure_jobs, measure_requests, measure_throughput
from bench.service.peer_environments import DEFAULT_FOLDER
from bench.service.servers import Servers
from bench.service.telemetry import compare

PARTS = {"requests": measure_requests, "jobs": measure_jobs, "throughput": measure_throughput}
LIBRARIES = ("celery", "fastapi", "httptools", "psycopg", "sqlalchemy", "uvicorn", "uvloop")


def main() -> None:
    options = parse_options()
    compile_checkout()
    if options.telemetry:
        with Servers() as servers:
            found = compare(servers, rounds=options.rounds, requests=options.requests)
        print(json.dumps({"bench": "telemetry", "machine": machine(), **found}, indent=2))
        return
    with Servers() as servers:
        runs = [
            run(name, servers, options)
            for number in range(options.rounds)
            for name in options.contestants[:: -1 if number % 2 else 1]
        ]
        postgresql = servers.query("SHOW server_version")
    summary = report.summarize(runs)
    context = {
        "bench": "service",
        "machine": machine(),
        "versions": {name: installed(name) for name in LIBRARIES} | {"postgresql": postgresql},
        "rounds": options.rounds,
        "seconds": options.seconds,
        "raised_limits": RAISED_LIMITS,
    }
    print(report.table(summary), file=sys.stderr)
    print(json.dumps({**context, **summary, "runs": runs}, indent=2))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.service",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="runs of each contestant (default 3)")
    add("--contestants", nargs="+", choices=NAMES, default=list(NAMES), help="default: all")
    add(
        "--telemetry",
        action="store_true",
        help="instead, compare ours without and with traces and metrics, in bursts that take turns",
    )
    add("--requests", type=int, default=4000, help="of each burst of --telemetry (default 4000)")
    add("--measure", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    add("--seconds", type=float, default=5, help="of each load (default 5)")
    add("--jobs", type=int, default=200, help="single jobs (default 200)")
    add("--backlog", type=int, default=400, help="jobs that wait for the workers (default 400)")
    add("--workers", nargs="+", type=int, default=list(WORKERS), help="default: 1 2 4")
    add("--peers-venv", type=Path, default=DEFAULT_FOLDER, help=f"default {DEFAULT_FOLDER}")
    return parser.parse_args()


def run(name: str, servers: Servers, options: argparse.Namespace) -> dict[str, Any]:
    """All measurements of one contestant, each with programs and a database of its own."""
    figures: dict[str, Any] = {}
    before = {"load": [round(value, 2) for value in os.getloadavg()], "loop_ms": loop_ms()}
    for part in options.measure:
        contestant = create(name, servers, options.peers_venv)
        try:
            figures |= PARTS[part](contestant, servers, options)
        finally:
            contestant.stop()
    result = {"contestant": name, **before, "figures": figures}
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def installed(name: str) -> str | None:
    """The version of a library; None if it is missing, as `uvloop` may be."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
