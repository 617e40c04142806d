"""Registration, heartbeats and claims of many workers: what they cost PostgreSQL and Valkey.

The workers have no model, and share processes of 20; everything that they ask of both servers is
asked by the code of a real one. Jobs are submitted at `--load` of what the workers can run. Prints
a line of JSON for each phase: registration, then no jobs for `--seconds`, then jobs for as long.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from bench.fleet.fleet import Fleet
from bench.fleet.submitting import Submitter
from bench.machine import machine
from bench.service.contestants import Kinomill
from bench.service.pgbouncer import PgBouncer
from bench.service.servers import Servers
from runtime.database import create_database_engine
from runtime.postgres.connections import Installation

if TYPE_CHECKING:
    from collections.abc import Callable

SPARE_CONNECTIONS = 20
"""For this program and PostgreSQL's own."""


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    add = parser.add_argument
    add("--workers", type=int, default=200, help="default 200")
    add("--seconds", type=float, default=30, help="of each phase (default 30)")
    add("--job-seconds", type=float, default=10, help="how long a job runs (default 10)")
    add("--load", type=float, default=0.8, help="share of workers that are busy (default 0.8)")
    add("--pooler", action="store_true", help="through PgBouncer in transaction mode")
    add("--pool-size", type=int, default=20, help="sessions of PgBouncer (default 20)")
    add("--max-connections", type=int, help="of PostgreSQL (default: what they may need)")
    add("--gossip", action="store_true", help="let each worker hear the events of all")
    return parser.parse_args()


def main() -> None:
    options = read_arguments()
    needed = options.pool_size if options.pooler else Installation(workers=options.workers).busy
    limit = options.max_connections or max(100, needed + SPARE_CONNECTIONS)
    with ExitStack() as stack:
        servers = stack.enter_context(Servers(max_connections=limit))
        service = Kinomill(servers)
        stack.callback(service.stop)
        pooler = None
        if options.pooler:
            size, folder = options.pool_size, servers.home / "pooler"
            pooler = stack.enter_context(PgBouncer(servers.database_url, folder, pool_size=size))
        fleet = stack.enter_context(Fleet(service, servers, pooler, options))
        engine = create_database_engine(service.database_url)
        stack.callback(engine.dispose)
        say({"options": vars(options), "max_connections": limit, "machine": machine()})
        say({"phase": "registration", **fleet.measure(fleet.await_registration)})
        say({"phase": "idle", **fleet.measure(pause(options.seconds))})
        rate = options.load * options.workers / options.job_seconds
        submitter = Submitter(engine, servers.redis_url, rate)
        submitter.start()
        time.sleep(options.job_seconds)
        say({"phase": "busy", **fleet.measure(pause(options.seconds))})
        submitter.stop()


def pause(seconds: float) -> Callable[[], None]:
    return lambda: time.sleep(seconds)


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
